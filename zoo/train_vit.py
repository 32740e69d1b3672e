"""Train the small ViT, taught by the ResNet of train_cnn.py.

The student learns from the labels, from the teacher's logits and, patch by
patch, from the teacher's maps: the ResNet's last map has 8x8 places, as the
ViT has patches of 4x4 pixels.
"""

import argparse
import json
import os

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn.functional import cross_entropy, kl_div, log_softmax, mse_loss, pixel_unshuffle, relu, softmax

import cifar10
from muon import Muon
from resnet import ResNet
from training import Average, Optimisers, Training, schedule
from vit import ViT


class Teacher(nn.Module):
    """Logits and two maps of a trained ResNet, each as 8x8 places [N, 64, channels]."""

    def __init__(self, folder):
        super().__init__()
        with open(os.path.join(folder, "config.json")) as f:
            config = json.load(f)
        self.net = ResNet(config["depths"], config["hidden_sizes"]).eval()
        weights = load_file(os.path.join(folder, "model.safetensors"))
        self.net.load_state_dict({k: v.float() for k, v in weights.items()})
        self.net.to(memory_format=torch.channels_last)
        self.channels = [config["hidden_sizes"][1] * 4, config["hidden_sizes"][2]]
        self.scales = None

    @torch.no_grad()
    def forward(self, x):
        net = self.net
        x = net.layer1(relu(net.bn1(net.conv1(x))))
        middle = net.layer2(x)
        last = net.layer3(middle)
        maps = [m.float().flatten(2).transpose(1, 2) for m in (pixel_unshuffle(middle, 2), last)]
        if self.scales is None:
            self.scales = [(m.mean((0, 1)), m.std((0, 1)) + 1e-3) for m in maps]
        maps = [(m - mean) / std for m, (mean, std) in zip(maps, self.scales)]
        return net.fc(last.mean((2, 3))).float(), maps


def optimisers(model, lr, lr_rest, others=()):
    """Muon for the matrices of the blocks, AdamW for everything else and for the parameters others."""
    named = list(model.named_parameters())
    matrices = [p for n, p in named if n.startswith("blocks") and p.ndim == 2]
    rest = [p for n, p in named if not (n.startswith("blocks") and p.ndim == 2)]
    muon = Muon(matrices, lr=lr, weight_decay=0.05)
    adam = torch.optim.AdamW([*rest, *others], lr=lr_rest, betas=(0.9, 0.99), weight_decay=0.01)
    return Optimisers((muon, lr), (adam, lr_rest))


def export(state, model, folder, whole):
    """Write the weights as halves with their configurations to folder, as f32 to the file whole."""
    from transformers import ViTConfig

    c = model.config
    config = ViTConfig(
        hidden_size=c["width"],
        num_hidden_layers=c["layers"],
        num_attention_heads=c["heads"],
        intermediate_size=c["mlp"],
        image_size=c["image"],
        patch_size=c["patch"],
        layer_norm_eps=c["eps"],
        num_labels=c["classes"],
        id2label=dict(enumerate(cifar10.LABELS)),
        label2id={name: i for i, name in enumerate(cifar10.LABELS)},
        architectures=["ViTForImageClassification"],
        dtype="float16",
    )
    os.makedirs(folder, exist_ok=True)
    config.save_pretrained(folder)
    cifar10.write_preprocessor(folder)
    trained = ViT(**c)
    trained.load_state_dict(state)
    weights = trained.state_for_transformers()
    save_file(weights, whole, metadata={"format": "pt"})
    cifar10.save_halves(weights, folder)


def measure(state, model, pictures, labels):
    """The part of the pictures that the weights in state get right, computed in bf16."""
    tested = ViT(**model.config)
    tested.load_state_dict(state)
    with torch.autocast("cpu", torch.bfloat16):
        return (cifar10.predict(lambda x: tested(x)[0], pictures).argmax(1) == labels).float().mean().item()


def main():
    arg = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arg.add_argument("--data", help="zip of train/<class>/*.jpg and test/<class>/*.jpg; default: torchvision's CIFAR10")
    arg.add_argument("--out", default="vit", help="folder of the exported model")
    arg.add_argument("--teacher", default="resnet", help="folder of the exported ResNet")
    arg.add_argument("--work", default="work", help="folder for checkpoints and decoded pictures")
    arg.add_argument("--epochs", type=int, default=30)
    arg.add_argument("--minutes", type=float, help="end sooner, with the whole schedule squeezed into that time")
    arg.add_argument("--decay", type=float, default=0.5, help="the part of the training in which the rate falls")
    arg.add_argument("--batch", type=int, default=128)
    arg.add_argument("--lr", type=float, default=0.01, help="Muon, for the matrices of the blocks")
    arg.add_argument("--lr-rest", type=float, default=2e-3, help="AdamW, for everything else")
    arg.add_argument("--temperature", type=float, default=2.0)
    arg.add_argument("--soft", type=float, default=0.7, help="weight of the teacher's logits; the labels have the rest")
    arg.add_argument("--guide", type=float, default=1.0, help="weight of the teacher's maps")
    arg.add_argument("--pad", type=int, default=4)
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

    teacher = Teacher(a.teacher)
    teacher(augment(torch.randperm(len(labels))[:1000]))  # sets the scales of its maps
    teach = torch.compile(teacher)
    model = ViT()
    taps = (len(model.blocks) // 2, len(model.blocks) - 1)
    width = model.config["width"]
    guides = nn.ModuleList(nn.Sequential(nn.LayerNorm(width), nn.Linear(width, n)) for n in teacher.channels)

    learning, average = optimisers(model, a.lr, a.lr_rest, guides.parameters()), Average(model)
    steps = len(labels) // a.batch
    total = steps * a.epochs
    print(f"{sum(p.numel() for p in model.parameters())} parameters, {total} steps", flush=True)

    def judge():
        accuracy = measure(average.state, model, test, test_labels)
        print(f"epoch {training.step / steps:.2f} test {accuracy:.4f} {training.spent:.0f} s", flush=True)
        export(average.state, model, a.out, os.path.join(a.work, "vit.safetensors"))

    parts = {"model": model, "guides": guides, "average": average, "optimisers": learning}
    training = Training(os.path.join(a.work, "vit.pt"), parts, a.minutes, total, resume=a.resume, seed=a.seed, every=150, export=judge)
    for step, progress in training:
        epoch, i = divmod(step, steps)
        order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(a.seed * 1000 + epoch))
        batch = order[i * a.batch : (i + 1) * a.batch]
        x = augment(batch)
        with torch.autocast("cpu", torch.bfloat16):
            wanted, maps = teach(x)
            logits, tapped = model(x, taps)
            guesses = [g(t) for g, t in zip(guides, tapped)]
        logits, t = logits.float(), a.temperature
        hard = cross_entropy(logits, labels[batch])
        soft = kl_div(log_softmax(logits / t, 1), softmax(wanted / t, 1), reduction="batchmean") * t * t
        guide = [mse_loss(g.float(), m) for g, m in zip(guesses, maps)]
        loss = (1 - a.soft) * hard + a.soft * soft + a.guide * sum(guide)
        loss.backward()
        learning.step(factor := schedule(progress, step, 200, a.decay))
        average.follow(step)
        training.log(100, "rate {:.3f} loss {:.3f} {:.3f} {:.3f} {:.3f}", factor, hard, soft, *guide)


if __name__ == "__main__":
    main()
