"""Train the small AST: spoken digits and commands, English and Korean.

espeak-ng says the words once (spoken.py), rooms and noises are made as they are needed. The same command goes on from the
last checkpoint.
"""

import argparse
import os
import time

import numpy as np
import torch
from torch.nn.functional import cross_entropy
from transformers import ASTConfig, ASTFeatureExtractor, ASTForAudioClassification

from muon import Muon
from spoken import LABELS, Fbank, Maker, spoken
from training import Average, Optimisers, Training, schedule

BINS, FRAMES, PATCH, STRIDES = 64, 128, 16, (16, 8)  # along bins, along frames
MEAN, STD = -8.0, 3.2  # of the logarithms of what is said, about


def describe():
    sizes = dict(hidden_size=128, num_hidden_layers=4, num_attention_heads=4, intermediate_size=512, layer_norm_eps=1e-6)
    shape = dict(num_mel_bins=BINS, max_length=FRAMES, patch_size=PATCH, frequency_stride=STRIDES[0], time_stride=STRIDES[1])
    names = dict(id2label=dict(enumerate(LABELS)), label2id={name: i for i, name in enumerate(LABELS)})
    drop = dict(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    return ASTConfig(**sizes, **shape, **names, **drop, architectures=["ASTForAudioClassification"])


def waves(across, along, width):
    """Positions in a grid as sines and cosines, [across*along, width]."""
    y, x = torch.meshgrid(torch.arange(across), torch.arange(along), indexing="ij")
    f = 20.0 ** -(torch.arange(width // 4) / (width // 4))
    parts = [p.flatten()[:, None] * f for p in (y * 2.0, x * 1.0)]
    return torch.cat([g(p) for p in parts for g in (torch.sin, torch.cos)], 1)


def begin():
    model = ASTForAudioClassification(describe())
    with torch.no_grad():
        e = model.audio_spectrogram_transformer.embeddings
        grid = [(n - PATCH) // s + 1 for n, s in zip((BINS, FRAMES), STRIDES)]
        e.position_embeddings[0, 2:] = 0.3 * waves(*grid, 128)
        e.patch_embeddings.projection.weight.normal_(0, 0.06)
        e.cls_token.normal_(0, 0.02), e.distillation_token.normal_(0, 0.02)
    return model


def masked(x, rng):
    """Some bins and some frames without a value, as SpecAugment does."""
    for row in x:
        if rng.random() < 0.4:
            n, at = rng.integers(1, 8), rng.integers(0, BINS - 8)
            row[:, at : at + n] = row.mean()
        if rng.random() < 0.4:
            n, at = rng.integers(1, 10), rng.integers(0, FRAMES - 10)
            row[at : at + n] = row.mean()
    return x


@torch.no_grad()
def tried(average, fbank, trial, quiet):
    """The parts of the trial's words that are told right: with noise as in training, and as they are."""
    model = ASTForAudioClassification(describe()).eval()
    model.load_state_dict(average)
    right = []
    for sounds, labels in (trial, quiet):
        said = [model(fbank(sounds[i : i + 100])).logits.argmax(1) for i in range(0, len(sounds), 100)]
        right.append((torch.cat(said) == labels).float().mean().item())
    return right


def export(average, folder):
    os.makedirs(folder, exist_ok=True)
    model = ASTForAudioClassification(describe())
    model.load_state_dict(average)
    model.half().save_pretrained(folder)
    os.chmod(os.path.join(folder, "model.safetensors"), 0o644)
    ASTFeatureExtractor(num_mel_bins=BINS, max_length=FRAMES, mean=MEAN, std=STD).save_pretrained(folder)


def arguments():
    arg = argparse.ArgumentParser(description=__doc__)
    arg.add_argument("--out", default="ast", help="folder of the exported model")
    arg.add_argument("--work", default="work", help="folder for the checkpoint and what espeak-ng said")
    arg.add_argument("--minutes", type=float, default=20, help="length of the training, of a core's time")
    arg.add_argument("--decay", type=float, default=0.5, help="the part of the training in which the rates fall")
    arg.add_argument("--each", type=int, default=240, help="how often each word is said")
    arg.add_argument("--easy", type=float, default=0.3, help="the part of the training until rooms and noises are as in the trial")
    arg.add_argument("--batch", type=int, default=48)
    arg.add_argument("--lr", type=float, default=0.01, help="Muon, for the blocks' matrices")
    arg.add_argument("--lr-rest", type=float, default=2e-3, help="AdamW, for everything else")
    arg.add_argument("--threads", type=int, default=1)
    arg.add_argument("--every", type=int, default=100, help="steps between lines of the log")
    return arg.parse_args()


def main():
    a = arguments()
    torch.set_num_threads(a.threads)
    torch.manual_seed(0)
    os.makedirs(a.work, exist_ok=True)
    fbank = Fbank(BINS, FRAMES, MEAN, STD)
    maker = Maker(spoken(a.work, False, a.each), 400 + 160 * (FRAMES - 1))
    held = spoken(a.work, True, 24)
    other = Maker(held, maker.length)
    trial = other.batch(np.random.default_rng(9), 1000)
    quiet = [s[0].astype(np.float32) / 32768 for s in held][::2], torch.tensor([s[1] for s in held][::2])
    model = begin().train()
    blocks = [p for n, p in model.named_parameters() if p.ndim == 2 and ".layers." in n]
    rest = [p for n, p in model.named_parameters() if not (p.ndim == 2 and ".layers." in n)]
    by_patches = torch.nn.Linear(128, len(LABELS))
    rest += by_patches.parameters()
    learning = Optimisers((Muon(blocks, weight_decay=0.02), a.lr), (torch.optim.AdamW(rest, betas=(0.9, 0.98), weight_decay=0.01), a.lr_rest))
    average = Average(model, most=0.99)
    print(f"{sum(p.numel() for p in model.parameters())} parameters, {len(maker.said)} words said, {len(held)} held out", flush=True)

    training = Training(
        os.path.join(a.work, "ast.pt"),
        {"model": model, "by_patches": by_patches, "average": average, "optimisers": learning},
        a.minutes,
        clock=time.process_time,
        export=lambda: export(average.state, a.out),
    )
    for step, progress in training:
        rng = np.random.default_rng(step)
        hard = min(1.0, progress / a.easy)
        sounds, labels = maker.batch(rng, a.batch, hard)
        x = fbank(sounds)
        if hard == 1:
            x = masked(x, rng)
        with torch.autocast("cpu", torch.bfloat16):
            states = model.audio_spectrogram_transformer(x).last_hidden_state
            logits = model.classifier(states[:, :2].mean(1)).float()
            of_patches = by_patches(states[:, 2:].mean(1)).float()  # thrown away afterwards
        loss = cross_entropy(logits, labels, label_smoothing=0.05) + 0.5 * cross_entropy(of_patches, labels)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        learning.step(schedule(progress, step, 50, a.decay))
        average.follow(step)
        if training.log(a.every, "loss {:.3f} right {:.3f}", loss, (logits.argmax(1) == labels).float().mean()):
            print("held out: in noise {:.3f}, as said {:.3f}".format(*tried(average.state, fbank, trial, quiet)), flush=True)


if __name__ == "__main__":
    main()
