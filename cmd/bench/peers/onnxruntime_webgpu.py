#!/usr/bin/env python3
"""Times architectures in onnxruntime on native WebGPU, by Dawn: pip packages onnxruntime and
onnxruntime-ep-webgpu. peer.py says how it is called."""

import os
import sys
from importlib.metadata import version

os.environ.setdefault("ORT_WEBGPU_EP_ALLOW_SOFTWARE_ADAPTER", "1")  # as ours are timed there too

import onnxruntime
import onnxruntime_ep_webgpu as plugin

import onnx_export
import peer


def load(name: str, precision: str):
    options = onnxruntime.SessionOptions()
    # Nothing may fall back to the CPU, which would be timed instead.
    options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    options.add_provider_for_devices(chosen, {})
    return onnx_export.load(name, options)


def main() -> int:
    onnxruntime.register_execution_provider_library("webgpu", plugin.get_library_path())
    devices = [d for d in onnxruntime.get_ep_devices() if d.ep_name == plugin.get_ep_name()]
    if not devices:
        print("onnxruntime: finding an adapter: its WebGPU plug-in shows none; on Mesa it needs 23 or newer", file=sys.stderr)
        return peer.NoAdapter.code
    chosen.append(devices[0])
    name = f"onnxruntime {onnxruntime.__version__} with WebGPU {version('onnxruntime-ep-webgpu')}"
    return peer.main(peer.Peer(name, lambda: "the one that Dawn chooses", ["f32"], 1e-3, load))


chosen: list[onnxruntime.OrtEpDevice] = []

if __name__ == "__main__":
    sys.exit(main())
