#!/usr/bin/env python3
"""Times architectures in onnxruntime on the CPU: what no software adapter can
reach. peer.py says how it is called."""

import sys

import onnxruntime

import onnx_export
import peer


def load(name: str, precision: str):
    folder = peer.exported("onnx", name, onnx_export.export)
    options = onnxruntime.SessionOptions()
    # Threads that wait by turning would slow down what is timed in between.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"])
    given = [x.name for x in session.get_inputs()]
    return peer.clocked(lambda *inputs: session.run(None, dict(zip(given, inputs)))[0]), *peer.reference(folder)


if __name__ == "__main__":
    # Sums in f32, in another order: over 50 layers less than 1e-5.
    sys.exit(peer.main(peer.Peer(f"onnxruntime {onnxruntime.__version__}", peer.cpu, ["f32"], 1e-4, load)))
