"""CIFAR-10 as tensors: reading, caching, augmenting."""

import json
import os
import zipfile
from io import BytesIO

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file

LABELS = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
MEAN = [0.4914, 0.4822, 0.4465]
STD = [0.2470, 0.2435, 0.2616]


def load(split, data=None, cache=None):
    """Return (pictures uint8 [N,32,32,3], labels int64 [N], names) of "train" or "test".

    data is a zip of `train/<class>/*.jpg` and `test/<class>/*.jpg`; without it
    torchvision fetches the original pictures. cache is a folder that keeps the
    decoded arrays of the zip for the next run.
    """
    if data is None:
        from torchvision.datasets import CIFAR10

        d = CIFAR10("cifar10", train=split == "train", download=True)
        names = [f"{split}/{LABELS[y]}/{i:05d}" for i, y in enumerate(d.targets)]
        return torch.from_numpy(d.data), torch.tensor(d.targets), names

    with zipfile.ZipFile(data) as z:
        names = sorted(n for n in z.namelist() if n.startswith(split + "/") and n.endswith(".jpg"))
        saved = cache and os.path.join(cache, split + ".npy")
        if saved and os.path.exists(saved):
            pictures = np.load(saved)
        else:
            pictures = np.stack([np.asarray(Image.open(BytesIO(z.read(n))).convert("RGB")) for n in names])
            if saved:
                np.save(saved, pictures)
    labels = torch.tensor([LABELS.index(n.split("/")[1]) for n in names])
    return torch.from_numpy(pictures), labels, names


def normalise(pictures):
    """uint8 [N,H,W,3] to float32 [N,3,H,W], channels last in memory."""
    x = pictures.permute(0, 3, 1, 2).float().div_(255)
    return x.sub_(torch.tensor(MEAN).view(1, 3, 1, 1)).div_(torch.tensor(STD).view(1, 3, 1, 1))


class Augment:
    """Random crops of the padded training pictures, half of them mirrored.

    Pictures are padded once by reflection; a batch is then one gather.
    """

    def __init__(self, pictures, pad=4):
        p = pictures.numpy()
        self.padded = torch.from_numpy(np.pad(p, ((0, 0), (pad, pad), (pad, pad), (0, 0)), mode="reflect"))
        self.pad = pad

    def __call__(self, index, generator=None):
        n, span = len(index), torch.arange(32)
        top, left = torch.randint(0, 2 * self.pad + 1, (2, n, 1), generator=generator)
        rows, cols = top + span, left + span
        mirrored = torch.rand(n, 1, generator=generator) < 0.5
        cols = torch.where(mirrored, cols.flip(1), cols)
        return normalise(self.padded[index[:, None, None], rows[:, :, None], cols[:, None, :]])


@torch.no_grad()
def predict(model, pictures, batch=500):
    """Logits of a model (in eval mode) that maps normalised pictures to logits."""
    parts = [model(normalise(pictures[i : i + batch])).float() for i in range(0, len(pictures), batch)]
    return torch.cat(parts)


def save_halves(state, folder):
    """Write model.safetensors: the tensors of state as f16."""
    path = os.path.join(folder, "model.safetensors")
    save_file({k: v.half().contiguous() for k, v in state.items()}, path, metadata={"format": "pt"})
    os.chmod(path, 0o644)


def write_preprocessor(folder):
    """Write preprocessor_config.json as transformers' ViTImageProcessor reads it."""
    config = {
        "image_processor_type": "ViTImageProcessor",
        "do_resize": True,
        "size": {"height": 32, "width": 32},
        "resample": 2,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": MEAN,
        "image_std": STD,
    }
    with open(os.path.join(folder, "preprocessor_config.json"), "w") as f:
        json.dump(config, f, indent=2)
        f.write("\n")
