"""Train the small generator: StyleGAN2 on the faces among emoji, exported as a file g_ema.

Without noise: drawings have no grain. The discriminator is the paper's, with one block a size."""

import argparse
import copy
import math
import os
import random

import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

import emoji
from stylegan2 import Equal, Filtering, StyleGAN2, filtered, leaky
from train_autoencoder import on_ground, premultiplied
from training import Average, Optimisers, Training

LATENT, WIDTHS, MAPPING = 96, (128, 96, 64, 32, 16), 4
LOOKS = (128, 96, 64, 32, 16)  # the discriminator's channels of 4 pixels, 8 and so on
MIXED = 0.5  # of the images have styles of two
PENALTY, EVERY = 0.5, 8  # R1's weight and the steps between (Mescheder et al. 2018)


def faces(data):
    """The pictures of faces, of all hands: uint8 [N,64,64,4]."""
    names = [" ".join([n, *s]) for n, s in zip(data.names, data.shorts)]
    return data.pictures[[i for i, e in enumerate(data.emoji) if data.groups[e] == "Smileys & Emotion" and "face" in names[e]]]


class Conv(nn.Module):
    """A convolution whose learning rate is equalised; of stride 2 after a filter."""

    def __init__(self, i, o, side, halves=False, acts=True):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.randn(o, i, side, side)), nn.Parameter(torch.zeros(o))
        self.acts, self.side, self.blur = acts, side, Filtering() if halves else None

    def forward(self, x):
        weight = self.weight / math.sqrt(self.weight[0].numel())
        if self.blur is None:
            x = F.conv2d(x, weight, self.bias, padding=self.side // 2)
        else:
            pad = (2, 2) if self.side == 3 else (1, 1)
            x = F.conv2d(filtered(x, self.blur.kernel / 4, pad), weight, self.bias, stride=2)
        return leaky(x) if self.acts else x


class Block(nn.Module):
    def __init__(self, i, o):
        super().__init__()
        self.first, self.second, self.skip = Conv(i, i, 3), Conv(i, o, 3, halves=True), Conv(i, o, 1, halves=True, acts=False)

    def forward(self, x):
        return (self.second(self.first(x)) + self.skip(x)) / math.sqrt(2)


class Discriminator(nn.Module):
    def __init__(self, widths):
        super().__init__()
        w = widths[::-1]
        self.blocks = nn.Sequential(Conv(3, w[0], 1), *(Block(i, o) for i, o in zip(w, w[1:])))
        self.last = nn.Sequential(Conv(w[-1] + 1, w[-1], 3), nn.Flatten(), Equal(16 * w[-1], w[-1]))
        self.score = Equal(w[-1], 1)

    def forward(self, x):
        """Scores [N] of images, N a multiple of 4: the deviation within groups of four is a channel."""
        x = self.blocks(x)
        n, _, h, w = x.shape
        spread = x.float().view(4, n // 4, -1).var(0, unbiased=False).add(1e-8).sqrt().mean(1)
        x = torch.cat([x, spread.repeat(4)[:, None, None, None].expand(n, 1, h, w).to(x.dtype)], 1)
        return self.score(leaky(self.last(x)))[:, 0]


def shaken(x):
    """Images mirrored, moved, turned and stretched a little and recoloured, differentiably (Zhao et al. 2020), over
    white: what both networks see of true and of made ones."""
    n = len(x)
    angle, size = (torch.rand(n) - 0.5) * 0.5, torch.exp((torch.rand(n, 2) - 0.5) * 0.4)
    flip, move = (torch.rand(n) < 0.5) * 2.0 - 1, (torch.rand(n, 2) - 0.5) * 0.5
    plain = torch.rand(n) < 0.3
    angle[plain], size[plain], move[plain] = 0, 1, 0
    c, s = angle.cos(), angle.sin()
    grid = torch.stack([torch.stack([c * size[:, 0] * flip, -s * size[:, 1], move[:, 0]], 1), torch.stack([s * size[:, 0] * flip, c * size[:, 1], move[:, 1]], 1)], 1)
    x = F.grid_sample(x - 1, F.affine_grid(grid, x.shape, align_corners=False), align_corners=False) + 1
    tone = 1 + (torch.rand(n, 3, 1, 1) - 0.5) * 0.4 * (torch.rand(n, 1, 1, 1) < 0.5)
    return (x + 1) * tone - 1


def styles(g, n):
    """Styles [n,layers,latent], some of two."""
    w = g.map(torch.randn(2 * n, LATENT)).view(2, n, 1, LATENT)
    cut = torch.where(torch.rand(n) < MIXED, torch.randint(1, g.layers, [n]), g.layers)
    return torch.where(torch.arange(g.layers)[None, :, None] < cut[:, None, None], w[0], w[1])


def discriminate(d, g, real, step):
    """The discriminator's loss, with the penalty of its slopes at true images every so many steps."""
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        made = g(w=styles(g, len(real))).float()
    with torch.autocast("cpu", torch.bfloat16):
        scores = d(shaken(made)).float(), d(shaken(real)).float()
    loss = F.softplus(scores[0]).mean() + F.softplus(-scores[1]).mean()
    if step % EVERY == 0:
        x = shaken(real[: len(real) // 2]).requires_grad_(True)
        slope = torch.autograd.grad(d(x).sum(), x, create_graph=True)[0]
        loss = loss + EVERY * PENALTY / 2 * slope.square().sum((1, 2, 3)).mean()
    return loss, scores[1].mean() - scores[0].mean()


def learns(g):
    """All parameters but the weights of the noise, which stay zero."""
    for name, p in g.named_parameters():
        p.requires_grad_("noise.weight" not in name)


def generate(d, g, n):
    with torch.autocast("cpu", torch.bfloat16):
        return F.softplus(-d(shaken(g(w=styles(g, n)).float())).float()).mean()


@torch.no_grad()
def sheet(g, path):
    """Images of 48 seeds as they are and, below, of the first 16 with styles nearer to the mean."""
    z = torch.randn(64, LATENT, generator=torch.Generator().manual_seed(1))
    w = g.map(z)
    mean = g.map(torch.randn(4096, LATENT, generator=torch.Generator().manual_seed(2))).mean(0)
    w[48:] = mean + 0.7 * (w[:16] - mean)
    x = g(w=w[:, None].expand(-1, g.layers, -1)).clamp(-1, 1).add(1).mul(127.5).byte()
    x = x.view(4, 16, 3, 64, 64).permute(0, 3, 1, 4, 2).reshape(4 * 64, 16 * 64, 3)
    Image.fromarray(x.numpy()).save(path)


def export(g, path):
    """Write the weights as halves, under the names of files g_ema."""
    save_file({n: t.half().contiguous() for n, t in g.state_dict().items()}, path)
    os.chmod(path, 0o644)


def arguments():
    arg = argparse.ArgumentParser(description=__doc__)
    arg.add_argument("--emoji", required=True, help="folder of unpacked npm packages; see emoji.py")
    arg.add_argument("--out", default="gan/model.safetensors", help="the file of the generator")
    arg.add_argument("--work", default="work", help="folder for checkpoints, decoded pictures and sheets")
    arg.add_argument("--minutes", type=float, default=60, help="length of the training")
    arg.add_argument("--batch", type=int, default=16, help="a multiple of 8")
    arg.add_argument("--lr", type=float, default=0.0025)
    arg.add_argument("--threads", type=int, default=2)
    arg.add_argument("--resume", action="store_true")
    return arg.parse_args()


def main():
    a = arguments()
    torch.set_num_threads(a.threads)
    os.makedirs(a.work, exist_ok=True), os.makedirs(os.path.dirname(a.out) or ".", exist_ok=True)
    pictures = on_ground(premultiplied(torch.from_numpy(faces(emoji.load(a.emoji, a.work)))), white=1)

    torch.manual_seed(0)
    g, d = StyleGAN2(LATENT, WIDTHS, MAPPING), Discriminator(LOOKS)
    average, g_ema = Average(g), copy.deepcopy(g).requires_grad_(False)
    of_g, of_d = (Optimisers((torch.optim.Adam(m.parameters(), betas=(0.0, 0.99)), a.lr)) for m in (g, d))
    print("{} faces, {} and {} parameters".format(len(pictures), *(sum(p.numel() for p in m.parameters()) for m in (g, d))), flush=True)

    def show():
        g_ema.load_state_dict(average.state)
        sheet(g_ema, os.path.join(a.work, "gan.png")), export(g_ema, a.out)

    parts = {"g": g, "d": d, "average": average, "g_steps": of_g, "d_steps": of_d}
    training = Training(os.path.join(a.work, "gan.pt"), parts, a.minutes, resume=a.resume, export=show, every=360)
    for step, progress in training:
        real = pictures[random.sample(range(len(pictures)), a.batch)]
        factor = min(1, (1 - progress) / 0.3 + 0.02)
        g.requires_grad_(False), d.requires_grad_(True)
        told, apart = discriminate(d, g, real, step)
        told.backward()
        of_d.step(factor)
        learns(g), d.requires_grad_(False)
        made = generate(d, g, a.batch)
        made.backward()
        of_g.step(factor)
        average.follow(step)
        training.log(100, "loss {:.3f} and {:.3f}, scores {:.2f} apart", told, made, apart)


if __name__ == "__main__":
    main()
