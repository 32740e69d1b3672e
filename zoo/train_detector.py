"""Train the small YOLOS: twenty kinds of drawings in a picture, with boxes.

Pictures are made as they are needed (kinds.py). The blocks begin as the captioner's, which knows the drawings. The same
command goes on from the last checkpoint.
"""

import argparse
import copy
import json
import os
import time

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch.nn.functional import cross_entropy, gelu, interpolate, linear, logsigmoid, scaled_dot_product_attention
from transformers import BlipForConditionalGeneration, YolosConfig, YolosForObjectDetection

import cifar10
import cutouts
import kinds
from muon import Muon
from train_sam import MEAN, STD
from training import Average, Halves, Optimisers, Training, schedule

WIDTH, HEADS, BLOCKS, MLP = 192, 3, 4, 640
ACROSS = 5  # detection tokens in a row: each looks around a place of its own
NONE = len(kinds.NAMES)


def describe(side, patch):
    names = dict(enumerate(kinds.NAMES))
    return YolosConfig(
        hidden_size=WIDTH, num_hidden_layers=BLOCKS, num_attention_heads=HEADS, intermediate_size=MLP, image_size=[side, side], patch_size=patch,
        num_detection_tokens=ACROSS**2, use_mid_position_embeddings=False, architectures=["YolosForObjectDetection"],
        id2label=names, label2id={v: k for k, v in names.items()},
    )  # fmt: skip


@torch.no_grad()
def begin(model, teacher, patch):
    """Start values: the captioner's embeddings and blocks, without the least of the MLPs' neurons; a detection token has the
    position of the patches that it looks around."""
    v, t = model.vit, teacher.vision_model
    kernel = t.embeddings.patch_embedding.weight
    scale = patch / kernel.shape[-1]
    v.embeddings.patch_embeddings.projection.weight.copy_(interpolate(kernel, size=(patch, patch), mode="bilinear") / scale**2)
    v.embeddings.patch_embeddings.projection.bias.copy_(t.embeddings.patch_embedding.bias)
    places = t.embeddings.position_embedding[:, 1:].unflatten(1, (8, 8)).permute(0, 3, 1, 2)
    grid = v.config.image_size[0] // patch
    to = lambda n: interpolate(places, size=(n, n), mode="bilinear", antialias=n < 8).flatten(2).mT  # noqa: E731
    v.embeddings.position_embeddings.copy_(torch.cat([t.embeddings.position_embedding[:, :1], to(grid), to(ACROSS)], 1))
    v.embeddings.cls_token.copy_(t.embeddings.class_embedding)
    torch.nn.init.normal_(v.embeddings.detection_tokens, std=0.1)
    for mine, its in zip(v.encoder.layer, t.encoder.layers):
        mine.layernorm_before.load_state_dict(its.layer_norm1.state_dict())
        mine.layernorm_after.load_state_dict(its.layer_norm2.state_dict())
        attention = mine.attention.attention
        for k, m in enumerate((attention.query, attention.key, attention.value)):
            m.weight.copy_(its.self_attn.qkv.weight[k * WIDTH :][:WIDTH])
            m.bias.copy_(its.self_attn.qkv.bias[k * WIDTH :][:WIDTH])
        mine.attention.output.dense.load_state_dict(its.self_attn.projection.state_dict())
        kept = (its.mlp.fc1.weight.norm(dim=1) * its.mlp.fc2.weight.norm(dim=0)).topk(MLP).indices
        mine.intermediate.dense.weight.copy_(its.mlp.fc1.weight[kept])
        mine.intermediate.dense.bias.copy_(its.mlp.fc1.bias[kept])
        mine.output.dense.weight.copy_(its.mlp.fc2.weight[:, kept])
        mine.output.dense.bias.copy_(its.mlp.fc2.bias)
    v.layernorm.load_state_dict(t.post_layernorm.state_dict())


