"""Train the small text-to-image model on named emoji: diffusers' UNet2DConditionModel on the
latents of train_autoencoder.py, with the small CLIP's text tower, exported as a pipeline's folder."""

import argparse
import hashlib
import os
import random
import shutil
import time
from glob import glob

import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from PIL import Image
from torch.nn.functional import affine_grid, grid_sample
from transformers import CLIPTextModel, CLIPTokenizer
from transformers.utils import logging

import emoji
from muon import Muon
from train_autoencoder import on_ground, premultiplied
from train_clip import CONTEXT, DRAWN, follow, schedule

COPIES = 4  # of a picture: itself, and moved ones
DROPPED = 0.1  # of the captions, for guidance
STYLED = 0.5  # of the captions end with the style's name
GAMMA = 5.0  # the signal-to-noise ratio above which a step's weight no longer grows (Hang et al. 2023)

def prompts(name):
    """The lines of a file beside this one."""
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), name)) as f:
        return f.read().splitlines()


SHEET, COMBINATIONS = prompts("prompts.txt"), prompts("combinations.txt")


def describe(width):
    """The configuration: 16x16, 8x8 and 4x4, texts of width read by the two finer levels and in the middle."""
    return dict(
        sample_size=emoji.SIZE // 4,
        in_channels=4,
        out_channels=4,
        block_out_channels=(64, 96, 128),
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        layers_per_block=1,
        cross_attention_dim=width,
        attention_head_dim=(2, 3, 4),  # the number of heads, of 32 each
        norm_num_groups=16,
    )


def noises():
    """Stable Diffusion's schedule of noise, but up to a signal of 1.5 % and not of 7 %: drawings over
    white have a mean that would show through; 0 would give samplers that start from sigma an infinite one."""
    return DDIMScheduler(
        beta_schedule="scaled_linear",
        beta_start=0.00085,
        beta_end=0.02,
        prediction_type="v_prediction",
        timestep_spacing="trailing",
        steps_offset=1,  # trailing steps have none; the pipeline asks for it
        clip_sample=False,
        set_alpha_to_one=True,
    )


def moved(x):
    """Premultiplied pictures [n,4,64,64] moved and scaled a little: not turned or mirrored, for arrows, letters and digits."""
    n = len(x)
    scale, shift = 0.95 + 0.15 * torch.rand(n), (torch.rand(n, 2) - 0.5) * 0.06
    none = torch.zeros(n)
    rows = torch.stack([scale, none, shift[:, 0], none, scale, shift[:, 1]], 1).view(n, 2, 3)
    return grid_sample(x, affine_grid(rows, list(x.shape), align_corners=False), align_corners=False)


