"""Cases of operations on maps, such as convolutions: see generate_ops.py."""

import torch
import torch.nn.functional as F
from transformers.models.rt_detr_v2.modeling_rt_detr_v2 import multi_scale_deformable_attention_v2

from generate_io import generator
from generate_ops_case import ACTIVATIONS, case, normal


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