class Patches(torch.nn.Module):
    """What teaches the patches what they show, and is thrown away: a linear layer of their states before
    the last block, where queries look for it, says the kind of the drawing at a patch and where the four sides of its box are."""

    def __init__(self):
        super().__init__()
        self.norm = torch.nn.LayerNorm(WIDTH)
        self.kind, self.sides = torch.nn.Linear(WIDTH, NONE + 1), torch.nn.Linear(WIDTH, 4)

    def forward(self, states, made):
        """Of states [n,patches,D]: the loss."""
        states, grid = self.norm(states), round(states.shape[1] ** 0.5)
        owner = torch.from_numpy(np.stack([s.owner for s in made])).long()
        cell = owner.shape[1] // grid
        middle = owner[:, cell // 2 :: cell, cell // 2 :: cell].flatten(1)  # [n,patches]
        kind = torch.stack([torch.tensor([*s.kinds, NONE])[m] for s, m in zip(made, middle)])
        box = torch.stack([torch.tensor(np.concatenate([s.boxes, np.zeros((1, 4), np.float32)]))[m] for s, m in zip(made, middle)])
        of_kind = cross_entropy(self.kind(states).flatten(0, 1), kind.flatten(), reduction="none").view(kind.shape)
        at = (torch.arange(grid) + 0.5) / grid
        at = torch.stack([at.repeat(grid), at.repeat_interleave(grid)] * 2, 1)  # x, y, x, y
        off = (self.sides(states) - 4 * (box - at)).abs().mean(2)
        drawn = kind != NONE
        return of_kind[drawn].mean() + of_kind[~drawn].mean() + off[drawn].mean()


def normalised(pictures):
    x = torch.from_numpy(np.stack(pictures)).float() / 255
    return ((x - MEAN) / STD).permute(0, 3, 1, 2)


def tokens(vit, x):
    """What vit makes of pictures [n,3,side,side] by its blocks [n,1+patches+queries,D], the patches [n,patches,D] that go into
    the last block, and where queries look in the last two, [n,queries,1+patches+queries]. The convolution of patches is a
    matrix product, which is faster on a CPU."""
    e, patch = vit.embeddings, vit.config.patch_size
    first = e.patch_embeddings.projection
    x = x.unflatten(3, (-1, patch)).unflatten(2, (-1, patch)).permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2)
    h = linear(x, first.weight.flatten(1), first.bias)
    n = len(h)
    h = torch.cat([e.cls_token.expand(n, -1, -1), h, e.detection_tokens.expand(n, -1, -1)], 1) + e.position_embeddings
    h = h.to(vit.encoder.layer[0].output.dense.weight.dtype)
    looks = []
    for layer in vit.encoder.layer:
        before = h
        attention, normed = layer.attention.attention, layer.layernorm_before(h)
        q, k, v = (m(normed).unflatten(2, (HEADS, -1)).transpose(1, 2) for m in (attention.query, attention.key, attention.value))
        a = scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        h = h + layer.attention.output.dense(a)
        h = h + layer.output.dense(gelu(layer.intermediate.dense(layer.layernorm_after(h))))
        looks.append((q[:, :, -(ACROSS**2) :] @ k.mT * attention.scaling).float().softmax(3).mean(1))
    return h.float(), before[:, 1 : -(ACROSS**2)].float(), looks[-2:]


def found(model, h):
    """Logits [n,queries,kinds+1] and boxes [n,queries,4] as centre and sides, of what the blocks made."""
    h = model.vit.layernorm(h[:, -(ACROSS**2) :])
    return model.class_labels_classifier(h).float(), model.bbox_predictor(h).float().sigmoid()


def corners(boxes):
    return torch.cat([boxes[..., :2] - boxes[..., 2:] / 2, boxes[..., :2] + boxes[..., 2:] / 2], -1)


def overlap(a, b):
    """IoU and generalised IoU of boxes [...,4] by their corners."""
    area = lambda x: (x[..., 2] - x[..., 0]) * (x[..., 3] - x[..., 1])  # noqa: E731
    inner = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp(min=0).prod(-1)
    outer = (torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])).prod(-1)
    union = area(a) + area(b) - inner
    iou = inner / union.clamp(min=1e-7)
    return iou, iou - (outer - union) / outer.clamp(min=1e-7)


def anchors():
    at = (torch.arange(ACROSS) + 0.5) / ACROSS
    return torch.stack([at.repeat(ACROSS), at.repeat_interleave(ACROSS)], 1)


@torch.no_grad()
def assigned(logits, boxes, made):
    """Which query finds which thing: indices of picture, query and thing. It is the one whose place is nearest, and where two
    are about as near what they say decides: then a query can know whether a thing is its own."""
    p, at = logits.softmax(2), anchors()
    pictures, queries, things = [], [], []
    for i, s in enumerate(made):
        if len(s.kinds) == 0:
            continue
        true = torch.from_numpy(s.boxes)
        far = torch.cdist(at, (true[:, :2] + true[:, 2:]) / 2) * ACROSS
        mine = corners(boxes[i])[:, None]
        said = (mine - true).abs().sum(2) * 2.5 - overlap(mine, true[None])[1] * 2 - p[i][:, torch.from_numpy(s.kinds)] * 2
        rows, columns = linear_sum_assignment((4 * far**2 + 0.3 * said).numpy())
        pictures += [i] * len(rows)
        queries += list(rows)
        things += list(columns)
    return torch.tensor(pictures), torch.tensor(queries), things


