#!/usr/bin/env python3
"""Makes the goldens of masks after the network: golden/masks/cases.json.gz.

    python golden/generate_masks.py

The file: runs (masks as run lengths, with pycocotools' counts, areas and boxes),
resize (small logits and what torch's two interpolations make of them), nms
(torchvision's), and everything: the authors' SamAutomaticMaskGenerator on what the
trained model of zoo/sam says of pictures. Its logits are rounded to (n + 0.37)·0.4123 with
a whole n of at most 20, for the authors' code too, and kept as signed bytes in base64 (means of
such values are at no threshold); beside what remains in the end stands what each rule
leaves.
"""

import base64
import gzip
import json
from pathlib import Path

import numpy as np
import torch
from pycocotools import mask as coco
from segment_anything import SamAutomaticMaskGenerator
from segment_anything.modeling import Sam
from segment_anything.utils.amg import batched_mask_to_box, calculate_stability_score, mask_to_rle_pytorch
from segment_anything.utils.transforms import ResizeLongestSide
from torch.nn.functional import interpolate
from torchvision.ops import nms
from torchvision.transforms.functional import to_pil_image
from transformers import SamModel, SamProcessor

HERE = Path(__file__).resolve().parent
STEP, OFFSET, MOST = 0.4123, 0.37, 20


