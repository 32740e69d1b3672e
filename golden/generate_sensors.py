#!/usr/bin/env python3
"""Makes the golden of readings beside pictures: golden/probe/sensors.safetensors has
features with missing values and the probabilities of scikit-learn's pipeline by
cross-validation, of one kind of features, of the other and of both.

    python golden/generate_sensors.py
"""

from pathlib import Path

import numpy as np
import sklearn
import torch
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import PredefinedSplit, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from generate_io import generator, write

HERE = Path(__file__).resolve().parent / "probe"


def main():
    g = generator("sensors")
    n, classes, folds, c = 47, 3, 5, 0.7
    y = torch.arange(n) % classes
    pictures = torch.randn(n, 9, generator=g) + 0.6 * torch.randn(classes, 9, generator=g)[y]
    readings = 100 + 30 * (torch.randn(n, 4, generator=g) + 0.7 * torch.randn(classes, 4, generator=g)[y])
    readings[:, 2] = 7  # which never changes
    readings[torch.rand(n, 4, generator=g) < 0.1] = torch.nan
    fold, seen = [], {}
    for k in y.tolist():
        fold.append(seen.get(k, 0) % folds)
        seen[k] = seen.get(k, 0) + 1
    tensors = {"pictures": pictures, "readings": readings, "class": y.int(), "fold": torch.tensor(fold).int()}
    for name, x in (("pictures", pictures), ("readings", readings), ("both", torch.cat([pictures, readings], 1))):
        model = make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression(C=c, tol=1e-13, max_iter=100000, solver="newton-cg"))
        p = cross_val_predict(model, x.double().numpy(), y.numpy(), cv=PredefinedSplit(np.array(fold)), method="predict_proba")
        tensors[f"{name}.probabilities"] = torch.from_numpy(p).float()
    write(HERE / "sensors.safetensors", tensors, {"source": f"scikit-learn {sklearn.__version__}", "C": c, "folds": folds})


if __name__ == "__main__":
    main()
