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


TRAININGS = {  # optimizer, its arguments, schedule
    "adamw": (torch.optim.AdamW, dict(lr=0.02), "constant"),
    "adamw_all": (torch.optim.AdamW, dict(lr=0.03, weight_decay=0.1, betas=(0.8, 0.97), eps=1e-3), "cosine"),
    "sgd": (torch.optim.SGD, dict(lr=0.3), "linear"),
    "sgd_all": (torch.optim.SGD, dict(lr=0.1, weight_decay=0.05, momentum=0.9, nesterov=True), "constant"),
}


def heads():
    """Five steps of a linear layer, each of two micro-batches, with clipping and a warm-up."""
    from transformers import get_scheduler

    g = generator("heads")
    n, width, classes, steps, accumulate, clip, warmup = 6, 9, 4, 5, 2, 0.7, 2
    xs = torch.randn(steps * accumulate, n, width, generator=g)
    ys = torch.randint(classes, (steps * accumulate, n), generator=g)
    w, b = torch.randn(classes, width, generator=g) * 0.3, torch.randn(classes, generator=g) * 0.3
    tensors = {"x": xs, "y": ys.int(), "weight": w, "bias": b}
    for name, (cls, arguments, schedule) in TRAININGS.items():
        layer = torch.nn.Linear(width, classes)
        layer.weight.data, layer.bias.data = w.clone(), b.clone()
        optimizer = cls(layer.parameters(), **arguments)
        rates = get_scheduler("constant_with_warmup" if schedule == "constant" else schedule, optimizer, num_warmup_steps=warmup, num_training_steps=steps)
        losses = []
        for step in range(steps):
            optimizer.zero_grad()
            total = 0.0
            for micro in range(accumulate):
                loss = torch.nn.functional.cross_entropy(layer(xs[step * accumulate + micro]), ys[step * accumulate + micro])
                (loss / accumulate).backward()
                total += loss.item() / accumulate
            losses.append(total)
            grad = [p.grad.clone() for p in layer.parameters()]
            torch.nn.utils.clip_grad_norm_(layer.parameters(), clip)
            optimizer.step()
            rates.step()
        tensors |= {f"{name}.weight": layer.weight.data, f"{name}.bias": layer.bias.data, f"{name}.loss": torch.tensor(losses), f"{name}.grad.weight": grad[0], f"{name}.grad.bias": grad[1]}
    write(HERE / "heads.safetensors", tensors, {"source": f"torch {torch.__version__.split('+')[0]}"})


if __name__ == "__main__":
    torch.set_num_threads(1)
    logistic()
    tip()
    heads()
