"""Train the small SAM: a click on a drawing, or a box around it, gives its mask.

Pictures are made as they are needed (cutouts.py). First with patches of 16 pixels, where the picture encoder's blocks begin
as the captioner's, which knows the drawings; then with patches of 8, four times as dear, from the weights of the first
(--first), or of one that has such patches already. The same command goes on from the last checkpoint.
"""

import argparse
import copy
import json
import os

import numpy as np
import torch
from torch.nn.functional import binary_cross_entropy_with_logits, interpolate, linear, mse_loss
from transformers import BlipForConditionalGeneration, SamConfig, SamModel

import cifar10
import cutouts
import emoji
from muon import Muon
from training import Average, Halves, Optimisers, Training, schedule

MEAN, STD = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
WIDTH, HEADS, BLOCKS, GLOBAL = 192, 3, 4, [1, 3]
INNER = 128  # width of the neck and of the decoder
# What the decoder's four masks are taught: its first, for several prompts, is the drawing; of the three for one click
# the second is the drawing, before it comes the area of one colour, and after it the drawing with all that overlaps.
WHOLE, PART, MAIN, GROUP = range(4)
WEIGHTS = torch.tensor([1.0, 0.4, 1.0, 0.4])
CLICK, BOX, GROUND = range(3)  # kinds of a first prompt
CHANCES = [0.76, 0.18, 0.06]


