"""Train the small text-to-image model on named emoji: diffusers' UNet2DConditionModel on the
latents of train_autoencoder.py, with the small CLIP's text tower, exported as a pipeline's folder."""

import argparse
import hashlib
import os
import random
import re
import shutil
from glob import glob

import numpy as np
import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from PIL import Image
from safetensors.torch import load_file
from torch.nn.functional import adaptive_avg_pool2d, avg_pool2d
from transformers import CLIPTextModel, CLIPTokenizer
from transformers.utils import logging

import composites
import emoji
from muon import Muon
from train_autoencoder import on_ground, premultiplied
from train_clip import CONTEXT
from training import Average, Optimisers, Training, schedule

STYLE = "twemoji"  # the one hand that is learnt
LEFT_OUT = ("Symbols", "Flags")  # groups of emoji
PERSON = re.compile(r"(man|woman|men|women|person|people|family|couple|kiss)\b")  # begins names of people doing this and that, left out too
DROPPED = 0.1  # of the captions, for guidance
SHORT = 0.25  # of the captions have a short name
TINTED = 0.15  # of the pictures are recoloured
COMPOSED = 0.4  # of the pictures are of two things
PLAIN = 0.5  # of the captions are the name alone
DRAWN = ["a {}", "a {}", "a {}", "{} emoji", "a drawing of a {}"]
LOOKED = 0.01  # weight of the loss of the attention to words
IDLE = {"a", "an", "of", "with", "on", "drawing", "emoji"}  # words that draw nothing
NOISY = 0.8  # of the steps are among the noisiest 650, where the text decides what there will be; the others anywhere
# The drawings of faces and hands that composites have too, and how they are called there.
PARTS = {n: n for n in ("eyes", "robot", "ghost", "alien", "skull", "brain", "ear", "foot")} | {"red heart": "heart", "automobile": "car"}
COLOURS = {
    "red": (221, 46, 68),
    "orange": (244, 144, 12),
    "yellow": (255, 204, 77),
    "green": (92, 160, 60),
    "blue": (50, 120, 220),
    "purple": (146, 90, 204),
    "pink": (244, 140, 180),
    "brown": (140, 84, 50),
    "black": (49, 55, 61),
}
# A rainbow's bows, by row of a picture [64,1,3].
BOWS = np.repeat([[COLOURS[c]] for c in ("red", "orange", "yellow", "green", "blue", "purple")], 11, 0)[1:65]


def prompts(name):
    """The lines of a file beside this one."""
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), name)) as f:
        return f.read().splitlines()


SHEET, COMBINATIONS = prompts("prompts.txt"), prompts("combinations.txt")
HELD = [set(p.split()) - IDLE for p in COMBINATIONS]


def held(text):
    """Whether a caption has the parts of a combination: those are left out, so that the combinations show what the
    model makes of parts."""
    words = set(text.split())
    return any(parts <= words for parts in HELD)


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


def tinted(picture):
    """By colour, a picture uint8 [64,64,4] whose most frequent hue has become that colour, lighter and darker as it
    was; none where no hue has a quarter of the drawing."""
    rgb, solid = picture[..., :3].astype(float), picture[..., 3] > 128
    hue, vivid = (np.asarray(Image.fromarray(picture[..., :3]).convert("HSV"))[..., i].astype(int) for i in (0, 1))
    vivid = solid & (vivid > 60)
    count, near = np.bincount(hue[vivid], minlength=256), np.arange(-24, 25)
    main = count[(np.arange(256)[:, None] + near) % 256].sum(1).argmax()
    chosen = vivid & (abs((hue - main + 128) % 256 - 128) < 25)
    if chosen.sum() < max(1, 0.25 * solid.sum()):
        return {}
    light = rgb @ [0.3, 0.59, 0.11]
    usual = np.median(light[chosen])
    darker, lighter = np.minimum(light / usual, 1)[..., None], (np.maximum(light - usual, 0) / (256 - usual))[..., None]
    made = {}
    for colour, target in (COLOURS | {"rainbow": BOWS}).items():
        new = np.array(target) * darker
        new += (255 - new) * lighter
        made[colour] = np.concatenate([np.where(chosen[..., None], new, rgb).round().astype(np.uint8), picture[..., 3:]], 2)
    return made


