"""Surfaces with and without something wrong: scikit-image's brick, grass and gravel, scratched and stained.

    python surfaces.py folder        writes folder/{brick,grass,gravel}/{normal,eval/good,eval/scratch,eval/stain,eval/masks}

Each surface is a photograph of 512×512 pixels. Normal pictures are parts of 128×128 of two of its quarters, the upper left
and the lower right one; the others, good and wrong, are of the two that no normal picture shows.
"""

import argparse
import os

import numpy as np
from PIL import Image, ImageDraw, ImageFilter
from skimage import data

SIDE = 128
SURFACES = {"brick": data.brick, "grass": data.grass, "gravel": data.gravel}


def part(rng, surface, other):
    """A part of two quarters of a surface, as a camera has it: a little brighter or darker, with noise."""
    below = rng.integers(2)
    y, x = (256 * quarter + rng.integers(256 - SIDE + 1) for quarter in (below, below ^ other))
    out = surface[y : y + SIDE, x : x + SIDE].astype(float)
    return out * rng.uniform(0.92, 1.08) + rng.normal(0, 3, out.shape)


def scratch(rng):
    """A line that bends, two pixels wide or so: a mask from 0 to 1."""
    mask = Image.new("L", (4 * SIDE, 4 * SIDE))
    at, angle, points = rng.uniform(0.25, 0.75, 2) * 4 * SIDE, rng.uniform(0, 2 * np.pi), []
    for _ in range(12):
        points.append(tuple(at))
        at = at + 4 * rng.uniform(3, 6) * np.array([np.cos(angle), np.sin(angle)])
        angle += rng.normal(0, 0.2)
    ImageDraw.Draw(mask).line(points, fill=255, width=int(rng.integers(6, 13)), joint="curve")
    return np.asarray(mask.resize((SIDE, SIDE), Image.BOX)) / 255


def stain(rng):
    """A blot with an edge that is not straight: a mask from 0 to 1."""
    y, x = np.mgrid[:SIDE, :SIDE] - rng.uniform(0.25, 0.75, 2)[:, None, None] * SIDE
    angle, radius = np.arctan2(y, x), rng.uniform(8, 18)
    edge = radius * (1 + sum(rng.uniform(0, 0.15) * np.cos(k * angle + rng.uniform(0, 6.3)) for k in range(2, 6)))
    mask = Image.fromarray((255 * (np.hypot(y, x) < edge)).astype(np.uint8)).filter(ImageFilter.GaussianBlur(1))
    return np.asarray(mask) / 255


def wrong(rng, picture, kind):
    """The picture with something wrong, and where: a scratch is light or dark, a stain takes light and contrast."""
    if kind == "scratch":
        mask = scratch(rng)
        return picture + mask * (rng.choice([225, 25]) - picture), mask > 0.3
    mask = stain(rng)
    dark = picture.mean() * 0.55 + 0.5 * (picture - picture.mean())
    return picture + mask * (dark - picture), mask > 0.5


def write(path, picture):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    Image.fromarray(np.clip(picture, 0, 255).round().astype(np.uint8)).save(path)


def main():
    arg = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arg.add_argument("folder")
    arg.add_argument("--normal", type=int, default=40)
    arg.add_argument("--each", type=int, default=20, help="good ones, scratched ones and stained ones")
    a = arg.parse_args()
    for i, (name, load) in enumerate(SURFACES.items()):
        rng, surface, folder = np.random.default_rng(i), load(), os.path.join(a.folder, name)
        for n in range(a.normal):
            write(f"{folder}/normal/{n:02}.png", part(rng, surface, False))
        for n in range(a.each):
            write(f"{folder}/eval/good/{n:02}.png", part(rng, surface, True))
            for kind in ("scratch", "stain"):
                picture, mask = wrong(rng, part(rng, surface, True), kind)
                write(f"{folder}/eval/{kind}/{n:02}.png", picture)
                write(f"{folder}/eval/masks/{kind}/{n:02}.png", 255.0 * mask)


if __name__ == "__main__":
    main()
