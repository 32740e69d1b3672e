"""How well an exported U²-Net tells drawings that it was not trained on from grounds that it was not trained on, in f32."""

import argparse
import os

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file
from torch.nn.functional import interpolate
from transformers import ViTImageProcessor

import cifar10
import cutouts
import emoji
from train_cutout import DOWN, UP, Maker
from u2net import U2Net

SIDE = 256  # of the pictures that it is tried with


class Cutter:
    """A model and its processor."""

    def __init__(self, folder):
        self.model = U2Net(DOWN, UP).eval()
        state = {k: v.float() for k, v in load_file(os.path.join(folder, "model.safetensors")).items()}
        self.model.load_state_dict(state, strict=False)
        self.processor = ViTImageProcessor.from_pretrained(folder)

    @torch.no_grad()
    def cut(self, picture):
        """How much each pixel belongs to what is drawn, 0 to 1."""
        x = self.processor(Image.fromarray(picture), return_tensors="pt")["pixel_values"]
        alpha = self.model(x)[0].sigmoid()
        alpha = interpolate(alpha, size=picture.shape[:2], mode="bilinear")[0, 0].numpy()
        return (alpha - alpha.min()) / max(1e-9, alpha.max() - alpha.min())  # as its authors do


def main():
    arg = argparse.ArgumentParser(description=__doc__)
    arg.add_argument("folder", help="the exported model")
    arg.add_argument("--emoji", required=True, help="folder of unpacked npm packages; see emoji.py")
    arg.add_argument("--data", help="CIFAR-10 as for train_vit.py")
    arg.add_argument("--work", default="work", help="folder of decoded pictures")
    arg.add_argument("--scenes", type=int, default=200)
    arg.add_argument("--sheet", help="write a sheet of examples here")
    a = arg.parse_args()
    torch.set_num_threads(1)
    os.makedirs(a.work, exist_ok=True)
    data = emoji.load(a.emoji, a.work, cutouts.DRAWN)
    _, single, never = emoji.split(data)
    photographs, _, _ = cifar10.load("test", a.data, a.work)
    maker, cutter = Maker(data, None, single | never, photographs.numpy(), cutouts.HELD_OUT), Cutter(a.folder)
    ious, errors = [], []
    out = Image.new("RGB", (8 * 132, 6 * 132), "white")
    for k in range(a.scenes):
        picture, drawn = maker.scene(np.random.default_rng([1, k]), SIDE)
        got = cutter.cut(picture)
        said, true = got > 0.5, drawn > 0.5
        ious.append((said & true).sum() / max(1, (said | true).sum()))
        errors.append(np.abs(got - drawn).mean())
        if k < 24:
            left, top = k % 8 * 132, k // 8 * 264
            over = picture * got[..., None] + 255 * (1 - got[..., None])
            for i, x in enumerate((picture, over)):
                out.paste(Image.fromarray(x.astype(np.uint8)).resize((128, 128), Image.LANCZOS), (left, top + i * 132))
    print(f"{a.scenes} scenes: mean IoU {np.mean(ious):.3f}, median {np.median(ious):.3f}, mean error of alpha {np.mean(errors):.4f}")
    print(f"share with an IoU of 0.8: {np.mean(np.array(ious) > 0.8):.3f}, of 0.5: {np.mean(np.array(ious) > 0.5):.3f}")
    if a.sheet:
        out.quantize(256).save(a.sheet)


if __name__ == "__main__":
    main()
