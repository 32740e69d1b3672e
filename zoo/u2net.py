"""U²-Net (Qin et al. 2020) with its authors' names of tensors, in any widths."""

import torch
from torch.nn.functional import interpolate, max_pool2d, relu

HEIGHTS = [7, 6, 5, 4, 0, 0]  # steps of the U within each stage; 0: dilations in place of smaller maps


def smaller(x):
    return max_pool2d(x, 2, stride=2, ceil_mode=True)


def like(x, y):
    return interpolate(x, size=y.shape[2:], mode="bilinear", align_corners=False)


class Conv(torch.nn.Module):
    def __init__(self, into, out, dilation=1):
        super().__init__()
        self.conv_s1 = torch.nn.Conv2d(into, out, 3, padding=dilation, dilation=dilation)
        self.bn_s1 = torch.nn.BatchNorm2d(out)

    def forward(self, x):
        return relu(self.bn_s1(self.conv_s1(x)))


class ResidualU(torch.nn.Module):
    """A stage: channels of its input, within, and of its output."""

    def __init__(self, height, into, mid, out):
        super().__init__()
        self.flat, self.steps = height == 0, height or 4
        self.rebnconvin = Conv(into, out)
        for i in range(self.steps):
            last = i == self.steps - 1
            setattr(self, f"rebnconv{i + 1}", Conv(out if i == 0 else mid, mid, 2**i if self.flat else 2 if last else 1))
            if not last:
                setattr(self, f"rebnconv{i + 1}d", Conv(2 * mid, out if i == 0 else mid, 2**i if self.flat else 1))

    def forward(self, x):
        x = first = self.rebnconvin(x)
        maps = []
        for i in range(self.steps):
            if 0 < i < self.steps - 1 and not self.flat:
                x = smaller(x)
            x = getattr(self, f"rebnconv{i + 1}")(x)
            maps.append(x)
        for i in range(self.steps - 1, 0, -1):
            x = getattr(self, f"rebnconv{i}d")(torch.cat([x if self.flat else like(x, maps[i - 1]), maps[i - 1]], 1))
        return x + first


class U2Net(torch.nn.Module):
    """down and up are (within, out) of the six stages and of the five on the way back, the first one's first."""

    def __init__(self, down, up):
        super().__init__()
        into = 3
        for i, (mid, out) in enumerate(down):
            setattr(self, f"stage{i + 1}", ResidualU(HEIGHTS[i], into, mid, out))
            into = out
        for i, (mid, out) in enumerate(up):
            below = up[i + 1][1] if i + 1 < len(up) else down[-1][1]
            setattr(self, f"stage{i + 1}d", ResidualU(HEIGHTS[i], below + down[i][1], mid, out))
        for i, (_, out) in enumerate([*up, down[-1]]):
            setattr(self, f"side{i + 1}", torch.nn.Conv2d(out, 1, 3, padding=1))
        self.outconv = torch.nn.Conv2d(6, 1, 1)

    def forward(self, x):
        """Of pictures [n,3,H,W] the logits [n,1,H,W], and those of the six stages, at the same size."""
        maps = []
        for i in range(6):
            x = getattr(self, f"stage{i + 1}")(smaller(x) if i else x)
            maps.append(x)
        sides = [self.side6(x)]
        for i in range(4, -1, -1):
            x = getattr(self, f"stage{i + 1}d")(torch.cat([like(x, maps[i]), maps[i]], 1))
            sides.insert(0, getattr(self, f"side{i + 1}")(x))
        sides = [sides[0]] + [like(s, sides[0]) for s in sides[1:]]
        return self.outconv(torch.cat(sides, 1)), sides
