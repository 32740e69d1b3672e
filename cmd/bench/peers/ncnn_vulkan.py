#!/usr/bin/env python3
"""Times architectures in ncnn on Vulkan; peer.py says how it is called."""

import os
import subprocess
import sys
from pathlib import Path

import ncnn
import numpy as np

import peer


def load(name: str, precision: str):
    folder = peer.exported("ncnn", name, export)
    net = network(folder, precision)
    inputs, want = peer.reference(folder)

    def forward(*inputs: np.ndarray) -> np.ndarray:  # extract uploads, runs and reads back
        extractor = net.create_extractor()
        items = [x[0] if x.ndim > 2 else x for x in inputs]  # ncnn has no batch
        held = [ncnn.Mat(x) for x in items]  # of their memory: temporary arrays would be freed under them
        for i, x in enumerate(held):
            extractor.input(f"in{i}", x)
        code, y = extractor.extract("out0")
        if code != 0:
            raise peer.Failure(f"running the network failed with {code}")
        return np.array(y)

    return peer.clocked(forward), inputs, want


def export(name: str, work: Path) -> None:
    """Traces an architecture with random parameters and converts it."""
    import pnnx  # these take seconds to load, and only an export needs them
    import torch

    model, inputs, y = peer.example(name)
    with torch.no_grad():
        torch.jit.trace(model, tuple(inputs)).save(work / "model.pt")
    shapes = ",".join(str(list(x.shape)).replace(" ", "") for x in inputs)
    converter = [pnnx.EXEC_PATH, "model.pt", "inputshape=" + shapes]
    done = subprocess.run(converter, cwd=work, capture_output=True, text=True)
    if done.returncode != 0 or not (work / "model.ncnn.bin").is_file():
        raise peer.Failure(f"exporting {name}: pnnx failed with {done.returncode}: {done.stderr[-1000:].strip()}")
    keep = work / "keep"
    keep.mkdir()
    peer.save_reference(keep, inputs, y)
    for file in "param", "bin":
        os.rename(work / f"model.ncnn.{file}", keep / f"model.{file}")


def network(folder: Path, precision: str) -> ncnn.Net:
    """The network on the GPU, all of it: ncnn would run on the CPU what it has
    no Vulkan for, without a word. Squeeze (of a class token) and ExpandDims (of a
    timestep, before it is uploaded) may: they compute nothing."""
    net = ncnn.Net()
    net.opt.use_vulkan_compute = True
    half = precision == "f16"
    net.opt.use_fp16_packed = net.opt.use_fp16_storage = half
    net.opt.use_fp16_arithmetic = False  # sums are f32, as saccade's are
    for read, file in (net.load_param, "model.param"), (net.load_model, "model.bin"):
        if read(str(folder / file)) != 0:
            raise peer.Failure(f"loading {folder / file} failed; remove the folder to export anew")
    on_cpu = sorted({layer.type for layer in net.layers() if layer.type not in ("Input", "Squeeze", "ExpandDims") and not layer.support_vulkan})
    if on_cpu or not net.opt.use_vulkan_compute:
        raise peer.Failure(f"loading {folder}: not all on Vulkan: {', '.join(on_cpu) or 'no device'}")
    return net


def adapter() -> str:
    gpu = ncnn.get_gpu_info(ncnn.get_default_gpu_index())
    version = gpu.api_version()  # as Vulkan packs it: 10 bits, 10 bits, 12 bits
    return f"{gpu.device_name()}, Vulkan {version >> 22}.{version >> 12 & 0x3FF}.{version & 0xFFF}"


def main() -> int:
    ncnn.create_gpu_instance()
    if ncnn.get_gpu_count() == 0:
        print("ncnn: finding an adapter: Vulkan shows none; install its driver (mesa-vulkan-drivers has one for the CPU)", file=sys.stderr)
        return peer.NoAdapter.code
    # pnnx rounds the weights to halves, and f16 the activations too, 2^-11 each
    # time; over the 50 layers of ResNet-50 less than 2e-3 remains of that.
    return peer.main(peer.Peer(f"ncnn {ncnn.__version__}", adapter, ["f32", "f16"], 1e-2, load))


if __name__ == "__main__":
    sys.exit(main())