def runs():
    rng, cases = np.random.default_rng(0), []

    def add(mask):
        rle = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
        own = mask_to_rle_pytorch(torch.from_numpy(mask)[None])[0]
        left, top, width, height = map(int, coco.toBbox(rle))
        box = [left, top, left + width, top + height] if mask.any() else [0, 0, 0, 0]
        cases.append({"size": own["size"], "runs": own["counts"], "counts": rle["counts"].decode(), "area": int(coco.area(rle)), "box": box})

    for h, w in [(1, 1), (1, 9), (9, 1), (7, 5), (13, 17)]:
        for share in (0, 0.2, 0.5, 0.9, 1):
            add(rng.random((h, w)) < share)
    rows, columns = np.mgrid[0:120, 0:75]
    add((rows - 50) ** 2 + (columns - 30) ** 2 < 900)
    add((rows + columns) % 2 == 0)
    add(((rows // 40) + (columns // 25)) % 2 == 1)
    for at in (0, 79_999, 239_999):  # runs of many digits
        one = np.zeros((400, 600), bool)
        one.flat[at] = True
        add(one), add(~one)
    return cases


def resize():
    generator, cases = torch.Generator().manual_seed(0), []
    for small, padded, resized, picture in [
        ((16, 16), (64, 64), (64, 41), (61, 39)),
        ((16, 16), (64, 64), (43, 64), (20, 30)),
        ((16, 16), (64, 64), (64, 64), (40, 40)),
        ((16, 16), (64, 64), (64, 1), (150, 2)),
        ((9, 12), (9, 12), (9, 12), (37, 23)),
        ((9, 12), (9, 12), (9, 12), (5, 7)),
        ((1, 1), (4, 4), (3, 4), (5, 6)),
    ]:
        logits = (torch.randn(small, generator=generator) * 5).half().float()
        x = interpolate(logits[None, None], padded, mode="bilinear", align_corners=False)[..., : resized[0], : resized[1]]
        x = interpolate(x, picture, mode="bilinear", align_corners=False)[0, 0]
        case = {"small": small, "padded": padded, "resized": resized, "picture": picture}
        cases.append(case | {"logits": logits.flatten().tolist(), "want": [float(f"{v:.7g}") for v in x.flatten().tolist()]})
    return cases


def suppressed():
    rng, cases = np.random.default_rng(1), []
    for n, threshold in [(0, 0.5), (1, 0.7), (40, 0.3), (40, 0.7), (60, 0.0)]:
        corners = rng.integers(0, 30, (n, 2))
        boxes = np.concatenate([corners, corners + rng.integers(0, 25, (n, 2))], 1).astype(np.float32)
        boxes[::7] = 0  # of empty masks
        boxes[1::9] = boxes[2::9][: len(boxes[1::9])] if n > 2 else boxes[1::9]
        scores = (rng.integers(0, 20, n) / 16).astype(np.float32)  # some alike
        kept = nms(torch.from_numpy(boxes).view(-1, 4), torch.from_numpy(scores), threshold)
        cases.append({"boxes": boxes.tolist(), "scores": scores.tolist(), "threshold": threshold, "kept": kept.tolist()})
    return cases


class Recorder:
    """The authors' predictor with the model of zoo/sam, whose logits are rounded; it keeps what it said."""

    def __init__(self, folder):
        self.network = SamModel.from_pretrained(folder, dtype=torch.float32).eval()
        self.processor = SamProcessor.from_pretrained(folder).image_processor
        side = self.processor.size["longest_edge"]
        self.transform, self.said = ResizeLongestSide(side), []
        self.model, self.device = self, "cpu"
        self.mask_threshold, self.image_encoder, self.img_size = 0.0, self, side

    @torch.no_grad()
    def set_image(self, picture):
        given = self.processor(to_pil_image(picture), return_tensors="pt")
        self.size, self.resized = picture.shape[:2], tuple(given["reshaped_input_sizes"][0].tolist())
        self.seen = self.network.get_image_embeddings(given["pixel_values"])

    def reset_image(self):
        pass

    @torch.no_grad()
    def predict_torch(self, points, labels, multimask_output, return_logits):
        out = self.network(image_embeddings=self.seen, input_points=points[None].float(), input_labels=labels[None].long())
        rounded = (out.pred_masks[0] / STEP - OFFSET).round().clamp(-MOST, MOST)
        logits = (rounded + OFFSET) * STEP
        self.said.append((logits, out.iou_scores[0], rounded))
        return Sam.postprocess_masks(self, logits, self.resized, self.size), out.iou_scores[0], logits


def picture(h, w, side, seed):
    """Shapes of plain colours over a gradient, on half of the points of a grid."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:h, 0:w]
    x = 110 + 30 * np.stack([rows / h, columns / w, 0.5 + 0 * rows], 2)
    for i in rng.permutation(side * side)[: side * side // 2 + 1]:
        r, c, size = (i // side + 0.5) * h / side, (i % side + 0.5) * w / side, rng.uniform(0.25, 0.42) * min(h, w) / side
        inside = (rows - r) ** 2 + (columns - c) ** 2 < size**2 if rng.random() < 0.5 else (abs(rows - r) < size) & (abs(columns - c) < size)
        x[inside] = rng.choice([20, 235], 3) + rng.integers(-20, 20, 3)
    return x.clip(0, 255).astype(np.uint8)


def everything(folder):
    cases = []
    for h, w, side, batch, rules in [
        (150, 97, 4, 6, dict(pred_iou_thresh=0.6, stability_score_thresh=0.75, stability_score_offset=1.0, box_nms_thresh=0.7)),
        (61, 133, 3, 9, dict(pred_iou_thresh=0.0, stability_score_thresh=0.6, stability_score_offset=0.5, box_nms_thresh=0.5)),
        (64, 64, 3, 5, dict(pred_iou_thresh=0.5, stability_score_thresh=0.0, stability_score_offset=1.0, box_nms_thresh=0.9)),
    ]:
        recorder = Recorder(folder)
        generator = SamAutomaticMaskGenerator(recorder, side, batch, output_mode="coco_rle", **rules)
        generator.predictor = recorder
        found = generator.generate(picture(h, w, side, seed=h))
        logits, ious, rounded = map(torch.cat, zip(*recorder.said))
        large = Sam.postprocess_masks(recorder, logits, recorder.resized, recorder.size).flatten(0, 1)
        good = (ious.flatten() > rules["pred_iou_thresh"]) if rules["pred_iou_thresh"] > 0 else torch.ones(len(large), dtype=torch.bool)
        stable = calculate_stability_score(large[good], 0.0, rules["stability_score_offset"])
        held = stable >= rules["stability_score_thresh"] if rules["stability_score_thresh"] > 0 else torch.ones(len(stable), dtype=torch.bool)
        boxes = batched_mask_to_box(large[good][held] > 0)
        print(h, w, len(large), int(good.sum()), int(held.sum()), len(found))
        cases.append({
            "picture": [h, w], "resized": recorder.resized, "padded": [recorder.img_size] * 2, "small": list(logits.shape[2:]),
            "side": side, "batch": batch, "rules": rules, "ious": ious.flatten().tolist(),
            "logits": base64.b64encode(rounded.to(torch.int8).numpy().tobytes()).decode(),
            "good": int(good.sum()), "stability": [None if v != v else v for v in stable.tolist()], "boxes": boxes.tolist(),
            "found": [{"counts": f["segmentation"]["counts"], "area": int(f["area"]), "box": [int(v) for v in f["bbox"]], "iou": f["predicted_iou"],
                       "stability": None if f["stability_score"] != f["stability_score"] else f["stability_score"], "point": f["point_coords"][0]} for f in found],
        })  # fmt: skip
    return cases


def main():
    torch.set_num_threads(1)
    cases = {"runs": runs(), "resize": resize(), "nms": suppressed(), "everything": everything(HERE.parent / "zoo" / "sam")}
    path = HERE / "masks" / "cases.json.gz"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(gzip.compress(json.dumps(cases, separators=(",", ":")).encode(), 9, mtime=0))
    print(f"{path}: {path.stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
