#!/usr/bin/env python3
"""Writes models/ppocr/testdata/boxes.json: what transformers' processors of PP-OCR and
OpenCV make of maps, quadrilaterals and sizes.

    python golden/generate_ocr_boxes.py
"""

import base64
import json
from pathlib import Path

import cv2
import numpy as np
import torch
from transformers import PPOCRV5ServerDetImageProcessor, PPOCRV5ServerRecImageProcessor

ROOT = Path(__file__).resolve().parent.parent
rng = np.random.default_rng(25)


def packed(a):
    return base64.b64encode(np.ascontiguousarray(a, dtype=np.uint8).tobytes()).decode()


def map_of(h, w, rectangles, holes=()):
    m = np.zeros((h, w), np.uint8)
    for cx, cy, width, height, angle, value in rectangles:
        corners = cv2.boxPoints(((cx, cy), (width, height), angle))
        cv2.fillPoly(m, [np.round(corners).astype(np.int32)], int(value))
    for x, y, r in holes:
        cv2.circle(m, (x, y), r, 0, -1)
    return cv2.GaussianBlur(m, (3, 3), 0.6)


def maps():
    yield map_of(64, 96, [(48, 12, 70, 9, 0, 240), (30, 40, 40, 11, 12, 230), (75, 45, 9, 30, -20, 200), (10, 58, 3, 2, 0, 250)])
    yield map_of(96, 64, [(32, 20, 50, 20, 33, 255), (32, 60, 44, 22, 0, 235)], [(32, 60, 5), (20, 60, 2)])
    yield map_of(64, 64, [(20, 20, 30, 8, 45, 180), (40, 40, 30, 8, 45, 150), (50, 10, 20, 6, 0, 120)])
    yield map_of(32, 128, [(64, 16, 128, 32, 0, 255)])
    noise = cv2.GaussianBlur(rng.integers(0, 255, (80, 80)).astype(np.uint8), (9, 9), 2.5).astype(np.float32)
    yield np.clip((noise - noise.mean()) * 6 + 70, 0, 255).astype(np.uint8)
    yield np.zeros((32, 32), np.uint8)


def boxes():
    p = PPOCRV5ServerDetImageProcessor()
    for m in maps():
        probability = m.astype(np.float32) / 255
        height, width = int(m.shape[0] * 1.7), int(m.shape[1] * 2.3)
        found, scores = p._boxes_from_bitmap(probability, probability > 0.3, width, height, 0.6, 1.5, 3, 1000)
        yield {"map": packed(m), "size": m.shape, "image": [height, width], "boxes": np.array(found).tolist(), "scores": [float(s) for s in scores]}


def rectangles():
    for n in (1, 2, 3, 5, 40):
        points = rng.integers(0, 60, (n, 2)).astype(np.int32)
        box, short = PPOCRV5ServerDetImageProcessor()._get_mini_boxes(points.reshape(-1, 1, 2))
        yield {"points": points.tolist(), "area": float(cv2.contourArea(np.array(box, np.float32))), "short": float(short)}


def crops():
    y, x = np.mgrid[0:60, 0:80]
    image = np.stack([127 + 90 * np.sin(x / 5) * np.cos(y / 7), 3 * x, 4 * y], -1).astype(np.uint8)
    cases = []
    for quad in ([[5, 6], [70, 10], [68, 30], [4, 27]], [[10, 10], [30, 12], [28, 55], [8, 52]], [[0, 0], [80, 0], [80, 60], [0, 60]], [[-4, 3], [60, -5], [70, 20], [0, 30]]):
        q = np.array(quad, np.float32)
        w = int(max(np.linalg.norm(q[0] - q[1]), np.linalg.norm(q[2] - q[3])))
        h = int(max(np.linalg.norm(q[0] - q[3]), np.linalg.norm(q[1] - q[2])))
        t = cv2.getPerspectiveTransform(q, np.array([[0, 0], [w, 0], [w, h], [0, h]], np.float32))
        out = cv2.warpPerspective(image, t, (w, h), borderMode=cv2.BORDER_REPLICATE, flags=cv2.INTER_CUBIC)
        if h / w >= 1.5:
            out = np.rot90(out)
        cases.append({"quad": quad, "size": out.shape[:2], "crop": packed(out)})
    return {"image": packed(image), "size": image.shape[:2], "cases": cases}


def sizes():
    p, r = PPOCRV5ServerDetImageProcessor(), PPOCRV5ServerRecImageProcessor()
    for h, w in ((1, 1), (31, 2000), (960, 961), (700, 333), (20000, 20000), (48, 80), (47, 5000), (80, 17), (500, 500)):
        for kind, limit in (("max", 960), ("min", 736), ("resize_long", 640)):
            size, _ = p.get_image_size(torch.zeros(3, 1, 1).expand(3, h, w), limit, kind, 4000)
            yield {"image": [h, w], "kind": kind, "limit": limit, "size": [size.height, size.width], "line": r.get_target_size([(h, w)]).width}


if __name__ == "__main__":
    path = ROOT / "models" / "ppocr" / "testdata" / "boxes.json"
    path.write_text(json.dumps({"boxes": list(boxes()), "rectangles": list(rectangles()), "crops": crops(), "sizes": list(sizes())}) + "\n")
    print(path, path.stat().st_size)
