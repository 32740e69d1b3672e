"""CNN against ViT on little data: the same two networks on 1, 10 and 100 % of the pictures.

Each run trains from nothing, from the labels alone, and measures itself over
all test pictures. A finished run is a line of little_data.json and is not done
again; when all are there, the table is printed and little_data.png drawn.
"""

import argparse
import json
import os
import statistics
import time
from collections import namedtuple

import torch
from torch.nn.functional import cross_entropy

import cifar10
import train_cnn
import train_vit
from resnet import ResNet
from training import Average, schedule
from vit import ViT

BATCH = 128
WARM = 100  # steps in which the rates rise
SMOOTHING = 0.05

Run = namedtuple("Run", "model percent steps seed")
RUNS = [
    Run(model, percent, steps, seed)
    for seed in range(3)
    for percent, seeds, cnn_steps, vit_steps in ((1, 3, 500, 500), (10, 2, 800, 800), (100, 1, 1170, 1170))
    for model, steps in (("ResNet", cnn_steps), ("ViT", vit_steps))
    if seed < seeds
]


def balanced(labels, percent, seed):
    """Indices of percent of the pictures, equally many of each class, drawn by the seed."""
    g = torch.Generator().manual_seed(seed)
    chosen = []
    for c in labels.unique():
        of_class = (labels == c).nonzero().flatten()
        chosen.append(of_class[torch.randperm(len(of_class), generator=g)[: len(of_class) * percent // 100]])
    return torch.cat(chosen)


class CNN:
    """The ResNet of resnet.py with train_cnn.py's optimisers and schedule."""

    def __init__(self, steps):
        self.net = ResNet([2, 2, 2], [32, 64, 128]).to(memory_format=torch.channels_last)
        self.forward = torch.compile(self.net)
        self.optimisers = train_cnn.optimisers(self.net, 0.03, 0.03)
        self.factor = lambda step: train_cnn.schedule(step, steps, WARM)

    def after(self, step):
        pass

    def accuracy(self, pictures, labels):
        self.net.eval()
        with torch.autocast("cpu", torch.bfloat16):
            return (cifar10.predict(self.net, pictures).argmax(1) == labels).float().mean().item()


class Transformer:
    """The ViT of vit.py with train_vit.py's optimisers, schedule and running average, without its teacher."""

    def __init__(self, steps):
        self.net = ViT()
        self.forward = lambda x: self.net(x)[0]
        self.optimisers = train_vit.optimisers(self.net, 0.01, 2e-3)
        self.factor = lambda step: schedule(step / steps, step, WARM, 0.5)
        self.average = Average(self.net)

    def after(self, step):
        self.average.follow(step)

    def accuracy(self, pictures, labels):
        return train_vit.measure(self.average.state, self.net, pictures, labels)


def batches(n, steps):
    """Indices into n pictures, steps times BATCH of them: one random order of all after the other."""
    left = torch.empty(0, dtype=torch.long)
    for _ in range(steps):
        while len(left) < BATCH:
            left = torch.cat([left, torch.randperm(n)])
        yield left[:BATCH]
        left = left[BATCH:]


def train(run, pictures, labels):
    """The trained network of a run, from all training pictures and their labels."""
    chosen = balanced(labels, run.percent, run.seed)
    augment, labels = cifar10.Augment(pictures[chosen]), labels[chosen]
    torch.manual_seed(run.seed)
    subject = {"ResNet": CNN, "ViT": Transformer}[run.model](run.steps)
    began, seen = time.time(), 0.0
    for step, batch in enumerate(batches(len(labels), run.steps)):
        with torch.autocast("cpu", torch.bfloat16):
            logits = subject.forward(augment(batch))
        loss = cross_entropy(logits.float(), labels[batch], label_smoothing=SMOOTHING)
        loss.backward()
        subject.optimisers.step(subject.factor(step))
        subject.after(step)
        seen += loss.item()
        if (step + 1) % 100 == 0:
            print(f"  {run} step {step + 1} loss {seen / 100:.3f} {time.time() - began:.0f} s", flush=True)
            seen = 0.0
    return subject


def summary(results):
    """Accuracies in percent by (model, percent)."""
    found = {}
    for r in results:
        found.setdefault((r["model"], r["percent"]), []).append(100 * r["accuracy"])
    return found


def table(results):
    """The results as a table in Markdown: mean, and the range where there is more than one run."""
    found, lines = summary(results), ["| pictures | ResNet | ViT |", "|---|---|---|"]
    for percent in sorted({p for _, p in found}):
        cells = []
        for model in ("ResNet", "ViT"):
            a = found[model, percent]
            spread = f" ({min(a):.1f}–{max(a):.1f}, {len(a)} runs)" if len(a) > 1 else " (1 run)"
            cells.append(f"{statistics.mean(a):.1f} %{spread}")
        lines.append(f"| {percent} % ({500 * percent:,}) | {cells[0]} | {cells[1]} |")
    return "\n".join(lines)


def draw(results, path):
    """Accuracy against the number of training pictures: the mean as a line, each run as a point."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    found = summary(results)
    figure, axes = pyplot.subplots(figsize=(5.6, 3.6), layout="constrained")
    for model, colour, marker in (("ResNet", "#c44e1e", "o"), ("ViT", "#2060a8", "s")):
        percents = sorted(p for m, p in found if m == model)
        means = [statistics.mean(found[model, p]) for p in percents]
        axes.plot([500 * p for p in percents], means, color=colour, marker=marker, markersize=4, label=model)
        for p in percents:
            axes.plot([500 * p] * len(found[model, p]), found[model, p], "_", color=colour, markersize=9)
    axes.set_xscale("log")
    axes.set_xticks([500, 5000, 50000], ["500\n1 %", "5,000\n10 %", "50,000\n100 %"])
    axes.minorticks_off()
    axes.set_xlim(380, 66000)
    axes.set_ylim(0, 100)
    axes.set_xlabel("training pictures of CIFAR-10")
    axes.set_ylabel("top-1 over 10,000 test pictures, %")
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    figure.savefig(path, dpi=110, metadata={"Software": None})


def main():
    arg = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arg.add_argument("--data", help="zip of train/<class>/*.jpg and test/<class>/*.jpg; default: torchvision's CIFAR10")
    arg.add_argument("--work", default="work", help="folder for decoded pictures")
    arg.add_argument("--out", default=".", help="folder of little_data.json and little_data.png")
    arg.add_argument("--threads", type=int, default=2)
    a = arg.parse_args()

    torch.set_num_threads(a.threads)
    os.makedirs(a.work, exist_ok=True)
    path, results = os.path.join(a.out, "little_data.json"), []
    if os.path.exists(path):
        with open(path) as f:
            results = json.load(f)
    done = {tuple(r[k] for k in Run._fields) for r in results}
    if missing := [run for run in RUNS if run not in done]:
        pictures, labels, _ = cifar10.load("train", a.data, a.work)
        test, test_labels, _ = cifar10.load("test", a.data, a.work)
    for run in missing:
        accuracy = train(run, pictures, labels).accuracy(test, test_labels)
        results.append(run._asdict() | {"accuracy": round(accuracy, 4)})
        print(results[-1], flush=True)
        with open(path, "w") as f:
            f.write("[\n" + ",\n".join(json.dumps(r) for r in results) + "\n]\n")
    print(table(results))
    draw(results, os.path.join(a.out, "little_data.png"))


if __name__ == "__main__":
    main()
