"""Writes the PyTorch files that the tests of package weights read, and beside
them the same tensors as safetensors, which say what must come out.

    python weights/testdata/generate.py

wants torch and safetensors (golden/requirements.txt).
"""

import argparse
import datetime
import enum
import functools
from collections import Counter, OrderedDict, defaultdict, deque
from pathlib import Path
from types import SimpleNamespace

import numpy
import torch
from safetensors.torch import save_file

HERE = Path(__file__).parent


def save(name, obj, **options):
    torch.save(obj, HERE / f"{name}.pth", **options)


def expect(name, tensors):
    tensors = {k: v.detach().contiguous().clone() for k, v in tensors.items()}
    save_file(tensors, HERE / f"{name}.safetensors")


def layouts():
    """Every data type, and every way in which a tensor lies in its storage."""
    torch.manual_seed(1)
    tensors = {}
    for dtype in (torch.float32, torch.float16, torch.bfloat16, torch.float64):
        tensors[str(dtype)] = torch.randn(2, 3).to(dtype)
    for dtype in (torch.int64, torch.int32, torch.int16, torch.int8):
        tensors[str(dtype)] = torch.randint(-100, 100, (3,), dtype=dtype)
    tensors["torch.uint8"] = torch.randint(0, 256, (5,), dtype=torch.uint8)
    tensors["torch.bool"] = torch.tensor([True, False, True])
    # These have no storage class: _rebuild_tensor_v3 and an UntypedStorage.
    for dtype in (torch.uint16, torch.uint32, torch.uint64):
        tensors[str(dtype)] = torch.arange(200, 204).to(dtype)
    base = torch.randn(4, 6, 5)
    tensors["whole"] = base
    tensors["shared"] = base
    tensors["slice.rows"] = base[1:3]
    tensors["slice.columns"] = base[:, 2:4]
    tensors["step"] = base[::2, 1::3]
    tensors["transposed"] = base[2].t()
    tensors["permuted"] = base.permute(2, 0, 1)
    tensors["expanded"] = base[0, :, :1].expand(6, 4)
    tensors["channels_last"] = torch.randn(2, 3, 2, 2).to(memory_format=torch.channels_last)
    tensors["scalar"] = torch.tensor(7)
    tensors["scalar.inside"] = base[3, 2, 1]
    tensors["empty"] = torch.zeros(0, 3)
    return tensors


def float8():
    """All 256 numbers of both types, and what they are as float32."""
    numbers = torch.arange(256, dtype=torch.int32).to(torch.uint8).reshape(16, 16)
    return {str(dtype): numbers.view(dtype) for dtype in (torch.float8_e4m3fn, torch.float8_e5m2)}


def training():
    """What training scripts save beside the weights: objects of any class."""
    torch.manual_seed(3)
    net = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Linear(2, 1))
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.1)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 10)
    net(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    scheduler.step()
    average = torch.optim.swa_utils.AveragedModel(net)
    return net, {
        "args": argparse.Namespace(lr=0.1, out=Path("out"), device=torch.device("cpu"), names=("a", "b")),
        "hyper_parameters": SimpleNamespace(width=numpy.int64(3), when=datetime.date(2024, 1, 1), levels={1, 2}, kind=Kind.LARGE),
        "pytorch-lightning_version": "2.5.0", "epoch": 3, "best": numpy.float64(0.5), "history": numpy.arange(3.0),
        "counts": Counter("abc"), "losses": defaultdict(list, train=[1.0]), "recent": deque([1, 2], maxlen=3),
        "optimizer": optimizer.state_dict(), "scheduler": scheduler.state_dict(), "rng": torch.get_rng_state(),
        "layer": functools.partial(torch.nn.LayerNorm, eps=1e-6), "raw": bytearray(b"x"), "big": 1 << 80, "frozen": frozenset({1}),
        "model": average.state_dict(),
    }


class Kind(enum.Enum):
    LARGE = 2


def model():
    torch.manual_seed(2)
    return torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3, bias=False), torch.nn.BatchNorm2d(4))


def main():
    tensors = layouts()
    expect("layouts", tensors)
    for protocol in (2, 3, 4, 5):
        save(f"zip{protocol}", tensors, pickle_protocol=protocol)
        save(f"legacy{protocol}", tensors, pickle_protocol=protocol, _use_new_zipfile_serialization=False)

    expect("float8", {**float8(), **{name + ".float32": x.float() for name, x in float8().items()}})
    save("float8", float8())

    net, everything = training()
    expect("training", net.state_dict())
    for protocol in (2, 4):
        save(f"training{protocol}", everything, pickle_protocol=protocol)

    net = model()
    expect("model", net.state_dict())
    save("state_dict", net.state_dict())  # an OrderedDict with _metadata
    save("parameters", net.state_dict(keep_vars=True))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    net(torch.ones(1, 3, 8, 8)).sum().backward()
    for name, key in (("under_state_dict", "state_dict"), ("under_model", "model"), ("under_model_ema", "model_ema")):
        wrapped = torch.nn.DataParallel(net) if key == "state_dict" else net
        save(name, {
            "epoch": 90, "best": 76.5, "arch": "tiny", "seed": 1 << 70, "negative": -3, "large": 1 << 40, "done": True,
            "raw": b"bytes", "history": [1, 2.5, None, ("a", {"b": []})], "none": None, "size": torch.Size([3, 4]),
            "dtype": torch.float16, key: wrapped.state_dict(), "optimizer": optimizer.state_dict(),
        }, **({"pickle_protocol": 4}))
    expect("under", net.state_dict())
    compiled = OrderedDict(("module._orig_mod." + k, v) for k, v in net.state_dict().items())
    save("compiled", compiled, _use_new_zipfile_serialization=False)

    torch.save(net, HERE / "whole_model.pth")  # refused: it names classes
    torch.jit.script(net).save(HERE / "torchscript.pth")  # refused: a program


if __name__ == "__main__":
    main()
