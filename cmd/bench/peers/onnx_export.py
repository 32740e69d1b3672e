"""Architectures as ONNX files, for the two kinds of onnxruntime."""

import contextlib
import io
from pathlib import Path

import numpy as np

import peer


def export(name: str, work: Path) -> None:
    """Leaves model.onnx and reference.npz, the picture x and PyTorch's output y."""
    import torch  # takes seconds to load, and only an export needs it

    model, x, y = peer.example(name)
    keep = work / "keep"
    keep.mkdir()
    np.savez(keep / "reference.npz", x=x.numpy(), y=y.numpy())
    with contextlib.redirect_stdout(io.StringIO()):
        torch.onnx.export(model, (x,), str(keep / "model.onnx"), external_data=False)


def reference(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    with np.load(folder / "reference.npz") as saved:
        return saved["x"], saved["y"]
