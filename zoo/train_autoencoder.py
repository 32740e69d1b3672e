"""Train the small autoencoder on emoji: diffusers' AutoencoderKL, 64x64x3 to 16x16x4 and back."""

import argparse
import os

import numpy as np
import torch
from diffusers import AutoencoderKL
from PIL import Image
from torch.nn.functional import avg_pool2d, l1_loss

import emoji
from muon import Muon
from train_clip import shaken
from training import Average, Optimisers, Training, schedule


def describe():
    """The configuration: three levels, no attention."""
    return dict(
        block_out_channels=(24, 48, 64),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=8,
        mid_block_add_attention=False,
        sample_size=emoji.SIZE,
    )


def premultiplied(pictures):
    """Pictures uint8 [n,64,64,4] as [n,4,64,64], colours times alpha, in 0..1."""
    x = pictures.permute(0, 3, 1, 2).float() / 255
    return torch.cat([x[:, :3] * x[:, 3:], x[:, 3:]], 1)


def on_ground(x, white):
    """Premultiplied pictures [n,4,64,64] in -1..1 over white (that part of them) or a plain colour."""
    n = len(x)
    ground = torch.where(torch.rand(n, 1, 1, 1) < white, torch.ones(n, 3, 1, 1), torch.rand(n, 3, 1, 1))
    return (x[:, :3] + (1 - x[:, 3:]) * ground) * 2 - 1


