#!/usr/bin/env python3
"""Makes goldens of anomaly detection: golden/anomaly/*.safetensors have what plain PyTorch,
NumPy and SciPy make of features step by step, by the formulas of PatchCore (as anomalib
has it), AnomalyDINO and PaDiM, and scikit-learn's areas under the curve.

    python golden/generate_anomaly.py
"""

from pathlib import Path

import numpy as np
import scipy
import sklearn
import torch
import torch.nn.functional as F
from scipy.ndimage import gaussian_filter
from sklearn.metrics import roc_auc_score

from generate_io import generator, write

HERE = Path(__file__).resolve().parent / "anomaly"
SOURCE = f"torch {torch.__version__.split('+')[0]}, SciPy {scipy.__version__}, scikit-learn {sklearn.__version__}"
NORMAL, TESTED, H, W = 5, 3, 36, 28


def maps(g):
    """Two layers of NORMAL + TESTED pictures, of which the last have places that stand out."""
    n = NORMAL + TESTED
    first = torch.randn(1, 5, 9, 7, generator=g) + 0.3 * torch.randn(n, 5, 9, 7, generator=g)
    second = torch.randn(1, 7, 5, 4, generator=g) + 0.3 * torch.randn(n, 7, 5, 4, generator=g)
    first[NORMAL, :, 3:5, 2] += 2
    second[NORMAL + 1, :, 1, 3] -= 3
    return first, second


def rows(x):
    return x.flatten(2).transpose(1, 2).double()  # [N, P, C]


def heat(patches, h, w):
    up = F.interpolate(patches.reshape(-1, 1, h, w), size=(H, W), mode="bilinear", align_corners=False)
    return torch.stack([torch.from_numpy(gaussian_filter(x.numpy(), sigma=4)) for x in up[:, 0]])


def coreset(x, n):
    chosen, least = [0], torch.full((len(x),), float("inf"), dtype=x.dtype)
    while len(chosen) < n:
        least = torch.minimum(least, (x - x[chosen[-1]]).square().sum(1))
        chosen.append(int(least.argmax()))
    return chosen


def patchcore():
    g = generator("patchcore")
    first, second = maps(g)
    pool = torch.nn.AvgPool2d(3, 1, 1)
    second_up = F.interpolate(pool(second), size=(9, 7), mode="bilinear", align_corners=False)
    embedding = rows(torch.cat([pool(first), second_up], 1))
    normal = embedding[:NORMAL].reshape(-1, 12)
    chosen = coreset(normal, 40)
    bank = normal[chosen]
    tested = embedding[NORMAL:]
    distances, places = torch.cdist(tested, bank, compute_mode="donot_use_mm_for_euclid_dist").min(2)
    scores = []
    for i in range(TESTED):
        worst = distances[i].argmax()
        near = torch.cdist(bank[places[i, worst]][None], bank).topk(9, largest=False).indices[0]
        support = torch.linalg.vector_norm(tested[i, worst] - bank[near], dim=1)
        scores.append((1 - support.softmax(0)[0]) * distances[i, worst])
    write(HERE / "patchcore.safetensors", {
        "first": first, "second": second, "embedding": embedding.float(), "chosen": torch.tensor(chosen).int(), "bank": bank.float(),
        "distances": distances.float(), "places": places.int(), "scores": torch.stack(scores).float(), "heat": heat(distances, 9, 7).float(),
    }, {"source": SOURCE})


def dino():
    g = generator("anomalydino")
    n, prefix, h, w, d = NORMAL + TESTED, 3, 11, 19, 13
    tokens = torch.randn(1, prefix + h * w, d, generator=g) + 0.4 * torch.randn(n, prefix + h * w, d, generator=g)
    tokens[NORMAL, 40] = -tokens[NORMAL, 40]
    x = F.normalize(tokens[:, prefix:].double(), dim=-1)
    distances = 1 - (x[NORMAL:] @ x[:NORMAL].reshape(-1, d).T).max(2).values
    scores = distances.sort(descending=True).values[:, : max(1, h * w // 100)].mean(1)
    write(HERE / "anomalydino.safetensors", {"tokens": tokens, "distances": distances.float(), "scores": scores.float(), "heat": heat(distances, h, w).float()}, {"source": SOURCE})


def padim():
    g = generator("padim")
    first, second = maps(g)
    x = rows(torch.cat([first, F.interpolate(second, size=(9, 7), mode="nearest")], 1)).numpy()
    distances = np.zeros((TESTED, 63))
    for p in range(63):
        mean, cov = x[:NORMAL, p].mean(0), np.cov(x[:NORMAL, p], rowvar=False) + 0.01 * np.eye(12)
        inverse = np.linalg.inv(cov)
        for i in range(TESTED):
            off = x[NORMAL + i, p] - mean
            distances[i, p] = np.sqrt(off @ inverse @ off)
    distances = torch.from_numpy(distances)
    blurred = heat(distances, 9, 7)
    write(HERE / "padim.safetensors", {"first": first, "second": second, "distances": distances.float(), "scores": blurred.amax((1, 2)).float(), "heat": blurred.float()}, {"source": SOURCE})


def areas():
    g = generator("auroc")
    tensors = {}
    for name, n, steps in (("few", 7, 4), ("ties", 200, 9), ("many", 999, 1 << 20)):
        scores = torch.randint(steps, (n,), generator=g).float() / 8
        bad = (torch.rand(n, generator=g) < 0.3 + 0.4 * (scores > scores.median())).int()
        bad[0], bad[1] = 0, 1
        tensors |= {f"{name}.scores": scores, f"{name}.bad": bad, f"{name}.auroc": torch.tensor([roc_auc_score(bad.numpy(), scores.numpy())]).float(),
                    f"{name}.quantile": torch.tensor([np.quantile(scores.double().numpy(), 0.93)]).float()}
    write(HERE / "auroc.safetensors", tensors, {"source": SOURCE})


if __name__ == "__main__":
    torch.set_num_threads(1)
    patchcore()
    dino()
    padim()
    areas()