class Drawings:
    """The pictures that are learnt: those of STYLE as they are, recoloured, and two in one."""

    def __init__(self, data):
        style = emoji.STYLES.index(STYLE)
        self.pictures, self.names, self.tints = [], [], []
        single, animals = {}, set()
        for i in np.flatnonzero(data.style == style):
            e = data.emoji[i]
            names, group = [data.names[e]] + data.shorts[e], data.groups[e]
            if group in LEFT_OUT or group == "People & Body" and PERSON.match(names[0]):
                continue
            self.add(data.pictures[i], names, "")
            name = PARTS.get(names[0], names[0])
            if group not in ("Smileys & Emotion", "People & Body") or name in PARTS.values():
                single[name] = data.pictures[i]
            if group == "Animals & Nature":
                animals.add(name)
            if group in ("Smileys & Emotion", "People & Body"):
                continue
            bare = [" ".join(w for w in n.split() if w not in COLOURS) for n in names]
            for colour, new in tinted(data.pictures[i]).items():
                if not held(f"{colour} {' '.join(names)}"):
                    self.add(new, [n for n in bare if n], colour)
        alone = len(self.pictures)
        for picture, text in composites.make(single, animals):
            if not held(text):
                self.add(picture, [text], "")
        self.pictures = torch.from_numpy(np.stack(self.pictures))
        self.solid = avg_pool2d(self.pictures[..., 3].float() / 255, 4)  # the part that is drawn of each place of the latents
        self.plain = [i for i in range(alone) if not self.tints[i]]
        self.coloured = [i for i in range(alone) if self.tints[i]]
        self.composed = range(alone, len(self.names))

    def add(self, picture, names, tint):
        self.pictures.append(picture), self.names.append(names), self.tints.append(tint)

    def some(self, n):
        """The numbers of n pictures."""
        kinds = random.choices([self.coloured, self.composed, self.plain], [TINTED, COMPOSED, 1 - TINTED - COMPOSED], k=n)
        return [random.choice(kind) for kind in kinds]

    def caption(self, i):
        """Words for a picture, other ones each time; sometimes none."""
        if random.random() < DROPPED:
            return ""
        names = self.names[i]
        text = random.choice(names[1:]) if names[1:] and random.random() < SHORT else names[0]
        text = f"{self.tints[i]} {text}".strip()
        if random.random() < PLAIN:
            return text
        return re.sub(r"\ba (?=[aeiou])", "an ", random.choice(DRAWN).format(text))


