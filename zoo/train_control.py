"""Train a ControlNet for the small text-to-image model: edges to drawings, exported in diffusers' layout. The
denoiser itself does not change. It knows every drawing by its name, as it is: most of what is learnt is moved, turned
and stretched, so that nothing but the edges tells where its parts are."""

import argparse
import copy
import os
import random

import cv2
import numpy as np
import torch
from diffusers import AutoencoderKL, ControlNetModel, StableDiffusionControlNetPipeline, UNet2DConditionModel
from PIL import Image
from torch.nn.functional import affine_grid, grid_sample
from transformers.utils import logging

import emoji
from muon import Muon
from train_autoencoder import on_ground, premultiplied
from train_diffusion import Drawings, Texts, latents, noised, noises
from training import Average, Optimisers, Training, schedule

MOVED = 8000  # such pictures
AS_IS = 0.2  # of the steps' pictures are as they are
UNNAMED = 0.3  # of the pictures have no caption, so that edges alone tell what is drawn
NOISY = 0.7  # of the steps are among the noisiest 650, where what will be is decided
LEFT_OUT = 16  # one drawing of so many is not learnt, and measured
HINTS = (16, 32, 64)  # channels of the hints' embedding, of 64, 32 and 16 pixels


def moved(pictures):
    """Premultiplied pictures [n,4,64,64], half of them mirrored, all turned, stretched and moved."""
    n = len(pictures)
    turn, size, shift = (torch.rand(n) - 0.5) * 1.4, 1.05 + 0.6 * torch.rand(n, 1) + (torch.rand(n, 2) - 0.5) * 0.5, (torch.rand(n, 2) - 0.5) * 0.5
    mirror = torch.where(torch.rand(n) < 0.5, -1.0, 1.0)
    rows = torch.stack([turn.cos() * size[:, 0] * mirror, -turn.sin() * size[:, 1], shift[:, 0], turn.sin() * size[:, 0] * mirror, turn.cos() * size[:, 1], shift[:, 1]], 1)
    x = premultiplied(pictures)
    return grid_sample(x, affine_grid(rows.view(n, 2, 3), list(x.shape), align_corners=False), align_corners=False)


class Pictures:
    """Pictures over white uint8 [N,64,64,3], their scaled latents [N,4,16,16], and which drawing each shows."""

    def __init__(self, vae, drawings, numbers, cache):
        self.shown = numbers
        saved = os.path.join(cache, "moved.pt")
        if os.path.exists(saved):
            kept = torch.load(saved)
            self.shown, self.pictures, self.latents = kept["shown"], kept["pictures"], kept["latents"]
            return
        pictures, z = [], []
        for part in torch.tensor(numbers).split(64):
            x = on_ground(moved(drawings.pictures[part]), white=1)
            pictures.append(bytes_of(x))
            with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
                z.append(vae.encode(x).latent_dist.mean.half() * vae.config.scaling_factor)
        self.pictures, self.latents = torch.cat(pictures), torch.cat(z)
        torch.save({"shown": numbers, "pictures": self.pictures, "latents": self.latents}, saved)


def bytes_of(x):
    """Pictures [n,3,64,64] of -1 to 1 as uint8 [n,64,64,3]."""
    return x.add(1).mul(127.5).round().clamp(0, 255).byte().permute(0, 2, 3, 1).contiguous()


def edges(picture, scale, low, high):
    """The edges of a picture uint8 [64,64,3], found at scale times its size, as gray values [64,64]."""
    side = emoji.SIZE
    if scale > 1:
        picture = cv2.resize(picture, (side * scale, side * scale), interpolation=cv2.INTER_CUBIC)
    found = cv2.Canny(picture, low, high)
    return np.asarray(Image.fromarray(found).resize((side, side), Image.LANCZOS)) if scale > 1 else found


