"""Train the small recogniser of text lines: PP-OCR v6's small one, narrower, for ASCII and the common Hangul syllables.

Lines are drawn as they are needed (lines.py). The same command goes on from the last checkpoint.
"""

import argparse
import copy
import json
import os
import time

import numpy as np
import torch
from torch.nn.functional import ctc_loss, cross_entropy, linear
from transformers import PPLCNetV4Config, PPOCRV6SmallRecConfig, PPOCRV6SmallRecForTextRecognition

import cifar10
import lines
from muon import Muon
from training import Average, Halves, Optimisers, Training, schedule

CHARACTERS = ["blank"] + list(lines.ASCII + lines.MORE + lines.HANGUL)
CODE = {c: i for i, c in enumerate(CHARACTERS)}
STEP = 4  # pixels of a place
WIDTH = 128  # of what the last layer reads
HELD_OUT = 400  # lines of each alphabet


def describe():
    def stage(inner, outer, layers):
        return [[3, inner, outer, [2, 1], False]] + [[3, outer, outer, 1, False]] * (layers - 1)

    blocks = [stage(24, 32, 1), stage(32, 64, 2), stage(64, 112, 1), [[3, 112, 112, 1, False]]]
    backbone = PPLCNetV4Config(stem_channels=[3, 16, 24], stem_strides=[2, 1, 1, 1, 1], block_configs=blocks, out_indices=[1, 2, 3, 4])
    head = dict(hidden_size=WIDTH, num_attention_heads=4, mlp_ratio=2.0, depth=2, head_out_channels=len(CHARACTERS))
    return PPOCRV6SmallRecConfig(backbone_config=backbone, attn_implementation="eager", **head)


