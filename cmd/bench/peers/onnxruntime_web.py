#!/usr/bin/env python3
"""Times architectures in onnxruntime-web on WebGPU, by Node and Dawn: npm packages
onnxruntime-web and webgpu in the working directory. peer.py says how it is called."""

import base64
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

import onnx_export
import peer

SCRIPT = Path(__file__).resolve().with_name("onnxruntime_web.mjs")
node: subprocess.Popen | None = None  # runs the last model
adapter = ""


def answer() -> dict:
    line = node.stdout.readline()
    if not line:
        node.wait()
        log = node.log
        log.seek(0)
        lines = [s for s in log.read().splitlines() if s.strip()]
        errors = [s for s in lines if "Error" in s]
        raise peer.Failure((errors or lines or [f"node ended with {node.returncode}"])[-1].strip())
    return json.loads(line)


def stop() -> None:
    """Ends the last model's process, which Dawn's threads can keep from ending."""
    if node:
        node.kill()
        node.wait()


def load(name: str, precision: str):
    global node, adapter
    stop()
    folder = peer.exported("onnx", name, onnx_export.export)
    inputs, want = peer.reference(folder)
    for i, x in enumerate(inputs):
        x.tofile(folder / f"input{i}.f32")
    dims = json.dumps([x.shape for x in inputs])
    log = tempfile.TemporaryFile("w+")
    node = subprocess.Popen(["node", str(SCRIPT), str(folder), dims], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True)
    node.log = log
    started = answer()
    adapter, this.name = started["adapter"], f"onnxruntime-web {started['version']}"

    def forward(*_):
        node.stdin.write("\n")
        node.stdin.flush()
        told = answer()  # its own time: the way here is not the runtime's
        return told["ms"], np.frombuffer(base64.b64decode(told["y"]), dtype=np.float32)

    return forward, inputs, want


def main() -> int:
    if not shutil.which("node"):
        print("onnxruntime-web: finding node: it is not installed", file=sys.stderr)
        return 1
    try:
        return peer.main(this)
    finally:
        stop()


# Sums in f32, in another order: over 50 layers less than 1e-4. The version is known
# when a model is loaded.
this = peer.Peer("onnxruntime-web", lambda: adapter, ["f32"], 1e-3, load)

if __name__ == "__main__":
    sys.exit(main())
