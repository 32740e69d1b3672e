"""Architectures as ONNX files, for the two kinds of onnxruntime."""

import contextlib
import io
from pathlib import Path

import peer


def export(name: str, work: Path) -> None:
    """Leaves model.onnx, and the inputs with PyTorch's output."""
    import torch  # takes seconds to load, and only an export needs it

    model, inputs, y = peer.example(name)
    keep = work / "keep"
    keep.mkdir()
    peer.save_reference(keep, inputs, y)
    with contextlib.redirect_stdout(io.StringIO()):
        torch.onnx.export(model, tuple(inputs), str(keep / "model.onnx"), external_data=False)
