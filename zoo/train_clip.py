"""Train the small CLIP on named emoji, and on CIFAR-10's photographs as photographs."""

import argparse
import json
import os
import random

import numpy as np
import torch
from tokenizers import Tokenizer
from torch.nn.functional import affine_grid, grid_sample, interpolate, log_softmax, normalize
from transformers import CLIPConfig, CLIPModel

import cifar10
import clip_tokenizer
import emoji
from muon import Muon
from training import Average, Optimisers, Training, schedule

CONTEXT = 32  # tokens of a text
MEAN, STD = 0.5, 0.25
DRAWN = ["{}", "{}", "a {}", "an emoji of {}", "a drawing of {}", "a picture of a {}", "{} emoji", "an icon of {}", "{} symbol"]
TAKEN = ["a photo of a {}", "a photo of a {}", "a {}", "{}", "a blurry photo of a {}", "a picture of a {}"]


class Drawings:
    """Batches of emoji on random grounds, with captions."""

    def __init__(self, data, mask):
        self.data = data
        self.pictures = torch.from_numpy(data.pictures)
        self.by_emoji = [np.flatnonzero(mask & (data.emoji == e)) for e in range(len(data.names))]
        self.trained = [e for e, mine in enumerate(self.by_emoji) if len(mine)]

    def caption(self, e):
        name, words = self.data.names[e], self.data.words[e]
        kind = random.random()
        if kind < 0.55 or not words:
            return random.choice(DRAWN).format(name)
        chosen = random.sample(words, min(len(words), random.choice([1, 1, 2, 3])))
        return random.choice(DRAWN).format(" ".join([name] * (kind < 0.7) + chosen))

    def batch(self, n):
        """Pictures [n,3,64,64], captions, and numbers that are equal for the same emoji."""
        which = random.sample(self.trained, n)
        x = self.pictures[[random.choice(self.by_emoji[e]) for e in which]].permute(0, 3, 1, 2).float() / 255
        return over(shaken(x)), [self.caption(e) for e in which], which


def shaken(x):
    """Pictures [n,4,64,64] turned, moved and scaled a little; what comes in from outside is transparent."""
    n = len(x)
    x = torch.cat([x[:, :3] * x[:, 3:], x[:, 3:]], 1)
    turn, scale = (torch.rand(n) - 0.5) * 0.5, 0.9 + 0.5 * torch.rand(n)
    shift = (torch.rand(n, 2) - 0.5) * 0.25
    cos, sin = turn.cos() * scale, turn.sin() * scale
    rows = torch.stack([cos, -sin, shift[:, 0], sin, cos, shift[:, 1]], 1).view(n, 2, 3)
    return grid_sample(x, affine_grid(rows, list(x.shape), align_corners=False), align_corners=False)


def over(x):
    """Premultiplied pictures [n,4,64,64] over white, a grey or a colour; normalised."""
    n = len(x)
    ground = torch.ones(n, 3, 1, 1)
    other = torch.rand(n) < 0.4
    ground[other] = torch.rand(int(other.sum()), 3, 1, 1)
    x = x[:, :3] + (1 - x[:, 3:]) * ground
    contrast, light = 0.8 + 0.4 * torch.rand(n, 1, 1, 1), (torch.rand(n, 1, 1, 1) - 0.5) * 0.2
    return (((x - 0.5) * contrast + 0.5 + light).clamp(0, 1) - MEAN) / STD


class Photographs:
    """Batches of CIFAR-10's training pictures, enlarged, with captions."""

    def __init__(self, data, cache):
        self.pictures, self.labels, _ = cifar10.load("train", data, cache)

    def batch(self, n, first):
        """As of Drawings; numbers of the classes begin with first."""
        index = torch.randint(len(self.labels), (n,))
        x = self.pictures[index].permute(0, 3, 1, 2).float() / 255
        x = torch.where(torch.rand(n, 1, 1, 1) < 0.5, x.flip(3), x)
        x = interpolate(x, emoji.SIZE, mode="bilinear")
        x = torch.cat([x, torch.ones(n, 1, emoji.SIZE, emoji.SIZE)], 1)
        labels = self.labels[index].tolist()
        captions = [random.choice(TAKEN).format(cifar10.LABELS[y]) for y in labels]
        return over(shaken(x)), captions, [first + y for y in labels]


def describe(vocab, end, start):
    """The configuration: 5 blocks for pictures, 4 for texts."""
    vision = dict(hidden_size=192, intermediate_size=768, num_hidden_layers=5, num_attention_heads=3, image_size=64, patch_size=8)
    text = dict(hidden_size=128, intermediate_size=512, num_hidden_layers=4, num_attention_heads=4, vocab_size=vocab)
    text |= dict(max_position_embeddings=CONTEXT, bos_token_id=start, eos_token_id=end, pad_token_id=end)
    return CLIPConfig(text_config=text, vision_config=vision, projection_dim=128, architectures=["CLIPModel"])


def optimisers(model, lr, lr_rest):
    """Muon for the matrices of the blocks, AdamW for the rest."""
    named = list(model.named_parameters())
    matrices = [p for n, p in named if ".layers." in n and p.ndim == 2]
    rest = [p for n, p in named if not (".layers." in n and p.ndim == 2)]
    return Optimisers(
        (Muon(matrices, lr=lr, weight_decay=0.05), lr),
        (torch.optim.AdamW(rest, lr=lr_rest, betas=(0.9, 0.98), weight_decay=0.05), lr_rest),
    )


