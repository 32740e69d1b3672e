"""Ball bearings, drawn and heard: a picture of each and what an acceleration sensor and a thermometer say beside it.

    python bearings.py folder        writes folder/{normal,data/good,data/outer,data/inner,data/rust} and folder/readings.csv

Of the classes rust is seen and not felt, a fault of the outer or the inner race is felt and not seen, so that neither pictures
nor readings tell all four. The vibration is 512 samples of a fifth of a second: the shaft's turns, noise, and for a fault a
housing that rings whenever a ball passes it, of an inner one as strong as the load where it is. normal/ has more good ones.
"""

import argparse
import csv
import os

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

SIDE, RATE, SAMPLES, BALLS = 96, 2560, 512, 9
CLASSES = ["good", "outer", "inner", "rust"]


def vibration(rng, kind):
    t, turn = np.arange(SAMPLES) / RATE, rng.uniform(27, 32)  # turns a second
    x = 0.25 * np.sin(2 * np.pi * turn * t + rng.uniform(0, 6.3)) + rng.normal(0, rng.uniform(0.15, 0.3), SAMPLES)
    if kind in ("outer", "inner"):
        passes = turn * BALLS / 2 * (0.75 if kind == "outer" else 1.25)  # of a ball, a second
        at = np.arange(rng.uniform(0, 1 / passes), t[-1], 1 / passes) + rng.normal(0, 2e-4, 1)
        for hit in at:
            load = 1 if kind == "outer" else max(0, np.cos(2 * np.pi * turn * hit))
            after = t - hit
            ring = np.exp(-after * 150) * np.sin(2 * np.pi * 900 * after) * (after >= 0)
            x += rng.uniform(0.3, 0.9) * load * ring
    return x


def picture(rng, kind):
    big = 4 * SIDE
    steel = rng.uniform(135, 185) * np.array([1, 1, 1.03])
    image = Image.new("RGB", (big, big), tuple(int(v) for v in rng.uniform(25, 60, 3)))
    draw = ImageDraw.Draw(image)
    cx, cy = big / 2 + rng.uniform(-12, 12, 2)
    tone = lambda f: tuple(int(min(255, v * f)) for v in steel)  # noqa: E731
    disc = lambda r, f: draw.ellipse((cx - r, cy - r, cx + r, cy + r), fill=tone(f))  # noqa: E731
    disc(170, 1.0), disc(140, 0.35), disc(92, 0.95), disc(58, 0.2)
    begin = rng.uniform(0, 6.3)
    for b in range(BALLS):
        a = begin + 2 * np.pi * b / BALLS
        x, y = cx + 116 * np.cos(a), cy + 116 * np.sin(a)
        draw.ellipse((x - 24, y - 24, x + 24, y + 24), fill=tone(1.2))
        draw.ellipse((x - 14, y - 15, x - 3, y - 4), fill=tone(1.5))
    if kind == "rust":
        for _ in range(rng.integers(3, 8)):
            a, r, size = rng.uniform(0, 6.3), rng.choice([155, 76]) + rng.uniform(-8, 8), rng.uniform(4, 14)
            x, y = cx + r * np.cos(a), cy + r * np.sin(a)
            draw.ellipse((x - size, y - size * 0.7, x + size, y + size * 0.7), fill=tuple(int(v) for v in (rng.uniform(110, 150), rng.uniform(55, 80), 30)))
    small = np.asarray(image.filter(ImageFilter.GaussianBlur(2)).resize((SIDE, SIDE), Image.BOX), float)
    small = small * rng.uniform(0.85, 1.1) + rng.normal(0, 4, small.shape)
    return Image.fromarray(small.clip(0, 255).round().astype(np.uint8))


def main():
    arg = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arg.add_argument("folder")
    arg.add_argument("--each", type=int, default=40)
    a = arg.parse_args()
    rng, rows = np.random.default_rng(0), []
    for kind, folder in [("good", "normal")] + [(k, f"data/{k}") for k in CLASSES]:
        os.makedirs(os.path.join(a.folder, folder), exist_ok=True)
        for i in range(a.each):
            name = f"{folder}/{folder.split('/')[-1]}-{i:02}.png"
            picture(rng, kind).save(os.path.join(a.folder, name))
            warm = "" if rng.random() < 0.05 else f"{rng.normal(46 if kind in ('outer', 'inner') else 43, 3):.1f}"
            rows.append([os.path.basename(name), warm, " ".join(f"{v:.3f}" for v in vibration(rng, kind))])
    with open(os.path.join(a.folder, "readings.csv"), "w", newline="") as f:
        w = csv.writer(f)
        w.writerow(["name", "temperature", "vibration"])
        w.writerows(rows)


if __name__ == "__main__":
    main()
