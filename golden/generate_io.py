"""Writing safetensors so that the same tensors always give the same bytes.

The safetensors library orders the metadata by a random hash; a golden that is
generated again must not change, so its files are written here.
"""

import copy
import json
import math
import struct
import zlib
from pathlib import Path

import torch

DTYPES = {torch.float32: "F32", torch.int32: "I32"}
LIMIT = 300 * 1024  # bytes: the largest that one golden file may be


def generator(name: str) -> torch.Generator:
    """A random generator whose seed is the case's name."""
    return torch.Generator().manual_seed(zlib.crc32(name.encode()))


def halves(model, call, outputs: dict[str, torch.Tensor]) -> dict[str, float]:
    """How far torch.float16 on the CPU is from the outputs, as NMSE: of what call(model,
    cast) gives, in their order, where cast makes an input halves. It is the measure of
    f16. Of what is NaN in halves, as a vector of zeros is that torch normalises, there is
    none."""
    model = copy.deepcopy(model).half()
    for m in model.modules():  # some libraries give a float32 time to the first layer
        if isinstance(m, torch.nn.Linear):
            m.register_forward_pre_hook(lambda m, x: (x[0].to(m.weight.dtype), *x[1:]))
    with torch.no_grad():
        got = call(model, lambda t: t.half() if t.is_floating_point() else t)
    far = {
        name: float(f"{((g.double() - want.double()) ** 2).sum() / (want.double() ** 2).sum():.3g}")
        for g, (name, want) in zip(got, outputs.items(), strict=True)
    }
    return {name: nmse for name, nmse in far.items() if math.isfinite(nmse)}


def write(path: Path, tensors: dict[str, torch.Tensor], metadata: dict) -> None:
    """Write tensors (float32 or int32) in the given order; values of metadata
    that are not text become JSON."""
    header = {"__metadata__": {k: v if isinstance(v, str) else json.dumps(v) for k, v in metadata.items()}}
    blobs, at = [], 0
    for name, t in tensors.items():
        blob = t.detach().contiguous().numpy().tobytes()
        header[name] = {"dtype": DTYPES[t.dtype], "shape": list(t.shape), "data_offsets": [at, at + len(blob)]}
        blobs.append(blob)
        at += len(blob)
    head = json.dumps(header, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 8)
    data = struct.pack("<Q", len(head)) + head + b"".join(blobs)
    if len(data) > LIMIT:
        raise ValueError(f"{path}: {len(data)} bytes, at most {LIMIT} wanted: make the case smaller")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    print(f"{path}: {len(data) / 1024:.0f} KiB, {len(tensors)} tensors")
