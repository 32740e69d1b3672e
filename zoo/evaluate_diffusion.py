"""Ask the small CLIP what the text-to-image model's sheets show: how many of the pictures it names
as they were asked for, beside how many of the drawings by hand."""

import argparse
import os

import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from PIL import Image
from transformers import AutoTokenizer, CLIPModel

import emoji
from evaluate_clip import pictures_of, texts_of
from train_diffusion import COMBINATIONS, SHEET, draw


BEST = 5  # of all names: among them is the right one
OTHER = {  # the names of the prompts that are no emoji's name
    "cup of coffee": ["hot beverage"],
    "car": ["automobile", "oncoming automobile"],
    "heart": ["red heart"],
    "clock": ["mantelpiece clock", "alarm clock", "twelve o clock", "three o clock", "nine o clock"],
    "book": ["closed book", "open book", "red book", "green book", "blue book", "orange book"],
    "gift": ["wrapped gift"],
}


def named(prompt, names):
    """The numbers of the names that are right for a prompt."""
    return [names.index(n) for n in OTHER.get(prompt, [prompt]) if n in names]


def recognised(similar, prompts, names):
    """The prompts whose pictures, the rows of similarities to all names, have a right one among the BEST."""
    best = similar.topk(BEST, 1).indices.tolist()
    return [p for p, near in zip(prompts, best) if set(near) & set(named(p, names))]


def drawings(data, style):
    """The pictures of the sheet's prompts as a style draws them, and the prompts."""
    found = {}
    for p in SHEET:
        for e in named(p, data.names):
            mine = np.flatnonzero((data.emoji == e) & (data.style == style))
            if len(mine) and p not in found:
                found[p] = data.pictures[mine[0]]
    return np.stack(list(found.values())), list(found)


def cut(path, n):
    """The n pictures of a sheet of eight a row, with or without gaps."""
    sheet = np.asarray(Image.open(path).convert("RGBA"))
    columns = min(n, 8) if sheet.shape[1] > 4 * emoji.SIZE + 3 * 8 else 4
    step = emoji.SIZE + (sheet.shape[1] - columns * emoji.SIZE) // (columns - 1)
    at = [(i // columns * step, i % columns * step) for i in range(n)]
    return np.stack([sheet[y : y + emoji.SIZE, x : x + emoji.SIZE] for y, x in at])


def main():
    arg = argparse.ArgumentParser(description=__doc__)
    arg.add_argument("pipeline", nargs="?", help="folder that train_diffusion.py made; without it, the sheets in --out as they are")
    arg.add_argument("--emoji", required=True, help="folder of unpacked npm packages; see emoji.py")
    arg.add_argument("--clip", default="clip", help="folder of the small CLIP")
    arg.add_argument("--work", default="work", help="folder of decoded pictures")
    arg.add_argument("--out", default=".", help="folder of the sheets")
    arg.add_argument("--threads", type=int, default=2)
    a = arg.parse_args()
    torch.set_num_threads(a.threads)
    os.makedirs(a.work, exist_ok=True)
    data = emoji.load(a.emoji, a.work)
    clip, tokenizer = CLIPModel.from_pretrained(a.clip, dtype=torch.float32).eval(), AutoTokenizer.from_pretrained(a.clip)
    names = texts_of(clip, tokenizer, data.names)
    for i, style in enumerate(emoji.STYLES):
        pictures, prompts = drawings(data, i)
        right = recognised(pictures_of(clip, pictures) @ names.T, prompts, data.names)
        print(f"drawings, {style}: {len(right)} of {len(prompts)} have their name among the best {BEST} of {len(names)}")
    pipe = a.pipeline and StableDiffusionPipeline.from_pretrained(a.pipeline, dtype=torch.float32)
    for sheet, prompts in ("sheet", SHEET), ("combinations", COMBINATIONS):
        path = os.path.join(a.out, sheet + ".png")
        if pipe:
            draw(pipe, prompts, path)
        pictures = pictures_of(clip, cut(path, len(prompts)))
        cosines = pictures @ texts_of(clip, tokenizer, prompts).T
        n, own = len(prompts), cosines.diagonal()
        others = (cosines.sum() - own.sum()) / (n * n - n)
        first = (cosines.argmax(1) == torch.arange(n)).float().mean()
        print(f"{sheet}: own prompt {own.mean():.3f}, others {others:.3f}, own prompt the best of {n} for {100 * first:.0f} %")
        if sheet == "sheet":
            right = recognised(pictures @ names.T, prompts, data.names)
            others = ", ".join(p for p in prompts if p not in right)
            print(f"{sheet}: {len(right)} of {n} have their name among the best {BEST} of {len(names)}; not: {others}")


if __name__ == "__main__":
    main()
