"""Train the small ResNet; it is the ViT's teacher, and a model of its own."""

import argparse
import json
import os
import time

import torch
from safetensors.torch import save_file
from torch.nn.functional import cross_entropy

import cifar10
from muon import Muon
from resnet import ResNet
from training import Optimisers


def optimisers(model, lr, lr_rest):
    """Muon for the convolutions, SGD for norms, stem and head."""
    inner = [p for n, p in model.named_parameters() if p.ndim == 4 and n != "conv1.weight"]
    rest = [p for n, p in model.named_parameters() if p.ndim != 4 or n == "conv1.weight"]
    muon = Muon(inner, lr=lr, weight_decay=0.02)
    sgd = torch.optim.SGD(rest, lr=lr_rest, momentum=0.9, nesterov=True, weight_decay=5e-4)
    return Optimisers((muon, lr), (sgd, lr_rest))


def schedule(step, total, warm):
    """A linear rise over warm steps, then a linear fall to zero."""
    return min((step + 1) / warm, max(0.0, (total - step) / (total - warm)))


def export(model, folder, depths, widths):
    """Write config.json, preprocessor_config.json and the weights as halves."""
    os.makedirs(folder, exist_ok=True)
    config = {
        "model_type": "resnet",
        "architectures": ["ResNet"],
        "layer_type": "basic",
        "stem": "conv3x3",
        "depths": depths,
        "hidden_sizes": widths,
        "num_channels": 3,
        "image_size": 32,
        "hidden_act": "relu",
        "bn_eps": 1e-5,
        "num_labels": len(cifar10.LABELS),
        "id2label": {str(i): name for i, name in enumerate(cifar10.LABELS)},
        "label2id": {name: i for i, name in enumerate(cifar10.LABELS)},
        "torch_dtype": "float16",
    }
    with open(os.path.join(folder, "config.json"), "w") as f:
        json.dump(config, f, indent=2)
        f.write("\n")
    cifar10.write_preprocessor(folder)
    cifar10.save_halves({k: v for k, v in model.state_dict().items() if v.is_floating_point()}, folder)


def main():
    arg = argparse.ArgumentParser(description=__doc__)
    arg.add_argument("--data", help="zip of train/<class>/*.jpg and test/<class>/*.jpg; default: torchvision's CIFAR10")
    arg.add_argument("--out", default="resnet", help="folder of the exported model")
    arg.add_argument("--work", default="work", help="folder for checkpoints, f32 weights and decoded pictures")
    arg.add_argument("--depths", type=int, nargs="+", default=[2, 2, 2])
    arg.add_argument("--widths", type=int, nargs="+", default=[32, 64, 128])
    arg.add_argument("--epochs", type=int, default=9)
    arg.add_argument("--batch", type=int, default=256)
    arg.add_argument("--lr", type=float, default=0.03, help="Muon, for the convolutions")
    arg.add_argument("--lr-rest", type=float, default=0.03, help="SGD, for norms, stem and head")
    arg.add_argument("--pad", type=int, default=3)
    arg.add_argument("--seed", type=int, default=0)
    arg.add_argument("--threads", type=int, default=2)
    arg.add_argument("--resume", action="store_true")
    a = arg.parse_args()

    torch.set_num_threads(a.threads)
    torch.manual_seed(a.seed)
    os.makedirs(a.work, exist_ok=True)
    pictures, labels, _ = cifar10.load("train", a.data, a.work)
    test, test_labels, _ = cifar10.load("test", a.data, a.work)
    augment = cifar10.Augment(pictures, a.pad)

    model = ResNet(a.depths, a.widths).to(memory_format=torch.channels_last)
    forward = torch.compile(model)
    learning = optimisers(model, a.lr, a.lr_rest)
    steps = len(labels) // a.batch
    total, warm = steps * a.epochs, steps // 2
    print(f"{sum(p.numel() for p in model.parameters())} parameters, {total} steps", flush=True)

    start, checkpoint = 0, os.path.join(a.work, "cnn.pt")
    if a.resume and os.path.exists(checkpoint):
        c = torch.load(checkpoint)
        start = c["epoch"]
        model.load_state_dict(c["model"]), learning.load_state_dict(c["optimisers"])

    for epoch in range(start, a.epochs):
        began, seen = time.time(), 0.0
        torch.manual_seed(a.seed * 1000 + epoch)
        order = torch.randperm(len(labels))
        model.train()
        for i in range(steps):
            batch = order[i * a.batch : (i + 1) * a.batch]
            with torch.autocast("cpu", torch.bfloat16):
                logits = forward(augment(batch))
            loss = cross_entropy(logits.float(), labels[batch], label_smoothing=0.05)
            loss.backward()
            learning.step(schedule(epoch * steps + i, total, warm))
            seen += loss.item()
            if i == steps // 4:
                print(f"  step {i} loss {seen / (i + 1):.4f} {time.time() - began:.0f} s", flush=True)
        model.eval()
        accuracy = (cifar10.predict(model, test).argmax(1) == test_labels).float().mean().item()
        print(f"epoch {epoch + 1} loss {seen / steps:.4f} test {accuracy:.4f} {time.time() - began:.0f} s", flush=True)
        torch.save({"epoch": epoch + 1, "model": model.state_dict(), "optimisers": learning.state_dict()}, checkpoint)

    whole = {k: v.contiguous() for k, v in model.state_dict().items()}
    save_file(whole, os.path.join(a.work, "cnn.safetensors"))
    export(model, a.out, a.depths, a.widths)


if __name__ == "__main__":
    main()