class Parts(torch.nn.Module):
    """The last layer: a syllable's row is the sum of its first consonant's, its vowel's, its last consonant's and its own,
    so that what one syllable teaches holds for others; other characters have their own."""

    def __init__(self):
        super().__init__()
        of, first = torch.zeros(len(CHARACTERS), 3, dtype=torch.long), 1  # row 0 is nothing
        for i, c in enumerate(CHARACTERS):
            if len(c) == 1 and c >= "가":
                n = ord(c) - ord("가")
                of[i] = torch.tensor([1 + n // 588, 20 + n // 28 % 21, 41 + n % 28])
        self.register_buffer("of", of)
        self.shared = torch.nn.Parameter(torch.randn(69, WIDTH) * 0.05)
        self.own = torch.nn.Parameter(torch.randn(len(CHARACTERS), WIDTH) * 0.05 * (of[:, :1] == 0))
        self.bias = torch.nn.Parameter(torch.zeros(len(CHARACTERS)))

    def weight(self):
        shared = self.shared * (torch.arange(len(self.shared)) > 0)[:, None]
        return self.own + shared[self.of].sum(1)


def halved(model):
    """A copy whose convolutions and linear layers compute in bf16; norms keep their weights."""
    half = copy.deepcopy(model)
    for m in half.modules():
        if isinstance(m, (torch.nn.Conv2d, torch.nn.ConvTranspose2d, torch.nn.Linear)):
            m.bfloat16()
    return half.to(memory_format=torch.channels_last).train()


def read(model, x):
    """States [n,t,WIDTH] of lines [n,3,h,w]."""
    x = model.model(x.contiguous(memory_format=torch.channels_last)).last_hidden_state
    return model.head.encoder(x).last_hidden_state


class Batch:
    """Lines of about one width: pictures, codes, and what the places at and between the middles of characters are (−100: any)."""

    def __init__(self, made, rng):
        w = max(2 * STEP, -(-max(a.shape[1] for _, a, _ in made) // STEP) * STEP)
        ink = np.zeros((len(made), lines.HEIGHT, w), np.float32)
        for i, (_, a, _) in enumerate(made):
            ink[i, :, : a.shape[1]] = a
        x = lines.colour(ink / 255, rng)
        self.places, places = w // STEP, np.full((len(made), w // STEP), -100)
        for i, (text, a, middles) in enumerate(made):
            x[i, :, :, a.shape[1] :] = 0  # as a processor pads
            at = np.clip((middles / STEP).astype(int), 0, self.places - 1)
            between = np.clip(((middles[1:] + middles[:-1]) / 2 / STEP).astype(int), 0, self.places - 1)
            places[i, between] = 0
            places[i, -(-a.shape[1] // STEP) :] = 0
            places[i, at] = [CODE[c] for c in text]
        self.x, self.places_of = torch.from_numpy(x), torch.from_numpy(places)
        self.texts = [t for t, _, _ in made]
        self.codes = torch.tensor([CODE[c] for t in self.texts for c in t])
        self.lengths = torch.tensor([len(t) for t in self.texts])


def losses(model, parts, batch):
    """CTC's, and the cross-entropy of the places whose character is known, each for a character."""
    states = read(model, batch.x.bfloat16())
    logits = linear(states.flatten(0, 1), parts.weight().bfloat16(), parts.bias.bfloat16()).float()
    known = cross_entropy(logits, batch.places_of.flatten(), ignore_index=-100)
    chances = logits.log_softmax(1).unflatten(0, states.shape[:2]).transpose(0, 1)
    places = torch.full((len(batch.texts),), batch.places)
    each = ctc_loss(chances, batch.codes, places, batch.lengths, reduction="none", zero_infinity=True)
    return each.sum() / batch.lengths.sum(), known


def spell(codes):
    """The texts of the likeliest codes [n,t]."""
    return ["".join(CHARACTERS[c] for c, before in zip(row, [0] + row[:-1]) if c and c != before) for row in codes.tolist()]


def distance(a, b):
    """How many characters must be put in, taken out or changed between two texts."""
    row = list(range(len(b) + 1))
    for i, c in enumerate(a, 1):
        last, row[0] = row[0], i
        for j, d in enumerate(b, 1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (c != d))
    return row[-1]


@torch.no_grad()
def rate(model, parts, made):
    """The part of the characters that are read wrongly, spaces counted, in lines one by one."""
    wrong = total = 0
    for text, ink, _ in made:
        batch = Batch([(text, ink, np.zeros(len(text)))], np.random.default_rng(len(text)))
        said = linear(read(model, batch.x), parts.weight(), parts.bias).argmax(2)
        wrong, total = wrong + distance(spell(said)[0], text), total + len(text)
    return wrong / total


def pool(maker, rng, most, number):
    """Batches of lines, of about as many pixels each, at most so wide in characters."""
    made = [maker.make(rng, int(rng.integers(3, most + 1))) for _ in range(number)]
    made = sorted((m for m in made if fits(*m)), key=lambda m: m[1].shape[1])
    batches, begin = [], 0
    while begin < len(made):
        end = begin + 1
        while end < len(made) and (end - begin + 1) * made[end][1].shape[1] <= 9600:
            end += 1
        batches.append(made[begin:end])
        begin = end
    return [batches[i] for i in rng.permutation(len(batches)) if len(batches[i]) > 5]


def fits(text, ink, _):
    """That a line is wide enough for its characters' places, and not wider than a batch."""
    need = len(text) + sum(a == b for a, b in zip(text, text[1:]))
    return need <= ink.shape[1] // STEP and ink.shape[1] <= 640


def optimisers(model, parts, lr, lr_rest):
    """Muon for what mixes channels, AdamW for the rest."""
    named = [(n, p) for n, p in model.named_parameters() if "head.head" not in n]
    matrix = [p.ndim > 1 and p[0].numel() > 25 for n, p in named]
    muon = Muon([p for (_, p), m in zip(named, matrix) if m], weight_decay=0.02)
    rest = [p for (_, p), m in zip(named, matrix) if not m] + list(parts.parameters())
    return Optimisers((muon, lr), (torch.optim.AdamW(rest, betas=(0.9, 0.98), weight_decay=0.0), lr_rest))


def export(average, of_parts, folder):
    """Write transformers' folder, the weights as halves."""
    os.makedirs(folder, exist_ok=True)
    config, parts = describe(), Parts()
    parts.load_state_dict(of_parts)
    config.dtype, config.architectures = "float16", ["PPOCRV6SmallRecForTextRecognition"]
    config.save_pretrained(folder)
    state = {k: v for k, v in average.items() if not k.endswith("num_batches_tracked")}
    state |= {"head.head.weight": parts.weight().detach(), "head.head.bias": parts.bias.detach()}
    cifar10.save_halves(state, folder)
    size = {"height": lines.HEIGHT, "width": 4 * lines.HEIGHT}
    process = {"image_processor_type": "PPOCRV6SmallRecImageProcessor", "do_resize": True, "size": size, "resample": 2, "max_image_width": 3200}
    process |= {"do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    process |= {"do_pad": True, "pad_size": size, "character_list": CHARACTERS}
    with open(os.path.join(folder, "preprocessor_config.json"), "w", encoding="utf8") as f:
        json.dump(process, f, ensure_ascii=False)
        f.write("\n")


def arguments():
    arg = argparse.ArgumentParser(description=__doc__)
    arg.add_argument("--fonts", default="/usr/share/fonts", help="folder of Debian's fonts; see lines.py")
    arg.add_argument("--texts", default="/usr/share", help="folder of locale/ko, hunspell/ko.dic and dict/american-english")
    arg.add_argument("--out", default="ocr_rec", help="folder of the exported model")
    arg.add_argument("--work", default="work", help="folder for the checkpoint")
    arg.add_argument("--minutes", type=float, default=60, help="length of the training, of the processor's time")
    arg.add_argument("--decay", type=float, default=0.4, help="the part of the training in which the rates fall")
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
    maker, other = (lines.Maker(lines.Fonts(a.fonts, held), texts) for held in (False, True))
    rng = np.random.default_rng(99)
    tests = {kind: [other.make(rng, int(rng.integers(6, 22)), kind) for _ in range(HELD_OUT)] for kind in ("korean", "ascii")}
    model, parts = PPOCRV6SmallRecForTextRecognition(describe()).train(), Parts()
    del model.head.head
    both = torch.nn.ModuleDict({"model": model, "parts": parts})
    learning, average = optimisers(model, parts, a.lr, a.lr_rest), Average(both)
    print(f"{sum(p.numel() for p in model.parameters()) + WIDTH * len(CHARACTERS)} parameters, {len(CHARACTERS)} characters", flush=True)

    half, batches = Halves(model, halved(model)), []
    training = Training(
        os.path.join(a.work, "rec.pt"),
        {"both": both, "average": average, "optimisers": learning},
        a.minutes,
        clock=time.process_time,
        export=lambda: judge(average.state, tests, a.out),
        every=300,
    )
    for step, progress in training:
        rng = np.random.default_rng(step)
        if not batches:
            batches = pool(maker, rng, int(8 + 16 * min(1, progress / 0.15)), 256)
        batch = Batch(batches.pop(), rng)
        half.follow()
        of_lines, known = losses(half.model, parts, batch)
        (of_lines + max(0.15, 1 - 3 * progress) * known).backward()
        half.hand_over()
        torch.nn.utils.clip_grad_norm_(both.parameters(), 5.0)
        learning.step(schedule(progress, step, 50, a.decay))
        average.follow(step)
        training.log(25, "lines {:.1f} ctc {:.3f} places {:.3f}", len(batch.texts), of_lines, known)


def judge(average, tests, folder):
    """Export the average, and print how well it reads fonts that were held out."""
    model, parts = PPOCRV6SmallRecForTextRecognition(describe()).eval(), Parts()
    del model.head.head
    torch.nn.ModuleDict({"model": model, "parts": parts}).load_state_dict(average)
    print("held out:", ", ".join(f"{kind} {rate(model, parts, made):.4f}" for kind, made in tests.items()), flush=True)
    of = {k: {n[len(k) + 1 :]: v for n, v in average.items() if n.startswith(k + ".")} for k in ("model", "parts")}
    export(of["model"], of["parts"], folder)


if __name__ == "__main__":
    main()
