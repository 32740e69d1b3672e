"""How well an exported SAM cuts out drawings that it was not trained on, over grounds that it was not trained on, by
transformers in f32."""

import argparse
import os

import numpy as np
import torch
from PIL import Image
from scipy.ndimage import distance_transform_edt
from transformers import SamModel, SamProcessor

import cifar10
import cutouts
import emoji

SEEN = 150  # a drawing counts where at least so many of its pixels are seen
TINT = np.array([255, 40, 40])


class Cutter:
    """A model and its processor."""

    def __init__(self, folder):
        self.model = SamModel.from_pretrained(folder, dtype=torch.float32).eval()
        self.processor = SamProcessor.from_pretrained(folder)

    @torch.no_grad()
    def see(self, picture):
        self.sizes = self.processor(Image.fromarray(picture), return_tensors="pt")
        self.seen = self.model.get_image_embeddings(self.sizes["pixel_values"])

    @torch.no_grad()
    def cut(self, clicks=None, labels=None, boxes=None, several=True):
        """Masks [k,m,256,256] and what their IoU is thought to be [k,m]: of clicks [k,p,2] or boxes [k,4]."""
        asked = {"input_boxes": torch.tensor(boxes, dtype=torch.float32)[None]} if clicks is None else {}
        if clicks is not None:
            points = torch.tensor(clicks, dtype=torch.float32)[None]
            asked = {"input_points": points, "input_labels": torch.ones(points.shape[:3]).long() if labels is None else torch.tensor(labels)[None]}
        out = self.model(image_embeddings=self.seen, multimask_output=several, **asked)
        sizes = self.sizes["original_sizes"], self.sizes["reshaped_input_sizes"]
        return self.processor.image_processor.post_process_masks(list(out.pred_masks), *sizes)[0].numpy(), out.iou_scores[0].numpy()


def inside(mask, rng):
    """x and y of a pixel at least half as far from the edge as the one that is farthest."""
    far = distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    y, x = np.divmod(rng.choice(np.flatnonzero(far >= far.max() / 2)), mask.shape[1])
    return [x, y]


def anywhere(mask, rng):
    y, x = np.divmod(rng.choice(np.flatnonzero(mask)), mask.shape[1])
    return [x, y]


def correction(got, want, rng):
    """A click where the larger kind of error is deepest inside, and its label."""
    missing, too_much = want & ~got, got & ~want
    label = int(missing.sum() >= too_much.sum())
    wrong = missing if label else too_much
    return inside(wrong if wrong.any() else want, rng), label if wrong.any() else 1


def iou(a, b):
    return (a & b).sum() / max(1, (a | b).sum())


def measure(cutter, maker, n, seed=1):
    """Means over the drawings of n scenes."""
    got, sizes = {}, []
    for k in range(n):
        rng = np.random.default_rng([seed, k])
        scene = maker.scene(rng)
        wanted = [scene.owner == d for d in range(len(scene.touching))]
        wanted = [m for m in wanted if m.sum() >= SEEN]
        if not wanted:
            continue
        cutter.see(scene.picture)
        clicks = [[inside(m, rng)] for m in wanted]
        masks, thought = cutter.cut(clicks)
        best = thought.argmax(1)
        chosen = [m[b] for m, b in zip(masks, best)]
        rows = {"one click well inside": [iou(c, m) for c, m in zip(chosen, wanted)]}
        rows["the same, the best of the three by its true IoU"] = [max(iou(c, m) for c in three) for three, m in zip(masks, wanted)]
        rows["what the chosen mask's IoU is thought to be"] = list(thought.max(1))
        masks, thought = cutter.cut([[anywhere(m, rng)] for m in wanted])
        rows["one click on any pixel"] = [iou(three[b], m) for three, b, m in zip(masks, thought.argmax(1), wanted)]
        more = [correction(c, m, rng) for c, m in zip(chosen, wanted)]
        masks, _ = cutter.cut([c + [p] for c, (p, _) in zip(clicks, more)], [[1, label] for _, label in more], several=False)
        rows["a second click where it was wrong"] = [iou(one[0], m) for one, m in zip(masks, wanted)]
        boxes = [[float(v) for v in (x.min(), y.min(), x.max(), y.max())] for y, x in map(np.nonzero, wanted)]
        masks, _ = cutter.cut(boxes=boxes, several=False)
        rows["a box"] = [iou(one[0], m) for one, m in zip(masks, wanted)]
        for name, row in rows.items():
            got.setdefault(name, []).extend(row)
        sizes += [m.sum() for m in wanted]
    print(f"{len(sizes)} drawings in {n} scenes")
    for name, row in got.items():
        print(f"{name}: {np.mean(row):.3f}")
    first, sizes = np.array(got["one click well inside"]), np.array(sizes)
    print(f"one click well inside, share with an IoU of 0.7: {(first > 0.7).mean():.3f}")
    for low, high in ((0, 1000), (1000, 4000), (4000, 16000), (16000, 65537)):
        of = (sizes >= low) & (sizes < high)
        print(f"of {low} to {high} pixels ({of.sum()}): {first[of].mean():.3f}")


def sheet(cutter, maker, path, columns=8, rows=4, seed=2):
    """Scenes, each with one click and the mask chosen; below it the three masks."""
    side, small = 144, 46
    out = Image.new("RGB", (columns * (side + 4), rows * (side + small + 8)), "white")
    for k in range(columns * rows):
        rng = np.random.default_rng([seed, k])
        scene = maker.scene(rng)
        left, top = k % columns * (side + 4), k // columns * (side + small + 8)
        areas = np.bincount(scene.owner.ravel() + 1, minlength=2)[1:]
        cutter.see(scene.picture)
        x, y = inside(scene.owner == areas.argmax(), rng)
        masks, thought = cutter.cut([[[x, y]]])
        shown = [(masks[0][thought[0].argmax()], (left, top), side)]
        shown += [(masks[0][m], (left + m * (small + 3), top + side + 3), small) for m in range(3)]
        for mask, at, size in shown:
            image = scene.picture.astype(float)
            image[mask] = 0.5 * image[mask] + 0.5 * TINT
            image[~mask] *= 0.75
            image[max(0, y - 4) : y + 5, max(0, x - 4) : x + 5] = [0, 255, 0]
            out.paste(Image.fromarray(image.astype(np.uint8)).resize((size, size), Image.LANCZOS), at)
    out.quantize(256).save(path)


def main():
    arg = argparse.ArgumentParser(description=__doc__)
    arg.add_argument("folder", help="the exported model")
    arg.add_argument("--emoji", required=True, help="folder of unpacked npm packages; see emoji.py")
    arg.add_argument("--data", help="CIFAR-10 as for train_vit.py")
    arg.add_argument("--work", default="work", help="folder of decoded pictures")
    arg.add_argument("--scenes", type=int, default=300)
    arg.add_argument("--sheet", help="write a sheet of examples here")
    a = arg.parse_args()
    torch.set_num_threads(1)
    os.makedirs(a.work, exist_ok=True)
    data, areas = cutouts.load(a.emoji, a.work)
    _, single, never = emoji.split(data)
    photographs, _, _ = cifar10.load("test", a.data, a.work)
    maker = cutouts.Maker(data, areas, single | never, photographs.numpy(), cutouts.HELD_OUT)
    cutter = Cutter(a.folder)
    measure(cutter, maker, a.scenes)
    if a.sheet:
        sheet(cutter, maker, a.sheet)


if __name__ == "__main__":
    main()
