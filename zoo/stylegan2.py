"""StyleGAN2's generator (Karras et al. 2020), with the tensors' names of the files g_ema that its usual PyTorch
version writes."""

import math

import torch
from torch import nn
from torch.nn import functional as F


def leaky(x):
    return math.sqrt(2) * F.leaky_relu(x, 0.2)


class Equal(nn.Module):
    """A linear layer whose learning rate is equalised: its parameters are multiplied as it runs."""

    def __init__(self, i, o, rate=1.0, bias=0.0):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.randn(o, i) / rate), nn.Parameter(torch.full([o], bias / rate))
        self.rate = rate

    def forward(self, x):
        return F.linear(x, self.weight * (self.rate / math.sqrt(self.weight.shape[1])), self.bias * self.rate)


def filtered(x, kernel, pad):
    """x [N,C,H,W], padded before and after, under a symmetric filter [4,4]."""
    x = F.pad(x, (*pad, *pad))
    return F.conv2d(x, kernel.expand(x.shape[1], 1, -1, -1), groups=x.shape[1])


def doubled(x, kernel):
    """x [N,C,H,W] at twice the size: zeros between the pixels, and the filter."""
    n, c, h, w = x.shape
    y = x.new_zeros(n, c, 2 * h, 2 * w)
    y[:, :, ::2, ::2] = x
    return filtered(y, kernel, (2, 1))


class Filtering(nn.Module):
    def __init__(self):
        super().__init__()
        k = torch.tensor([1.0, 3.0, 3.0, 1.0])
        k = torch.outer(k, k)
        self.register_buffer("kernel", 4 * k / k.sum())


class Modulated(nn.Module):
    """A convolution whose weights are multiplied by a style, and made of length 1 for each output; here the maps
    are multiplied before and after, which is the same."""

    def __init__(self, latent, i, o, side, demodulates=True, doubles=False):
        super().__init__()
        self.weight, self.modulation = nn.Parameter(torch.randn(1, o, i, side, side)), Equal(latent, i, bias=1.0)
        self.demodulates = demodulates
        if doubles:
            self.blur = Filtering()

    def forward(self, x, w):
        _, o, i, k, _ = self.weight.shape
        weight, style = self.weight[0] / math.sqrt(i * k * k), self.modulation(w)
        x = x * style[:, :, None, None]
        if hasattr(self, "blur"):
            y = filtered(F.conv_transpose2d(x, weight.transpose(0, 1), stride=2), self.blur.kernel, (1, 1))
        else:
            y = F.conv2d(x, weight, padding=k // 2)
        if self.demodulates:
            y = y * torch.rsqrt(style**2 @ (weight**2).sum((2, 3)).T + 1e-8)[:, :, None, None]
        return y


class Noise(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))


class Activate(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(width))


class Styled(nn.Module):
    def __init__(self, latent, i, o, doubles=False):
        super().__init__()
        self.conv, self.noise, self.activate = Modulated(latent, i, o, 3, doubles=doubles), Noise(), Activate(o)

    def forward(self, x, w, noise):
        return leaky(self.conv(x, w) + self.noise.weight * noise + self.activate.bias[:, None, None])


class ToRGB(nn.Module):
    def __init__(self, latent, i, doubles):
        super().__init__()
        self.conv, self.bias = Modulated(latent, i, 3, 1, demodulates=False), nn.Parameter(torch.zeros(1, 3, 1, 1))
        if doubles:
            self.upsample = Filtering()

    def forward(self, x, w, skip):
        x = self.conv(x, w) + self.bias
        return x if skip is None else x + doubled(skip, self.upsample.kernel)


class PixelNorm(nn.Module):
    def forward(self, z):
        return z * torch.rsqrt((z**2).mean(1, keepdim=True) + 1e-8)


class StyleGAN2(nn.Module):
    """widths are the channels of the maps of 4 pixels, 8 and so on; mapping is the number of layers from z to w."""

    def __init__(self, latent, widths, mapping):
        super().__init__()
        self.style = nn.Sequential(PixelNorm(), *(Equal(latent, latent, 0.01) for _ in range(mapping)))
        self.input = nn.Module()
        self.input.input = nn.Parameter(torch.randn(1, widths[0], 4, 4))
        self.conv1, self.to_rgb1 = Styled(latent, widths[0], widths[0]), ToRGB(latent, widths[0], False)
        self.convs, self.to_rgbs, self.noises = nn.ModuleList(), nn.ModuleList(), nn.Module()
        for i, o in zip(widths, widths[1:]):
            self.convs += [Styled(latent, i, o, doubles=True), Styled(latent, o, o)]
            self.to_rgbs.append(ToRGB(latent, o, True))
        for i in range(2 * len(widths) - 1):
            side = 4 << (i + 1) // 2
            self.noises.register_buffer(f"noise_{i}", torch.randn(1, 1, side, side))

    @property
    def layers(self):
        """How many layers take a w of their own."""
        return 2 * len(self.to_rgbs) + 2

    def map(self, z):
        w = self.style[0](z)
        for layer in self.style[1:]:
            w = leaky(layer(w))
        return w

    def forward(self, z=None, w=None):
        """Images [N,3,H,W], about -1 to 1, of noise z [N,latent] or of styles w [N,layers,latent]."""
        if w is None:
            w = self.map(z)[:, None].expand(-1, self.layers, -1)
        noise = [getattr(self.noises, f"noise_{i}") for i in range(len(self.convs) + 1)]
        x = self.conv1(self.input.input.expand(len(w), -1, -1, -1), w[:, 0], noise[0])
        skip = self.to_rgb1(x, w[:, 1], None)
        for i, rgb in enumerate(self.to_rgbs):
            x = self.convs[2 * i](x, w[:, 2 * i + 1], noise[2 * i + 1])
            x = self.convs[2 * i + 1](x, w[:, 2 * i + 2], noise[2 * i + 2])
            skip = rgb(x, w[:, 2 * i + 3], skip)
        return skip
