"""Goldens of single operations: golden/ops/<op>.safetensors.

Inputs are drawn from numbers that a half holds exactly, so that a run in f16
is measured by its arithmetic and its output's rounding, not by its inputs'.
Cases whose point lies beyond halves say so: "half": false. The reference is
PyTorch's own function in float64, rounded once to float32.
"""

import torch
import torch.nn.functional as F
from transformers import SamVisionConfig
from transformers.models.d_fine.modeling_d_fine import distance2bbox, weighting_function
from transformers.models.sam.modeling_sam import SamPositionalEmbedding

from generate_io import generator
from generate_ops_adjoint import adjoint, adjoint_maps
from generate_ops_attention import attention, biased_attention, cached_attention, rotate
from generate_ops_case import ACTIVATIONS, case, normal
from generate_ops_decoding import beams, choose, logsoftmax, penalize, reorder
from generate_ops_maps import (
    adaptive_avg_pool, avg_pool, conv2d, conv_transpose2d, deformable_attention, grn, groupnorm, interpolate_positions,
    max_pool, patch_embedding, resize, scale,
)  # fmt: skip


def activation(op):
    """x [n] -> y [n]: the whole range, numbers near zero, and both tails."""
    f, g = ACTIVATIONS[op], generator(op)
    ranges = {
        "range": torch.linspace(-12, 12, 1537),
        "tiny": torch.cat([s * 2.0 ** torch.linspace(-13.5, -10, 60) for s in (-1, 1)]),
        "negative_tail": torch.linspace(-12, -3, 91),
        "zero": torch.zeros(3),
        "one": torch.tensor([-0.75]),
        "normal": normal(g, 515, std=2),
    }
    cases = []
    for name, x in ranges.items():
        x = x.half().float()
        cases.append(case(name, {}, {"x": x}, {"y": f(x.double())}))
    return cases


def linear():
    """y = act((x Wᵀ) * scale + bias) + residual, each part optional: x [M,K],
    weight [N,K], bias [N], residual [M,N], y [M,N]."""
    g, cases = generator("linear"), []

    def add(name, m, k, n, bias=True, act="", residual=False, scale=1.0):
        t = {"x": normal(g, m, k), "weight": normal(g, n, k, std=k**-0.5)}
        if bias:
            t["bias"] = normal(g, n, std=0.3)
        if residual:
            t["residual"] = normal(g, m, n)
        d = {key: v.double() for key, v in t.items()}
        y = F.linear(d["x"], d["weight"]) * scale
        if bias:
            y = y + d["bias"]
        if act:
            y = ACTIVATIONS[act](y)
        if residual:
            y = y + d["residual"]
        params = {"m": m, "k": k, "n": n, "bias": bias, "activation": act, "residual": residual, "scale": scale}
        cases.append(case(name, params, t, {"y": y}))

    shapes = [(1, 1, 1), (1, 8, 1), (1, 770, 9), (2, 515, 3), (3, 5, 7), (16, 64, 32), (17, 15, 33)]
    shapes += [(33, 16, 5), (65, 40, 24), (67, 24, 131), (129, 24, 31)]
    for m, k, n in shapes:
        add(f"{m}x{k}x{n}", m, k, n, bias=False)
        if m in (3, 17, 33):
            add(f"{m}x{k}x{n}_bias", m, k, n)
    add("1x770x9_bias", 1, 770, 9)
    for act in list(ACTIVATIONS)[:9]:  # those with a parameter go the same way
        add(f"bias_{act}", 7, 23, 37, act=act)
    add("gelu_without_bias", 7, 23, 37, bias=False, act="gelu")
    add("residual", 9, 23, 37, bias=False, residual=True)
    add("bias_residual", 9, 23, 37, residual=True)
    add("bias_gelu_residual", 5, 21, 19, act="gelu", residual=True)
    add("scale", 5, 21, 19, bias=False, scale=0.125)
    add("bias_scale", 5, 21, 19, scale=0.3125)
    add("everything", 5, 21, 19, act="silu", residual=True, scale=0.5)
    return cases


