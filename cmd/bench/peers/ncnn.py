#!/usr/bin/env python3
"""Times architectures in ncnn on Vulkan, to stand beside bench: torchvision's
and, of transformers, clip_vit_b_32 (the picture tower) and dinov2_s_14.

    python cmd/bench/peers/ncnn.py resnet18 resnet50 clip_vit_b_32
    python cmd/bench/peers/ncnn.py -precision f16 -r 10 vgg16

Every architecture is exported once, with random parameters, into
$XDG_CACHE_HOME/saccade/peers (~/.cache by default). One picture of 224×224 is
timed, from the upload to the read-back, and the output compared with PyTorch's.

One line of JSON for each model and precision goes to stdout:
    {"peer", "model", "adapter", "precision", "ms_min", "ms_mean"}
Errors go to stderr. Exit codes are bench's: 0 fine, 1 failure, 2 usage, 3 no
Vulkan adapter, 4 an output that is wrong.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# This file has the name of the package that it imports, and its folder is
# searched first.
HERE = Path(__file__).resolve().parent
sys.path = [p for p in sys.path if Path(p or ".").resolve() != HERE]

import ncnn
import numpy as np

SHAPE = (1, 3, 224, 224)  # NCHW
WARMUP = 2  # passes that are not timed: the first compiles, the second allocates
# Relative error (L2) of the output: pnnx rounds the weights to halves, and f16
# the activations too, 2^-11 each time; over the 50 layers of ResNet-50 less
# than 2e-3 remains of that.
TOLERANCE = 1e-2


def main() -> int:
    args = arguments()
    ncnn.create_gpu_instance()
    if ncnn.get_gpu_count() == 0:
        print("ncnn: finding an adapter: Vulkan shows none; install its driver (mesa-vulkan-drivers has one for the CPU)", file=sys.stderr)
        return 3
    code = 0
    for name in args.models:
        folder = exported(name)
        for precision in args.precision.split(","):
            row, error = measure(name, folder, precision, args.repetitions)
            print(json.dumps(row), flush=True)
            if not error <= TOLERANCE:  # NaN, too
                print(f"ncnn: {name} {precision}: the output is {error:.1e} from PyTorch's, expected at most {TOLERANCE}", file=sys.stderr)
                code = 4
    return code


def arguments() -> argparse.Namespace:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("models", nargs="+", metavar="MODEL", help="a torchvision architecture, clip_vit_b_32 or dinov2_s_14")
    p.add_argument("-precision", default="f32,f16", choices=["f32", "f16", "f32,f16"], help="of stored weights and activations (default: both, in turn)")
    p.add_argument("-r", dest="repetitions", type=int, default=5, metavar="N", help="repetitions after warming up (default 5)")
    args = p.parse_args()
    if args.repetitions < 1:
        p.error(f"-r {args.repetitions}: expected at least 1")
    return args


def exported(name: str) -> Path:
    """The folder with model.param and model.bin of ncnn, and reference.npz
    with the input x and PyTorch's output y."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "saccade" / "peers"
    folder = cache / f"ncnn-{name}"
    if not folder.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as work:
            export(name, Path(work))
            keep = Path(work) / "keep"
            keep.mkdir()
            for file, kept in {"model.ncnn.param": "model.param", "model.ncnn.bin": "model.bin", "reference.npz": "reference.npz"}.items():
                os.rename(Path(work) / file, keep / kept)
            os.rename(keep, folder)  # whole or not at all
    return folder


def architecture(name: str):
    """A network of that name, from a picture to one tensor, with the library's
    random parameters."""
    import torch

    if name not in ("clip_vit_b_32", "dinov2_s_14"):
        import torchvision

        try:
            return torchvision.models.get_model(name, weights=None)
        except ValueError as e:
            sys.exit(f"ncnn: exporting {name}: {e}; python -c 'import torchvision; print(torchvision.models.list_models())' prints the names")
    import transformers

    class Output(torch.nn.Module):  # one field of what transformers returns
        def __init__(self, model, field):
            super().__init__()
            self.model, self.field = model, field

        def forward(self, x):
            return self.model(x)[self.field]

    if name == "clip_vit_b_32":
        return Output(transformers.CLIPVisionModelWithProjection(transformers.CLIPVisionConfig()), "image_embeds")
    config = transformers.Dinov2Config(hidden_size=384, num_attention_heads=6, image_size=518, patch_size=14)
    return Output(transformers.Dinov2Model(config), "pooler_output")


