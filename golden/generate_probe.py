#!/usr/bin/env python3
"""Makes goldens of classifiers on features: golden/probe/logistic.safetensors has the
coefficients of scikit-learn's LogisticRegression, tip.safetensors Tip-Adapter's logits
by its formula in PyTorch.

    python golden/generate_probe.py
"""

from pathlib import Path

import sklearn
import torch
from sklearn.linear_model import LogisticRegression

from generate_io import generator, write

HERE = Path(__file__).resolve().parent / "probe"
CASES = {"five": (61, 7, 5, 1.0), "strong": (40, 13, 3, 0.05), "weak": (90, 11, 4, 30.0), "two": (45, 9, 2, 2.0), "wide": (20, 33, 6, 1.0)}


def logistic():
    g = generator("logistic")
    tensors, cs = {}, {}
    for name, (n, width, classes, c) in CASES.items():
        y = torch.arange(n) % classes
        x = torch.randn(n, width, generator=g) * 1.3 + 0.9 * torch.randn(classes, width, generator=g)[y] + 0.7
        fit = LogisticRegression(C=c, tol=1e-13, max_iter=100000, solver="newton-cg").fit(x.double().numpy(), y.numpy())
        assert list(fit.classes_) == list(range(classes))
        tensors |= {f"{name}.x": x, f"{name}.y": y.int(), f"{name}.coef": torch.tensor(fit.coef_).float(), f"{name}.intercept": torch.tensor(fit.intercept_).float()}
        cs[name] = c
    write(HERE / "logistic.safetensors", tensors, {"source": f"scikit-learn {sklearn.__version__}", "C": cs})


def tip():
    g = generator("tip")
    n, width, classes, alpha, beta, scale = 17, 11, 3, 1.7, 4.5, 31.0
    unit = lambda *s: torch.nn.functional.normalize(torch.randn(*s, generator=g, dtype=torch.float64)).float()  # noqa: E731
    keys, texts, f = unit(n, width), unit(classes, width), unit(5, width)
    y = torch.arange(n) % classes
    affinity = f.double() @ keys.double().T
    logits = scale * f.double() @ texts.double().T + alpha * (-beta * (1 - affinity)).exp() @ torch.nn.functional.one_hot(y, classes).double()
    tensors = {"keys": keys, "y": y.int(), "texts": texts, "f": f, "logits": logits.float()}
    write(HERE / "tip.safetensors", tensors, {"source": f"torch {torch.__version__.split('+')[0]}", "alpha": alpha, "beta": beta, "scale": scale})


if __name__ == "__main__":
    torch.set_num_threads(1)
    logistic()
    tip()
