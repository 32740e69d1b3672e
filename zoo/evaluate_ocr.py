"""Measure the detector and the recogniser of text lines: character error rates, in fonts that were held out.

    python evaluate_ocr.py lines ocr_rec
    python evaluate_ocr.py draw pages
    bin/run -model ocr -image pages -json > read.json
    python evaluate_ocr.py pages pages --read read.json
"""

import argparse
import json
import os

import numpy as np
import skimage.data
import torch
from PIL import Image
from transformers import PPOCRV6SmallRecForTextRecognition

import lines
import pages
from train_ocr import Batch, distance, spell
from train_pages import PHOTOGRAPHS

REAL = """Region-based segmentation
Let us first determine markers of the coins and the
background. These markers are pixels that we can label
unambiguously as either object or background. Here,
the markers are found at the two extreme parts of the
histogram of grey values:
>>> markers = np.zeros_like(coins)"""  # of skimage.data.page(), but for a line that is cut off
SIDE = 640


@torch.no_grad()
def of_lines(folder, maker, number):
    """Error rates of lines one by one, by alphabet."""
    model = PPOCRV6SmallRecForTextRecognition.from_pretrained(folder, dtype=torch.float32).eval()
    for kind in ("ascii", "korean"):
        rng, wrong, total, whole = np.random.default_rng(7), 0, 0, 0
        for _ in range(number):
            text, ink, _ = maker.make(rng, int(rng.integers(6, 22)), kind)
            batch = Batch([(text, ink, np.zeros(len(text)))], rng)
            said = spell(model(batch.x).last_hidden_state.argmax(2))[0]
            wrong, total, whole = wrong + distance(said, text), total + len(text), whole + (said == text)
        print(f"{kind}: {100 * wrong / total:.2f} % of {total} characters wrong, {100 * whole / number:.1f} % of {number} lines right")


def draw(folder, maker, number):
    """Write pages, and what they say, and the real ones."""
    os.makedirs(folder, exist_ok=True)
    truth = {}
    for i in range(number):
        image, boxes, texts = maker.make(np.random.default_rng(5000 + i), SIDE)
        Image.fromarray(image).save(os.path.join(folder, f"{i:02}.png"))
        inside = [(b.tolist(), t) for b, t in zip(boxes, texts) if b.min() >= 0 and b.max() < SIDE]
        truth[f"{i:02}.png"] = {"lines": inside, "cut": [b.tolist() for b in boxes if b.min() < 0 or b.max() >= SIDE]}
    Image.fromarray(skimage.data.page()).save(os.path.join(folder, "page.png"))
    Image.fromarray(skimage.data.text()).save(os.path.join(folder, "text.png"))
    with open(os.path.join(folder, "truth.json"), "w") as f:
        json.dump(truth, f)


def around(quad):
    quad = np.array(quad)
    return np.concatenate([quad.min(0), quad.max(0)])


def overlap(a, b):
    """IoU of boxes as x, y of two corners."""
    size = np.maximum(0, np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]))
    inner = size.prod()
    return inner / ((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - inner)


def holds(box, line):
    """That a box has its middle within a line and holds most of it: letters of one height have lower lines than boxes are."""
    middle = (box[:2] + box[2:]) / 2
    inner = np.maximum(0, np.minimum(box[2:], line[2:]) - np.maximum(box[:2], line[:2])).prod()
    return (middle >= line[:2]).all() and (middle <= line[2:]).all() and inner >= 0.6 * (line[2:] - line[:2]).prod()


def of_pages(folder, read):
    """Lines that are found, and error rates of what is read: lines that are not found are wrong altogether, what was read and
    is no line is too much."""
    with open(os.path.join(folder, "truth.json")) as f:
        truth = json.load(f)
    with open(read) as f:
        said = {os.path.basename(i["path"]): i["lines"] for i in json.load(f)["images"]}
    counts = {kind: np.zeros(4, int) for kind in ("ascii", "korean")}  # lines, found, characters, wrong
    more = 0
    for name, page in truth.items():
        left = [(around(s["quad"]), s["text"]) for s in said[name]]
        for quad, text in page["lines"]:
            best = max(range(len(left)), key=lambda i: overlap(left[i][0], around(quad)), default=None)
            found = best is not None and holds(left[best][0], around(quad))
            wrong = distance(left.pop(best)[1], text) if found else len(text)
            counts["korean" if any(c >= "가" for c in text) else "ascii"] += np.array([1, found, len(text), wrong])
        more += sum(len(text) for box, text in left if all(overlap(box, around(q)) < 0.1 for q in page["cut"]))
    for kind, (n, found, characters, wrong) in counts.items():
        print(f"{kind}: {100 * found / n:.1f} % of {n} lines found; {100 * wrong / characters:.2f} % of {characters} characters wrong or missing")
    print(f"read where nothing stands: {more} characters in {len(truth)} pages")
    page = "\n".join(s["text"] for s in said["page.png"])
    lines_of_it = page.split("\n")
    while len(lines_of_it) > 1 and distance("\n".join(lines_of_it[:-1]), REAL) < distance("\n".join(lines_of_it), REAL):
        lines_of_it.pop()  # the line that is cut off
    print(f"page: {100 * distance(chr(10).join(lines_of_it), REAL) / len(REAL):.2f} % of {len(REAL)} characters wrong:\n{page}")
    print("text:", [s["text"] for s in said["text.png"]])


def main():
    arg = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arg.add_argument("what", choices=["lines", "draw", "pages"])
    arg.add_argument("folder")
    arg.add_argument("--read", help="what the program printed")
    arg.add_argument("--fonts", default="/usr/share/fonts")
    arg.add_argument("--texts", default="/usr/share")
    arg.add_argument("--number", type=int, help="of lines of each alphabet, or of pages")
    a = arg.parse_args()
    torch.set_num_threads(1)
    if a.what == "pages":
        return of_pages(a.folder, a.read)
    fonts, texts = lines.Fonts(a.fonts, True), lines.Texts(a.texts)
    if a.what == "lines":
        return of_lines(a.folder, lines.Maker(fonts, texts), a.number or 1000)
    photographs = [Image.fromarray(getattr(skimage.data, n)()).convert("RGB") for n in PHOTOGRAPHS]
    draw(a.folder, pages.Maker(fonts, texts, photographs), a.number or 40)


if __name__ == "__main__":
    main()