def worse(lines):
    """Lines as somebody may draw them: wider, fainter, or with a part not there."""
    if random.random() < 0.3:
        lines = cv2.dilate(lines, np.ones((2, 2), np.uint8))
    if random.random() < 0.2:
        lines = cv2.GaussianBlur(lines, (3, 3), 0)
    if random.random() < 0.3:
        lines = (lines * random.uniform(0.4, 1)).astype(np.uint8)
    if random.random() < 0.25:
        x, y, w, h = (random.randrange(emoji.SIZE) for _ in range(4))
        lines = lines.copy()
        lines[y : y + h // 2, x : x + w // 2] = 0
    return lines


def hints(pictures, plain=False):
    """What the network sees of pictures over white uint8 [N,64,64,3]: [N,3,64,64] from 0 to 1. Plain are the edges
    as the program finds them."""
    made = []
    for p in pictures:
        if plain:
            made.append(edges(p, 1, 100, 200))
        else:
            made.append(worse(edges(p, random.choice((1, 1, 2, 4)), *random.choice(((100, 200), (100, 200), (50, 120), (30, 80), (200, 300))))))
    return torch.from_numpy(np.stack(made)).float().div(255)[:, None].expand(-1, 3, -1, -1)


def loss(unet, control, signal, z, text, hint):
    """Mean squared error of the velocity, as the denoiser was trained by."""
    t, noisy, velocity = noised(signal, z, NOISY)
    with torch.autocast("cpu", torch.bfloat16):
        down, middle = control(noisy, t, text, hint, return_dict=False)
        out = unet(noisy, t, text, down_block_additional_residuals=down, mid_block_additional_residual=middle).sample
    return ((out.float() - velocity) ** 2).mean()


def near(lines):
    """Lines and what is one pixel from them."""
    return cv2.dilate(lines, np.ones((3, 3), np.uint8)) > 127


def agreement(wanted, drawn):
    """F1 of the edges of a drawing with those wanted, uint8 [64,64], a pixel apart at most."""
    a, b = wanted > 127, drawn > 127
    precision = (b & near(wanted)).sum() / max(1, b.sum())
    recall = (a & near(drawn)).sum() / max(1, a.sum())
    return 2 * precision * recall / max(1e-9, precision + recall)


@torch.no_grad()
def measure(pipe, pictures, prompts, path):
    """Write a sheet of pictures, their edges, and what is drawn of prompt and edges, of edges alone, and of the prompt
    alone; returns the agreement of the edges of each but the first two."""
    pipe.set_progress_bar_config(disable=True)
    hint = hints(pictures, plain=True)
    wanted = [edges(p, 1, 100, 200) for p in pictures]
    rows, scores = [list(pictures), [np.repeat(w[..., None], 3, 2) for w in wanted]], []
    for texts, weight in ((prompts, 1.0), ([""] * len(prompts), 1.0), (prompts, 0.0)):
        seeds = [torch.Generator().manual_seed(i) for i in range(len(texts))]
        with torch.autocast("cpu", torch.bfloat16):
            drawn = pipe(texts, image=hint, num_inference_steps=20, guidance_scale=4.0, generator=seeds, controlnet_conditioning_scale=weight).images
        rows.append([np.asarray(d) for d in drawn])
        scores.append(float(np.mean([agreement(w, edges(d, 1, 100, 200)) for w, d in zip(wanted, rows[-1])])))
    Image.fromarray(np.concatenate([np.concatenate(r, 1) for r in rows])).save(path)
    return scores


def export(control, folder):
    """Write diffusers' folder, the weights as halves."""
    copy.deepcopy(control).to(memory_format=torch.contiguous_format).half().save_pretrained(folder)
    os.chmod(os.path.join(folder, "diffusion_pytorch_model.safetensors"), 0o644)


def arguments():
    arg = argparse.ArgumentParser(description=__doc__)
    arg.add_argument("--emoji", required=True, help="folder of unpacked npm packages; see emoji.py")
    arg.add_argument("--clip", default="clip", help="folder of the small CLIP")
    arg.add_argument("--sd", default="sd", help="the pipeline's folder")
    arg.add_argument("--out", default="control", help="folder of the ControlNet")
    arg.add_argument("--work", default="work", help="folder for checkpoints, latents, decoded pictures and sheets")
    arg.add_argument("--minutes", type=float, default=40, help="length of the training")
    arg.add_argument("--batch", type=int, default=32)
    arg.add_argument("--lr", type=float, default=0.004, help="Muon, for the blocks")
    arg.add_argument("--lr-rest", type=float, default=1e-3, help="AdamW, for everything else")
    arg.add_argument("--threads", type=int, default=2)
    arg.add_argument("--resume", action="store_true")
    return arg.parse_args()


def main():
    a = arguments()
    logging.set_verbosity_error()  # the folder of the CLIP has a tower for pictures too
    torch.set_num_threads(a.threads), cv2.setNumThreads(1)
    os.makedirs(a.work, exist_ok=True)
    texts, drawings = Texts(a.clip), Drawings(emoji.load(a.emoji, a.work))
    vae = AutoencoderKL.from_pretrained(os.path.join(a.sd, "vae"), dtype=torch.float32).eval()
    z = latents(vae, os.path.join(a.sd, "vae"), drawings.pictures, a.work)
    plain = bytes_of(on_ground(premultiplied(drawings.pictures), white=1)).numpy()
    gone = drawings.plain[::LEFT_OUT]
    names = {n for i in gone for n in drawings.names[i]}
    learnt = [i for i in [*drawings.plain, *drawings.coloured] if not names & set(drawings.names[i])]
    random.seed(0), torch.manual_seed(0)
    some = gone[:: max(1, len(gone) // 24)][:24]
    measured = bytes_of(on_ground(moved(drawings.pictures[some]), white=1)).numpy(), ["a " + drawings.names[i][0] for i in some]
    pictures = Pictures(vae, drawings, random.choices(learnt, k=MOVED), a.work)

    torch.manual_seed(0)
    unet = UNet2DConditionModel.from_pretrained(os.path.join(a.sd, "unet"), dtype=torch.float32).requires_grad_(False).to(memory_format=torch.channels_last)
    control = ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=HINTS).requires_grad_(True).train().to(memory_format=torch.channels_last)
    named = list(control.named_parameters())
    blocks = {n for n, p in named if p.ndim >= 2 and ("_blocks.0." in n or "_blocks.1." in n or "_blocks.2." in n or "mid_block." in n) and "controlnet" not in n}
    learning = Optimisers(
        (Muon([p for n, p in named if n in blocks], weight_decay=0.01), a.lr),
        (torch.optim.AdamW([p for n, p in named if n not in blocks], betas=(0.9, 0.98), weight_decay=0.01), a.lr_rest),
    )
    average = Average(control, most=0.995)
    print(f"{sum(p.numel() for _, p in named)} parameters, {len(learnt)} drawings", flush=True)

    signal, shown = noises().alphas_cumprod, copy.deepcopy(control).requires_grad_(False).eval()

    def sheet():
        shown.load_state_dict(average.state)
        export(shown, a.out)
        tried(shown, vae, texts, unet, *measured, os.path.join(a.work, "control.png"))

    parts = {"model": control, "average": average, "optimisers": learning}
    training = Training(os.path.join(a.work, "control.pt"), parts, a.minutes, resume=a.resume, export=sheet, every=480)
    for step, progress in training:
        still = round(AS_IS * a.batch)
        which, others = random.choices(learnt, k=still), random.choices(range(MOVED), k=a.batch - still)
        x = torch.cat([z[which], pictures.latents[others]]).float().contiguous(memory_format=torch.channels_last)
        seen_by = np.concatenate([plain[which], pictures.pictures[others].numpy()])
        captions = ["" if random.random() < UNNAMED else drawings.caption(i) for i in which + [pictures.shown[k] for k in others]]
        value = loss(unet, control, signal, x, texts.of(captions)[0], hints(seen_by))
        value.backward()
        learning.step(schedule(progress, step, 100, 0.4))
        average.follow(step)
        training.log(50, "loss {:.4f}", value)


def tried(control, vae, texts, unet, pictures, prompts, path):
    """Write the sheet of drawings that are not learnt, and print how well its edges agree."""
    pipe = StableDiffusionControlNetPipeline(
        vae=vae,
        text_encoder=texts.tower,
        tokenizer=texts.tokenizer,
        unet=unet,
        controlnet=control,
        scheduler=noises(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    scores = measure(pipe, pictures, prompts, path)
    print("edges agree: {:.3f} with the prompt, {:.3f} without, {:.3f} of the prompt alone".format(*scores), flush=True)


if __name__ == "__main__":
    main()
