#!/usr/bin/env python3
"""Times a step of a training in tinygrad on WebGPU, by Dawn: pip packages tinygrad and
dawn-python. peer.py says how it is called."""

import os
import platform
import sys
import time
from importlib.metadata import version
from importlib.util import find_spec

os.environ.setdefault("DEV", "WEBGPU")
# Where tinygrad looks for Dawn this package's is on Windows alone; its files are named after the machine.
if (dawn := find_spec("pydawn")) and sys.platform != "win32":
    ending = "dylib" if sys.platform == "darwin" else "so"
    os.environ.setdefault("WEBGPU_PATH", os.path.join(dawn.submodule_search_locations[0], "lib", f"libwebgpu_dawn_{platform.machine()}.{ending}"))

import numpy as np
from tinygrad import Context, Tensor, TinyJit
from tinygrad.nn.optim import AdamW

import peer

HEADS = 12


def logits(w, x):
    """ViT's (transformers' names) of pictures [n,3,224,224], with low-rank adapters of queries and values."""
    n = x.shape[0]
    patches = x.reshape(n, 3, 14, 16, 14, 16).permute(0, 2, 4, 1, 3, 5).reshape(n, 196, 768)
    e = "vit.embeddings."
    h = patches.linear(w[e + "patch_embeddings.projection.weight"].reshape(768, 768).T, w[e + "patch_embeddings.projection.bias"])
    h = w[e + "cls_token"].expand(n, 1, 768).cat(h, dim=1) + w[e + "position_embeddings"]
    for i in range(12):
        b = f"vit.layers.{i}."
        h = h + attention(w, b, norm(w, b + "layernorm_before", h))
        h = h + dense(w, b + "mlp.fc2", dense(w, b + "mlp.fc1", norm(w, b + "layernorm_after", h)).gelu())
    return dense(w, "classifier", norm(w, "vit.layernorm", h)[:, 0])


def attention(w, b, x):
    q, k, v = (adapted(w, b + "attention." + name, x).reshape(*x.shape[:2], HEADS, -1).transpose(1, 2) for name in ("q_proj", "k_proj", "v_proj"))
    return dense(w, b + "attention.o_proj", q.scaled_dot_product_attention(k, v).transpose(1, 2).reshape(x.shape))


def adapted(w, name, x):
    y = dense(w, name, x)
    if name + ".lora_A" in w:
        y = y + x.linear(w[name + ".lora_A"].T).linear(w[name + ".lora_B"].T)
    return y


def dense(w, name, x):
    return x.linear(w[name + ".weight"].T, w[name + ".bias"])


def norm(w, name, x):
    return x.layernorm(eps=1e-12) * w[name + ".weight"] + w[name + ".bias"]


def load(name: str, precision: str):
    weights, trained, inputs, want = peer.step(name)
    w = {k: Tensor(v).is_param_(k in trained).realize() for k, v in weights.items()}
    # The rate is 0, so that all passes have the same gradients: the arithmetic is that of any rate.
    optimizer = AdamW([w[k] for k in trained], lr=0.0)

    @TinyJit
    def step(picture, label):
        with Context(TRAINING=1):
            optimizer.zero_grad()
            loss = logits(w, picture).sparse_categorical_crossentropy(label)
            loss.backward()
            gradients = [w[k].grad for k in trained]
            loss.realize(*gradients, *optimizer.schedule_step())
            return loss, gradients

    def forward(picture, label):
        began = time.perf_counter()
        loss, gradients = step(Tensor(picture).realize(), Tensor(label.astype(np.int32)).realize())
        loss.item()
        took = (time.perf_counter() - began) * 1e3
        return took, np.concatenate([g.numpy().ravel() for g in gradients])

    return forward, inputs, want


def adapter() -> str:
    return "the one that Dawn chooses"


if __name__ == "__main__":
    sys.exit(peer.main(peer.Peer(f"tinygrad {version('tinygrad')}", adapter, ["f32"], 1e-3, load)))
