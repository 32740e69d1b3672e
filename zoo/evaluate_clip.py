"""Retrieval by an exported small CLIP of emoji that it was not trained on, computed by transformers."""

import argparse
import os

import numpy as np
import torch
from PIL import Image
from transformers import AutoTokenizer, CLIPModel

import cifar10
import emoji
from train_clip import MEAN, STD


@torch.no_grad()
def pictures_of(model, pictures):
    """Embeddings [n,D] of unit length of pictures uint8 [n,64,64,4] over white."""
    parts = []
    for i in range(0, len(pictures), 256):
        x = torch.from_numpy(pictures[i : i + 256]).permute(0, 3, 1, 2).float() / 255
        x = (x[:, :3] * x[:, 3:] + 1 - x[:, 3:] - MEAN) / STD
        parts.append(model.visual_projection(model.vision_model(x).pooler_output))
    return torch.nn.functional.normalize(torch.cat(parts))


@torch.no_grad()
def texts_of(model, tokenizer, texts):
    """Embeddings [n,D] of unit length."""
    ids = tokenizer(texts, padding=True, truncation=True, return_tensors="pt")["input_ids"]
    return torch.nn.functional.normalize(model.text_projection(model.text_model(ids).pooler_output))


def recall(similar, right):
    """Recall at 1 and 5: the part of the rows one of whose right columns is among the best."""
    order = similar.argsort(dim=1, descending=True)
    hit = torch.gather(right, 1, order)
    return [hit[:, :k].any(1).float().mean().item() for k in (1, 5)]


def report(name, model, tokenizer, data, chosen, texts):
    """Recalls over the chosen pictures, each of which is found among the names of texts and,
    for each name that has one, among the pictures."""
    p = pictures_of(model, data.pictures[chosen])
    t = texts_of(model, tokenizer, [data.names[e] for e in texts])
    right = torch.from_numpy(data.emoji[chosen])[:, None] == torch.tensor(texts)[None]
    similar = p @ t.T
    there = right.any(0)
    to_text, to_picture = recall(similar, right), recall(similar.T[there], right.T[there])
    print(
        f"{name}: {len(chosen)} pictures, {len(texts)} names; picture to name "
        f"R@1 {to_text[0]:.3f} R@5 {to_text[1]:.3f}; name to picture R@1 {to_picture[0]:.3f} R@5 {to_picture[1]:.3f}"
    )


def zero_shot(model, tokenizer, pictures, labels):
    """Accuracy on CIFAR-10's test pictures with the labels as "a photo of a …"."""
    t = texts_of(model, tokenizer, [f"a photo of a {y}" for y in cifar10.LABELS])
    right = 0
    for i in range(0, len(labels), 500):
        large = [np.asarray(Image.fromarray(p).resize((emoji.SIZE, emoji.SIZE), Image.BICUBIC)) for p in pictures[i : i + 500].numpy()]
        opaque = np.concatenate([np.stack(large), np.full((len(large), emoji.SIZE, emoji.SIZE, 1), 255, np.uint8)], 3)
        right += (pictures_of(model, opaque) @ t.T).argmax(1).eq(labels[i : i + 500]).sum().item()
    print(f"CIFAR-10, {len(labels)} test pictures, zero-shot: top-1 {right / len(labels):.4f}")


def main():
    arg = argparse.ArgumentParser(description=__doc__)
    arg.add_argument("folder", help="the exported model")
    arg.add_argument("--emoji", required=True, help="folder of unpacked npm packages; see emoji.py")
    arg.add_argument("--data", help="CIFAR-10 as for train_vit.py")
    arg.add_argument("--work", default="work", help="folder of decoded pictures")
    a = arg.parse_args()
    os.makedirs(a.work, exist_ok=True)
    model = CLIPModel.from_pretrained(a.folder, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(a.folder)
    data = emoji.load(a.emoji, a.work)
    _, drawing, apart = emoji.split(data)
    everything, unseen = list(range(len(data.names))), sorted(set(data.emoji[apart].tolist()))
    report("drawings held out, among all names", model, tokenizer, data, np.flatnonzero(drawing), everything)
    report("emoji held out, among their names", model, tokenizer, data, np.flatnonzero(apart), unseen)
    report("emoji held out, among all names", model, tokenizer, data, np.flatnonzero(apart), everything)
    pictures, labels, _ = cifar10.load("test", a.data, a.work)
    zero_shot(model, tokenizer, pictures, labels)


if __name__ == "__main__":
    main()