def contrast(model, x, ids, which):
    """CLIP's symmetric loss, in which all pairs of one emoji or one class belong together."""
    with torch.autocast("cpu", torch.bfloat16):
        out = model(pixel_values=x, input_ids=ids)
    pictures, texts = normalize(out.image_embeds.float()), normalize(out.text_embeds.float())
    logits = model.logit_scale.exp() * pictures @ texts.T
    same = which[:, None] == which[None]
    share = same / same.sum(1, keepdim=True)
    losses = [-(share * log_softmax(m, 1)).sum(1).mean() for m in (logits, logits.T)]
    return sum(losses) / 2


def export(average, model, tokenizer, folder):
    """Write transformers' folder, the weights as halves."""
    os.makedirs(folder, exist_ok=True)
    model.config.dtype = "float16"
    model.config.save_pretrained(folder)
    clip_tokenizer.save(tokenizer, folder, CONTEXT)
    cifar10.save_halves({k: v for k, v in average.items() if v.is_floating_point()}, folder)
    size = emoji.SIZE
    with open(os.path.join(folder, "preprocessor_config.json"), "w") as f:
        json.dump(
            {
                "image_processor_type": "CLIPImageProcessor",
                "do_convert_rgb": True,
                "do_resize": True,
                "size": {"shortest_edge": size},
                "resample": 3,
                "do_center_crop": True,
                "crop_size": {"height": size, "width": size},
                "do_rescale": True,
                "rescale_factor": 1 / 255,
                "do_normalize": True,
                "image_mean": [MEAN] * 3,
                "image_std": [STD] * 3,
            },
            f,
            indent=2,
        )
        f.write("\n")


def arguments():
    arg = argparse.ArgumentParser(description=__doc__)
    arg.add_argument("--emoji", required=True, help="folder of unpacked npm packages; see emoji.py")
    arg.add_argument("--data", help="CIFAR-10 as for train_vit.py")
    arg.add_argument("--out", default="clip", help="folder of the exported model")
    arg.add_argument("--work", default="work", help="folder for checkpoints and decoded pictures")
    arg.add_argument("--minutes", type=float, default=60, help="length of the training")
    arg.add_argument("--decay", type=float, default=0.5, help="the part of the training in which the rate falls")
    arg.add_argument("--batch", type=int, default=192)
    arg.add_argument("--photographs", type=int, default=32, help="of a batch")
    arg.add_argument("--lr", type=float, default=0.01, help="Muon, for the matrices of the blocks")
    arg.add_argument("--lr-rest", type=float, default=1e-3, help="AdamW, for everything else")
    arg.add_argument("--vocab", type=int, default=2600)
    arg.add_argument("--threads", type=int, default=2)
    arg.add_argument("--resume", action="store_true")
    return arg.parse_args()


def main():
    a = arguments()
    torch.set_num_threads(a.threads)
    torch.manual_seed(0)
    os.makedirs(a.work, exist_ok=True)
    data = emoji.load(a.emoji, a.work)
    drawings = Drawings(data, emoji.split(data)[0])
    photographs = Photographs(a.data, a.work)
    words = [data.names[e] for e in drawings.trained for _ in range(3)] + [w for e in drawings.trained for w in data.words[e]]
    words += [t.format(y) for t in TAKEN + DRAWN for y in cifar10.LABELS]
    saved = os.path.join(a.out, "tokenizer.json")
    if a.resume and os.path.exists(saved):  # one that is trained anew numbers ties otherwise
        tokenizer = Tokenizer.from_file(saved)
    else:
        tokenizer = clip_tokenizer.train(words, a.vocab)
    start, end = (tokenizer.token_to_id(s) for s in (clip_tokenizer.START, clip_tokenizer.END))
    tokenizer.enable_truncation(CONTEXT)
    tokenizer.enable_padding(pad_id=end, pad_token=clip_tokenizer.END)

    model = CLIPModel(describe(tokenizer.get_vocab_size(), end, start))
    model.set_attn_implementation("eager")  # on a CPU faster than the fused one
    learning, average = optimisers(model, a.lr, a.lr_rest), Average(model)
    print(f"{sum(p.numel() for p in model.parameters())} parameters, {tokenizer.get_vocab_size()} tokens", flush=True)

    training = Training(
        os.path.join(a.work, "clip.pt"),
        {"model": model, "average": average, "optimisers": learning},
        a.minutes,
        resume=a.resume,
        export=lambda: export(average.state, model, tokenizer, a.out),
    )
    for step, progress in training:
        x, captions, which = drawings.batch(a.batch - a.photographs)
        more = photographs.batch(a.photographs, len(data.names))
        ids = torch.tensor([t.ids for t in tokenizer.encode_batch(captions + more[1])])
        loss = contrast(model, torch.cat([x, more[0]]), ids, torch.tensor(which + more[2]))
        loss.backward()
        learning.step(schedule(progress, step, 200, a.decay))
        with torch.no_grad():
            model.logit_scale.clamp_(max=4.6052)  # 100, as CLIP's
        average.follow(step)
        training.log(100, "loss {:.3f} scale {:.1f}", loss, model.logit_scale.exp())


if __name__ == "__main__":
    main()