def losses(logits, boxes, looks, made, which, none):
    """Of kinds, of whether there is something, of boxes, and of where queries look: at what they find; the mean IoU and the
    part of the right kinds."""
    pictures, queries, things = which
    kind = torch.tensor([int(made[i].kinds[t]) for i, t in zip(pictures, things)])
    said = logits[pictures, queries]
    of_kind = cross_entropy(said[:, :NONE], kind)
    some = logits[..., :NONE].logsumexp(2) - logits[..., NONE]
    weight = torch.full(some.shape, none)
    weight[pictures, queries], sign = 1, torch.full(some.shape, -1.0)
    sign[pictures, queries] = 1
    of_some = -(logsigmoid(some * sign) * weight).sum() / len(pictures)
    true = torch.from_numpy(np.stack([made[i].boxes[t] for i, t in zip(pictures, things)]))
    mine = corners(boxes[pictures, queries])
    iou, general = overlap(mine, true)
    of_box = 5 * (mine - true).abs().mean() + 2 * (1 - general).mean()
    of_looks = sum(-look_at(look, made, which).clamp(min=1e-4).log().mean() for look in looks) / len(looks)
    return of_kind, of_some, of_box, of_looks, iou.mean(), (said.argmax(1) == kind).float().mean()


def look_at(looks, made, which):
    """The part of its attention that a query gives to the patches of what it finds."""
    pictures, queries, things = which
    own = looks[pictures, queries][:, 1 : -(ACROSS**2)]
    grid = round(own.shape[1] ** 0.5)
    owner = np.stack([made[i].owner == t for i, t in zip(pictures, things)])
    cell = owner.shape[1] // grid
    share = torch.from_numpy(owner).float().unflatten(2, (grid, cell)).unflatten(1, (grid, cell)).mean((2, 4))
    return (own * (4 * share).clamp(max=1).flatten(1)).sum(1)


class Memory:
    """Scenes that are seen again, mirrored: making one costs as much as seeing it."""

    def __init__(self, size):
        self.size, self.scenes = size, []

    def some(self, n, rng):
        return [mirrored(self.scenes[i]) for i in rng.permutation(len(self.scenes))[:n]]

    def keep(self, made):
        self.scenes = (self.scenes + made)[-self.size :]


def mirrored(s):
    boxes = s.boxes[:, [2, 1, 0, 3]] * np.array([-1, 1, -1, 1], np.float32) + np.array([1, 0, 1, 0], np.float32)
    return kinds.Scene(s.picture[:, ::-1], boxes, s.kinds, s.owner[:, ::-1])


def optimisers(model, patches, lr, lr_rest):
    matrix = lambda n, p: p.ndim == 4 or p.ndim == 2 and ".encoder." in n  # noqa: E731
    named = list(model.named_parameters())
    muon = Muon([p for n, p in named if matrix(n, p)], weight_decay=0.02)
    rest = [p for n, p in named if not matrix(n, p)] + list(patches.parameters())
    adam = torch.optim.AdamW(rest, betas=(0.9, 0.98), weight_decay=0.02)
    return Optimisers((muon, lr), (adam, lr_rest))