def softmax():
    """y [R,C] = softmax over C of x [R,C]."""
    g, cases = generator("softmax"), []
    for c in (1, 2, 3, 7, 8, 9, 31, 33, 64, 65, 197, 255, 257, 515):
        x = normal(g, 1 if c == 2 else 5, c, std=2)
        cases.append(case(f"columns_{c}", {}, {"x": x}, {"y": x.double().softmax(-1)}))
    # Halves near 10,000 lie 8 apart; exp of either overflows or vanishes
    # unless the row's largest number is taken off first.
    for name, offset in {"high": 1e4, "low": -1e4}.items():
        steps = torch.randint(-4, 3, (3, 37), generator=g).float()
        x = offset + 8 * steps
        cases.append(case(f"offset_{name}", {}, {"x": x}, {"y": x.double().softmax(-1)}))
        x = offset + torch.randn(3, 37, generator=g)
        cases.append(case(f"offset_{name}_fine", {}, {"x": x}, {"y": x.double().softmax(-1)}, half=False))
    x = torch.full((2, 11), -4096.0)
    x[0, 3] = 4096
    cases.append(case("one_hot", {}, {"x": x}, {"y": x.double().softmax(-1)}))
    cases.append(case("equal", {}, {"x": x[1:] * 0 + 7}, {"y": (x[1:] * 0 + 7).double().softmax(-1)}))
    cases.append(case("rows_67", {}, {"x": (x := normal(g, 67, 65))}, {"y": x.double().softmax(-1)}))
    return cases


def layernorm():
    """y [R,C] = (x - mean) / sqrt(variance + eps) * weight + bias, over C."""
    g, cases = generator("layernorm"), []

    def add(name, x, eps, half=True):
        c = x.shape[-1]
        weight = (torch.rand(c, generator=g) * 0.6 + 0.7).half().float()
        bias = normal(g, c, std=0.3)
        y = F.layer_norm(x.double(), (c,), weight.double(), bias.double(), eps)
        cases.append(case(name, {"eps": eps}, {"x": x, "weight": weight, "bias": bias}, {"y": y}, half))

    for c in (5, 8, 15, 192, 770):
        for eps in (1e-12, 1e-5):
            rows = 3 if c == 770 else 7
            x = normal(g, rows, c) + normal(g, rows, 1)
            add(f"columns_{c}_eps_{eps:g}", x.half().float(), eps)
    add("columns_1", normal(g, 4, 1), 1e-5)
    add("rows_67", normal(g, 67, 24), 1e-6)
    # The mean is large beside the spread: E[x²] - E[x]² has no digit left.
    steps = torch.randint(-4, 5, (3, 61), generator=g).float()
    add("large_mean", 1000 + steps / 2, 1e-5)
    add("large_mean_fine", 1000 + steps / 512, 1e-12, half=False)
    add("small_variance", steps / 4096, 1e-12)  # eps is nothing beside it
    add("small_variance_large_eps", steps / 4096, 1e-5)  # eps is most of it
    add("constant_row", torch.full((2, 9), 3.0), 1e-5)  # variance 0: y = bias
    return cases


def add():
    """y = a + b, of one shape."""
    g, cases = generator("add"), []
    for shape in ((1,), (3, 5), (7, 15), (2, 65, 33), (1, 3, 770)):
        a, b = normal(g, *shape), normal(g, *shape)
        name = "x".join(map(str, shape))
        cases.append(case(name, {}, {"a": a, "b": b}, {"y": a.double() + b.double()}))
    return cases


def tokens():
    """out [B,P+T,C]: P learned tokens [1,P,C] put before the patches [B,T,C],
    then the position embeddings [1,P+T,C] added to all."""
    g, cases = generator("tokens"), []
    for name, p, b, t, c in (
        ("class", 1, 3, 35, 15),
        ("class_distillation", 2, 2, 9, 22),
        ("none", 0, 2, 5, 8),
        ("one_patch", 1, 1, 1, 5),
    ):
        patches, positions = normal(g, b, t, c), normal(g, 1, p + t, c, std=0.5)
        inputs = {"patches": patches, "positions": positions}
        parts = [patches.double()]
        for i, role in enumerate(["class", "distillation"][:p]):
            inputs[role] = normal(g, 1, 1, c, std=0.5)
            parts.insert(i, inputs[role].double().expand(b, -1, -1))
        out = torch.cat(parts, 1) + positions.double()
        cases.append(case(name, {"prefix": p}, inputs, {"out": out}))
    return cases


