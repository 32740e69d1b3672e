"""Goldens of single operations: golden/ops/<op>.safetensors.

Inputs are drawn from numbers that a half holds exactly, so that a run in f16
is measured by its arithmetic and its output's rounding, not by its inputs'.
Cases whose point lies beyond halves say so: "half": false. The reference is
PyTorch's own function in float64, rounded once to float32.
"""

import math

import torch
import torch.nn.functional as F

from generate_io import generator

ACTIVATIONS = {
    "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "quick_gelu": lambda x: x * torch.sigmoid(1.702 * x),
    "silu": F.silu,
    "relu": F.relu,
    "relu6": F.relu6,
    "sigmoid": torch.sigmoid,
    "hard_swish": F.hardswish,
}


def normal(g, *shape, std=1.0):
    """Normal numbers, rounded to halves, kept as float32."""
    return (torch.randn(*shape, generator=g) * std).half().float()


def case(name, params, inputs, outputs, half=True):
    """One case: params are numbers and words, inputs and outputs tensors by
    their role. Outputs may be float64."""
    return {
        "name": name,
        "params": params,
        "half": half,
        "inputs": inputs,
        "outputs": {k: v.float() for k, v in outputs.items()},
    }


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
    for act in ACTIVATIONS:
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


def attention():
    """out [B,Tq,H*D] = softmax(q kᵀ / sqrt(D)) v for each of H heads, with
    q [B,Tq,H*D], k and v [B,Tk,H*D]; probabilities [B,H,Tq,Tk]."""
    g, cases = generator("attention"), []

    def add(name, heads, size, tq, tk, batch=1, probabilities=False, causal=False, sharp=1.0):
        q = normal(g, batch, tq, heads * size, std=1.5 * sharp)
        k, v = (normal(g, batch, tk, heads * size) for _ in range(2))
        split = [t.double().unflatten(-1, (heads, size)).transpose(1, 2) for t in (q, k, v)]
        out = F.scaled_dot_product_attention(*split, is_causal=causal)
        outputs = {"out": out.transpose(1, 2).flatten(2)}
        if probabilities:
            scores = split[0] @ split[1].transpose(2, 3) / math.sqrt(size)
            if causal:
                scores = scores.masked_fill(torch.ones(tq, tk).triu(1).bool(), -math.inf)
            outputs["probabilities"] = scores.softmax(-1)
        params = {"heads": heads, "head_size": size, "tq": tq, "tk": tk, "batch": batch, "causal": causal}
        cases.append(case(name, params, {"q": q, "k": k, "v": v}, outputs))

    add("3x5_7", 3, 5, 7, 7, batch=3, probabilities=True)
    add("3x5_1", 3, 5, 1, 1, batch=2, probabilities=True)
    add("3x5_65", 3, 5, 65, 65)
    add("3x5_197", 3, 5, 197, 197)
    add("3x5_cross_7_65", 3, 5, 7, 65, batch=2, probabilities=True)
    add("2x64_7", 2, 64, 7, 7)
    add("2x64_cross_1_25", 2, 64, 1, 25, probabilities=True)
    add("2x64_cross_9_7", 2, 64, 9, 7)
    add("1x80_cross_17_1", 1, 80, 17, 1)
    add("1x80_9", 1, 80, 9, 9)
    add("5x8_33", 5, 8, 33, 33)
    add("5x8_7", 5, 8, 7, 7, batch=2)
    add("1x160_cross_7_9", 1, 160, 7, 9)
    add("1x1_3", 1, 1, 3, 3, probabilities=True)
    add("1x13_cross_197_50", 1, 13, 197, 50)
    add("sharp", 2, 10, 33, 33, sharp=16, probabilities=True)  # scores to ±100
    add("causal_3x5_7", 3, 5, 7, 7, batch=2, causal=True, probabilities=True)
    add("causal_2x16_17", 2, 16, 17, 17, causal=True)
    return cases


def add():
    """y = a + b, of one shape."""
    g, cases = generator("add"), []
    for shape in ((1,), (3, 5), (7, 15), (2, 65, 33), (1, 3, 770)):
        a, b = normal(g, *shape), normal(g, *shape)
        name = "x".join(map(str, shape))
        cases.append(case(name, {}, {"a": a, "b": b}, {"y": a.double() + b.double()}))
    return cases


def patch_embedding():
    """out [B,T,C]: a convolution whose stride is its kernel [p,q], of
    pixel_values [B,c,H,W] with weight [C,c,p,q] and bias [C]; T runs along
    the rows of the grid."""
    g, cases = generator("patch_embedding"), []
    shapes = {  # batch, picture channels, height, width, patch, columns
        "patch_4": (2, 3, 20, 28, (4, 4), 15),
        "patch_3": (3, 3, 9, 15, (3, 3), 40),
        "patch_14": (1, 3, 14, 42, (14, 14), 9),
        "patch_3x5": (2, 1, 12, 25, (3, 5), 7),
        "patch_1": (1, 3, 3, 2, (1, 1), 5),
        "one_patch": (3, 3, 7, 7, (7, 7), 13),
    }
    for name, (b, c, h, w, patch, columns) in shapes.items():
        x = normal(g, b, c, h, w)
        weight = normal(g, columns, c, *patch, std=(c * patch[0] * patch[1]) ** -0.5)
        bias = normal(g, columns, std=0.3)
        y = F.conv2d(x.double(), weight.double(), bias.double(), stride=patch)
        inputs = {"pixel_values": x, "weight": weight, "bias": bias}
        cases.append(case(name, {"patch": list(patch)}, inputs, {"out": y.flatten(2).transpose(1, 2)}))
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


def interpolate_positions():
    """out [h2*w2,C] from positions [h*w,C]: bicubic, align_corners false.
    Without antialias as transformers does it (a = -0.75), with it as timm does
    (a = -0.5)."""
    g, cases = generator("interpolate_positions"), []
    grids = [((3, 4), (5, 7), 15), ((14, 14), (16, 16), 5), ((7, 7), (3, 3), 9), ((6, 6), (9, 5), 22)]
    grids += [((5, 5), (5, 5), 3), ((1, 1), (3, 2), 4), ((8, 8), (1, 1), 4)]
    for (h, w), (h2, w2), c in grids:
        x = normal(g, h * w, c, std=0.5)
        for antialias in (False, True):
            picture = x.double().T.reshape(1, c, h, w)
            y = F.interpolate(picture, size=(h2, w2), mode="bicubic", align_corners=False, antialias=antialias)
            name = f"{h}x{w}_to_{h2}x{w2}" + ("_antialias" if antialias else "")
            params = {"from": [h, w], "to": [h2, w2], "antialias": antialias}
            cases.append(case(name, params, {"positions": x}, {"out": y.reshape(c, -1).T}))
    return cases


OPS = {name: (lambda name=name: activation(name)) for name in ACTIVATIONS} | {
    f.__name__: f
    for f in (
        linear,
        softmax,
        layernorm,
        attention,
        add,
        patch_embedding,
        tokens,
        embedding,
        mean,
        interpolate_positions,
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
