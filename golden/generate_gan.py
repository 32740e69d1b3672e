"""Goldens of generators: DCGAN as PyTorch's tutorial has it, and StyleGAN2, written here after its
paper with the tensors' names of the files g_ema that its usual PyTorch version writes."""

import math
from collections import OrderedDict

import torch
from torch import nn
from torch.nn import functional as F

from generate_clip import hooked
from generate_cnns import calibrate
from generate_io import generator, halves, write
from generate_models import redraw

LATENT = 11


class DCGAN(nn.Module):
    def __init__(self, latent, widths):
        super().__init__()
        layers, c = [], latent
        for i, o in enumerate(widths):
            layers.append(nn.ConvTranspose2d(c, o, 4, *((1, 0) if i == 0 else (2, 1)), bias=False))
            layers += [nn.BatchNorm2d(o), nn.ReLU()] if i < len(widths) - 1 else [nn.Tanh()]
            c = o
        self.main = nn.Sequential(*layers)

    def forward(self, z):
        return self.main(z)


def leaky(x):
    return math.sqrt(2) * F.leaky_relu(x, 0.2)


class Equal(nn.Module):
    """A linear layer whose learning rate is equalised: its parameters are multiplied as it runs."""

    def __init__(self, i, o, rate=1.0):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.zeros(o, i)), nn.Parameter(torch.zeros(o))
        self.rate = rate

    def forward(self, x):
        return F.linear(x, self.weight * (self.rate / math.sqrt(self.weight.shape[1])), self.bias * self.rate)


def upfirdn(x, kernel, up, pad):
    """Zeros between pixels, padding, and a filter."""
    n, c, h, w = x.shape
    y = x.new_zeros(n, c, h * up, w * up)
    y[:, :, ::up, ::up] = x
    y = F.pad(y, (*pad, *pad))
    return F.conv2d(y.reshape(n * c, 1, *y.shape[2:]), kernel.flip(0, 1)[None, None]).reshape(n, c, *(y.shape[2] - 3, y.shape[3] - 3))


def bump():
    k = torch.tensor([1.0, 3.0, 3.0, 1.0])
    k = torch.outer(k, k)
    return 4 * k / k.sum()


