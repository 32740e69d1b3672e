"""Average precision of made-up boxes, as pycocotools has it: models/coco/testdata/."""

import contextlib
import io
import json
import pathlib
import random

from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

FOLDER = pathlib.Path(__file__).parent.parent / "models/coco/testdata"


def case(name, seed, images=9, categories=4, crowds=0.15, most=6, shots=0.8, junk=8, ties=False):
    """Boxes that are there, and found ones: most of them near, some of another category,
    some of nothing."""
    r = random.Random(seed)
    box = lambda: [round(r.uniform(0, 200), 2), round(r.uniform(0, 150), 2), round(r.uniform(5, 120), 2), round(r.uniform(5, 90), 2)]
    score = lambda: round(r.random(), 1 if ties else 4)
    truth = {"images": [{"id": 7 * i % 100 + 1, "file_name": f"{i}.png"} for i in range(images)], "categories": [{"id": 3 * c + 1, "name": f"c{c}"} for c in range(categories)], "annotations": []}
    found = []
    for m in truth["images"]:
        for _ in range(r.randint(0, most)):
            category, b = r.choice(truth["categories"][: categories - 1])["id"], box()
            truth["annotations"].append({"id": len(truth["annotations"]) + 1, "image_id": m["id"], "category_id": category, "bbox": b, "area": b[2] * b[3], "iscrowd": int(r.random() < crowds)})
            while r.random() < shots:
                near = [round(v + r.gauss(0, 4), 2) for v in b[:2]] + [round(max(1, v * r.uniform(0.8, 1.2)), 2) for v in b[2:]]
                found.append({"image_id": m["id"], "category_id": category if r.random() < 0.85 else 1, "bbox": near, "score": score()})
        for _ in range(r.randint(0, junk)):
            found.append({"image_id": m["id"], "category_id": r.choice(truth["categories"])["id"], "bbox": box(), "score": score()})
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = truth
        coco.createIndex()
        e = COCOeval(coco, coco.loadRes([dict(f) for f in found]), "bbox")
        e.evaluate()
        e.accumulate()
        e.summarize()
    for key in ("truth", "found", "want"):
        value = {"truth": truth, "found": found, "want": e.stats[:3].tolist()}[key]
        (FOLDER / f"{name}.{key}.json").write_text(json.dumps(value) + "\n")


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    case("plain", 1)
    case("ties", 2, ties=True)
    case("crowds", 3, crowds=0.6)
    case("many", 4, images=2, categories=2, most=25, shots=0.9, junk=220)  # more than a hundred in a picture
    case("few", 5, images=3, most=2, shots=0.3, junk=0)


if __name__ == "__main__":
    main()
