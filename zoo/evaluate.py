"""Measure an exported folder over the test pictures, or try it on pictures of one's own.

The ViT is run by transformers, the ResNet by resnet.py; both compute in f32.
"""

import argparse
import json
import os

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file

import cifar10


def load(folder, weights=None):
    """The model of a folder; weights is another safetensors file in place of its own."""
    with open(os.path.join(folder, "config.json")) as f:
        config = json.load(f)
    if config["model_type"] == "vit":
        from transformers import ViTForImageClassification

        model = ViTForImageClassification.from_pretrained(folder, dtype=torch.float32)
    else:
        from resnet import ResNet

        model = ResNet(config["depths"], config["hidden_sizes"])
        weights = weights or os.path.join(folder, "model.safetensors")
    if weights:
        state = {k: v.float() for k, v in load_file(weights).items()}
        if config["model_type"] == "vit":
            state = {rename(k): v for k, v in state.items()}
        model.load_state_dict(state)
    return model.eval()


def logits_of(model, x):
    out = model(x)
    return out if torch.is_tensor(out) else out.logits


def rename(key):
    """A checkpoint's key as the modules of transformers 5 are called."""
    for old, new in (
        ("encoder.layer.", "layers."),
        ("attention.attention.query", "attention.q_proj"),
        ("attention.attention.key", "attention.k_proj"),
        ("attention.attention.value", "attention.v_proj"),
        ("attention.output.dense", "attention.o_proj"),
        ("intermediate.dense", "mlp.fc1"),
        ("output.dense", "mlp.fc2"),
    ):
        key = key.replace(old, new)
    return key


def show(model, paths):
    """Print the three likeliest labels of each picture."""
    for path in paths:
        picture = Image.open(path).convert("RGB").resize((32, 32), Image.Resampling.BILINEAR)
        p = logits_of(model, cifar10.normalise(torch.from_numpy(np.array(picture))[None])).softmax(1)[0]
        best = p.topk(3).indices.tolist()
        print(path, " ".join(f"{cifar10.LABELS[i]} {p[i]:.3f}" for i in best))


@torch.no_grad()
def main():
    arg = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arg.add_argument("folder")
    arg.add_argument("--data", help="zip of train/<class>/*.jpg and test/<class>/*.jpg; default: torchvision's CIFAR10")
    arg.add_argument("--weights", help="a safetensors file in place of the folder's own (the f32 weights, say)")
    arg.add_argument("--predictions", help="write a line `path<TAB>index` for each test picture")
    arg.add_argument("--logits", help="write the logits as float32 .npy, in the order of the predictions")
    arg.add_argument("--pictures", nargs="+", help="show the labels of these pictures instead")
    arg.add_argument("--threads", type=int, default=2)
    a = arg.parse_args()

    torch.set_num_threads(a.threads)
    model = load(a.folder, a.weights)
    if a.pictures:
        return show(model, a.pictures)
    pictures, labels, names = cifar10.load("test", a.data)
    logits = cifar10.predict(lambda x: logits_of(model, x), pictures)
    rank = (logits > logits.gather(1, labels[:, None])).sum(1)
    print(f"{a.folder}: top-1 {(rank == 0).float().mean():.4f} top-5 {(rank < 5).float().mean():.4f} of {len(labels)}")
    if a.predictions:
        with open(a.predictions, "w") as f:
            f.writelines(f"{name}\t{index}\n" for name, index in zip(names, logits.argmax(1).tolist()))
    if a.logits:
        np.save(a.logits, logits.numpy())


if __name__ == "__main__":
    main()