def embedding():
    """out [B,T,C] = table[ids] + positions[:T]: ids [B,T] (int32), table
    [V,C], positions [L,C] with L >= T."""
    g, cases = generator("embedding"), []
    for name, b, t, v, c, length in (
        ("plain", 2, 7, 31, 15, 0),
        ("positions", 3, 7, 31, 15, 11),
        ("one", 1, 1, 1, 5, 1),
        ("wide", 1, 77, 50, 33, 77),
    ):
        ids = torch.randint(0, v, (b, t), generator=g)
        ids[0, 0], ids[-1, -1] = v - 1, 0  # both ends of the table
        inputs = {"ids": ids.int(), "table": normal(g, v, c)}
        out = F.embedding(ids, inputs["table"].double())
        if length:
            inputs["positions"] = normal(g, length, c, std=0.5)
            out = out + inputs["positions"].double()[:t]
        cases.append(case(name, {}, inputs, {"out": out}))
    return cases


def mean():
    """y [B,C]: the mean over tokens of x [B,T,C], the first `skip` left out."""
    g, cases = generator("mean"), []
    for b, t, c, skip in ((1, 1, 5, 0), (2, 7, 15, 0), (3, 8, 33, 1), (2, 67, 9, 2), (1, 197, 40, 1), (2, 2, 3, 1)):
        x = normal(g, b, t, c) + 0.5
        x = x.half().float()
        name = f"{b}x{t}x{c}_skip_{skip}"
        cases.append(case(name, {"skip": skip}, {"x": x}, {"y": x.double()[:, skip:].mean(1)}))
    return cases


def glu():
    """y [M,H] = f(gate) * value, the halves of x [M,2H]: the gate is the first
    half or the second, f the activation."""
    g, cases = generator("glu"), []
    for name, m, h, act, gate in (
        ("swiglu", 7, 13, "silu", 0),
        ("swiglu_64", 3, 64, "silu", 0),
        ("geglu", 5, 21, "gelu", 1),
        ("sigmoid", 2, 1, "sigmoid", 1),
        ("bilinear", 4, 9, "", 0),
    ):
        x = normal(g, m, 2 * h, std=2)
        halves = x.double().chunk(2, -1)
        y = ACTIVATIONS.get(act, lambda t: t)(halves[gate]) * halves[1 - gate]
        cases.append(case(name, {"activation": act, "gate": gate}, {"x": x}, {"y": y}))
    return cases


def rescale_guidance():
    """y [N,C,H,W] = cfg * (r * std(cond) / std(cfg) + 1 - r), of each item the unbiased
    standard deviation of all values: diffusers' rescale_noise_cfg."""
    g, cases = generator("rescale_guidance"), []
    for name, shape, r in (("sdxl", (2, 4, 9, 7), 0.7), ("whole", (3, 3, 2, 5), 1.0), ("two_values", (1, 1, 1, 2), 0.25)):
        cond = normal(g, *shape) + 0.5
        cfg = normal(g, *shape, std=3) - 1
        axes = (1, 2, 3)
        ratio = cond.double().std(axes, keepdim=True) / cfg.double().std(axes, keepdim=True)
        y = r * (cfg.double() * ratio) + (1 - r) * cfg.double()
        cases.append(case(name, {"rescale": r}, {"cfg": cfg, "cond": cond}, {"y": y}, half=False))
    return cases


def rmsnorm():
    """y [R,G·C] = rms_norm(x) * (weight + added), over each C of a row."""
    g, cases = generator("rmsnorm"), []
    for name, rows, groups, c, eps, added in (
        ("columns_5", 7, 1, 5, 1e-6, 0),
        ("columns_192", 7, 1, 192, 1e-5, 0),
        ("columns_770", 3, 1, 770, 1e-6, 0),
        ("heads_of_13", 5, 3, 13, 1e-6, 0),
        ("gemma", 4, 1, 33, 1e-6, 1),
        ("small", 6, 1, 15, 1e-5, 0),
    ):
        x = normal(g, rows, groups * c, std=2.0**-9 if name == "small" else 1.0) + (0 if name == "small" else 0.5)
        weight = (torch.rand(c, generator=g) * 0.6 + 0.7 - added).half().float()
        x = x.half().float()
        y = F.rms_norm(x.double().reshape(rows, groups, c), (c,), weight.double() + added, eps).flatten(1)
        cases.append(case(name, {"eps": eps, "added": added, "groups": groups}, {"x": x, "weight": weight}, {"y": y}))
    return cases