def digest(folder):
    with open(glob(os.path.join(folder, "*.safetensors"))[0], "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


@torch.no_grad()
def latents(vae, folder, pictures, cache):
    """Scaled latents [N,4,16,16] over white as halves; made once for an autoencoder and these pictures."""
    saved, of = os.path.join(cache, "latents.pt"), digest(folder) + hashlib.sha256(pictures.numpy()).hexdigest()
    if os.path.exists(saved) and (c := torch.load(saved))["of"] == of:
        return c["latents"]
    z = []
    for part in pictures.split(64):
        with torch.autocast("cpu", torch.bfloat16):
            z.append(vae.encode(on_ground(premultiplied(part), white=1)).latent_dist.mean.half() * vae.config.scaling_factor)
    z = torch.cat(z)
    torch.save({"of": of, "latents": z}, saved)
    return z


class Texts:
    """The text tower's last hidden states of captions, padded to the whole context as pipelines do; computed once each."""

    def __init__(self, folder):
        self.tokenizer = CLIPTokenizer.from_pretrained(folder)
        self.tower = CLIPTextModel.from_pretrained(folder, dtype=torch.float32).eval()
        self.known = {}
        vocabulary = self.tokenizer.get_vocab()
        self.idle = [vocabulary[w + "</w>"] for w in IDLE if w + "</w>" in vocabulary] + self.tokenizer.all_special_ids

    @torch.no_grad()
    def of(self, captions):
        """States [n,32,width], and of each token whether it draws something [n,32]."""
        if new := list({c for c in captions if c not in self.known}):
            ids = self.tokenizer(new, padding="max_length", max_length=CONTEXT, truncation=True, return_tensors="pt").input_ids
            with torch.autocast("cpu", torch.bfloat16):
                states = self.tower(ids).last_hidden_state.half()
            self.known |= zip(new, zip(states, ~torch.isin(ids, torch.tensor(self.idle))))
        states, draws = zip(*(self.known[c] for c in captions))
        return torch.stack(states).float(), torch.stack(draws)


class Attention:
    """diffusers' plain attention (on a CPU faster than the fused one), which keeps what it pays to texts: the means
    over the heads [n,places,tokens]."""

    def __init__(self):
        self.paid = []

    def __call__(self, attn, x, encoder_hidden_states=None, attention_mask=None, temb=None):
        text = x if encoder_hidden_states is None else encoder_hidden_states
        q, k, v = (attn.head_to_batch_dim(f(y)) for f, y in ((attn.to_q, x), (attn.to_k, text), (attn.to_v, text)))
        weights = attn.get_attention_scores(q, k)
        if encoder_hidden_states is not None:
            self.paid.append(weights.unflatten(0, (len(x), attn.heads)).mean(1).float())
        return attn.to_out[0](attn.batch_to_head_dim(torch.bmm(weights, v)))


def looked(paid, solid, draws):
    """What the attention is away from all words that draw where there is a drawing [n,16,16], and none of them where there is
    none: so a word's map shows its thing. Mean cross-entropy over the places, captions with such words and layers."""
    draws, solid = draws[some := draws.any(1)].float(), solid[some]
    total = 0
    for weights in paid:
        weights, side = weights[some].clamp(1e-4, 1), int(weights.shape[1] ** 0.5)
        there = adaptive_avg_pool2d(solid, side).flatten(1)
        words = (weights.log() @ (draws / draws.sum(1, keepdim=True))[..., None])[..., 0]
        none = (1 - (weights @ draws[..., None])[..., 0]).clamp(min=1e-4).log()
        total = total - (there * words + (1 - there) * none).mean()
    return total / len(paid)


def noised(signal, z, share):
    """Random steps [n], a share of them among the noisiest 650 of 1,000; latents z with the noise of those; and the
    velocities that are to be predicted (Salimans & Ho 2022). signal is the schedule's [T] of cumulative products."""
    least = torch.where(torch.rand(len(z)) < share, 0.35, 0.0)
    t = ((least + (1 - least) * torch.rand(len(z))) * len(signal)).long()
    kept = signal[t].view(-1, 1, 1, 1)
    noise = torch.randn_like(z)
    noisy, velocity = kept.sqrt() * z + (1 - kept).sqrt() * noise, kept.sqrt() * noise - (1 - kept).sqrt() * z
    return t, noisy, velocity


def loss(unet, attention, signal, z, text, draws, solid):
    """Mean squared error of the predicted velocity at random steps, all of one weight: min-SNR weights would leave out
    the noisy ones, in which the text decides what there will be. And the attention's loss."""
    attention.paid.clear()
    t, noisy, velocity = noised(signal, z, NOISY)
    with torch.autocast("cpu", torch.bfloat16):
        out = unet(noisy, t, text).sample
    return ((out.float() - velocity) ** 2).mean(), looked(attention.paid, solid, draws)


def optimisers(unet, lr, lr_rest):
    """Muon for the blocks' matrices and convolutions, AdamW for the rest."""
    named = list(unet.named_parameters())

    def inner(name, p):
        return p.ndim >= 2 and "_block" in name

    return Optimisers(
        (Muon([p for n, p in named if inner(n, p)], lr=lr, weight_decay=0.01), lr),
        (torch.optim.AdamW([p for n, p in named if not inner(n, p)], lr=lr_rest, betas=(0.9, 0.98), weight_decay=0.01), lr_rest),
    )


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
    arg.add_argument("--start", help="a pipeline whose denoiser is trained on, in place of a new one")
    arg.add_argument("--resume", action="store_true")
    return arg.parse_args()


def main():
    a = arguments()
    logging.set_verbosity_error()  # the folder of the CLIP has a tower for pictures too
    torch.set_num_threads(a.threads)
    os.makedirs(a.work, exist_ok=True)
    data = emoji.load(a.emoji, a.work)
    texts, drawings, folder = Texts(a.clip), Drawings(data), os.path.join(a.out, "vae")
    vae = AutoencoderKL.from_pretrained(folder, dtype=torch.float32).eval()
    z = latents(vae, folder, drawings.pictures, a.work)
    signal = noises().alphas_cumprod

    torch.manual_seed(0)
    unet = UNet2DConditionModel(**describe(texts.tower.config.hidden_size)).to(memory_format=torch.channels_last)
    unet.set_attn_processor(attention := Attention())
    if a.start:
        unet.load_state_dict(load_file(glob(os.path.join(a.start, "unet", "*.safetensors"))[0]))
    learning, average = optimisers(unet, a.lr, a.lr_rest), Average(unet, most=0.999)
    parameters = sum(p.numel() for p in unet.parameters())
    print(f"{parameters} parameters, {len(drawings.plain)} drawings, latents {list(z.shape)}, deviation {z.float().std():.3f}", flush=True)

    def sheets():
        export(average.state, a.clip, a.out)
        pipe = pipeline(average.state, vae, texts)
        draw(pipe, SHEET, os.path.join(a.work, "sheet.png"))
        draw(pipe, COMBINATIONS, os.path.join(a.work, "combinations.png"))

    parts = {"model": unet, "average": average, "optimisers": learning}
    training = Training(os.path.join(a.work, "diffusion.pt"), parts, a.minutes, resume=a.resume, every=60 * a.sheet, export=sheets)
    for step, progress in training:
        which = drawings.some(a.batch)
        x = z[which].float().contiguous(memory_format=torch.channels_last)
        values = loss(unet, attention, signal, x, *texts.of([drawings.caption(i) for i in which]), drawings.solid[which])
        (values[0] + LOOKED * values[1]).backward()
        learning.step(schedule(progress, step, 100, a.decay))
        average.follow(step)
        training.log(50, "loss {:.4f}, of attention {:.3f}", *values)


if __name__ == "__main__":
    main()