def digest(folder):
    with open(glob(os.path.join(folder, "*.safetensors"))[0], "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


@torch.no_grad()
def latents(vae, folder, pictures, cache):
    """Scaled latents [COPIES,N,4,16,16] over white as halves; made once for an autoencoder."""
    saved, of = os.path.join(cache, "latents.pt"), digest(folder)
    if os.path.exists(saved) and (c := torch.load(saved))["autoencoder"] == of:
        return c["latents"]
    torch.manual_seed(0)
    z = []
    for copy in range(COPIES):
        for part in pictures.split(64):
            x = premultiplied(part)
            x = on_ground(moved(x) if copy else x, white=1)
            with torch.autocast("cpu", torch.bfloat16):
                z.append(vae.encode(x).latent_dist.mean.float() * vae.config.scaling_factor)
    z = torch.cat(z).half().view(COPIES, len(pictures), *z[0].shape[1:])
    torch.save({"autoencoder": of, "latents": z}, saved)
    return z


class Captions:
    """Words for a picture, other ones each time."""

    def __init__(self, data):
        self.data = data

    def of(self, i):
        """A caption of picture i; sometimes none."""
        if random.random() < DROPPED:
            return ""
        e = self.data.emoji[i]
        name, words, kind = self.data.names[e], self.data.words[e], random.random()
        if kind < 0.6 or not words:
            text = name
        else:
            text = " ".join([name] * (kind < 0.8) + random.sample(words, min(len(words), random.choice([1, 1, 2, 3]))))
        style = f", {emoji.STYLES[self.data.style[i]]}" if random.random() < STYLED else ""
        return random.choice(DRAWN).format(text) + style


class Texts:
    """The text tower's last hidden states of captions, padded to the whole context as pipelines do."""

    def __init__(self, folder):
        self.tokenizer = CLIPTokenizer.from_pretrained(folder)
        self.tower = CLIPTextModel.from_pretrained(folder, dtype=torch.float32).eval()

    @torch.no_grad()
    def of(self, captions):
        """States [n,32,width]."""
        ids = self.tokenizer(captions, padding="max_length", max_length=CONTEXT, truncation=True, return_tensors="pt").input_ids
        with torch.autocast("cpu", torch.bfloat16):
            return self.tower(ids).last_hidden_state.float()


def loss(unet, signal, z, text):
    """Mean squared error of the predicted velocity (Salimans & Ho 2022) at random steps, weighted as
    by GAMMA; signal is the schedule's [T] of cumulative products."""
    t = torch.randint(len(signal), (len(z),))
    kept = signal[t].view(-1, 1, 1, 1)
    noise = torch.randn_like(z)
    noisy, velocity = kept.sqrt() * z + (1 - kept).sqrt() * noise, kept.sqrt() * noise - (1 - kept).sqrt() * z
    with torch.autocast("cpu", torch.bfloat16):
        out = unet(noisy, t, text).sample
    ratio = (kept / (1 - kept)).flatten()
    errors = ((out.float() - velocity) ** 2).mean((1, 2, 3))
    return (ratio.clamp(max=GAMMA) / (ratio + 1) * errors).mean()


def optimisers(unet, lr, lr_rest):
    """Pairs of an optimiser and its highest rate: Muon for the blocks' matrices and convolutions, AdamW for the rest."""
    named = list(unet.named_parameters())

    def inner(name, p):
        return p.ndim >= 2 and "_block" in name

    return [
        (Muon([p for n, p in named if inner(n, p)], lr=lr, weight_decay=0.01), lr),
        (torch.optim.AdamW([p for n, p in named if not inner(n, p)], lr=lr_rest, betas=(0.9, 0.98), weight_decay=0.01), lr_rest),
    ]


def pipeline(average, vae, texts):
    unet = UNet2DConditionModel(**describe(texts.tower.config.hidden_size))
    unet.load_state_dict(average)
    return StableDiffusionPipeline(
        vae=vae,
        text_encoder=texts.tower,
        tokenizer=texts.tokenizer,
        unet=unet.eval(),
        scheduler=noises(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def export(average, clip, folder):
    """Write the pipeline's folder around the autoencoder that is there, the weights as halves."""
    texts = Texts(clip)
    pipe = pipeline(average, AutoencoderKL.from_pretrained(os.path.join(folder, "vae")), texts)
    pipe.save_config(folder)
    pipe.scheduler.save_pretrained(os.path.join(folder, "scheduler"))
    pipe.unet.half().save_pretrained(os.path.join(folder, "unet"))
    pipe.text_encoder.half().save_pretrained(os.path.join(folder, "text_encoder"))
    os.makedirs(os.path.join(folder, "tokenizer"), exist_ok=True)
    for name in ("vocab.json", "merges.txt", "tokenizer.json", "tokenizer_config.json"):
        shutil.copy(os.path.join(clip, name), os.path.join(folder, "tokenizer", name))
    for weights in glob(os.path.join(folder, "*", "*.safetensors")):
        os.chmod(weights, 0o644)


@torch.no_grad()
def draw(pipe, prompts, path):
    """Write a sheet of the prompts' pictures, eight a row, of seeds 0, 1 …; returns the pictures."""
    pipe.set_progress_bar_config(disable=True)
    seeds = [torch.Generator().manual_seed(i) for i in range(len(prompts))]
    with torch.autocast("cpu", torch.bfloat16):
        drawn = pipe(prompts, num_inference_steps=20, guidance_scale=4.0, generator=seeds).images
    size = emoji.SIZE
    sheet = Image.new("RGB", (8 * size, -(-len(drawn) // 8) * size))
    for i, picture in enumerate(drawn):
        sheet.paste(picture, (i % 8 * size, i // 8 * size))
    sheet.save(path)
    return drawn


def arguments():
    arg = argparse.ArgumentParser(description=__doc__)
    arg.add_argument("--emoji", required=True, help="folder of unpacked npm packages; see emoji.py")
    arg.add_argument("--clip", default="clip", help="folder of the small CLIP")
    arg.add_argument("--out", default="diffusion", help="the pipeline's folder, with the vae that train_autoencoder.py made")
    arg.add_argument("--work", default="work", help="folder for checkpoints, latents, decoded pictures and sheets")
    arg.add_argument("--minutes", type=float, default=240, help="length of the training")
    arg.add_argument("--decay", type=float, default=0.4, help="the part of the training in which the rate falls")
    arg.add_argument("--sheet", type=float, default=15, help="minutes between sheets")
    arg.add_argument("--batch", type=int, default=64)
    arg.add_argument("--lr", type=float, default=0.01, help="Muon, for the blocks")
    arg.add_argument("--lr-rest", type=float, default=1e-3, help="AdamW, for everything else")
    arg.add_argument("--threads", type=int, default=2)
    arg.add_argument("--resume", action="store_true")
    return arg.parse_args()


def main():
    a = arguments()
    logging.set_verbosity_error()  # the folder of the CLIP has a tower for pictures too
    torch.set_num_threads(a.threads)
    os.makedirs(a.work, exist_ok=True)
    data = emoji.load(a.emoji, a.work)
    texts, captions, folder = Texts(a.clip), Captions(data), os.path.join(a.out, "vae")
    vae = AutoencoderKL.from_pretrained(folder, dtype=torch.float32).eval()
    z = latents(vae, folder, torch.from_numpy(data.pictures), a.work)
    signal = noises().alphas_cumprod

    torch.manual_seed(0)
    unet = UNet2DConditionModel(**describe(texts.tower.config.hidden_size)).to(memory_format=torch.channels_last)
    pairs = optimisers(unet, a.lr, a.lr_rest)
    average = {k: v.clone() for k, v in unet.state_dict().items()}
    print(f"{sum(p.numel() for p in unet.parameters())} parameters, latents {list(z.shape)}, deviation {z.float().std():.3f}", flush=True)

    step, spent, checkpoint = 0, 0.0, os.path.join(a.work, "diffusion.pt")
    if a.resume and os.path.exists(checkpoint):
        c = torch.load(checkpoint)
        step, spent, average = c["step"], c["spent"], c["average"]
        unet.load_state_dict(c["model"])
        for (o, _), state in zip(pairs, c["optimisers"]):
            o.load_state_dict(state)
    last, saved, drawn, seen = time.time(), spent, spent, []
    while (progress := spent / 60 / a.minutes) < 1:
        random.seed(step), torch.manual_seed(step)
        which = torch.randint(z.shape[1], (a.batch,))
        x = z[torch.randint(len(z), (a.batch,)), which].float().contiguous(memory_format=torch.channels_last)
        value = loss(unet, signal, x, texts.of([captions.of(i) for i in which.tolist()]))
        value.backward()
        for o, lr in pairs:
            o.param_groups[0]["lr"] = lr * schedule(progress, step, 100, a.decay)
            o.step(), o.zero_grad()
        follow(average, unet, step, most=0.999)
        step, seen = step + 1, seen + [value.item()]
        now = time.time()
        spent, last = spent + min(now - last, 20), now  # a pause does not count
        if step % 50 == 0:
            print(f"step {step} loss {sum(seen) / len(seen):.4f} {spent:.0f} s", flush=True)
            seen = []
        done = spent / 60 >= a.minutes
        if spent - saved >= 150 or done:
            saved = spent
            c = {"step": step, "spent": spent, "average": average, "model": unet.state_dict()}
            torch.save(c | {"optimisers": [o.state_dict() for o, _ in pairs]}, checkpoint + ".new")
            os.replace(checkpoint + ".new", checkpoint)
        if spent - drawn >= 60 * a.sheet or done:
            drawn = spent
            export(average, a.clip, a.out)
            pipe = pipeline(average, vae, texts)
            draw(pipe, SHEET, os.path.join(a.work, "sheet.png"))
            draw(pipe, COMBINATIONS, os.path.join(a.work, "combinations.png"))
            last = time.time()


if __name__ == "__main__":
    main()