def export(name: str, work: Path) -> None:
    """Traces an architecture with random parameters and converts it."""
    import pnnx  # these take seconds to load, and only an export needs them
    import torch

    model = architecture(name).eval()
    random = torch.Generator().manual_seed(1)
    redraw(model, random)
    x = torch.randn(SHAPE, generator=random)
    with torch.no_grad():
        y = model(x)
        torch.jit.trace(model, x).save(work / "model.pt")
    np.savez(work / "reference.npz", x=x.numpy(), y=y.numpy())
    converter = [pnnx.EXEC_PATH, "model.pt", "inputshape=" + str(list(SHAPE)).replace(" ", "")]
    done = subprocess.run(converter, cwd=work, capture_output=True, text=True)
    if done.returncode != 0 or not (work / "model.ncnn.bin").is_file():
        sys.exit(f"ncnn: exporting {name}: pnnx failed with {done.returncode}: {done.stderr[-1000:].strip()}")


def redraw(model, random) -> None:
    """Draws all parameters and running statistics anew. Some default ones give
    outputs of 0 or 1e-14, with which every result would agree."""
    import torch

    def normal(t):
        return torch.randn(t.shape, generator=random)

    with torch.no_grad():
        for name, t in [*model.named_parameters(), *model.named_buffers()]:
            if t.dim() > 1:
                t.copy_(normal(t) / t[0].numel() ** 0.5)  # variance 1/fan-in
            elif name.endswith("running_var"):
                t.copy_(1 + 0.1 * normal(t).abs())
            elif name.endswith("weight"):  # of a normalisation
                t.copy_(1 + 0.1 * normal(t))
            elif t.is_floating_point():
                t.copy_(0.1 * normal(t))


def measure(name: str, folder: Path, precision: str, repetitions: int) -> tuple[dict, float]:
    """The row of a model, and the largest relative error of its outputs."""
    net = load(folder, precision)
    with np.load(folder / "reference.npz") as reference:
        picture, want = reference["x"][0], reference["y"].ravel()
    x = ncnn.Mat(picture)  # of picture's memory: a temporary array would be freed under it
    took, errors = [], []  # ms
    for _ in range(WARMUP + repetitions):
        began = time.perf_counter()
        y = forward(net, x)
        took.append((time.perf_counter() - began) * 1e3)
        errors.append(np.linalg.norm(y.ravel() - want) / np.linalg.norm(want))
    took = took[WARMUP:]
    row = {"peer": f"ncnn {ncnn.__version__}", "model": name, "adapter": adapter(), "precision": precision,
           "ms_min": min(took), "ms_mean": sum(took) / len(took)}
    return row, float(np.max(errors))  # NaN stays


def load(folder: Path, precision: str) -> ncnn.Net:
    """The network on the GPU, all of it: ncnn would run on the CPU what it has
    no Vulkan for, without a word. A Squeeze of the class token, which computes
    nothing, may."""
    net = ncnn.Net()
    net.opt.use_vulkan_compute = True
    half = precision == "f16"
    net.opt.use_fp16_packed = net.opt.use_fp16_storage = half
    net.opt.use_fp16_arithmetic = False  # sums are f32, as saccade's are
    for read, file in (net.load_param, "model.param"), (net.load_model, "model.bin"):
        if read(str(folder / file)) != 0:
            sys.exit(f"ncnn: loading {folder / file} failed; remove the folder to export anew")
    cpu = sorted({layer.type for layer in net.layers() if layer.type not in ("Input", "Squeeze") and not layer.support_vulkan})
    if cpu or not net.opt.use_vulkan_compute:
        sys.exit(f"ncnn: loading {folder}: not all on Vulkan: {', '.join(cpu) or 'no device'}")
    return net


def forward(net: ncnn.Net, x: ncnn.Mat) -> np.ndarray:
    """One pass; extract uploads, runs and reads back."""
    extractor = net.create_extractor()
    extractor.input("in0", x)
    code, y = extractor.extract("out0")
    if code != 0:
        sys.exit(f"ncnn: running the network failed with {code}")
    return np.array(y)


def adapter() -> str:
    gpu = ncnn.get_gpu_info(ncnn.get_default_gpu_index())
    version = gpu.api_version()  # as Vulkan packs it: 10 bits, 10 bits, 12 bits
    return f"{gpu.device_name()}, Vulkan {version >> 22}.{version >> 12 & 0x3FF}.{version & 0xFFF}"


if __name__ == "__main__":
    sys.exit(main())
