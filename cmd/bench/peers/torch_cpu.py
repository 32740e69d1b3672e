#!/usr/bin/env python3
"""Times architectures in PyTorch on the CPU: what no software adapter can reach.
peer.py says how it is called."""

import os
import sys

# Threads that wait by turning would slow down what is timed in between. Read when
# torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch

import peer


def load(name: str, precision: str):
    model, inputs, want = peer.example(name)

    def forward(*inputs):
        with torch.inference_mode():
            return model(*(torch.from_numpy(x) for x in inputs)).numpy()

    return peer.clocked(forward), [x.numpy() for x in inputs], want.numpy()


if __name__ == "__main__":
    # The reference is its own: runs differ by the order of sums alone.
    sys.exit(peer.main(peer.Peer(f"torch {torch.__version__}", peer.cpu, ["f32"], 1e-4, load)))