def rows():
    """y [M,C] = x[index], zeros where the index is negative."""
    g, cases = generator("rows"), []
    for name, r, m, c in (("odd", 7, 11, 13), ("one", 1, 3, 8), ("wide", 19, 5, 70)):
        x, index = normal(g, r, c), torch.randint(-1, r, (m,), generator=g)
        index[0], index[-1] = r - 1, -1
        y = torch.where(index[:, None] < 0, torch.zeros(()), x.index_select(0, index.clamp(min=0)))
        cases.append(case(name, {}, {"x": x, "index": index.int()}, {"y": y}))
    return cases


def fourier():
    """y [N,T,2F]: transformers' SamPositionalEmbedding of points [N,T,2] in 0 to 1 (and somewhat
    beyond), with the matrix [2,F]."""
    g, cases = generator("fourier"), []
    for name, n, t, f, std in (("odd", 2, 3, 13, 1), ("one", 1, 1, 1, 1), ("wide", 3, 5, 128, 1), ("steep", 2, 4, 9, 12)):
        points = torch.rand(n, t, 2, generator=g).half().float() * 1.25 - 0.125
        layer = SamPositionalEmbedding(SamVisionConfig(num_pos_feats=f)).double()
        matrix = normal(g, 2, f, std=std)
        layer.positional_embedding.data = matrix.double()
        y = layer(points.half().double()[None])[0].detach()
        cases.append(case(name, {}, {"points": points.half().float(), "matrix": matrix}, {"y": y}))
    return cases


def products():
    """z [N,R,T] = x yᵀ: x [N,R,C], y [N,T,C]."""
    g, cases = generator("products"), []
    for name, n, r, t, c in (("odd", 2, 7, 5, 13), ("masks", 3, 67, 4, 32), ("one", 1, 1, 1, 1), ("deep", 2, 5, 9, 515)):
        x, y = normal(g, n, r, c), normal(g, n, t, c, std=c**-0.5)
        cases.append(case(name, {}, {"x": x, "y": y}, {"z": x.double() @ y.double().mT}))
    return cases


def box_distances():
    """y [B,Q,4] = D-FINE's boxes of corners x [B,Q,4(bins+1)] around others, and p its largest probabilities with their mean."""
    g, cases = generator("box_distances"), []
    for bins, up, scale, top in ((8, 0.5, 4.0, 3), (32, 0.25, 8.0, 4), (6, -0.75, 2.5, 7)):
        x, boxes = normal(g, 2, 5, 4 * (bins + 1), std=2), torch.rand(2, 5, 4, generator=g).half().float()
        values = weighting_function(bins, torch.tensor([up]).double(), torch.tensor([scale]).double())
        p = x.double().view(2, 5, 4, bins + 1).softmax(-1)
        largest = p.topk(top, -1).values
        y = distance2bbox(boxes.double(), p @ values, scale)
        outputs = {"y": y, "p": torch.cat([largest, largest.mean(-1, keepdim=True)], -1).flatten(2)}
        cases.append(case(f"{bins}_bins", {"bins": bins, "up": up, "scale": scale, "top": top}, {"x": x, "boxes": boxes}, outputs))
    return cases


OPS = {name: (lambda name=name: activation(name)) for name in ACTIVATIONS} | {
    f.__name__: f
    for f in (
        linear,
        softmax,
        layernorm,
        attention,
        cached_attention,
        biased_attention,
        add,
        patch_embedding,
        tokens,
        embedding,
        mean,
        interpolate_positions,
        conv2d,
        max_pool,
        avg_pool,
        adaptive_avg_pool,
        resize,
        scale,
        groupnorm,
        grn,
        glu,
        rescale_guidance,
        rmsnorm,
        rotate,
        rows,
        conv_transpose2d,
        fourier,
        products,
        deformable_attention,
        box_distances,
        logsoftmax,
        penalize,
        choose,
        beams,
        reorder,
        adjoint,
        adjoint_maps,
    )
}


def pack(cases):
    """The tensors and the metadata of one op's file."""
    tensors, listing = {}, []
    for c in cases:
        entry = {"name": c["name"], "params": c["params"], "half": c["half"]}
        for side in ("inputs", "outputs"):
            entry[side] = {}
            for role, t in c[side].items():
                key = f"{c['name']}.{role}"
                if c["half"] and t.dtype == torch.float32 and side == "inputs":
                    assert torch.equal(t, t.half().float()), key
                assert torch.isfinite(t).all(), key
                tensors[key] = t
                entry[side][role] = key
        listing.append(entry)
    return tensors, listing
