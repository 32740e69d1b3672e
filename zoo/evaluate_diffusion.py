"""Draw the sheets of the small text-to-image model, and ask the small CLIP whether each picture fits its prompt."""

import argparse
import os

import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from transformers import AutoTokenizer, CLIPModel

from evaluate_clip import pictures_of, texts_of
from train_diffusion import COMBINATIONS, SHEET, draw


def main():
    arg = argparse.ArgumentParser(description=__doc__)
    arg.add_argument("pipeline", help="folder that train_diffusion.py made")
    arg.add_argument("--clip", default="clip", help="folder of the small CLIP")
    arg.add_argument("--out", default=".", help="folder of the sheets")
    a = arg.parse_args()
    pipe = StableDiffusionPipeline.from_pretrained(a.pipeline, dtype=torch.float32)
    clip, tokenizer = CLIPModel.from_pretrained(a.clip, dtype=torch.float32).eval(), AutoTokenizer.from_pretrained(a.clip)
    for name, prompts in ("sheet", SHEET), ("combinations", COMBINATIONS):
        drawn = draw(pipe, prompts, os.path.join(a.out, name + ".png"))
        pictures = np.stack([np.asarray(p.convert("RGBA")) for p in drawn])
        cosines = pictures_of(clip, pictures) @ texts_of(clip, tokenizer, prompts).T
        n, own = len(prompts), cosines.diagonal()
        others = (cosines.sum() - own.sum()) / (n * n - n)
        first = (cosines.argmax(1) == torch.arange(n)).float().mean()
        print(f"{name}: own prompt {own.mean():.3f}, others {others:.3f}, own prompt the best of {n} for {100 * first:.0f} %")


if __name__ == "__main__":
    main()
