"""How well an exported YOLOS finds drawings that it was not trained on, over grounds that it was not trained on, by
transformers in f32 and pycocotools."""

import argparse
import contextlib
import io
import json
import os

import numpy as np
import torch
from PIL import Image, ImageDraw
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from transformers import YolosForObjectDetection, YolosImageProcessor

import cifar10
import cutouts
import kinds

SIDE = 256  # of the pictures that it is tried with


class Finder:
    """A model and its processor."""

    def __init__(self, folder):
        self.model = YolosForObjectDetection.from_pretrained(folder, dtype=torch.float32).eval()
        self.processor = YolosImageProcessor.from_pretrained(folder)

    @torch.no_grad()
    def find(self, picture):
        """Scores, kinds, and boxes as x, y of two corners in pixels: of each query its best kind."""
        image = Image.fromarray(picture)
        out = self.model(self.processor(image, return_tensors="pt")["pixel_values"])
        got = self.processor.post_process_object_detection(out, threshold=0.0, target_sizes=[image.size[::-1]])[0]
        return got["scores"].numpy(), got["labels"].numpy(), got["boxes"].numpy()


def annotations(made):
    """COCO's document of scenes."""
    images = [{"id": i + 1, "file_name": f"{i + 1:04d}.png", "width": SIDE, "height": SIDE} for i in range(len(made))]
    things = []
    for i, s in enumerate(made):
        for k, (x0, y0, x1, y1) in zip(s.kinds.tolist(), (s.boxes * SIDE).tolist()):
            box = [x0, y0, x1 - x0, y1 - y0]
            things.append({"id": len(things) + 1, "image_id": i + 1, "category_id": k + 1, "bbox": box, "area": box[2] * box[3], "iscrowd": 0})
    return {"images": images, "annotations": things, "categories": [{"id": k + 1, "name": n} for k, n in enumerate(kinds.NAMES)]}


def measure(finder, made):
    """AP, and by kind."""
    said, hits, shown, things, named = [], 0, 0, 0, []
    for i, s in enumerate(made):
        scores, labels, boxes = finder.find(s.picture)
        for score, k, (x0, y0, x1, y1) in zip(scores.tolist(), labels.tolist(), boxes.tolist()):
            said.append({"image_id": i + 1, "category_id": k + 1, "bbox": [x0, y0, x1 - x0, y1 - y0], "score": score})
        sure = scores > 0.5
        fits = overlaps(boxes, s.boxes * SIDE)
        good = (fits > 0.5) & (labels[:, None] == s.kinds) & sure[:, None]
        hits, shown, things = hits + good.any(0).sum(), shown + sure.sum(), things + len(s.kinds)
        for t in range(len(s.kinds)):  # of the query whose box fits best, whatever it says
            if fits[:, t].max(initial=0) > 0.5:
                named.append(labels[fits[:, t].argmax()] == s.kinds[t])
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = annotations(made)
        truth.createIndex()
        e = COCOeval(truth, truth.loadRes(said), "bbox")
        e.evaluate(), e.accumulate(), e.summarize()
    print(f"{things} drawings in {len(made)} scenes: AP {e.stats[0]:.3f} AP50 {e.stats[1]:.3f} AP75 {e.stats[2]:.3f}")
    print(f"medium {e.stats[4]:.3f} large {e.stats[5]:.3f}; with a score above 0.5: recall {hits / things:.3f} precision {hits / max(1, shown):.3f}")
    print(f"a box fits by a half: {len(named) / things:.3f}, and of these the best has the right kind: {np.mean(named):.3f}")
    p = e.eval["precision"][0, :, :, 0, 2]  # IoU of a half, all areas, 100 a picture
    print("AP50 by kind: " + ", ".join(f"{n} {p[:, k].mean():.2f}" for k, n in enumerate(kinds.NAMES) if p[:, k].mean() >= 0))


def overlaps(a, b):
    """IoU of each of the boxes a with each of b."""
    low, high = np.maximum(a[:, None, :2], b[None, :, :2]), np.minimum(a[:, None, 2:], b[None, :, 2:])
    inner = (high - low).clip(0).prod(2)
    areas = [(x[:, 2:] - x[:, :2]).prod(1) for x in (a, b)]
    return inner / np.maximum(areas[0][:, None] + areas[1] - inner, 1e-9)


def sheet(finder, made, path, columns=6):
    """Scenes with what is found in them."""
    out = Image.new("RGB", (columns * 200, (len(made) + columns - 1) // columns * 200), "white")
    for i, s in enumerate(made):
        image = Image.fromarray(s.picture).resize((196, 196), Image.LANCZOS)
        draw = ImageDraw.Draw(image)
        for score, k, box in zip(*finder.find(s.picture)):
            if score > 0.5:
                x0, y0, x1, y1 = box * 196 / SIDE
                draw.rectangle([x0, y0, x1, y1], outline=(255, 40, 40), width=2)
                draw.rectangle([x0, y0 - 11, x0 + 6 * len(kinds.NAMES[k]) + 26, y0], fill=(255, 40, 40))
                draw.text((x0 + 2, y0 - 11), f"{kinds.NAMES[k]} {score:.2f}", fill="white")
        out.paste(image, (i % columns * 200, i // columns * 200))
    out.quantize(256).save(path)


def main():
    arg = argparse.ArgumentParser(description=__doc__)
    arg.add_argument("folder", help="the exported model")
    arg.add_argument("--emoji", required=True, help="folder of unpacked npm packages; see emoji.py")
    arg.add_argument("--data", help="CIFAR-10 as for train_vit.py")
    arg.add_argument("--work", default="work", help="folder of decoded pictures")
    arg.add_argument("--scenes", type=int, default=200)
    arg.add_argument("--sheet", help="write a sheet of examples here")
    arg.add_argument("--save", help="write the scenes here, with annotations.json, as run -eval reads them")
    a = arg.parse_args()
    torch.set_num_threads(1)
    os.makedirs(a.work, exist_ok=True)
    drawings = kinds.Drawings(a.emoji, a.work)
    photographs, _, _ = cifar10.load("test", a.data, a.work)
    finder = Finder(a.folder)
    for name, mask in (("held out", drawings.held_out), ("of these, not seen by the captioner either", drawings.unseen)):
        print(f"{name}: {(mask & (drawings.kind >= 0)).sum()} drawings")
        maker = kinds.Maker(drawings, mask, photographs.numpy(), cutouts.HELD_OUT, SIDE)
        made = [maker.scene(np.random.default_rng([1, k])) for k in range(a.scenes)]
        measure(finder, made)
        if mask is drawings.held_out and a.sheet:
            sheet(finder, made[:24], a.sheet)
        if mask is drawings.held_out and a.save:
            os.makedirs(a.save, exist_ok=True)
            document = annotations(made)
            for image, s in zip(document["images"], made):
                Image.fromarray(s.picture).save(os.path.join(a.save, image["file_name"]))
            with open(os.path.join(a.save, "annotations.json"), "w") as f:
                json.dump(document, f)


if __name__ == "__main__":
    main()
