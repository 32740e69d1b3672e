"""How well the small AST tells words of voices that it has not learnt from, at several levels of noise.

    python evaluate_sound.py ast --work work     the voices of the trial, and flite's where that is installed
"""

import argparse
import shutil

import numpy as np
import torch
from transformers import ASTConfig, ASTForAudioClassification

from spoken import ENGLISH, FLITE, LABELS, NOTHING, OTHER, Fbank, Maker, coloured, say_by_flite, spoken


@torch.no_grad()
def told(model, fbank, sounds):
    return torch.cat([model(fbank(sounds[i : i + 100])).logits.argmax(1) for i in range(0, len(sounds), 100)]).numpy()


def in_noise(rng, x, decibels):
    level = np.sqrt((x**2).mean())
    return (x + coloured(rng, len(x)) * level * 10 ** (-decibels / 20)).astype(np.float32)


def main():
    arg = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arg.add_argument("model")
    arg.add_argument("--work", default="work")
    a = arg.parse_args()
    torch.set_num_threads(1)
    config = ASTConfig.from_pretrained(a.model)
    model = ASTForAudioClassification.from_pretrained(a.model, dtype=torch.float32).eval()
    fbank = Fbank(config.num_mel_bins, config.max_length, -8.0, 3.2)
    said, rng = spoken(a.work, True, 24), np.random.default_rng(5)
    sounds, labels = [s[0].astype(np.float32) / 32768 for s in said], np.array([s[1] for s in said])
    of = {"English": labels < len(ENGLISH), "Korean": (labels >= len(ENGLISH)) & (labels < OTHER), "another word": labels == OTHER}
    print(f"{len(sounds)} words of {len(set(s[2].split('+')[1] for s in said))} voices")
    for name, some in [("as said", sounds)] + [(f"{d} dB", [in_noise(rng, x, d) for x in sounds]) for d in (20, 10, 5)]:
        right = told(model, fbank, some) == labels
        print(f"{name:8}", *(f"{k} {100 * right[where].mean():.1f} %" for k, where in of.items()))
    maker = Maker(said, 400 + 160 * (config.max_length - 1))
    quiet = [maker.example(rng, NOTHING, 1.0) for _ in range(200)]
    print(f"nothing said {100 * (told(model, fbank, quiet) == NOTHING).mean():.1f} % of 200 noises")
    if shutil.which("flite"):
        for voice in FLITE:
            right = told(model, fbank, [say_by_flite(w, voice, a.work) for w in ENGLISH]) == np.arange(len(ENGLISH))
            print(f"flite {voice}: {right.sum()} of {len(right)}; not", *(LABELS[i] for i in np.flatnonzero(~right)))
    wrong = told(model, fbank, sounds)
    pairs = {}
    for i, k in zip(labels, wrong):
        if i != k:
            pairs[LABELS[i], LABELS[k]] = pairs.get((LABELS[i], LABELS[k]), 0) + 1
    print("taken for another most:", *(f"{i} for {k} {n}" for (i, k), n in sorted(pairs.items(), key=lambda p: -p[1])[:8]), sep="\n  ")


if __name__ == "__main__":
    main()
