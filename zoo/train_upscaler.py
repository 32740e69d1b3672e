"""Train the small upscaler: drawings of 4 times the size, in the layout of SRVGGNetCompact.

What it learns from are drawings over plain grounds, gradients and photographs, made smaller: sharply or softly, and some
through the diffusion model's autoencoder, whose pictures it is for. The same command goes on from the last checkpoint.
"""

import argparse
import os
import time

import numpy as np
import torch
from diffusers import AutoencoderKL
from PIL import Image
from safetensors.torch import save_file
from torch.nn.functional import interpolate, l1_loss, pixel_shuffle

import emoji
from training import Average, Optimisers, Training, schedule

WIDTH, CONVS, SCALE = 32, 8, 4
LARGE, SMALL = 128, 32  # pixels of a side


class Compact(torch.nn.Module):
    """SRVGGNetCompact with PReLU."""

    def __init__(self):
        super().__init__()
        conv = lambda i, o: torch.nn.Conv2d(i, o, 3, padding=1)
        layers = [conv(3, WIDTH), torch.nn.PReLU(WIDTH)]
        for _ in range(CONVS):
            layers += [conv(WIDTH, WIDTH), torch.nn.PReLU(WIDTH)]
        self.body = torch.nn.ModuleList([*layers, conv(WIDTH, 3 * SCALE**2)])

    def forward(self, x):
        y = x
        for layer in self.body:
            y = layer(y)
        return pixel_shuffle(y, SCALE) + interpolate(x, scale_factor=SCALE)


def grounds(n, rng):
    """Grounds [n,128,128,3] in 0 to 1: white mostly, as the diffusion model draws, plain colours and gradients."""
    out = np.ones((n, LARGE, LARGE, 3), np.float32)
    for i in range(n):
        kind = rng.random()
        if kind > 0.6:
            a, b = rng.random((2, 3)).astype(np.float32)
            ramp = np.linspace(0, 1, LARGE, dtype=np.float32)[:, None, None]
            out[i] = a + (b - a) * ramp * (kind > 0.8)
            if rng.random() < 0.5:
                out[i] = out[i].transpose(1, 0, 2)
    return out


def large(pictures, rng):
    """Drawings uint8 [n,128,128,4] over grounds, some mirrored and turned: [n,3,128,128]."""
    x = pictures.astype(np.float32) / 255
    y = x[..., :3] * x[..., 3:] + grounds(len(x), rng) * (1 - x[..., 3:])
    y = y[:, :, ::-1] if rng.random() < 0.5 else y
    y = np.rot90(y, int(rng.integers(4)), (1, 2)) if rng.random() < 0.3 else y
    return torch.from_numpy(np.ascontiguousarray(y.transpose(0, 3, 1, 2)))


@torch.no_grad()
def smaller(y, vae, rng):
    """y at a quarter of the size, rounded to 8 bits. Some are drawn as the diffusion model would, at twice the small
    size, whose quarter is then cut out."""
    mode = rng.choice(["bicubic", "bilinear", "area"])
    options = {} if mode == "area" else dict(mode=mode, antialias=True)
    x = interpolate(y, (SMALL, SMALL), **(options or dict(mode="area")))
    if rng.random() < 0.3:
        k = torch.tensor([1.0, rng.uniform(2, 6), 1.0])
        k = (k[:, None] * k).div(k.sum() ** 2).expand(3, 1, 3, 3)
        x = torch.nn.functional.conv2d(torch.nn.functional.pad(x, (1, 1, 1, 1), mode="replicate"), k, groups=3)
    if vae is not None and rng.random() < 0.4:
        sheet = torch.cat([torch.cat([x[0::4], x[1::4]], 3), torch.cat([x[2::4], x[3::4]], 3)], 2)  # four on a picture of 64
        drawn = (vae.decode(vae.encode(sheet * 2 - 1).latent_dist.mode()).sample + 1) / 2
        parts = [drawn[:, :, :SMALL, :SMALL], drawn[:, :, :SMALL, SMALL:], drawn[:, :, SMALL:, :SMALL], drawn[:, :, SMALL:, SMALL:]]
        x = torch.stack(parts, 1).flatten(0, 1)
    if rng.random() < 0.3:
        x = x + torch.randn(x.shape) * rng.uniform(0, 0.02)
    return (x.clamp(0, 1) * 255).round() / 255


