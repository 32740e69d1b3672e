"""Goldens of single operations: golden/ops/<op>.safetensors.

Inputs are drawn from numbers that a half holds exactly, so that a run in f16
is measured by its arithmetic and its output's rounding, not by its inputs'.
Cases whose point lies beyond halves say so: "half": false. The reference is
PyTorch's own function in float64, rounded once to float32.
"""

import math

import torch
import torch.nn.functional as F

from transformers import LogitsProcessorList
from transformers.generation import logits_process
from transformers import SamVisionConfig
from transformers.models.d_fine.modeling_d_fine import distance2bbox, weighting_function
from transformers.models.llama.modeling_llama import apply_rotary_pos_emb
from transformers.models.rt_detr_v2.modeling_rt_detr_v2 import multi_scale_deformable_attention_v2
from transformers.models.sam.modeling_sam import SamPositionalEmbedding, SamVisionAttention

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
    "hard_sigmoid": F.hardsigmoid,
    "leaky_relu": lambda x: F.leaky_relu(x, 0.2),
    "elu": lambda x: F.elu(x, 0.75),
    "hard_sigmoid_of": lambda x: (0.2 * x + 0.5).clamp(0, 1),
    "hard_tanh": lambda x: F.hardtanh(x, -2.5, 2.5),
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


