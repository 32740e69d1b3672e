"""Train the small U²-Net: what is drawn over a ground, told from the ground.

Pictures are made as they are needed: drawings over photographs, as the SAM's, whose alpha is the goal. They are small at
first, and grow. The same command goes on from the last checkpoint.
"""

import argparse
import json
import os
import time

import numpy as np
import torch
from PIL import Image
from torch.nn.functional import binary_cross_entropy_with_logits

import cifar10
import cutouts
import emoji
from muon import Muon
from train_sam import MEAN, STD
from training import Average, Optimisers, Training, schedule
from u2net import U2Net

SIDE = 128
DOWN = [(8, 16), (12, 24), (16, 40), (24, 64), (40, 96), (40, 96)]
UP = [(8, 16), (12, 16), (16, 24), (24, 40), (40, 64)]


class Maker(cutouts.Maker):
    """Makes pictures uint8 [side,side,3] of one to four drawings, and what of each pixel is drawn, float32 [side,side]."""

    def scene(self, rng, side):
        canvas, drawn = self.ground(rng).resize((side, side), Image.BILINEAR), np.zeros((side, side), np.float32)
        count = rng.choice([1, 1, 1, 2, 2, 3, 4])
        for _ in range(count):
            wide = side * np.exp(rng.uniform(np.log(0.25), np.log(0.95 if count < 3 else 0.55)))
            image = cutouts.varied(rng, self.pictures[rng.choice(self.chosen)], wide)
            (w, h), out = image.size, rng.choice([0, 0.15])  # how much of it may be outside
            x, y = (round(rng.uniform(*sorted([-out * s, side - s + out * s]))) for s in (w, h))
            canvas.paste(image, (x, y), image)
            left, top, right, bottom = max(x, 0), max(y, 0), min(x + w, side), min(y + h, side)
            alpha = np.asarray(image)[top - y : bottom - y, left - x : right - x, 3] / np.float32(255)
            part = drawn[top:bottom, left:right]
            part += alpha * (1 - part)
        return cutouts.finish(rng, canvas), drawn


def batch(maker, rng, n, side):
    made = [maker.scene(rng, side) for _ in range(n)]
    x = torch.from_numpy(np.stack([m[0] for m in made])).float() / 255
    return ((x - MEAN) / STD).permute(0, 3, 1, 2), torch.from_numpy(np.stack([m[1] for m in made]))[:, None]


def overlap(logits, goal):
    """The IoU of each picture."""
    a, b = logits > 0, goal > 0.5
    return (a & b).sum((1, 2, 3)) / (a | b).sum((1, 2, 3)).clamp(min=1)


def loss_of(logits, sides, goal):
    """Cross-entropy of all that the network says, and what the IoU of the whole lacks."""
    entropy = [binary_cross_entropy_with_logits(s, goal) for s in (logits, *sides)]
    p = logits.sigmoid()
    both = (p * goal).sum((1, 2, 3))
    iou = (both + 1) / (p.sum((1, 2, 3)) + goal.sum((1, 2, 3)) - both + 1)
    return entropy[0] + 0.3 * sum(entropy[1:]) + (1 - iou).mean()


def export(average, folder):
    os.makedirs(folder, exist_ok=True)
    cifar10.save_halves({k: v for k, v in average.items() if v.is_floating_point()}, folder)
    config = {"image_processor_type": "ViTImageProcessor", "do_resize": True, "size": {"height": SIDE, "width": SIDE}, "resample": 2}
    config |= {"do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True}
    config |= {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
    with open(os.path.join(folder, "preprocessor_config.json"), "w") as f:
        json.dump(config, f, indent=2)
        f.write("\n")


@torch.no_grad()
def tried(average, x, goal):
    """The mean IoU of the average of the weights over pictures that were not trained on."""
    model = U2Net(DOWN, UP).eval()
    model.load_state_dict(average)
    return overlap(model(x)[0], goal).mean().item()


def arguments():
    arg = argparse.ArgumentParser(description=__doc__)
    arg.add_argument("--emoji", required=True, help="folder of unpacked npm packages; see emoji.py")
    arg.add_argument("--data", help="CIFAR-10 as for train_vit.py")
    arg.add_argument("--out", default="u2net", help="folder of the exported model")
    arg.add_argument("--work", default="work", help="folder for the checkpoint and decoded pictures")
    arg.add_argument("--minutes", type=float, default=60, help="length of the training, of a core's time")
    arg.add_argument("--decay", type=float, default=0.4, help="the part of the training in which the rates fall")
    arg.add_argument("--small", type=float, default=0.4, help="the part of the training with pictures of half the side")
    arg.add_argument("--batch", type=int, default=8)
    arg.add_argument("--lr", type=float, default=0.02, help="Muon, for convolutions")
    arg.add_argument("--lr-rest", type=float, default=2e-3, help="AdamW, for everything else")
    arg.add_argument("--threads", type=int, default=1)
    arg.add_argument("--every", type=int, default=100, help="steps between lines of the log")
    return arg.parse_args()


def main():
    a = arguments()
    torch.set_num_threads(a.threads)
    torch.manual_seed(0)
    os.makedirs(a.work, exist_ok=True)
    data = emoji.load(a.emoji, a.work, cutouts.DRAWN)
    train, single, never = emoji.split(data)
    photographs, _, _ = cifar10.load("train", a.data, a.work)
    maker = Maker(data, None, train, photographs.numpy()[:-500], cutouts.TEXTURES)
    other = Maker(data, None, single | never, photographs.numpy()[-500:], cutouts.HELD_OUT)
    trial = batch(other, np.random.default_rng(9), 60, SIDE)
    model = U2Net(DOWN, UP).train().to(memory_format=torch.channels_last)
    convolutions = [p for n, p in model.named_parameters() if p.ndim == 4 and "conv_s1" in n]
    rest = [p for n, p in model.named_parameters() if not (p.ndim == 4 and "conv_s1" in n)]
    adam = torch.optim.AdamW(rest, betas=(0.9, 0.98), weight_decay=0.01)
    learning, average = Optimisers((Muon(convolutions, weight_decay=0.01), a.lr), (adam, a.lr_rest)), Average(model, most=0.99)
    print(f"{sum(p.numel() for p in model.parameters())} parameters", flush=True)

    training = Training(
        os.path.join(a.work, "u2net.pt"),
        {"model": model, "average": average, "optimisers": learning},
        a.minutes,
        clock=time.process_time,
        export=lambda: export(average.state, a.out),
    )
    for step, progress in training:
        rng = np.random.default_rng(step)
        half = progress < a.small
        x, goal = batch(maker, rng, a.batch * 4 if half else a.batch, SIDE // 2 if half else SIDE)
        with torch.autocast("cpu", torch.bfloat16):
            logits, sides = model(x.to(memory_format=torch.channels_last))
        loss = loss_of(logits.float(), [s.float() for s in sides], goal)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        learning.step(schedule(progress, step, 30, a.decay))
        average.follow(step)
        if training.log(a.every, "side {:.0f} loss {:.3f} iou {:.3f}", x.shape[2], loss, overlap(logits, goal).mean()):
            print(f"held out: iou {tried(average.state, *trial):.3f}", flush=True)


if __name__ == "__main__":
    main()
