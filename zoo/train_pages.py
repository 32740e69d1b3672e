"""Train the small detector of text lines: PP-OCR v6's small one, narrower.

Pages are made as they are needed (pages.py). The same command goes on from the last checkpoint.
"""

import argparse
import json
import os
import time

import numpy as np
import skimage.data
import torch
from PIL import Image
from torch.nn.functional import binary_cross_entropy_with_logits
from transformers import PPLCNetV4Config, PPOCRV6SmallDetConfig, PPOCRV6SmallDetForObjectDetection

import cifar10
import lines
import pages
from muon import Muon
from train_ocr import halved
from training import Average, Halves, Optimisers, Training, schedule

# Of red, green and blue, as the processor of the class has them, and what the network takes is blue, green and red.
MEAN, STD = torch.tensor([0.406, 0.456, 0.485]), torch.tensor([0.225, 0.224, 0.229])
NECK = 32
HELD_OUT = 24  # pages
PHOTOGRAPHS = "astronaut camera coffee chelsea rocket brick grass gravel coins moon retina hubble_deep_field".split()


def describe():
    blocks = [[[3, 24, 24, 1, False]], [[3, 24, 32, 2, False], [3, 32, 32, 1, False]]]
    blocks += [[[3, 32, 64, 2, False], [3, 64, 64, 1, False]], [[3, 64, 96, 2, False], [3, 96, 96, 1, False]]]
    backbone = PPLCNetV4Config(stem_type="small", stem_channels=[3, 16, 24], block_configs=blocks, out_indices=[1, 2, 3, 4])
    return PPOCRV6SmallDetConfig(backbone_config=backbone, neck_out_channels=NECK, layer_list_out_channels=[24, 32, 64, 96], dilated_kernel_size=3)


def normalised(pictures):
    """Pages uint8 [n,h,w,3] as the network takes them."""
    x = torch.from_numpy(np.stack(pictures)).float() / 255
    return ((x - MEAN) / STD).flip(3).permute(0, 3, 1, 2)


def logits(model, x):
    """The map [n,h,w] before its sigmoid."""
    head = model.head
    x = model.model(x.contiguous(memory_format=torch.channels_last)).last_hidden_state
    return head.conv_final(head.conv_up(head.conv_down(x)))[:, 0].float()


def losses(said, goal):
    """Cross-entropy and Dice."""
    entropy = binary_cross_entropy_with_logits(said, goal, pos_weight=torch.tensor(3.0))
    p = said.sigmoid()
    return entropy + 0.5 * (1 - (2 * (p * goal).sum() + 1) / (p.sum() + goal.sum() + 1))


def overlap(said, goal):
    """IoU of what is above the program's threshold."""
    a, b = said.sigmoid() > 0.3, goal > 0.5
    return ((a & b).sum() / (a | b).sum().clamp(min=1)).item()


def optimisers(model, lr, lr_rest):
    """Muon for what mixes channels, AdamW for the rest."""
    matrix = [p for p in model.parameters() if p.ndim > 1 and p[0].numel() > 25]
    rest = [p for p in model.parameters() if not (p.ndim > 1 and p[0].numel() > 25)]
    return Optimisers((Muon(matrix, weight_decay=0.02), lr), (torch.optim.AdamW(rest, betas=(0.9, 0.98), weight_decay=0.0), lr_rest))


def export(average, folder):
    """Write transformers' folder, the weights as halves."""
    os.makedirs(folder, exist_ok=True)
    config = describe()
    config.dtype, config.architectures = "float16", ["PPOCRV6SmallDetForObjectDetection"]
    config.save_pretrained(folder)
    cifar10.save_halves({k: v for k, v in average.items() if not k.endswith("num_batches_tracked")}, folder)
    process = {"image_processor_type": "PPOCRV5ServerDetImageProcessor", "do_resize": True, "resample": 2, "limit_side_len": 1280, "limit_type": "max"}
    process |= {"max_side_limit": 4000, "do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True}
    process |= {"image_mean": MEAN.tolist(), "image_std": STD.tolist()}
    process |= {k: [round(v, 3) for v in process[k]] for k in ("image_mean", "image_std")}
    with open(os.path.join(folder, "preprocessor_config.json"), "w") as f:
        json.dump(process, f, indent=2)
        f.write("\n")


def arguments():
    arg = argparse.ArgumentParser(description=__doc__)
    arg.add_argument("--fonts", default="/usr/share/fonts", help="folder of Debian's fonts; see lines.py")
    arg.add_argument("--texts", default="/usr/share", help="folder of locale/ko, hunspell/ko.dic and dict/american-english")
    arg.add_argument("--out", default="ocr_det", help="folder of the exported model")
    arg.add_argument("--work", default="work", help="folder for the checkpoint")
    arg.add_argument("--minutes", type=float, default=20, help="length of the training, of the processor's time")
    arg.add_argument("--decay", type=float, default=0.5, help="the part of the training in which the rates fall")
    arg.add_argument("--batch", type=int, default=6)
    arg.add_argument("--side", type=int, default=416, help="of a page, pixels")
    arg.add_argument("--lr", type=float, default=0.01, help="Muon, for what mixes channels")
    arg.add_argument("--lr-rest", type=float, default=2e-3, help="AdamW, for everything else")
    arg.add_argument("--threads", type=int, default=1)
    return arg.parse_args()


def main():
    a = arguments()
    torch.set_num_threads(a.threads)
    torch.manual_seed(0)
    os.makedirs(a.work, exist_ok=True)
    texts = lines.Texts(a.texts)
    photographs = [Image.fromarray(getattr(skimage.data, n)()).convert("RGB") for n in PHOTOGRAPHS]
    maker, other = (pages.Maker(lines.Fonts(a.fonts, held), texts, photographs) for held in (False, True))
    tests = [other.make(np.random.default_rng(900 + i), a.side) for i in range(HELD_OUT)]
    model = PPOCRV6SmallDetForObjectDetection(describe()).train()
    torch.nn.init.constant_(model.head.conv_final.bias, -2.0)
    learning, average = optimisers(model, a.lr, a.lr_rest), Average(model, most=0.995)
    print(f"{sum(p.numel() for p in model.parameters())} parameters", flush=True)

    half = Halves(model, halved(model))
    training = Training(
        os.path.join(a.work, "det.pt"),
        {"model": model, "average": average, "optimisers": learning},
        a.minutes,
        clock=time.process_time,
        export=lambda: judge(average.state, tests, a.out),
    )
    for step, progress in training:
        rng = np.random.default_rng(step)
        made = [maker.make(rng, a.side) for _ in range(a.batch)]
        goal = torch.from_numpy(np.stack([pages.goal(boxes, a.side) for _, boxes, _ in made]))
        half.follow()
        said = logits(half.model, normalised([x for x, _, _ in made]).bfloat16())
        loss = losses(said, goal)
        loss.backward()
        half.hand_over()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        learning.step(schedule(progress, step, 30, a.decay))
        average.follow(step)
        training.log(25, "loss {:.3f} IoU {:.3f}", loss, overlap(said, goal))


@torch.no_grad()
def judge(average, tests, folder):
    """Export the average, and print how well it finds lines in fonts that were held out."""
    model = PPOCRV6SmallDetForObjectDetection(describe()).eval()
    model.load_state_dict(average)
    of = [overlap(logits(model, normalised([x])), torch.from_numpy(pages.goal(boxes, len(x)))[None]) for x, boxes, _ in tests]
    print(f"held out: IoU {np.mean(of):.3f}", flush=True)
    export(average, folder)


if __name__ == "__main__":
    main()
