"""Goldens of generators: DCGAN as PyTorch's tutorial has it, and zoo/stylegan2.py."""

import sys
from collections import OrderedDict
from pathlib import Path

import torch
from torch import nn

from generate_clip import hooked
from generate_cnns import calibrate
from generate_io import generator, halves, write
from generate_models import redraw

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "zoo"))
from stylegan2 import StyleGAN2  # noqa: E402

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
    model = StyleGAN2(LATENT, widths, mapping).eval()
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