def attention_case(g, name, heads, size, tq, tk, batch=1, probabilities=False, causal=False, sharp=1.0, key_heads=None, lengths=None, tail=False):
    """out [B,Tq,H*D] = softmax(q kᵀ / sqrt(D)) v for each of H heads, with
    q [B,Tq,H*D], k and v [B,Tk,H'*D], a head of which serves H/H' of q;
    probabilities [B,H,Tq,Tk]. Of lengths [B] only the first keys are seen; with
    a tail the queries are the last of those."""
    key_heads = key_heads or heads
    q = normal(g, batch, tq, heads * size, std=1.5 * sharp)
    k, v = (normal(g, batch, tk, key_heads * size) for _ in range(2))
    split = [t.double().unflatten(-1, (-1, size)).transpose(1, 2) for t in (q, k, v)]
    end = torch.tensor(lengths or [tk] * batch)[:, None, None, None]
    seen = torch.arange(tk) < end
    if causal:
        seen = seen & (torch.arange(tk) <= torch.arange(tq)[:, None] + (end - tq if tail else 0))
    out = F.scaled_dot_product_attention(*split, attn_mask=seen, enable_gqa=True)
    inputs, outputs = {"q": q, "k": k, "v": v}, {"out": out.transpose(1, 2).flatten(2)}
    if probabilities:
        scores = split[0] @ split[1].repeat_interleave(heads // key_heads, 1).transpose(2, 3) / math.sqrt(size)
        outputs["probabilities"] = scores.masked_fill(~seen, -math.inf).softmax(-1)
    params = {"heads": heads, "head_size": size, "tq": tq, "tk": tk, "batch": batch, "causal": causal}
    if key_heads != heads:
        params["key_heads"] = key_heads
    if tail:
        params["tail"] = tail
    if lengths:
        inputs["lengths"] = torch.tensor(lengths, dtype=torch.int32)
    return case(name, params, inputs, outputs)


def attention():
    """Attention of as many heads of keys as of queries: see attention_case."""
    g, cases = generator("attention"), []

    def add(*args, **options):
        cases.append(attention_case(g, *args, **options))

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


def cached_attention():
    """Attention of decoders: see attention_case."""
    g, cases = generator("cached_attention"), []

    def add(*args, **options):
        cases.append(attention_case(g, *args, **options))

    add("keys_6by2x15_7", 6, 15, 7, 7, batch=2, key_heads=2, probabilities=True)
    add("keys_3by1x16_cross_5_9", 3, 16, 5, 9, key_heads=1, probabilities=True)
    add("lengths_3x5_7", 3, 5, 7, 7, batch=3, lengths=[7, 1, 4], probabilities=True)
    add("step_9by3x14_33", 9, 14, 1, 33, batch=3, causal=True, key_heads=3, lengths=[33, 1, 20], tail=True, probabilities=True)
    add("step_3by1x64_37", 3, 64, 1, 37, batch=2, causal=True, key_heads=1, lengths=[35, 7], tail=True)
    add("turn_4by2x15_5_21", 4, 15, 5, 21, batch=2, causal=True, key_heads=2, lengths=[21, 8], tail=True, probabilities=True)
    add("turn_3x5_19_40", 3, 5, 19, 40, batch=2, causal=True, lengths=[33, 19], tail=True)
    return cases


def biased_attention():
    """out [B,T,H*D] = softmax(scale q kᵀ + what is added) v for each of H heads, of q,
    k, v [B,T,H*D]; probabilities [B,H,T,T]. Added are a bias [H,T,T], −100 for tokens of
    different regions [W,T] (window b % W of item b), and what SamVisionAttention makes of
    rel_pos_h [2h'-1,D] and rel_pos_w on a map. With scales [H], q and k are of unit length
    and those take the place of the scale: Swin V2's cosine attention."""
    g, cases = generator("biased_attention"), []
    sam = SamVisionAttention(SamVisionConfig(hidden_size=8, num_attention_heads=1), window_size=2)

    def add(name, heads, size, tokens, batch=1, bias=False, windows=0, cosine=False, map=None, tables=None):
        q, k, v = (normal(g, batch, tokens, heads * size) for _ in range(3))
        inputs, params = {"q": q, "k": k, "v": v}, {"heads": heads, "head_size": size}
        qs, ks, vs = (t.double().unflatten(-1, (heads, size)).transpose(1, 2) for t in (q, k, v))
        added, scale = torch.zeros(batch, heads, tokens, tokens).double(), size**-0.5
        if bias:
            inputs["bias"] = normal(g, heads, tokens, tokens, std=2)
            added += inputs["bias"]
        if windows:
            inputs["regions"] = torch.randint(0, 3, (windows, tokens), generator=g, dtype=torch.int32)
            apart = inputs["regions"][:, :, None] != inputs["regions"][:, None, :]
            added += -100.0 * apart[:, None].repeat(batch // windows, 1, 1, 1)
        if map:
            h, w = tables or map
            inputs |= {"rel_pos_h": normal(g, 2 * h - 1, size, std=0.5), "rel_pos_w": normal(g, 2 * w - 1, size, std=0.5)}
            there = sam.get_decomposed_rel_pos(qs.flatten(0, 1), inputs["rel_pos_h"].double(), inputs["rel_pos_w"].double(), map, map)
            added += there.reshape(batch, heads, tokens, tokens)
            params["map"] = map
        if cosine:
            inputs["scales"] = torch.rand(heads, generator=g).half().float() * 16 + 4
            inputs["scales"] = inputs["scales"].half().float()
            qs, ks, scale = F.normalize(qs, dim=-1) * inputs["scales"].double()[:, None, None], F.normalize(ks, dim=-1), 1
        scores = scale * qs @ ks.transpose(2, 3) + added
        outputs = {"out": (scores.softmax(-1) @ vs).transpose(1, 2).flatten(2), "probabilities": scores.softmax(-1)}
        cases.append(case(name, params, inputs, outputs))

    add("bias_3x14_9", 3, 14, 9, batch=2, bias=True)
    add("bias_2x32_25", 2, 32, 25, bias=True)
    add("regions_2x15_9", 2, 15, 9, batch=4, windows=2)
    add("shifted_2x16_9", 2, 16, 9, batch=4, bias=True, windows=4)
    add("cosine_3x15_9", 3, 15, 9, batch=2, bias=True, windows=2, cosine=True)
    add("map_3x14_3x5", 3, 14, 15, batch=2, map=[3, 5])
    add("map_2x16_5x2", 2, 16, 10, map=[5, 2], tables=[3, 3])
    add("few_2x16_2x2", 2, 16, 4, map=[2, 2])
    add("few_3x15_3", 3, 15, 3, batch=2, bias=True, windows=2)
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
    (a = -0.5). With an offset as DINO's authors do it: by the factors
    (h2+offset)/h and (w2+offset)/w."""
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
    offset = 0.1
    for (h, w), (h2, w2), c in (((4, 4), (3, 7), 5), ((7, 7), (16, 9), 3), ((1, 1), (2, 2), 4)):
        x = normal(g, h * w, c, std=0.5)
        picture, factors = x.double().T.reshape(1, c, h, w), ((h2 + offset) / h, (w2 + offset) / w)
        y = F.interpolate(picture, scale_factor=factors, mode="bicubic", align_corners=False)
        assert y.shape[2:] == (h2, w2)
        params = {"from": [h, w], "to": [h2, w2], "offset": offset}
        name = f"{h}x{w}_to_{h2}x{w2}_offset"
        cases.append(case(name, params, {"positions": x}, {"out": y.reshape(c, -1).T}))
    return cases


def conv2d():
    """y [N,K,OH,OW] from x [N,C,H,W] and weight [K,C/groups,kh,kw]: the
    convolution of x with padding [top,left,bottom,right] of zeros, plus bias
    [K]; then (. - norm_mean) / sqrt(norm_var + eps) * norm_weight + norm_bias,
    all [K]; then the activation and residual [N,K,OH,OW], in that order, or
    with activation_last the other way round. Bias, norm, activation and
    residual are optional."""
    g, cases, eps = generator("conv2d"), [], 1e-3

    def add(
        name,
        x,
        k,
        kernel,
        stride=(1, 1),
        padding=(0, 0, 0, 0),
        dilation=(1, 1),
        groups=1,
        bias=True,
        norm=False,
        act="",
        residual=False,
        last=False,
    ):
        n, c, *size = x
        fan_in = c // groups * kernel[0] * kernel[1]
        t = {"x": normal(g, n, c, *size), "weight": normal(g, k, c // groups, *kernel, std=fan_in**-0.5)}
        if bias:
            t["bias"] = normal(g, k, std=0.3)
        if norm:
            t["norm_weight"] = (torch.rand(k, generator=g) * 0.6 + 0.7).half().float()
            t["norm_bias"] = normal(g, k, std=0.3)
            t["norm_mean"] = normal(g, k, std=0.5)
            t["norm_var"] = (torch.rand(k, generator=g) * 1.5 + 0.5).half().float()
        top, left, bottom, right = padding
        d = {key: v.double() for key, v in t.items()}
        x = F.pad(d["x"], (left, right, top, bottom))
        y = F.conv2d(x, d["weight"], d.get("bias"), stride=stride, dilation=dilation, groups=groups)
        if norm:
            y = F.batch_norm(y, d["norm_mean"], d["norm_var"], d["norm_weight"], d["norm_bias"], eps=eps)
        if residual:
            t["residual"] = normal(g, *y.shape)
        if act and not last:
            y = ACTIVATIONS[act](y)
        if residual:
            y = y + t["residual"].double()
        if act and last:
            y = ACTIVATIONS[act](y)
        params = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        params |= {"eps": eps if norm else 0, "activation": act, "activation_last": last}
        cases.append(case(name, params, t, {"y": y}))

    p1 = (1, 1, 1, 1)
    norm = dict(bias=False, norm=True)
    relu_last = norm | dict(act="relu", residual=True, last=True)
    add("1x1", (2, 19, 7, 5), 13, (1, 1))
    add("1x1_without_bias", (1, 33, 5, 3), 8, (1, 1), bias=False)
    add("1x1_s2", (2, 9, 7, 8), 11, (1, 1), (2, 2))
    add("1x1_norm_residual_relu", (2, 12, 5, 7), 21, (1, 1), **relu_last)
    add("1x1_norm_relu6_residual", (1, 15, 3, 5), 9, (1, 1), **norm, act="relu6", residual=True)
    add("3x3", (2, 17, 9, 7), 23, (3, 3), padding=p1)
    add("3x3_norm_residual_relu", (1, 32, 7, 6), 40, (3, 3), padding=p1, **relu_last)
    add("3x3_without_padding", (1, 9, 6, 11), 7, (3, 3))
    add("3x3_one_pixel", (3, 5, 1, 1), 6, (3, 3), padding=p1)
    add("3x3_s2", (2, 7, 9, 8), 10, (3, 3), (2, 2), p1, act="silu")
    add("3x3_s2_same", (1, 6, 8, 10), 9, (3, 3), (2, 2), (0, 0, 1, 1), **norm, act="silu")
    add("5x3_asymmetric", (1, 5, 9, 8), 6, (5, 3), (1, 2), (3, 0, 1, 2), act="hard_swish")
    add("dilation_2", (1, 6, 11, 9), 7, (3, 3), padding=(2, 2, 2, 2), dilation=(2, 2))
    add("dilation_2x3_s2x1", (1, 4, 13, 11), 5, (3, 2), (2, 1), (1, 2, 2, 0), dilation=(2, 3))
    add("groups_3", (2, 15, 7, 5), 15, (3, 3), padding=p1, groups=3)
    add("groups_4_s2", (1, 32, 7, 9), 16, (3, 3), (2, 2), p1, groups=4, norm=True, act="relu")
    add("depthwise_3x3", (2, 19, 5, 7), 19, (3, 3), padding=p1, groups=19, **norm, act="relu6")
    add("depthwise_5x5_s2", (1, 19, 11, 8), 19, (5, 5), (2, 2), (1, 1, 2, 2), groups=19, act="silu")
    add("depthwise_multiplier_2", (1, 9, 7, 6), 18, (3, 3), padding=p1, groups=9)
    add("stem_7x7_s2", (1, 3, 31, 29), 9, (7, 7), (2, 2), (3, 3, 3, 3), **norm, act="relu")
    add("stem_3x3_s2", (2, 3, 13, 11), 13, (3, 3), (2, 2), p1, **norm, act="silu")
    add("stem_11x11_s4", (1, 3, 35, 31), 5, (11, 11), (4, 4), (2, 2, 2, 2), act="relu")
    return cases


def max_pool():
    """y [N,C,OH,OW]: the largest value of each window of x [N,C,H,W]; kernel,
    stride and padding are [h,w], the padding counts as minus infinity, and
    with ceil_mode a last window may reach beyond it."""
    g, cases = generator("max_pool"), []
    for name, n, c, size, kernel, stride, padding, ceil in (
        ("3x3_s2_p1", 2, 11, (13, 10), (3, 3), (2, 2), (1, 1), False),
        ("3x3_s2", 1, 9, (12, 13), (3, 3), (2, 2), (0, 0), False),
        ("2x2_s2", 2, 5, (9, 8), (2, 2), (2, 2), (0, 0), False),
        ("3x3_s2_ceil", 1, 7, (10, 8), (3, 3), (2, 2), (0, 0), True),
        ("2x2_s2_p1_ceil", 1, 8, (7, 6), (2, 2), (2, 2), (1, 1), True),
        ("3x2_s1x3", 1, 3, (7, 11), (3, 2), (1, 3), (1, 0), False),
        ("one_window", 3, 4, (3, 5), (3, 5), (1, 1), (0, 0), False),
    ):
        x = normal(g, n, c, *size) - 1  # mostly negative, so that padding by 0 shows
        x = x.half().float()
        y = F.max_pool2d(x.double(), kernel, stride, padding, ceil_mode=ceil)
        params = {"kernel": kernel, "stride": stride, "padding": padding, "ceil_mode": ceil}
        cases.append(case(name, params, {"x": x}, {"y": y}))
    return cases


def avg_pool():
    """y [N,C,OH,OW]: the mean of each window of x [N,C,H,W]; kernel, stride and
    padding are [h,w]. The padding counts as zeros with count_include_pad and
    not at all without; what ceil_mode lets a window reach beyond the padding
    never counts."""
    g, cases = generator("avg_pool"), []
    for name, n, c, size, kernel, stride, padding, ceil in (
        ("3x3_s2_p1", 2, 11, (13, 10), (3, 3), (2, 2), (1, 1), False),
        ("2x2_s2", 2, 5, (9, 8), (2, 2), (2, 2), (0, 0), False),
        ("2x2_s2_ceil", 1, 9, (9, 7), (2, 2), (2, 2), (0, 0), True),
        ("3x3_s2_p1_ceil", 1, 7, (10, 8), (3, 3), (2, 2), (1, 1), True),
        ("3x2_s1x3", 1, 3, (7, 11), (3, 2), (1, 3), (1, 0), False),
    ):
        for include in (True, False):
            x = normal(g, n, c, *size) + 0.5
            x = x.half().float()
            y = F.avg_pool2d(x.double(), kernel, stride, padding, ceil, include)
            params = {"kernel": kernel, "stride": stride, "padding": padding}
            params |= {"ceil_mode": ceil, "count_include_pad": include}
            cases.append(case(name + ("" if include else "_without_pad"), params, {"x": x}, {"y": y}))
    return cases


def adaptive_avg_pool():
    """y [N,C,h,w], of the given size [h,w], from x [N,C,H,W]: row i of y is the
    mean over the rows floor(i*H/h) to ceil((i+1)*H/h) - 1 of x, and columns
    likewise."""
    g, cases = generator("adaptive_avg_pool"), []
    for n, c, size, to in (
        (2, 9, (13, 11), (7, 5)),
        (1, 11, (5, 4), (6, 6)),
        (2, 15, (13, 13), (6, 6)),
        (1, 7, (7, 7), (7, 7)),
        (3, 19, (7, 5), (1, 1)),
        (2, 5, (1, 1), (1, 1)),
        (1, 3, (2, 3), (7, 7)),
        (1, 10, (37, 41), (1, 1)),
    ):
        x = normal(g, n, c, *size) + 0.5
        x = x.half().float()
        y = F.adaptive_avg_pool2d(x.double(), to)
        name = f"{size[0]}x{size[1]}_to_{to[0]}x{to[1]}"
        cases.append(case(name, {"size": to}, {"x": x}, {"y": y}))
    return cases


def resize():
    """y [B,C,h,w] = interpolate(x [B,C,H,W], size, mode "bilinear" or "bicubic")."""
    g, cases = generator("resize"), []
    for cubic in (False, True):
        for corners in (False, True):
            for b, c, h, w, size in ((2, 5, 7, 4, (13, 9)), (1, 11, 6, 9, (4, 20)), (1, 9, 5, 5, (10, 10)), (2, 3, 1, 3, (2, 1))):
                x = normal(g, b, c, h, w)
                y = F.interpolate(x.double(), size, mode="bicubic" if cubic else "bilinear", align_corners=corners)
                name = f"{h}x{w}_to_{size[0]}x{size[1]}" + ("_bicubic" if cubic else "") + ("_corners" if corners else "")
                cases.append(case(name, {"size": size, "cubic": cubic, "corners": corners}, {"x": x}, {"y": y}))
    return cases


def scale():
    """y [N,C,H,W] = x [N,C,H,W] * f(gates [N,C]), where f is the activation."""
    g, cases = generator("scale"), []
    for name, n, c, size, act in (
        ("sigmoid", 2, 11, (7, 5), "sigmoid"),
        ("plain", 3, 8, (3, 4), ""),
        ("sigmoid_one_pixel", 2, 13, (1, 1), "sigmoid"),
        ("sigmoid_wide", 1, 67, (5, 9), "sigmoid"),
        ("plain_one_channel", 2, 1, (5, 3), ""),
    ):
        x, gates = normal(g, n, c, *size), normal(g, n, c, std=3)
        f = ACTIVATIONS.get(act, lambda t: t)
        y = x.double() * f(gates.double())[:, :, None, None]
        cases.append(case(name, {"activation": act}, {"x": x, "gates": gates}, {"y": y}))
    return cases


def groupnorm():
    """y [N,C,H,W] = act(group_norm(x [N,C,H,W])) with weight and bias [C]. One case's
    mean lies far from zero beside its spread, which halves can't hold."""
    g, cases = generator("groupnorm"), []
    for name, n, c, size, groups, eps, act, offset in (
        ("groups_of_5", 3, 15, (5, 7), 3, 1e-5, "silu", 0),
        ("groups_of_10", 2, 60, (9, 8), 6, 1e-6, "", 0.5),
        ("one_group", 2, 13, (3, 67), 1, 1e-5, "silu", -1),
        ("one_channel_a_group", 1, 9, (11, 13), 9, 1e-5, "", 0),
        ("one_pixel", 2, 64, (1, 1), 32, 1e-5, "silu", 0),
        ("far_mean", 1, 12, (10, 21), 4, 1e-5, "", 30),
    ):
        x = (normal(g, n, c, *size) + offset).half().float()
        t = {"x": x if abs(offset) < 10 else x + 0.01 * torch.randn(x.shape, generator=g)}
        t |= {"weight": (0.7 + 0.6 * torch.rand(c, generator=g)).half().float(), "bias": normal(g, c, std=0.3)}
        d = {key: v.double() for key, v in t.items()}
        y = ACTIVATIONS.get(act, lambda v: v)(F.group_norm(d["x"], groups, d["weight"], d["bias"], eps))
        params = {"groups": groups, "eps": eps, "activation": act}
        cases.append(case(name, params, t, {"y": y}, half=abs(offset) < 10))
    return cases


def grn():
    """y [N,C,H,W] = x * (weight * n / (mean of n over channels + 1e-6)) + bias + x, where
    n [N,C] is the root of the sum of squares over the pixels."""
    g, cases = generator("grn"), []
    for name, n, c, size, offset in (
        ("batch", 3, 15, (5, 7), 0),
        ("strips", 1, 40, (9, 17), 0.5),
        ("one_pixel", 2, 9, (1, 1), 0),
        ("one_channel", 1, 1, (4, 3), 0),
        ("quiet", 2, 6, (3, 5), 0),
    ):
        x = (normal(g, n, c, *size) * (1 if name != "quiet" else 1e-6) + offset).float()
        if name != "quiet":
            x = x.half().float()
        t = {"x": x, "weight": normal(g, c), "bias": normal(g, c, std=0.3)}
        d = {key: v.double() for key, v in t.items()}
        norms = d["x"].norm(dim=(2, 3), keepdim=True)
        scale = norms / (norms.mean(1, keepdim=True) + 1e-6)
        y = d["x"] * d["weight"].view(1, -1, 1, 1) * scale + d["bias"].view(1, -1, 1, 1) + d["x"]
        cases.append(case(name, {}, t, {"y": y}, half=name != "quiet"))
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


def rotate():
    """y [N,T,H·D]: the first 2·K elements of each head turned as transformers does it
    (apply_rotary_pos_emb); table [positions, 2·K] has cosines, then sines."""
    g, cases = generator("rotate"), []
    for name, n, tokens, heads, size, pairs, base, at in (
        ("heads_of_6", 2, 7, 3, 6, 3, 10000, False),
        ("heads_of_64", 1, 19, 2, 64, 32, 10000, False),
        ("half_of_heads_of_20", 2, 5, 3, 20, 5, 1e6, False),
        ("positions", 3, 4, 2, 16, 8, 10000, True),
    ):
        x = normal(g, n, tokens, heads * size)
        positions = torch.randint(0, 50, (n, tokens), generator=g) if at else torch.arange(tokens).expand(n, -1)
        rows = int(positions.max()) + 1
        angles = torch.arange(rows)[:, None] * float(base) ** -(torch.arange(pairs) / pairs)
        table = torch.cat([angles.cos(), angles.sin()], 1).half().float()
        cos, sin = (t.double().repeat(1, 2)[positions] for t in table.chunk(2, 1))
        q = x.double().reshape(n, tokens, heads, size).transpose(1, 2)
        turned, _ = apply_rotary_pos_emb(q[..., : 2 * pairs], q[..., : 2 * pairs], cos, sin)
        y = torch.cat([turned, q[..., 2 * pairs :]], -1).transpose(1, 2).flatten(2)
        inputs = {"x": x, "table": table} | ({"at": positions.int()} if at else {})
        cases.append(case(name, {"heads": heads}, inputs, {"y": y}))
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


def conv_transpose2d():
    """y = act(norm(conv_transpose2d(x, weight, bias))): x [N,I,H,W], weight [I,O/groups,h,w],
    bias [O] and a batch norm as conv2d's, which may be missing."""
    g, cases, eps = generator("conv_transpose2d"), [], 1e-3

    def add(name, n, i, o, h, w, kernel, stride=None, padding=(0, 0), output=(0, 0), dilation=(1, 1), groups=1, bias=True, norm=False, act=""):
        stride = stride or kernel
        t = {"x": normal(g, n, i, h, w), "weight": normal(g, i, o // groups, *kernel, std=(i // groups) ** -0.5)}
        if bias:
            t["bias"] = normal(g, o, std=0.3)
        if norm:
            t["norm_weight"] = (torch.rand(o, generator=g) * 0.6 + 0.7).half().float()
            t["norm_bias"] = normal(g, o, std=0.3)
            t["norm_mean"] = normal(g, o, std=0.5)
            t["norm_var"] = (torch.rand(o, generator=g) * 1.5 + 0.5).half().float()
        d = {key: v.double() for key, v in t.items()}
        y = F.conv_transpose2d(d["x"], d["weight"], d.get("bias"), stride, padding, output, groups, dilation)
        if norm:
            y = F.batch_norm(y, d["norm_mean"], d["norm_var"], d["norm_weight"], d["norm_bias"], eps=eps)
        if act:
            y = ACTIVATIONS[act](y)
        params = {"stride": stride, "padding": padding, "outputpadding": output, "dilation": dilation, "groups": groups}
        cases.append(case(name, params | {"eps": eps if norm else 0, "activation": act}, t, {"y": y}))

    add("odd", 2, 13, 9, 3, 5, (2, 2))
    add("one", 1, 1, 1, 1, 1, (2, 2))
    add("oblong", 3, 8, 17, 4, 2, (3, 1))
    add("wide", 1, 40, 5, 7, 9, (2, 4))
    add("dcgan", 2, 17, 9, 5, 4, (4, 4), (2, 2), (1, 1), bias=False, norm=True, act="relu")
    add("dcgan_first", 3, 11, 10, 1, 1, (4, 4), (1, 1), bias=False, norm=True)
    add("dcgan_last", 1, 9, 3, 7, 5, (4, 4), (2, 2), (1, 1), bias=False, act="sigmoid")
    add("stylegan", 1, 7, 6, 4, 5, (3, 3), (2, 2), bias=False)
    add("output_padding", 2, 6, 5, 4, 3, (3, 3), (2, 2), (1, 1), (1, 1))
    add("output_padding_alone", 1, 5, 4, 3, 2, (2, 3), (3, 4), (0, 1), (2, 3))
    add("more_stride_than_kernel", 1, 5, 4, 3, 4, (2, 1), (3, 2))
    add("asymmetric", 2, 9, 7, 3, 5, (5, 2), (3, 1), (2, 0), (1, 0))
    add("stride_1", 1, 12, 11, 4, 6, (3, 5), (1, 1), (1, 3))
    add("dilation", 1, 6, 5, 5, 4, (3, 2), (2, 3), (1, 2), (1, 2), (2, 3))
    add("dilation_s1", 2, 5, 9, 4, 3, (3, 3), (1, 1), (2, 1), dilation=(2, 3))
    add("padding_beyond", 1, 4, 3, 7, 8, (1, 2), (1, 2), (2, 3))
    add("padding_beyond_phases", 1, 4, 3, 7, 8, (2, 3), (3, 2), (5, 4), act="sigmoid")
    add("groups_3", 2, 9, 15, 4, 3, (3, 3), (2, 2), (1, 1), (1, 0), groups=3, norm=True)
    add("groups_2_dilation", 1, 6, 4, 3, 5, (3, 2), (3, 2), (2, 1), (0, 1), (2, 1), 2)
    add("depthwise", 1, 11, 11, 3, 4, (4, 4), (2, 2), (1, 1), groups=11, bias=False)
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


def deformable_attention():
    """y [B,Q,C] = multi-scale deformable attention of maps x [B,S,C] by RT-DETR's, RT-DETRv2's and Deformable DETR's code."""
    g, cases = generator("deformable_attention"), []
    # A case's heads, their width, its queries and the height, width and points of each level.
    for name, b, heads, width, queries, levels, method, points in (
        ("3x5", 2, 3, 5, 7, ((5, 4, 3), (3, 2, 3), (2, 1, 3)), "default", False),
        ("wide", 1, 2, 12, 5, ((3, 11, 2), (2, 6, 4)), "default", False),
        ("discrete", 2, 1, 9, 6, ((7, 3, 2), (4, 2, 1)), "discrete", False),
        ("points", 1, 3, 7, 4, ((5, 6, 2), (3, 3, 2)), "default", True),
    ):
        sizes, counts = [level[:2] for level in levels], [level[2] for level in levels]
        k = sum(counts)
        x = normal(g, b, sum(h * w for h, w in sizes), heads * width)
        boxes = (0.02 + 0.96 * torch.rand(b, queries, 2 if points else 4, generator=g)).half().float()
        offsets, logits = normal(g, b, queries, heads * k * 2, std=3), normal(g, b, queries, heads * k)
        o = offsets.double().view(b, queries, heads, k, 2)
        if points:
            normalizer = torch.cat([torch.tensor([[w, h]]).expand(n, 2) for h, w, n in levels]).double()
            places = boxes.double()[:, :, None, None] + o / normalizer
        else:
            scale = torch.cat([torch.full((n, 1), 1 / n) for n in counts]).double()
            places = boxes.double()[:, :, None, None, :2] + o * scale * boxes.double()[:, :, None, None, 2:] * 0.5
        weights = logits.double().view(b, queries, heads, k).softmax(-1)
        y = multi_scale_deformable_attention_v2(x.double().view(b, -1, heads, width), sizes, places, weights, counts, method)
        params = {"heads": heads, "levels": levels, "discrete": method == "discrete", "scale": 0.5}
        cases.append(case(name, params, {"x": x, "boxes": boxes, "offsets": offsets, "logits": logits}, {"y": y}))
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


def logsoftmax():
    """y [R,V] = log_softmax over V of x [R,V]."""
    g, cases = generator("logsoftmax"), []
    for r, v in ((1, 1), (3, 7), (5, 33), (3, 257), (2, 2003)):
        x = normal(g, r, v, std=3)
        cases.append(case(f"{r}x{v}", {}, {"x": x}, {"y": x.double().log_softmax(-1)}))
    x = 4096 * torch.randint(-4, 5, (3, 37), generator=g).float()
    cases.append(case("far_apart", {}, {"x": x}, {"y": x.double().log_softmax(-1)}))
    return cases


def ids(g, rows, vocabulary, length):
    """Lists of ids (int32), each id once in a row, -1 for none."""
    out = torch.stack([torch.randperm(vocabulary, generator=g)[:length] for _ in range(rows)])
    out[torch.rand(out.shape, generator=g) < 0.2] = -1
    return out.int()


def processed(x, repeated, banned, penalty):
    """Scores as transformers' processors leave them."""
    rows = []
    for row, again, never in zip(x, repeated, banned, strict=True):
        p = LogitsProcessorList([logits_process.RepetitionPenaltyLogitsProcessor(penalty)])
        if (never >= 0).any():
            p.append(logits_process.SuppressTokensLogitsProcessor(never[never >= 0].tolist()))
        rows.append(p(again[again >= 0].long()[None], row[None]))
    return torch.cat(rows)


def penalize():
    """y [R,V]: x after the repetition penalty of the ids `repeated` [R,L], zero where
    `out` [R,V] is 1: the ids `banned` [R,M]."""
    g, cases = generator("penalize"), []
    for r, v, repeated, banned, penalty in ((1, 7, 3, 2, 1.5), (3, 33, 9, 5, 1.25), (5, 257, 40, 17, 0.5)):
        inputs = {"x": normal(g, r, v, std=3), "repeated": ids(g, r, v, repeated), "banned": ids(g, r, v, banned)}
        y = processed(inputs["x"].double(), inputs["repeated"], inputs["banned"], penalty)
        out = y.isinf()
        cases.append(case(f"{r}x{v}", {"penalty": penalty}, inputs, {"y": y.masked_fill(out, 0), "out": out}))
    return cases


def choose():
    """Of scores x [R,V] after transformers' warpers: probabilities [R,V]; of each row the
    id (ids [R]) up to which they sum to more than u [R], or without u the largest, and
    the logarithm of its probability (log_p [R])."""
    g, cases = generator("choose"), []
    for name, r, v, temperature, top_k, top_p, min_p in (
        ("one", 1, 1, 0, 0, 0, 0),
        ("greedy", 5, 33, 0, 0, 0, 0),
        ("greedy_wide", 3, 1003, 0, 0, 0, 0),
        ("plain", 5, 33, 0, 0, 0, 0),
        ("temperature", 5, 33, 1.5, 0, 0, 0),
        ("top_k", 5, 33, 0, 7, 0, 0),
        ("top_k_of_fewer", 3, 7, 0, 50, 0, 0),
        ("top_p", 5, 33, 0, 0, 0.8, 0),
        ("top_p_least", 3, 33, 0, 0, 1e-6, 0),
        ("min_p", 5, 33, 0, 0, 0, 0.125),
        ("all", 5, 257, 0.75, 40, 0.9, 0.01),
        ("wide", 3, 1003, 1.25, 0, 0.95, 0),
    ):
        p = LogitsProcessorList()
        if temperature:
            p.append(logits_process.TemperatureLogitsWarper(temperature))
        if top_k:
            p.append(logits_process.TopKLogitsWarper(top_k))
        if top_p:
            p.append(logits_process.TopPLogitsWarper(top_p))
        if min_p:
            p.append(logits_process.MinPLogitsWarper(min_p))
        while True:  # of equal scores the sort of top-p may keep one and not the other
            x = normal(g, r, v, std=3)
            y = p(None, x.double()).softmax(-1)
            if not any(set(s[k > 0].tolist()) & set(s[k == 0].tolist()) for s, k in zip(x, y, strict=True)):
                break
        inputs = {"x": x}
        if name.startswith("greedy"):
            chosen = x.argmax(-1)
        else:
            inputs["u"] = (torch.randint(0, 1024, (r,), generator=g) + 0.5) / 1024
            chosen = torch.searchsorted(y.cumsum(-1), inputs["u"].double()[:, None], right=True)[:, 0]
        log_p = y.gather(1, chosen[:, None])[:, 0].log()
        params = {"temperature": temperature, "top_k": top_k, "top_p": top_p, "min_p": min_p}
        cases.append(case(name, params, inputs, {"probabilities": y, "ids": chosen, "log_p": log_p}))
    return cases


def beams():
    """The k best of log_softmax(x) [N·B,V] after the processors of `penalize`, plus the
    beams' scores [N·B]: sums, ids and parents [N,k], in descending order."""
    g, cases = generator("beams"), []
    for name, n, b, v, k, penalty in (("one", 1, 1, 7, 2, 1.25), ("odd", 3, 3, 33, 6, 1.5), ("wide", 2, 5, 257, 10, 1.25), ("all", 1, 2, 5, 6, 2.0)):
        inputs = {"x": normal(g, n * b, v, std=3), "scores": -normal(g, n * b).abs()}
        inputs |= {"repeated": ids(g, n * b, v, v // 4), "banned": ids(g, n * b, v, 2)}
        y = processed(inputs["x"].double().log_softmax(-1), inputs["repeated"], inputs["banned"], penalty)
        sums, at = (y + inputs["scores"].double()[:, None]).reshape(n, b * v).topk(k)
        params = {"beams": b, "best": k, "penalty": penalty}
        cases.append(case(name, params, inputs, {"sums": sums, "ids": at % v, "parents": at // v}))
    return cases


def reorder():
    """y [N·B,S,C]: of the first `filled` tokens the beams that parents [N·B] names within
    an item, else the state."""
    g, cases = generator("reorder"), []
    for name, n, b, s, c, filled in (("odd", 3, 5, 7, 13, 4), ("one", 1, 1, 3, 5, 2), ("full", 2, 2, 5, 40, 5)):
        state, parents = normal(g, n * b, s, c), torch.randint(0, b, (n * b,), generator=g)
        rows = torch.arange(n * b) // b * b + parents
        y = torch.cat([state.index_select(0, rows)[:, :filled], state[:, filled:]], 1)
        cases.append(case(name, {"beams": b, "filled": filled}, {"state": state, "parents": parents.int()}, {"y": y}))
    return cases


def gradients(g, cases):
    """A function that adds the gradients by PyTorch's autograd of another operation: d_NAME of the
    inputs NAME of `of`, after which the case is named, and whose other inputs and params it has;
    that of its result is dy."""

    def add(name, of, params, inputs, by, f, dy=None):
        leaves = {k: v.double().requires_grad_(k in by) if v.is_floating_point() else v for k, v in inputs.items()}
        y = f(*leaves.values())
        dy = normal(g, *y.shape) if dy is None else dy
        y.backward(dy.double())
        outputs = {f"d_{k}": leaves[k].grad for k in by}
        cases.append(case(f"{of}/{name}", params, {**inputs, "dy": dy}, outputs))

    return add


def adjoint():
    """Gradients of operations on tokens: see gradients."""
    g, cases = generator("adjoint"), []
    add = gradients(g, cases)

    for c in (5, 40, 770):
        x = normal(g, 3, c) + normal(g, 3, 1)
        t = {"x": x.half().float(), "weight": (torch.rand(c, generator=g) * 0.6 + 0.7).half().float(), "bias": normal(g, c, std=0.3)}
        add(str(c), "layernorm", {"eps": 1e-5}, t, ["x"], lambda x, weight, bias: F.layer_norm(x, (x.shape[-1],), weight, bias, 1e-5))
    for act in ("gelu", "gelu_tanh", "quick_gelu", "silu", "relu", "sigmoid"):
        add("wide", act, {}, {"x": normal(g, 1, 211, std=3)}, ["x"], ACTIVATIONS[act])
    for act in ("", "gelu"):
        t = {"x": normal(g, 17, 33), "weight": normal(g, 45, 33, std=33**-0.5), "bias": normal(g, 45, std=0.3), "residual": normal(g, 17, 45)}
        f = ACTIVATIONS.get(act, lambda x: x)
        params = {"m": 17, "k": 33, "n": 45, "bias": True, "residual": True, "activation": act, "scale": 0.5}
        add(act or "plain", "linear", params, t, ["x", "residual"], lambda x, weight, bias, residual: f((x @ weight.T) * 0.5 + bias) + residual)
    add("skip_1", "mean", {"skip": 1}, {"x": normal(g, 3, 8, 33)}, ["x"], lambda x: x[:, 1:].mean(1))
    add("5x13", "add", {}, {"a": normal(g, 5, 13), "b": normal(g, 5, 13)}, ["a", "b"], torch.add)

    def attend(name, heads, size, tq, tk, batch=1, **options):
        c = attention_case(g, name, heads, size, tq, tk, batch, **options)

        def f(q, k, v, lengths=None):
            split = [t.unflatten(-1, (-1, size)).transpose(1, 2) for t in (q, k, v)]
            end = torch.tensor(options.get("lengths") or [tk] * batch)[:, None, None, None]
            seen = torch.arange(tk) < end
            if options.get("causal"):
                seen = seen & (torch.arange(tk) <= torch.arange(tq)[:, None])
            return F.scaled_dot_product_attention(*split, attn_mask=seen, enable_gqa=True).transpose(1, 2).flatten(2)

        add(name, "attention", c["params"], c["inputs"], ["q", "k", "v"], f)

    attend("3x5_7", 3, 5, 7, 7, batch=3)
    attend("2x64_9", 2, 64, 9, 9)
    attend("1x80_5", 1, 80, 5, 5)
    attend("1x160_cross_3_5", 1, 160, 3, 5)
    attend("sharp", 2, 10, 19, 19, sharp=4)
    attend("causal_2x16_17", 2, 16, 17, 17, batch=2, causal=True)
    attend("lengths_3x5_7", 3, 5, 7, 7, batch=3, lengths=[7, 1, 4])
    attend("keys_6by2x15_7", 6, 15, 7, 7, batch=2, key_heads=2)
    labels = torch.randint(13, (9,), generator=g, dtype=torch.int32)
    cross = lambda x, labels: F.cross_entropy(x, labels.long())
    add("9x13", "crossentropy", {}, {"x": normal(g, 9, 13, std=3), "labels": labels}, ["x"], cross, torch.tensor(64.0))
    return cases


def adjoint_maps():
    """Gradients of operations on maps: see gradients."""
    g, cases = generator("adjoint_maps"), []
    add = gradients(g, cases)

    def conv(name, x, k, kernel, stride=(1, 1), padding=(0, 0, 0, 0), act="", residual=False):
        t = {"x": normal(g, *x), "weight": normal(g, k, x[1], *kernel, std=(x[1] * kernel[0] * kernel[1]) ** -0.5), "bias": normal(g, k, std=0.3)}

        def f(x, weight, bias, residual=0):
            top, left, bottom, right = padding
            y = F.conv2d(F.pad(x, (left, right, top, bottom)), weight, bias, stride=stride)
            return ACTIVATIONS.get(act, lambda v: v)(y) + residual

        if residual:
            t["residual"] = normal(g, *f(*t.values()).shape)
        params = {"stride": stride, "padding": padding, "dilation": (1, 1), "groups": 1, "eps": 0, "activation": act, "activation_last": False}
        add(name, "conv2d", params, t, ["x", "residual"] if residual else ["x"], f)

    conv("3x3", (2, 13, 9, 7), 21, (3, 3), padding=(1, 1, 1, 1))
    conv("3x3_wide", (1, 24, 12, 11), 16, (3, 3), padding=(1, 1, 1, 1), act="silu", residual=True)
    conv("3x3_half", (2, 9, 9, 8), 13, (3, 3), (2, 2), (1, 1, 1, 1))
    conv("3x3_half_below", (1, 16, 8, 7), 8, (3, 3), (2, 2), (0, 0, 1, 1))
    conv("1x1", (2, 15, 5, 7), 9, (1, 1))
    conv("2x4", (1, 5, 6, 9), 7, (2, 4), (1, 2), (1, 2, 0, 1))
    for name, n, c, size, groups, act in (("groups_of_5", 2, 15, (5, 7), 3, "silu"), ("one_group", 2, 13, (3, 17), 1, ""), ("one_pixel", 2, 64, (1, 1), 8, "silu")):
        t = {"x": (normal(g, n, c, *size) + 0.5).half().float(), "weight": (0.7 + 0.6 * torch.rand(c, generator=g)).half().float(), "bias": normal(g, c, std=0.3)}
        f = lambda x, weight, bias: ACTIVATIONS.get(act, lambda v: v)(F.group_norm(x, groups, weight, bias, 1e-5))
        add(name, "groupnorm", {"groups": groups, "eps": 1e-5, "activation": act}, t, ["x"], f)
    for act, gate in (("silu", 0), ("gelu", 1), ("", 0)):
        gated = lambda x: ACTIVATIONS.get(act, lambda t: t)(x.chunk(2, -1)[gate]) * x.chunk(2, -1)[1 - gate]
        add(act or "bilinear", "glu", {"activation": act, "gate": gate}, {"x": normal(g, 5, 42, std=2)}, ["x"], gated)
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
