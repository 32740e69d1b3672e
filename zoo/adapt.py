#!/usr/bin/env python3
"""Adapts the ViT of this folder to CIFAR-10's files by transformers and PEFT, as `bin/train` does it,
and prints both accuracies: LoRA of rank 8 beside queries and values with the head as it is, and a
new head alone on another task, animals or machines.

    python adapt.py --data path/to/cifar10.zip --train ../bin/train

Both learn from the same pictures by AdamW at the same rate, in batches of the same size for as many
epochs; the order of the pictures is each one's own. The head alone learns from features that are
computed once.
"""

import argparse
import json
import random
import subprocess
import tempfile
import time
import zipfile
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from PIL import Image
from transformers import AutoImageProcessor, ViTForImageClassification

HERE = Path(__file__).resolve().parent
MACHINES = {"airplane", "automobile", "ship", "truck"}


def unpack(archive, folder, learn, test, seed):
    """Writes learn and test files of the data set, equally many of each class, below a folder for
    each task; gives the classes."""
    names = {}
    for n in archive.namelist():
        if n.endswith(".jpg"):
            split, cls = n.split("/")[-3:-1]
            names.setdefault((split, cls), []).append(n)
    classes = sorted({c for _, c in names})
    rng = random.Random(seed)
    for split, n in (("train", learn), ("test", test)):
        for c in classes:
            for name in rng.sample(sorted(names[split, c]), n // len(classes)):
                for task, label in (("classes", c), ("kinds", "machine" if c in MACHINES else "animal")):
                    to = folder / task / split / label
                    to.mkdir(parents=True, exist_ok=True)
                    (to / f"{c}-{Path(name).name}").write_bytes(archive.read(name))
    return classes


def tensors(processor, folder, classes):
    x, y = [], []
    for i, c in enumerate(classes):
        for path in sorted((folder / c).iterdir()):
            x.append(processor(Image.open(path).convert("RGB"), return_tensors="pt").pixel_values[0])
            y.append(i)
    return torch.stack(x), torch.tensor(y)


@torch.no_grad()
def accuracy(logits, x, y):
    return sum((logits(a).argmax(1) == b).sum().item() for a, b in zip(x.split(100), y.split(100))) / len(y)


@torch.no_grad()
def features(model, x):
    return torch.cat([model.vit(a).last_hidden_state[:, 0] for a in x.split(100)])


def fit(model, logits, x, y, epochs, o):
    step = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=o.lr)
    g = torch.Generator().manual_seed(o.seed)
    for _ in range(epochs):
        for i in torch.randperm(len(y), generator=g).split(o.batch):
            step.zero_grad()
            torch.nn.functional.cross_entropy(logits(x[i]), y[i]).backward()
            step.step()


def told(what, right, began):
    print(f"{what}: {right:.1%} in {time.time() - began:.0f} s", flush=True)


def ours(o, folder, task, epochs, *flags):
    out = subprocess.run(
        [o.train, "-model", "vit", "-weights", str(HERE / "vit"), "-data", folder / task / "train", "-validation", folder / task / "test", "-lr", str(o.lr), "-batch", str(o.batch),
         "-epochs", str(epochs), "-seed", str(o.seed), "-json", "-o", folder / ("ours-" + task), *flags], check=True, capture_output=True, text=True).stdout
    return json.loads(out.splitlines()[-1])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--train", required=True, help="the program")
    parser.add_argument("--learn", type=int, default=1000, help="pictures")
    parser.add_argument("--test", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--head-epochs", type=int, default=100)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--batch", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    o = parser.parse_args()
    torch.manual_seed(o.seed)
    processor = AutoImageProcessor.from_pretrained(HERE / "vit")
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        with zipfile.ZipFile(o.data) as archive:
            classes = unpack(archive, folder, o.learn, o.test, o.seed)
        model = ViTForImageClassification.from_pretrained(HERE / "vit", dtype=torch.float32).eval()  # there is no dropout
        order = [model.config.id2label[i] for i in range(len(classes))]
        x, y = tensors(processor, folder / "classes/train", order)
        held, wanted = tensors(processor, folder / "classes/test", order)
        began = time.time()
        told("ten classes, before", accuracy(lambda x: model(x).logits, held, wanted), began)
        began = time.time()
        adapted = get_peft_model(model, LoraConfig(r=8, lora_alpha=8, target_modules=["q_proj", "v_proj"])).eval()
        fit(adapted, lambda x: adapted(x).logits, x, y, o.epochs, o)
        told("-lora 8, PEFT", accuracy(lambda x: adapted(x).logits, held, wanted), began)
        kinds = ["animal", "machine"]
        model = ViTForImageClassification.from_pretrained(HERE / "vit", dtype=torch.float32, num_labels=2, ignore_mismatched_sizes=True).eval()
        x, y = tensors(processor, folder / "kinds/train", kinds)
        held, wanted = tensors(processor, folder / "kinds/test", kinds)
        began = time.time()
        x, held = features(model, x), features(model, held)
        fit(model.classifier, model.classifier, x, y, o.head_epochs, o)
        told("-head of two kinds, transformers", accuracy(model.classifier, held, wanted), began)
        for task, epochs, flags in (("classes", o.epochs, ["-lora", "8", "-augment", "none"]), ("kinds", o.head_epochs, ["-head"])):
            began = time.time()
            d = ours(o, folder, task, epochs, *flags)
            told(f"bin/train {' '.join(flags)}, {d['steps']} steps", d["top1"], began)