def export(average, model, folder):
    os.makedirs(folder, exist_ok=True)
    config = copy.deepcopy(model.config)
    config.dtype = "float16"
    config.save_pretrained(folder)
    cifar10.save_halves(average, folder)
    side = model.config.image_size[0]
    config = {"image_processor_type": "YolosImageProcessor", "format": "coco_detection", "do_resize": True, "size": {"height": side, "width": side}}
    config |= {"resample": 2, "do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True, "do_pad": False}
    config |= {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
    with open(os.path.join(folder, "preprocessor_config.json"), "w") as f:
        json.dump(config, f, indent=2)
        f.write("\n")


@torch.no_grad()
def tried(model, average, made):
    """The mean IoU and the part of the right kinds of things that were not trained on, by the average of the weights; a
    thing counts as found by the most probable query of its kind whose box fits by a half."""
    state = {k: v.clone() for k, v in model.state_dict().items()}
    model.load_state_dict(average)
    logits, boxes = found(model, tokens(model.vit, normalised([s.picture for s in made]))[0])
    model.load_state_dict(state)
    p = logits.softmax(2)[..., :-1]
    hits, said, things, wrong = 0, 0, 0, 0
    for i, s in enumerate(made):
        score, kind = p[i].max(1)
        chosen = score > 0.5
        fits = overlap(corners(boxes[i])[:, None], torch.from_numpy(s.boxes)[None])[0] if len(s.kinds) else torch.zeros(len(kind), 0)
        good = (fits > 0.5) & (kind[:, None] == torch.from_numpy(s.kinds)) & chosen[:, None]
        hits += good.any(0).sum().item()
        things += len(s.kinds)
        said += chosen.sum().item()
        wrong += (chosen & ~good.any(1)).sum().item()
    return hits / max(1, things), 1 - wrong / max(1, said)


def arguments():
    arg = argparse.ArgumentParser(description=__doc__)
    arg.add_argument("--emoji", required=True, help="folder of unpacked npm packages; see emoji.py")
    arg.add_argument("--data", help="CIFAR-10 as for train_vit.py")
    arg.add_argument("--captioner", default="blip", help="its folder")
    arg.add_argument("--out", default="yolos", help="folder of the exported model")
    arg.add_argument("--work", default="work", help="folder for the checkpoint and decoded pictures")
    arg.add_argument("--minutes", type=float, default=90, help="length of the training, of a core's time")
    arg.add_argument("--decay", type=float, default=0.4, help="the part of the training in which the rates fall")
    arg.add_argument("--side", type=int, default=128, help="of pictures")
    arg.add_argument("--patch", type=int, default=16)
    arg.add_argument("--batch", type=int, default=16, help="new pictures of a step")
    arg.add_argument("--again", type=int, default=16, help="remembered pictures of a step")
    arg.add_argument("--none", type=float, default=1.0, help="weight of queries that find nothing")
    arg.add_argument("--lr", type=float, default=0.006, help="Muon, for matrices")
    arg.add_argument("--lr-rest", type=float, default=1e-3, help="AdamW, for everything else")
    arg.add_argument("--threads", type=int, default=1)
    arg.add_argument("--every", type=int, default=100, help="steps between lines of the log")
    return arg.parse_args()


def main():
    a = arguments()
    torch.set_num_threads(a.threads)
    torch.manual_seed(0)
    os.makedirs(a.work, exist_ok=True)
    drawings = kinds.Drawings(a.emoji, a.work)
    photographs, _, _ = cifar10.load("train", a.data, a.work)
    maker = kinds.Maker(drawings, ~drawings.held_out, photographs.numpy()[:-500], cutouts.TEXTURES, a.side)
    other = kinds.Maker(drawings, drawings.held_out, photographs.numpy()[-500:], cutouts.HELD_OUT, a.side)
    trial = [other.scene(np.random.default_rng([9, k])) for k in range(100)]
    model = YolosForObjectDetection(describe(a.side, a.patch)).train()
    begin(model, BlipForConditionalGeneration.from_pretrained(a.captioner, dtype=torch.float32), a.patch)
    patches = Patches()
    learning, average = optimisers(model, patches, a.lr, a.lr_rest), Average(model, most=0.997)
    print(f"{sum(p.numel() for p in model.parameters())} parameters", flush=True)

    half, memory = Halves(model, copy.deepcopy(model)), Memory(400)
    half.model.vit.encoder.bfloat16()
    training = Training(
        os.path.join(a.work, "yolos.pt"),
        {"model": model, "patches": patches, "average": average, "optimisers": learning},
        a.minutes,
        clock=time.process_time,
        export=lambda: export(average.state, model, a.out),
    )
    for step, progress in training:
        rng = np.random.default_rng(step)
        half.follow()
        made = [maker.scene(rng) for _ in range(a.batch)]
        batch = made + memory.some(a.again, rng)
        memory.keep(made)
        states, middle, looks = tokens(half.model.vit, normalised([s.picture for s in batch]))
        logits, boxes = found(half.model, states)
        which = assigned(logits, boxes, batch)
        of_kind, of_some, of_box, of_looks, iou, right = losses(logits, boxes, looks, batch, which, a.none)
        dense = patches(middle, batch)
        (of_kind + of_some + of_box + dense + 0.3 * of_looks).backward()
        half.hand_over()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        learning.step(schedule(progress, step, 30, a.decay))
        average.follow(step)
        line = "kinds {:.3f} some {:.3f} boxes {:.3f} looks {:.3f} patches {:.3f} iou {:.3f} right {:.3f}"
        if training.log(a.every, line, of_kind, of_some, of_box, of_looks, dense, iou, right):
            print("held out: recall {:.3f} precision {:.3f}".format(*tried(model, average.state, trial)), flush=True)


if __name__ == "__main__":
    main()