class Filtering(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("kernel", bump())


class Modulated(nn.Module):
    def __init__(self, i, o, side, demodulates=True, doubles=False):
        super().__init__()
        self.weight, self.modulation = nn.Parameter(torch.zeros(1, o, i, side, side)), Equal(LATENT, i)
        self.demodulates = demodulates
        if doubles:
            self.blur = Filtering()

    def forward(self, x, w):
        n, _, h, width = x.shape
        _, o, i, k, _ = self.weight.shape
        weight = self.weight / math.sqrt(i * k * k) * self.modulation(w)[:, None, :, None, None]
        if self.demodulates:
            weight = weight * torch.rsqrt((weight**2).sum((2, 3, 4), keepdim=True) + 1e-8)
        x = x.reshape(1, n * i, h, width)
        if not hasattr(self, "blur"):
            return F.conv2d(x, weight.reshape(n * o, i, k, k), padding=k // 2, groups=n).reshape(n, o, h, width)
        weight = weight.transpose(1, 2).reshape(n * i, o, k, k)
        y = F.conv_transpose2d(x, weight, stride=2, groups=n)
        return upfirdn(y.reshape(n, o, *y.shape[2:]), self.blur.kernel, 1, (1, 1))


class Noise(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))


class Activate(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(width))


class Styled(nn.Module):
    def __init__(self, i, o, doubles=False):
        super().__init__()
        self.conv, self.noise, self.activate = Modulated(i, o, 3, doubles=doubles), Noise(), Activate(o)

    def forward(self, x, w, noise):
        return leaky(self.conv(x, w) + self.noise.weight * noise + self.activate.bias[:, None, None])


class ToRGB(nn.Module):
    def __init__(self, i, doubles):
        super().__init__()
        self.conv, self.bias = Modulated(i, 3, 1, demodulates=False), nn.Parameter(torch.zeros(1, 3, 1, 1))
        if doubles:
            self.upsample = Filtering()

    def forward(self, x, w, skip):
        x = self.conv(x, w) + self.bias
        return x if skip is None else x + upfirdn(skip, self.upsample.kernel, 2, (2, 1))


class PixelNorm(nn.Module):
    def forward(self, z):
        return z * torch.rsqrt((z**2).mean(1, keepdim=True) + 1e-8)


class StyleGAN2(nn.Module):
    def __init__(self, widths, mapping):
        super().__init__()
        self.style = nn.Sequential(PixelNorm(), *(Equal(LATENT, LATENT, 0.01) for _ in range(mapping)))
        self.input = nn.Module()
        self.input.input = nn.Parameter(torch.zeros(1, widths[0], 4, 4))
        self.conv1, self.to_rgb1 = Styled(widths[0], widths[0]), ToRGB(widths[0], False)
        self.convs, self.to_rgbs, self.noises = nn.ModuleList(), nn.ModuleList(), nn.Module()
        for i, o in zip(widths, widths[1:]):
            self.convs += [Styled(i, o, doubles=True), Styled(o, o)]
            self.to_rgbs.append(ToRGB(o, True))
        for i in range(2 * len(widths) - 1):
            side = 4 << (i + 1) // 2
            self.noises.register_buffer(f"noise_{i}", torch.zeros(1, 1, side, side))

    def map(self, z):
        w = self.style[0](z)
        for layer in self.style[1:]:
            w = leaky(layer(w))
        return w

    def forward(self, z=None, w=None):
        if w is None:
            w = self.map(z)[:, None].expand(-1, 2 * len(self.to_rgbs) + 2, -1)
        noise = [getattr(self.noises, f"noise_{i}") for i in range(len(self.convs) + 1)]
        x = self.conv1(self.input.input.expand(len(w), -1, -1, -1), w[:, 0], noise[0])
        skip = self.to_rgb1(x, w[:, 1], None)
        for i, rgb in enumerate(self.to_rgbs):
            x = self.convs[2 * i](x, w[:, 2 * i + 1], noise[2 * i + 1])
            x = self.convs[2 * i + 1](x, w[:, 2 * i + 2], noise[2 * i + 2])
            skip = rgb(x, w[:, 2 * i + 3], skip)
        return skip


def case(root, name, model, key, inputs, layers):
    """key is that of the state_dict in the file."""
    state = OrderedDict((n, t.half() if t.is_floating_point() else t) for n, t in model.state_dict().items())
    (root / name).mkdir(parents=True, exist_ok=True)
    torch.save({key: state}, root / name / "model.pt")

    def call(model, cast):
        return model(**{n: cast(t) for n, t in inputs.items()})

    out, taps = hooked(layers(model), lambda: call(model, lambda t: t))
    outputs = {"image": out}
    metadata = {
        "model": "gan",
        "source": f"torch {torch.__version__.split('+')[0]}",
        "architecture": type(model).__name__,
        "inputs": list(inputs),
        "layers": list(taps),
        "outputs": list(outputs),
        "halves": halves(model, lambda m, cast: (call(m, cast),), outputs),
    }
    write(root / name / "golden.safetensors", inputs | taps | outputs, metadata)


def gan_dcgan(root):
    g = generator("gan_dcgan")
    model = redraw(DCGAN(13, (11, 9, 5, 3)), g).eval()
    calibrate(model, g, (1, 1), channels=13)
    model = model.half().float()
    case(root, "gan_dcgan", model, "netG_state_dict", {"z": torch.randn(3, 13, 1, 1, generator=g)}, lambda m: {f"main.{i}": m.main[3 * i + 2] for i in range(3)})


def stylegan2(g, widths, mapping):
    model = StyleGAN2(widths, mapping).eval()
    with torch.no_grad():
        for n, p in [*model.named_parameters(), *model.named_buffers()]:
            if n.endswith("kernel"):
                continue
            p.copy_(torch.randn(p.shape, generator=g))
            if n.startswith("style.") and n.endswith("weight"):
                p.mul_(100)
            elif n.startswith("style."):
                p.mul_(20)
            elif n.endswith("modulation.bias"):
                p.mul_(0.3).add_(1)
            elif n.endswith("bias") or n.endswith("noise.weight"):
                p.mul_(0.3)
    return model.half().float()


def styles(model):
    named = {"convs.0": model.conv1, "to_rgbs.0": model.to_rgb1}
    return named | {f"convs.{i + 1}": m for i, m in enumerate(model.convs)} | {f"to_rgbs.{i + 1}": m for i, m in enumerate(model.to_rgbs)}


def gan_stylegan2(root):
    g = generator("gan_stylegan2")
    case(root, "gan_stylegan2", stylegan2(g, (13, 9, 6), 3), "g_ema", {"z": torch.randn(3, LATENT, generator=g)}, styles)


def gan_stylegan2_mixed(root):
    g = generator("gan_stylegan2_mixed")
    case(root, "gan_stylegan2_mixed", stylegan2(g, (10, 7, 5), 2), "g_ema", {"w": torch.randn(2, 6, LATENT, generator=g)}, styles)


MODELS = {f.__name__: f for f in (gan_dcgan, gan_stylegan2, gan_stylegan2_mixed)}