def batch(pictures, n):
    """Pictures [n,3,64,64]: a half as they are or mirrored, a half turned, moved and scaled a little."""
    x = pictures[torch.randint(len(pictures), (n,))]
    x = torch.where(torch.rand(n, 1, 1, 1) < 0.5, x.flip(2), x)
    x = torch.cat([premultiplied(x[: n // 2]), premultiplied_shaken(x[n // 2 :])])
    return on_ground(x, white=0.7).contiguous(memory_format=torch.channels_last)


def premultiplied_shaken(pictures):
    """As premultiplied, after train_clip's shaken, which multiplies by alpha itself."""
    return shaken(pictures.permute(0, 3, 1, 2).float() / 255)


def distance(y, x):
    """Mean absolute differences of the pictures, of their edges, of their colours without brightness
    (learned late otherwise), and of the pictures at a half and a quarter of the size."""
    edges = sum(l1_loss(y.diff(dim=d), x.diff(dim=d)) for d in (2, 3))
    colours = l1_loss(y - y.mean(1, keepdim=True), x - x.mean(1, keepdim=True))
    coarse = sum(l1_loss(avg_pool2d(y, k), avg_pool2d(x, k)) for k in (2, 4))
    return l1_loss(y, x) + edges + colours + coarse


def loss(vae, x, weight):
    """The distance, plus weight times the mean KL divergence of a latent from the normal distribution."""
    with torch.autocast("cpu", torch.bfloat16):
        mean, log_variance = vae.quant_conv(vae.encoder(x)).float().chunk(2, 1)
        log_variance = log_variance.clamp(-30, 20)
        z = mean + (0.5 * log_variance).exp() * torch.randn_like(mean)
        y = vae.decode(z).sample
    divergence = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).mean()
    return distance(y.float(), x) + weight * divergence


def optimisers(vae, lr, lr_rest):
    """Muon for the convolutions between, AdamW for the rest."""
    named = list(vae.named_parameters())

    def inner(name, p):
        return p.ndim == 4 and "conv_in" not in name and "conv_out" not in name and "quant_conv" not in name

    return Optimisers(
        (Muon([p for n, p in named if inner(n, p)], lr=lr), lr),
        (torch.optim.AdamW([p for n, p in named if not inner(n, p)], lr=lr_rest, betas=(0.9, 0.98), weight_decay=0), lr_rest),
    )


@torch.no_grad()
def standardise(vae, pictures):
    """Make each channel of the latents have mean 0 and deviation 1 over the pictures on white, by the
    1x1 convolutions on both sides of the latents; so the scaling factor is 1. The reconstruction stays."""
    x = on_ground(premultiplied(pictures), white=1)
    z = torch.cat([vae.encode(part).latent_dist.mean for part in x.split(32)])
    mean, deviation = z.mean((0, 2, 3)), z.std((0, 2, 3))
    into, out = vae.quant_conv, vae.post_quant_conv
    scale = torch.cat([deviation, torch.ones_like(deviation)])  # the variances come as logarithms
    into.weight.div_(scale.view(-1, 1, 1, 1))
    into.bias.copy_(torch.cat([(into.bias[: len(mean)] - mean) / deviation, into.bias[len(mean) :] - 2 * deviation.log()]))
    out.bias.add_(out.weight[:, :, 0, 0] @ mean)
    out.weight.mul_(deviation.view(1, -1, 1, 1))
    vae.register_to_config(scaling_factor=1.0)


@torch.no_grad()
def measure(vae, pictures, sheet):
    """Write the sheet, originals above reconstructions; the PSNR in dB (mean over the pictures,
    clipped to 0..1) over white."""
    x = on_ground(premultiplied(pictures), white=1)
    y = torch.cat([vae.decode(vae.encode(part).latent_dist.mean).sample for part in x.split(32)]).clamp(-1, 1)
    psnr = -10 * (((y - x) / 2) ** 2).mean((1, 2, 3)).clamp(min=1e-10).log10()
    rows = [torch.cat(list(half[i : i + 16]), 2) for i in range(0, len(x), 16) for half in (x, y)]
    pixels = (torch.cat(rows, 1).permute(1, 2, 0) + 1) * 127.5
    Image.fromarray(pixels.round().byte().numpy()).save(sheet)
    return psnr.mean().item()


def export(average, trained, shown, folder):
    """Write diffusers' folder, the weights as halves, and beside it autoencoder.png of the pictures shown; returns their PSNR."""
    vae = AutoencoderKL(**describe()).eval()
    vae.load_state_dict(average)
    standardise(vae, trained[torch.randperm(len(trained))[:256]])
    psnr = measure(vae, shown, os.path.join(os.path.dirname(os.path.abspath(folder)), "autoencoder.png"))
    vae.half().save_pretrained(folder)
    return psnr


def arguments():
    arg = argparse.ArgumentParser(description=__doc__)
    arg.add_argument("--emoji", required=True, help="folder of unpacked npm packages; see emoji.py")
    arg.add_argument("--out", default="diffusion/vae", help="folder of the exported model; the sheet goes beside it")
    arg.add_argument("--work", default="work", help="folder for checkpoints and decoded pictures")
    arg.add_argument("--minutes", type=float, default=60, help="length of the training")
    arg.add_argument("--decay", type=float, default=0.5, help="the part of the training in which the rate falls")
    arg.add_argument("--batch", type=int, default=32)
    arg.add_argument("--lr", type=float, default=0.01, help="Muon, for the convolutions")
    arg.add_argument("--lr-rest", type=float, default=2e-3, help="AdamW, for everything else")
    arg.add_argument("--divergence", type=float, default=1e-3, help="weight of the KL divergence")
    arg.add_argument("--threads", type=int, default=2)
    arg.add_argument("--resume", action="store_true")
    return arg.parse_args()


def main():
    a = arguments()
    torch.set_num_threads(a.threads)
    torch.manual_seed(0)
    os.makedirs(a.work, exist_ok=True)
    data = emoji.load(a.emoji, a.work)
    pictures, never = torch.from_numpy(data.pictures), emoji.split(data)[2]
    trained = pictures[~never]
    shown = pictures[np.random.default_rng(0).choice(np.flatnonzero(never), 64, replace=False)]

    vae = AutoencoderKL(**describe()).to(memory_format=torch.channels_last)
    learning, average = optimisers(vae, a.lr, a.lr_rest), Average(vae)
    print(f"{sum(p.numel() for p in vae.parameters())} parameters, {len(trained)} pictures", flush=True)

    training = Training(
        os.path.join(a.work, "autoencoder.pt"),
        {"model": vae, "average": average, "optimisers": learning},
        a.minutes,
        resume=a.resume,
        export=lambda: print(f"PSNR {export(average.state, trained, shown, a.out):.2f} dB", flush=True),
    )
    for step, progress in training:
        value = loss(vae, batch(trained, a.batch), a.divergence)
        value.backward()
        learning.step(schedule(progress, step, 50, a.decay))
        average.follow(step)
        training.log(20, "loss {:.4f}", value)


if __name__ == "__main__":
    main()
