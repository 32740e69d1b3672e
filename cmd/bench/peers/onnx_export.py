"""Architectures as ONNX files, for the kinds of onnxruntime."""

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


def load(name: str, options, providers=None):
    """What a peer's load gives, by a session of Python's onnxruntime."""
    import onnxruntime  # which its web kind does without

    folder = peer.exported("onnx", name, export)
    # Threads that wait by turning would slow down what is timed in between.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), options, providers=providers)
    given = [x.name for x in session.get_inputs()]
    return peer.clocked(lambda *inputs: session.run(None, dict(zip(given, inputs)))[0]), *peer.reference(folder)
