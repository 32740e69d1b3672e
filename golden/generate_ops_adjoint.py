"""Cases of gradients: see generate_ops.py."""

import torch
import torch.nn.functional as F

from generate_io import generator
from generate_ops_attention import attention_case
from generate_ops_case import ACTIVATIONS, case, normal


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
