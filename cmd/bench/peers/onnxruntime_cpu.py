#!/usr/bin/env python3
"""Times architectures in onnxruntime on the CPU: what no software adapter can
reach. peer.py says how it is called."""

import sys

import onnxruntime

import onnx_export
import peer


def load(name: str, precision: str):
    return onnx_export.load(name, onnxruntime.SessionOptions(), ["CPUExecutionProvider"])


if __name__ == "__main__":
    # Sums in f32, in another order: over 50 layers less than 1e-5.
    sys.exit(peer.main(peer.Peer(f"onnxruntime {onnxruntime.__version__}", peer.cpu, ["f32"], 1e-4, load)))