def edges(x):
    return x[..., 1:] - x[..., :-1], x[..., 1:, :] - x[..., :-1, :]


def loss_of(got, want):
    """The difference of colours and of the steps between neighbours, which keeps lines sharp."""
    return l1_loss(got, want) + sum(l1_loss(a, b) for a, b in zip(edges(got), edges(want)))


@torch.no_grad()
def measure(model, pictures):
    """PSNR in dB on drawings over white that were made smaller by Pillow, beside Pillow's bicubic."""
    mine, plain = [], []
    rng = np.random.default_rng(1)
    for i in range(0, len(pictures), 16):
        want = large(pictures[i : i + 16], rng)
        want8 = (want * 255).round().byte().permute(0, 2, 3, 1).numpy()
        small = [Image.fromarray(w).resize((SMALL, SMALL), Image.BICUBIC) for w in want8]
        x = torch.from_numpy(np.stack([np.asarray(s) for s in small])).permute(0, 3, 1, 2).float() / 255
        got = model(x).clamp(0, 1)
        bicubic = np.stack([np.asarray(s.resize((LARGE, LARGE), Image.BICUBIC)) for s in small])
        other = torch.from_numpy(bicubic).permute(0, 3, 1, 2).float() / 255
        for a, b in ((got, mine), (other, plain)):
            b += (-10 * ((a - want) ** 2).mean((1, 2, 3)).clamp(min=1e-7).log10()).tolist()
    return float(np.mean(mine)), float(np.mean(plain))


def main():
    arg = argparse.ArgumentParser(description=__doc__)
    arg.add_argument("--emoji", required=True, help="folder of unpacked npm packages; see emoji.py")
    arg.add_argument("--vae", default="sd/vae", help="the diffusion model's autoencoder")
    arg.add_argument("--out", default="upscale", help="folder of the exported model")
    arg.add_argument("--work", default="work", help="folder for the checkpoint and decoded pictures")
    arg.add_argument("--minutes", type=float, default=12, help="of the processor's time")
    arg.add_argument("--batch", type=int, default=16)
    arg.add_argument("--lr", type=float, default=2e-3)
    arg.add_argument("--threads", type=int, default=1)
    a = arg.parse_args()
    torch.set_num_threads(a.threads)
    torch.manual_seed(0)
    os.makedirs(a.work, exist_ok=True)
    data = emoji.load(a.emoji, a.work, LARGE)
    train, held = (np.flatnonzero(m) for m in emoji.split(data)[:2])
    vae = AutoencoderKL.from_pretrained(a.vae, torch_dtype=torch.float32).eval()
    model = Compact()
    learning = Optimisers((torch.optim.AdamW(model.parameters(), betas=(0.9, 0.99), weight_decay=0), a.lr))
    average = Average(model, most=0.995)
    print(f"{sum(p.numel() for p in model.parameters())} parameters", flush=True)
    parts = {"model": model, "average": average, "optimisers": learning}
    training = Training(os.path.join(a.work, "upscaler.pt"), parts, a.minutes, clock=time.process_time)
    for step, progress in training:
        rng = np.random.default_rng(step)
        want = large(data.pictures[rng.choice(train, a.batch)], rng)
        loss = loss_of(model(smaller(want, vae, rng)), want)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        learning.step(schedule(progress, step, 50, 0.6))
        average.follow(step)
        training.log(100, "loss {:.4f}", loss)
    best = Compact()
    best.load_state_dict(average.state)
    best.half().float()
    mine, bicubic = measure(best, data.pictures[held[:320]])
    print(f"held out: {mine:.2f} dB; bicubic {bicubic:.2f} dB")
    os.makedirs(a.out, exist_ok=True)
    path = os.path.join(a.out, "model.safetensors")
    save_file({k: v.half().contiguous() for k, v in average.state.items()}, path, metadata={"format": "pt"})
    os.chmod(path, 0o644)


if __name__ == "__main__":
    main()
