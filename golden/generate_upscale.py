"""Goldens of networks that enlarge images: ESRGAN's RRDBNet and Real-ESRGAN's SRVGGNetCompact, written here
after their papers and the names of their authors' files."""

from collections import OrderedDict

import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn.functional import interpolate, leaky_relu, pixel_shuffle, pixel_unshuffle

from generate_clip import hooked
from generate_io import generator, halves, write
from generate_models import redraw


def conv(i, o):
    return nn.Conv2d(i, o, 3, padding=1)


class Dense(nn.Module):
    def __init__(self, width, growth):
        super().__init__()
        for k in range(5):
            setattr(self, f"conv{k + 1}", conv(width + k * growth, growth if k < 4 else width))

    def forward(self, x):
        maps = [x]
        for k in range(4):
            maps.append(leaky_relu(getattr(self, f"conv{k + 1}")(torch.cat(maps, 1)), 0.2))
        return 0.2 * self.conv5(torch.cat(maps, 1)) + x


class Block(nn.Module):
    def __init__(self, width, growth):
        super().__init__()
        self.rdb1, self.rdb2, self.rdb3 = (Dense(width, growth) for _ in range(3))

    def forward(self, x):
        return 0.2 * self.rdb3(self.rdb2(self.rdb1(x))) + x


class RRDBNet(nn.Module):
    def __init__(self, width, growth, blocks, shrink=1, ups=2):
        super().__init__()
        self.shrink, self.ups = shrink, ups
        self.conv_first = conv(3 * shrink**2, width)
        self.body = nn.Sequential(*(Block(width, growth) for _ in range(blocks)))
        self.conv_body = conv(width, width)
        for i in range(ups):
            setattr(self, f"conv_up{i + 1}", conv(width, width))
        self.conv_hr, self.conv_last = conv(width, width), conv(width, 3)

    def forward(self, x):
        x = self.conv_first(pixel_unshuffle(x, self.shrink))
        x = x + self.conv_body(self.body(x))
        for i in range(self.ups):
            x = leaky_relu(getattr(self, f"conv_up{i + 1}")(interpolate(x, scale_factor=2)), 0.2)
        return self.conv_last(leaky_relu(self.conv_hr(x), 0.2))


class Compact(nn.Module):
    def __init__(self, width, convs, factor):
        super().__init__()
        layers = [conv(3, width), nn.PReLU(width)]
        for _ in range(convs):
            layers += [conv(width, width), nn.PReLU(width)]
        self.body, self.factor = nn.ModuleList([*layers, conv(width, 3 * factor**2)]), factor

    def forward(self, x):
        y = x
        for layer in self.body:
            y = layer(y)
        return pixel_shuffle(y, self.factor) + interpolate(x, scale_factor=self.factor)


def first_names(state, blocks):
    """The names of ESRGAN's first files, of a network that doubles twice."""
    fixed = {"conv_first": "model.0", "conv_body": f"model.1.sub.{blocks}", "conv_up1": "model.3", "conv_up2": "model.6", "conv_hr": "model.8", "conv_last": "model.10"}
    for name, t in state.items():
        p = name.split(".")
        if p[0] == "body":
            yield f"model.1.sub.{p[1]}.{p[2].upper()}.{p[3]}.0.{p[4]}", t
        else:
            yield f"{fixed[p[0]]}.{p[1]}", t


def case(root, name, model, size, layers, renamed=None):
    g = generator(name)
    redraw(model, g).eval()
    with torch.no_grad():
        for n, p in model.named_parameters():
            if p.ndim == 1 and p.numel() > 3 and "body" in n and n.endswith("weight"):  # slopes of both signs
                p.uniform_(-0.2, 0.5, generator=g)
    model.half().float()
    state = OrderedDict((n, t.half().contiguous()) for n, t in model.state_dict().items())
    if renamed:
        state = OrderedDict(renamed(state))
    (root / name).mkdir(parents=True, exist_ok=True)
    save_file(state, root / name / "model.safetensors", metadata={"format": "pt"})
    x = torch.rand(*size, generator=g)

    def call(model, cast):
        return model(cast(x))

    out, taps = hooked(layers(model), lambda: call(model, lambda t: t))
    inputs, outputs = {"pixel_values": x}, {"image": out}
    metadata = {
        "model": "upscale",
        "source": f"torch {torch.__version__.split('+')[0]}",
        "architecture": type(model).__name__,
        "inputs": list(inputs),
        "layers": list(taps),
        "outputs": list(outputs),
        "halves": halves(model, lambda m, cast: (call(m, cast),), outputs),
    }
    write(root / name / "golden.safetensors", inputs | taps | outputs, metadata)


def body(model):
    return {f"body.{i}": b for i, b in enumerate(model.body)}


def upscale_rrdb(root):
    case(root, "upscale_rrdb", RRDBNet(10, 5, 2), (2, 3, 7, 5), body)


def upscale_rrdb_x2(root):
    case(root, "upscale_rrdb_x2", RRDBNet(8, 3, 1, shrink=2), (1, 3, 6, 10), body)


def upscale_rrdb_x1(root):
    case(root, "upscale_rrdb_x1", RRDBNet(8, 3, 1, shrink=4), (1, 3, 8, 12), body)


def upscale_first_names(root):
    case(root, "upscale_first_names", RRDBNet(6, 4, 3), (1, 3, 5, 9), body, lambda state: first_names(state, 3))


def upscale_compact(root):
    case(root, "upscale_compact", Compact(9, 3, 4), (2, 3, 5, 7), lambda m: {})


def upscale_compact_x3(root):
    case(root, "upscale_compact_x3", Compact(12, 1, 3), (1, 3, 9, 4), lambda m: {})


MODELS = {f.__name__: f for f in (upscale_rrdb, upscale_rrdb_x2, upscale_rrdb_x1, upscale_first_names, upscale_compact, upscale_compact_x3)}
