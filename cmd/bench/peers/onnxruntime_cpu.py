#!/usr/bin/env python3
"""Times architectures in onnxruntime on the CPU: what no software adapter can
reach. peer.py says how it is called."""

import contextlib
import io
import sys
from pathlib import Path

import numpy as np
import onnxruntime

import peer


def load(name: str, precision: str):
    folder = peer.exported("onnxruntime", name, export)
    options = onnxruntime.SessionOptions()
    # Threads that wait by turning would slow down what is timed in between.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"])
    with np.load(folder / "reference.npz") as reference:
        x, want = reference["x"], reference["y"]
    given = session.get_inputs()[0].name
    return lambda x: session.run(None, {given: x})[0], x, want


def export(name: str, work: Path) -> None:
    import torch  # takes seconds to load, and only an export needs it

    model, x, y = peer.example(name)
    keep = work / "keep"
    keep.mkdir()
    np.savez(keep / "reference.npz", x=x.numpy(), y=y.numpy())
    with contextlib.redirect_stdout(io.StringIO()):
        torch.onnx.export(model, (x,), str(keep / "model.onnx"))


if __name__ == "__main__":
    # Sums in f32, in another order: over 50 layers less than 1e-5.
    sys.exit(peer.main(peer.Peer(f"onnxruntime {onnxruntime.__version__}", peer.cpu, ["f32"], 1e-4, load)))