def describe(patch):
    vision = dict(hidden_size=WIDTH, output_channels=INNER, num_hidden_layers=BLOCKS, num_attention_heads=HEADS)
    vision |= dict(image_size=cutouts.SIZE, patch_size=patch, window_size=8, global_attn_indexes=GLOBAL, num_pos_feats=INNER // 2)
    prompt = dict(hidden_size=INNER, image_size=cutouts.SIZE, patch_size=patch)
    decoder = dict(hidden_size=INNER, mlp_dim=384, num_attention_heads=4, iou_head_hidden_dim=INNER)
    return SamConfig(vision_config=vision, prompt_encoder_config=prompt, mask_decoder_config=decoder, architectures=["SamModel"])


@torch.no_grad()
def begin(model, teacher):
    """Start values: the captioner's embeddings, in patches twice as wide, and its blocks; queries and keys of the decoder
    that look for the place of a prompt; the rest at random."""
    for name, p in model.named_parameters():
        if p.ndim == 2 and "positional" not in name and "rel_pos" not in name:
            torch.nn.init.trunc_normal_(p, std=0.5 * p.shape[1] ** -0.5 if "embed" not in name and "token" not in name else 0.02)
    model.shared_image_embedding.positional_embedding.normal_()
    for name, m in model.mask_decoder.transformer.named_modules():
        if name.endswith(("token_to_image", "image_to_token")):  # prompts and patches of one place find each other
            m.q_proj.weight.normal_(std=0.18)
            m.k_proj.weight.copy_(m.q_proj.weight)
    v, t = model.vision_encoder, teacher.vision_model
    torch.nn.init.trunc_normal_(v.patch_embed.projection.weight, std=0.02)
    v.patch_embed.projection.weight.copy_(interpolate(t.embeddings.patch_embedding.weight, scale_factor=2) / 4)
    v.patch_embed.projection.bias.copy_(t.embeddings.patch_embedding.bias)
    places = t.embeddings.position_embedding[:, 1:].unflatten(1, (8, 8)).permute(0, 3, 1, 2)
    v.pos_embed.copy_(interpolate(places, scale_factor=2, mode="bilinear").permute(0, 2, 3, 1))
    for mine, its in zip(v.layers, t.encoder.layers):
        mine.layer_norm1.load_state_dict(its.layer_norm1.state_dict())
        mine.layer_norm2.load_state_dict(its.layer_norm2.state_dict())
        mine.attn.qkv.load_state_dict(its.self_attn.qkv.state_dict())
        mine.attn.proj.load_state_dict(its.self_attn.projection.state_dict())
        mine.mlp.lin1.load_state_dict(its.mlp.fc1.state_dict())
        mine.mlp.lin2.load_state_dict(its.mlp.fc2.state_dict())


@torch.no_grad()
def begin_finer(model, first):
    """Start values of a network with patches of 8 pixels: it sees a picture as the first, of patches of 16, would see it
    at twice the side."""
    its = first.state_dict()
    name = "vision_encoder.patch_embed.projection.weight"
    pixels = torch.eye(64).view(64, 1, 8, 8)  # what each is at twice the side
    its[name] = torch.einsum("ocyx,pyx->ocp", its[name], interpolate(pixels, scale_factor=2, mode="bilinear")[:, 0]).unflatten(2, (8, 8))
    name = "vision_encoder.pos_embed"
    its[name] = interpolate(its[name].permute(0, 3, 1, 2), scale_factor=2, mode="bilinear").permute(0, 2, 3, 1)
    for name, p in model.named_parameters():
        if "rel_pos" in name and p.shape != its[name].shape:  # places that were too far away are as the farthest
            more = (len(p) - len(its[name])) // 2
            its[name] = torch.cat([its[name][:1].expand(more, -1), its[name], its[name][-1:].expand(more, -1)])
    model.load_state_dict(its)


def optimisers(model, pointer, lr, lr_rest):
    """Muon for the matrices of the blocks and the encoder's convolutions, AdamW for the rest."""
    named = [(n, p) for n, p in model.named_parameters() if "positional_embedding" not in n]
    matrix = [p.ndim == 4 and "vision" in n or ".layers." in n and p.ndim == 2 and "rel_pos" not in n for n, p in named]
    muon = Muon([p for (_, p), m in zip(named, matrix) if m], weight_decay=0.02)
    adam = torch.optim.AdamW([p for (_, p), m in zip(named, matrix) if not m], betas=(0.9, 0.98), weight_decay=0.02)
    return Optimisers((muon, lr), (adam, lr_rest), (torch.optim.AdamW(pointer.parameters(), betas=(0.9, 0.98)), lr_rest))


def halves(model):
    """A copy of which encoder and decoder compute in bf16."""
    half = copy.deepcopy(model)
    half.vision_encoder.bfloat16(), half.mask_decoder.bfloat16()
    return Halves(model, half)


def normalised(pictures):
    """Pictures uint8 [n,256,256,3] as the network takes them."""
    x = torch.from_numpy(np.stack(pictures)).float() / 255
    return ((x - MEAN) / STD).permute(0, 3, 1, 2)


class Asked:
    """Prompts about the pictures of a batch: kind [n,k]; clicks [n,k,1,2] as x, y; boxes [n,k,4]; and the shares of the
    small masks' pixels that belong to the four masks, [n,k,4,s,s], each pixel of fine of the picture's along a side."""

    def __init__(self, made, k, fine, rng):
        n = len(made)
        self.kind = np.zeros((n, k), int)
        self.clicks, self.boxes = np.zeros((n, k, 1, 2), np.float32), np.zeros((n, k, 4), np.float32)
        masks = np.zeros((n, k, 3, cutouts.SIZE, cutouts.SIZE), np.uint8)
        for i, s in enumerate(made):
            deep = inner(s.owner)
            areas = np.bincount(s.owner.ravel() + 1, minlength=len(s.touching) + 1)[1:]
            seen = np.flatnonzero(areas >= 60)
            order = rng.permutation(seen)
            for j in range(k):
                if len(seen) == 0 or rng.random() < CHANCES[GROUND]:
                    self.kind[i, j], whole = GROUND, s.owner < 0
                    if not whole.any():
                        whole = ~whole
                    y, x = pick(whole, deep, rng)
                    part = group = whole
                else:
                    d = order[j % len(order)]
                    whole = s.owner == d
                    y, x = pick(whole, deep, rng)
                    part = whole & (s.part == s.part[y, x]) if s.part[y, x] else whole
                    group = np.isin(s.owner, list(s.touching[d])) if len(s.touching[d]) > 1 else whole
                    if rng.random() < CHANCES[BOX] / (1 - CHANCES[GROUND]):
                        self.kind[i, j], part, group = BOX, whole, whole
                        self.boxes[i, j] = around(whole, rng)
                self.clicks[i, j, 0] = x, y
                masks[i, j] = whole, part, group
        rows = sum(masks[..., r::fine, :] for r in range(fine))
        shares = sum(rows[..., c::fine] for c in range(fine))
        self.kind, self.clicks, self.boxes = map(torch.from_numpy, (self.kind, self.clicks, self.boxes))
        self.goal = torch.from_numpy(shares)[:, :, [0, 1, 0, 2]].float() / fine**2


def inner(owner):
    """The pixels whose neighbours at a distance of 2 belong to the same drawing."""
    same = np.zeros(owner.shape, bool)
    c = owner[2:-2, 2:-2]
    same[2:-2, 2:-2] = (c == owner[:-4, 2:-2]) & (c == owner[4:, 2:-2]) & (c == owner[2:-2, :-4]) & (c == owner[2:-2, 4:])
    return same


def pick(mask, deep, rng):
    """Row and column of a pixel of a mask, of those that are deep if there are such."""
    at = np.flatnonzero(mask & deep)
    if len(at) == 0:
        at = np.flatnonzero(mask)
    return np.divmod(rng.choice(at), cutouts.SIZE)


def around(mask, rng):
    """A box around a mask as x, y of two corners, which are up to a tenth of its sides off."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    box = np.array([columns[0], rows[0], columns[-1], rows[-1]], float)
    sides = np.array([box[2] - box[0], box[3] - box[1]] * 2)
    return (box + rng.uniform(-1, 1, 4) * np.minimum(0.1 * sides, 10) * (rng.random() < 0.7)).clip(0, cutouts.SIZE - 1)


def tokens(model, asked, more=None):
    """The prompts as tokens [n,k,2,D], or with a second click and its label (more) [n,k,3,D], as transformers' order."""
    embed = model.prompt_encoder
    label = torch.ones(asked.kind.shape + (1,), dtype=torch.long)
    if more is None:
        clicks = embed._embed_points(asked.clicks, label, pad=True)
        boxes = embed._embed_boxes(asked.boxes)
    else:
        points, labels = more
        clicks = embed._embed_points(torch.cat([asked.clicks, points], 2), torch.cat([label, labels], 2), pad=True)
        boxes = torch.cat([embed._embed_points(points, labels, pad=False), embed._embed_boxes(asked.boxes)], 2)
    return torch.where((asked.kind == BOX)[..., None, None], boxes, clicks)


def encode(encoder, x):
    """What the encoder makes of pictures [n,3,256,256]: [n,D,g,g], a patch each. Convolutions of patches are matrix products, which are
    faster on a CPU."""
    first = encoder.patch_embed.projection
    patch = first.kernel_size
    patches = x.unflatten(3, (-1, patch[1])).unflatten(2, (-1, patch[0])).permute(0, 2, 4, 1, 3, 5).flatten(3)
    h = linear(patches, first.weight.flatten(1), first.bias) + encoder.pos_embed
    for layer in encoder.layers:
        h = layer(h)
    neck = encoder.neck
    h = layer_norm(linear(h, neck.conv1.weight.flatten(1)), neck.layer_norm1)
    h = neck.conv2(h.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
    return layer_norm(h, neck.layer_norm2).permute(0, 3, 1, 2)


def layer_norm(x, module):
    """A SamLayerNorm, over the last axis."""
    return torch.nn.functional.layer_norm(x, x.shape[-1:], module.weight, module.bias, module.eps)


def twice(x, conv):
    """A transposed convolution of kernel and stride 2 of x [n,h,w,c]: [n,2h,2w,d]."""
    y = x @ conv.weight.flatten(1) + conv.bias.repeat_interleave(4)
    n, h, w = x.shape[:3]
    return y.view(n, h, w, -1, 2, 2).permute(0, 1, 4, 2, 5, 3).reshape(n, 2 * h, 2 * w, -1)


def decoded(model, seen, places, sparse, dense):
    """All four masks [n,k,4,4g,4g] and what their IoU is thought to be [n,k,4], of states seen [n,D,g,g]."""
    d, (n, k) = model.mask_decoder, sparse.shape[:2]
    sparse, dense, places = (t.to(seen.dtype) for t in (sparse, dense, places))
    own = torch.cat([d.iou_token.weight, d.mask_tokens.weight]).expand(n, k, -1, -1)
    every = (seen[:, None] + dense).expand(n, k, -1, -1, -1).flatten(0, 1)
    states, keys = d.transformer(torch.cat([own, sparse], 2), every, places.expand(n * k, -1, -1, -1), None)
    up = twice(keys.flatten(0, 1).unflatten(1, seen.shape[2:]), d.upscale_conv1)
    up = d.activation(twice(d.activation(layer_norm(up, d.upscale_layer_norm)), d.upscale_conv2))
    weights = torch.stack([mlp(states[:, :, 1 + m]) for m, mlp in enumerate(d.output_hypernetworks_mlps)], 2)
    masks = (weights.flatten(0, 1) @ up.flatten(1, 2).mT).view(n, k, -1, *up.shape[1:3])
    return masks.float(), d.iou_prediction_head(states[:, :, 0]).float()


def decode(model, seen, sparse, before=None):
    """decoded with transformers' shapes; before are the logits of a mask [n,k,4g,4g] that is a prompt too."""
    n, k = sparse.shape[:2]
    places = model.get_image_wide_positional_embeddings()
    if before is None:
        dense = model.prompt_encoder.no_mask_embed.weight.view(1, 1, -1, 1, 1)
    else:
        dense = model.prompt_encoder.mask_embed(before.flatten(0, 1)[:, None]).unflatten(0, (n, k))
    # Each prompt as a picture of its own: the decoder has one batch axis of both.
    flat = seen[:, None].expand(n, k, -1, -1, -1).flatten(0, 1)
    dense = dense.expand(n, k, -1, -1, -1).flatten(0, 1)[:, None]
    masks, quality = decoded(model, flat, places, sparse.flatten(0, 1)[:, None], dense)
    return masks.view(n, k, *masks.shape[2:]), quality.view(n, k, -1)


def overlap(masks, goal):
    """IoU of logits and shares, over the last two axes."""
    a, b = masks > 0, goal > 0.5
    return (a & b).sum((-2, -1)) / (a | b).sum((-2, -1)).clamp(min=1)


def losses(masks, quality, goal, lean):
    """Of the masks (cross-entropy and Dice) and of what their IoU with the drawing is thought to be; and the IoU of each mask with its goal [n,k,4]. Where a
    part f of a mask is the drawing, its pixels weigh ((1-f)/f)**lean, for without it all masks are empty for long."""
    f = goal.mean((-2, -1), keepdim=True).clamp(min=0.005)
    weight = ((1 - f) / f) ** lean
    entropy = binary_cross_entropy_with_logits(masks, goal, reduction="none") * (1 + (weight - 1) * goal)
    entropy = entropy.mean((-2, -1)) / (4 * (f * (1 - f)).sqrt()[..., 0, 0] + 0.02)
    p = masks.sigmoid()
    dice = 1 - (2 * (p * goal).sum((-2, -1)) + 1) / (p.sum((-2, -1)) + goal.sum((-2, -1)) + 1)
    with torch.no_grad():
        own, whole = overlap(masks, goal), overlap(masks, goal[:, :, WHOLE, None])
    of_masks = ((entropy + dice) * WEIGHTS).sum(2).mean() / WEIGHTS.sum()
    return of_masks, mse_loss(quality, whole), own


@torch.no_grad()
def corrected(masks, goal, rng):
    """A second click where the drawing's mask is wrong, and its label: 1 where something is missing, 0 where too much is."""
    wrong = ((masks[:, :, MAIN] > 0) != (goal[:, :, MAIN] > 0.5)).flatten(2).float() + 1e-6
    at = torch.multinomial(wrong.flatten(0, 1), 1).view(wrong.shape[:2])
    side = masks.shape[-1]
    fine = cutouts.SIZE // side
    points = torch.stack([at % side, at // side], 2) * fine + torch.rand(*at.shape, 2) * fine - 0.5
    label = (goal[:, :, MAIN].flatten(2).gather(2, at[..., None]) > 0.5).long()
    return points[:, :, None], label


class Pointer(torch.nn.Module):
    """What teaches the encoder what belongs together, and is thrown away: linear layers of its states say which small
    pixels are drawn and which have an edge, and whether two patches belong to one drawing."""

    def __init__(self):
        super().__init__()
        self.small, self.same = torch.nn.Linear(INNER, 32), torch.nn.Linear(INNER, 32)
        self.scale = torch.nn.Parameter(torch.tensor([4.0, 2.0]))

    def forward(self, seen, made):
        states = seen.float().permute(0, 2, 3, 1)
        owner = torch.from_numpy(np.stack([s.owner for s in made]))
        grid = seen.shape[2]
        patch = owner.shape[1] // grid
        cells = owner.unflatten(2, (grid, 4, -1)).unflatten(1, (grid, 4, -1))
        drawn = (cells >= 0).float().mean((3, 6))
        edge = (cells.amax((3, 6)) != cells.amin((3, 6))).float()
        goal = torch.stack([drawn, edge], 1)  # [n,2,g,4,g,4]
        said = self.small(states).unflatten(3, (2, 4, 4)).permute(0, 3, 1, 4, 2, 5)
        of_small = binary_cross_entropy_with_logits(said, goal, pos_weight=torch.tensor([1.5, 3.0]).view(2, 1, 1, 1, 1))
        some = torch.randperm(grid**2)[:256]
        states = states.flatten(1, 2)[:, some]
        e = torch.nn.functional.normalize(self.same(states), dim=2)
        alike = self.scale[0] * (e @ e.mT) - self.scale[1]
        middle = owner[:, patch // 2 :: patch, patch // 2 :: patch].flatten(1)[:, some]
        same = middle[:, :, None] == middle[:, None]
        pairs = binary_cross_entropy_with_logits(alike, same.float(), reduction="none")
        ground = (middle[:, :, None] < 0) & (middle[:, None] < 0)
        groups = [pairs[m].mean() for m in (same & ~ground, ground, ~same) if m.any()]
        return of_small + sum(groups) / len(groups)


class Memory:
    """The states of pictures that were seen lately, from which the decoder learns again: seeing costs more than asking."""

    def __init__(self, size):
        self.size, self.states, self.scenes = size, [], []

    def keep(self, seen, made):
        self.states, self.scenes = (self.states + list(seen.detach()))[-self.size :], (self.scenes + made)[-self.size :]

    def some(self, n, rng):
        chosen = rng.permutation(len(self.scenes))[:n]
        return [self.states[i] for i in chosen], [self.scenes[i] for i in chosen]


def step_loss(model, pointer, memory, made, a, rng, lean):
    """The loss of one step, and for the log: the losses of masks, of IoU and of the pointer, and the IoU of clicks and boxes."""
    seen = encode(model.vision_encoder, normalised([s.picture for s in made]).bfloat16())
    pointed = pointer(seen, made)
    old, scenes = memory.some(a.again, rng)
    memory.keep(seen, made)
    seen = torch.cat([seen, *(s[None] for s in old)])
    asked = Asked(made + scenes, a.prompts, a.patch // 4, rng)
    masks, quality = decode(model, seen, tokens(model, asked))
    of_masks, of_quality, iou = losses(masks, quality, asked.goal, lean)
    log = [of_masks, of_quality, pointed, iou[..., MAIN][asked.kind == CLICK].mean(), iou[..., MAIN][asked.kind == BOX].mean()]
    loss = of_masks + of_quality + pointed
    if rng.random() < a.second:
        more = corrected(masks, asked.goal, rng)
        goal = asked.goal[:, :, [WHOLE] * 4]
        before = masks[:, :, MAIN].detach() if rng.random() < 0.5 else None
        masks, quality = decode(model, seen, tokens(model, asked, more), before)
        again = losses(masks, quality, goal, lean)
        loss = loss + 0.5 * (again[0] + again[1])
    return loss, [v.item() for v in log]


def export(average, model, folder):
    """Write transformers' folder, the weights as halves; the tied tensor is stored once, as transformers does."""
    os.makedirs(folder, exist_ok=True)
    model.config.dtype = "float16"
    model.config.save_pretrained(folder)
    cifar10.save_halves({k: v for k, v in average.items() if k != "prompt_encoder.shared_embedding.positional_embedding"}, folder)
    side, small = {"longest_edge": cutouts.SIZE}, 4 * cutouts.SIZE // model.config.vision_config.patch_size
    config = {"image_processor_type": "SamImageProcessor", "processor_class": "SamProcessor", "do_convert_rgb": True}
    config |= {"do_resize": True, "size": side, "resample": 2, "do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True}
    config |= {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225], "do_pad": True}
    config |= {"pad_size": {"height": cutouts.SIZE, "width": cutouts.SIZE}, "mask_size": {"longest_edge": small}, "mask_pad_size": {"height": small, "width": small}}
    with open(os.path.join(folder, "preprocessor_config.json"), "w") as f:
        json.dump(config, f, indent=2)
        f.write("\n")


def arguments():
    arg = argparse.ArgumentParser(description=__doc__)
    arg.add_argument("--emoji", required=True, help="folder of unpacked npm packages; see emoji.py")
    arg.add_argument("--data", help="CIFAR-10 as for train_vit.py")
    arg.add_argument("--captioner", default="blip", help="its folder")
    arg.add_argument("--first", help="the folder of a network with patches of 16 or 8 pixels, from which one with patches of 8 begins")
    arg.add_argument("--out", default="sam", help="folder of the exported model")
    arg.add_argument("--work", default="work", help="folder for the checkpoint and decoded pictures")
    arg.add_argument("--minutes", type=float, default=90, help="length of the training")
    arg.add_argument("--decay", type=float, default=0.4, help="the part of the training in which the rates fall")
    arg.add_argument("--batch", type=int, default=6)
    arg.add_argument("--prompts", type=int, default=4, help="of a picture")
    arg.add_argument("--again", type=int, default=8, help="remembered pictures of a step")
    arg.add_argument("--memory", type=int, default=200, help="pictures that are remembered")
    arg.add_argument("--second", type=float, default=0.15, help="the part of the steps with a second prompt")
    arg.add_argument("--lr", type=float, default=0.006, help="Muon, for matrices")
    arg.add_argument("--lr-rest", type=float, default=8e-4, help="AdamW, for everything else")
    arg.add_argument("--seed", type=int, default=0, help="of the scenes; another one where --first has seen those of 0")
    arg.add_argument("--threads", type=int, default=2)
    a = arg.parse_args()
    a.patch = 8 if a.first else 16
    return a


def main():
    a = arguments()
    torch.set_num_threads(a.threads)
    torch.manual_seed(0)
    os.makedirs(a.work, exist_ok=True)
    data, areas = cutouts.load(a.emoji, a.work)
    photographs, _, _ = cifar10.load("train", a.data, a.work)
    maker = cutouts.Maker(data, areas, emoji.split(data)[0], photographs.numpy(), cutouts.TEXTURES)
    model = SamModel(describe(a.patch)).train()
    model.set_attn_implementation("eager")
    if a.first:
        first = SamModel.from_pretrained(a.first, dtype=torch.float32)
        if first.config.vision_config.patch_size == a.patch:
            model.load_state_dict(first.state_dict())
        else:
            begin_finer(model, first)
    else:
        begin(model, BlipForConditionalGeneration.from_pretrained(a.captioner, dtype=torch.float32))
    pointer = Pointer()
    optimiser, average = optimisers(model, pointer, a.lr, a.lr_rest), Average(model, 0.997)
    print(f"{sum(p.numel() for p in model.parameters())} parameters", flush=True)

    parts = {"model": model, "pointer": pointer, "optimiser": optimiser, "average": average}
    training = Training(os.path.join(a.work, "sam.pt"), parts, a.minutes, export=lambda: export(average.state, model, a.out))
    half, memory = halves(model), Memory(a.memory)
    for step, progress in training:
        rng = np.random.default_rng([a.seed, step])
        lean = 0.0 if a.first else 0.5 * max(0.0, 1 - 3 * progress)
        half.follow()
        loss, log = step_loss(half.model, pointer, memory, [maker.scene(rng) for _ in range(a.batch)], a, rng, lean)
        loss.backward()
        half.hand_over()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimiser.step(schedule(progress, step, 30, a.decay))
        average.follow(step)
        training.log(50, "masks {:.3f} iou {:.4f} pointer {:.3f} click {:.3f} box {:.3f}", *log)


if __name__ == "__main__":
    main()
