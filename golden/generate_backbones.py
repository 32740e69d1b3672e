"""Goldens of MobileNet, ConvNeXt and Swin: golden/models/<case>/, as generate_cnns.py
makes those of older convolutional networks.
"""

from functools import partial

import timm
import torch
import torchvision
import transformers
from timm.models._efficientnet_blocks import SqueezeExcite
from timm.models._efficientnet_builder import decode_arch_def
from torch import nn
from torchvision.models import mobilenetv3
from torchvision.ops.misc import Conv2dNormActivation

from generate_cnns import TORCHVISION, cnn_case, taps, timm_case, transformers_case
from generate_defaults import strike


def mobilenetv2(root):
    """torchvision's 17 blocks, narrow, with a last convolution of 37; in halves."""

    def build():
        model = torchvision.models.MobileNetV2(num_classes=7, width_mult=0.12, round_nearest=3)
        channels = model.features[17].conv[-1].num_features
        model.features[18] = Conv2dNormActivation(channels, 37, kernel_size=1, activation_layer=nn.ReLU6)
        model.classifier[1] = nn.Linear(37, 7)
        return model, taps(list(model.features[1:-1]), model.classifier[1])

    source = f"{TORCHVISION} MobileNetV2"
    cnn_case(root, "mobilenetv2", "mobilenetv2", "mobilenet_v2", source, build, 2, (45, 37), dtype=torch.float16, deep=True)


def timm_mobilenetv2(root, name, size, **arguments):
    """timm's EfficientNet with the stages of MobileNetV2, of odd widths."""
    stages = ["ds_r1_k3_s1_c7", "ir_r2_k3_s2_e6_c9", "ir_r3_k3_s2_e3_c11", "ir_r2_k3_s2_e4_c10"]
    stages += ["ir_r2_k3_s1_e2_c13", "ir_r2_k3_s2_e3_c12", "ir_r1_k3_s1_e2_c17"]
    model = timm.models.efficientnet._create_effnet(
        "mobilenetv2_100",
        block_args=decode_arch_def([[s] for s in stages]),
        num_features=29,
        stem_size=11,
        fix_stem=True,
        round_chs_fn=round,
        act_layer=nn.ReLU6,
        norm_layer=nn.BatchNorm2d,
        num_classes=6,
        **arguments,
    )
    blocks = [block for s in model.blocks for block in s]
    timm_case(root, name, "mobilenetv2", "mobilenetv2_100", model, blocks, 2, size, True, **arguments)


def mobilenetv2_timm(root):
    """timm's naming, symmetric padding."""
    timm_mobilenetv2(root, "mobilenetv2_timm", (30, 43))


def mobilenetv2_timm_same(root):
    """The same with pad_type "same" in the config, on maps that are odd and even by
    turns, where the zeros stand on other sides than symmetric padding's."""
    timm_mobilenetv2(root, "mobilenetv2_timm_same", (36, 31), pad_type="same")


def mobilenet_places(model):
    """The first block is a part of transformers' stem."""
    base = model.mobilenet_v2
    stem = {"stem": (base.conv_stem.first_conv, "output")}
    return stem | {k: v for k, v in taps([base.conv_stem, *base.layer], model.classifier).items() if k != "stem"}


def mobilenetv2_transformers(root):
    """transformers' naming: an expansion in the stem, dilations from an output_stride of 8
    on, symmetric padding, another activation and eps, rounding to multiples of three."""
    config = transformers.MobileNetV2Config(
        image_size=[43, 61],
        depth_multiplier=0.11,
        depth_divisible_by=3,
        min_depth=5,
        expand_ratio=3.5,
        output_stride=8,
        first_layer_is_expansion=False,
        finegrained_output=False,
        hidden_act="silu",
        tf_padding=False,
        layer_norm_eps=0.01,
        num_labels=5,
    )
    cls = transformers.MobileNetV2ForImageClassification
    transformers_case(root, "mobilenetv2_transformers", cls, config, 1, (43, 61), mobilenet_places, "mobilenetv2", torch.float16, True)


def mobilenetv2_dilated(root):
    """TensorFlow's padding of dilated convolutions, which depends on the map's size."""
    config = transformers.MobileNetV2Config(
        image_size=38, depth_multiplier=0.1, depth_divisible_by=2, min_depth=4, expand_ratio=2, output_stride=4, finegrained_output=False, num_labels=13
    )  # fmt: skip
    cls = transformers.MobileNetV2ForImageClassification
    transformers_case(root, "mobilenetv2_dilated", cls, config, 1, (31, 38), mobilenet_places, "mobilenetv2", deep=True)


def mobilenetv2_defaults(root):
    """No word of widths, padding, activation, eps and the first block."""
    config = transformers.MobileNetV2Config(image_size=32, depth_multiplier=0.05, expand_ratio=2, num_labels=9)
    cls = transformers.MobileNetV2ForImageClassification
    transformers_case(root, "mobilenetv2_defaults", cls, config, 1, (39, 32), mobilenet_places, "mobilenetv2", torch.float16, True)
    keys = ["depth_divisible_by", "min_depth", "output_stride", "first_layer_is_expansion", "finegrained_output", "hidden_act", "tf_padding"]
    strike(root / "mobilenetv2_defaults", *keys, "layer_norm_eps", "num_channels")


def bottleneck(n_in, kernel, expanded, n_out, se, act, stride):
    """A block's configuration with just these widths, which torchvision would make
    multiples of eight."""
    config = mobilenetv3.InvertedResidualConfig(8, kernel, 8, 8, se, act, stride, 1, 1)
    config.input_channels, config.expanded_channels, config.out_channels = n_in, expanded, n_out
    return config


def torchvision_mobilenetv3(blocks, last, classes):
    model = mobilenetv3.MobileNetV3([bottleneck(*b) for b in blocks], last, num_classes=classes)
    return model, taps(list(model.features[1:-1]), model.classifier[3])


def mobilenetv3_large(root):
    """torchvision's 15 blocks: kernels of 3 and 5, ReLU and hard swish, odd widths."""
    blocks = [(7, 3, 7, 7, False, "RE", 1), (7, 3, 21, 9, False, "RE", 2), (9, 3, 18, 9, False, "RE", 1), (9, 5, 19, 10, True, "RE", 2)]
    blocks += [(10, 5, 22, 10, True, "RE", 1), (10, 5, 25, 10, True, "RE", 1), (10, 3, 30, 11, False, "HS", 2), (11, 3, 23, 11, False, "HS", 1)]
    blocks += [(11, 3, 20, 11, False, "HS", 1), (11, 3, 20, 11, False, "HS", 1), (11, 3, 33, 13, True, "HS", 1), (13, 3, 35, 13, True, "HS", 1)]
    blocks += [(13, 5, 31, 9, True, "HS", 2), (9, 5, 29, 9, True, "HS", 1), (9, 5, 29, 9, True, "HS", 1)]
    build = lambda: torchvision_mobilenetv3(blocks, 23, 7)
    cnn_case(root, "mobilenetv3_large", "mobilenetv3", "mobilenet_v3_large", f"{TORCHVISION} MobileNetV3", build, 2, (43, 30), dtype=torch.float16, deep=True)


def mobilenetv3_small(root):
    """torchvision's 11 blocks; the first has strides and squeezes; saved in halves."""
    blocks = [(9, 3, 9, 7, True, "RE", 2), (7, 3, 18, 9, False, "RE", 2), (9, 3, 19, 9, False, "RE", 1), (9, 5, 21, 11, True, "HS", 2)]
    blocks += [(11, 5, 24, 11, True, "HS", 1), (11, 5, 24, 11, True, "HS", 1), (11, 5, 20, 12, True, "HS", 1), (12, 5, 22, 12, True, "HS", 1)]
    blocks += [(12, 5, 30, 10, True, "HS", 2), (10, 5, 27, 10, True, "HS", 1), (10, 5, 27, 10, True, "HS", 1)]
    build = lambda: torchvision_mobilenetv3(blocks, 19, 15)
    source = f"{TORCHVISION} MobileNetV3"
    cnn_case(root, "mobilenetv3_small", "mobilenetv3", "mobilenet_v3_small", source, build, 2, (41, 53), dtype=torch.float16, deep=True)


def timm_mobilenetv3(root, name, architecture, stages, size, act, **arguments):
    """timm's MobileNetV3 with the stages of an architecture, of odd widths."""
    model = timm.models.mobilenetv3._create_mnv3(
        architecture,
        block_args=decode_arch_def([s if isinstance(s, list) else [s] for s in stages]),
        num_features=26,
        stem_size=9,
        fix_stem=True,
        round_chs_fn=round,
        act_layer=act,
        se_layer=partial(SqueezeExcite, gate_layer="hard_sigmoid", force_act_layer=nn.ReLU, rd_round_fn=round),
        num_classes=5,
        **arguments,
    )
    blocks = [block for s in model.blocks[:-1] for block in s]
    timm_case(root, name, "mobilenetv3", architecture, model, blocks, 2, size, True)


def mobilenetv3_timm(root):
    """timm's mobilenetv3_small_100: symmetric padding, eps 1e-5, hard gates."""
    stages = ["ds_r1_k3_s2_e1_c7_se0.25_nre", ["ir_r1_k3_s2_e4.5_c10_nre", "ir_r1_k3_s1_e3.67_c10_nre"], ["ir_r1_k5_s2_e3_c11_se0.25", "ir_r1_k5_s1_e4_c11_se0.25"]]
    stages += ["ir_r2_k5_s1_e3_c9_se0.25", "ir_r2_k5_s2_e2_c12_se0.25", "cn_r1_k1_s1_c37"]
    timm_mobilenetv3(root, "mobilenetv3_timm", "mobilenetv3_small_100", stages, (41, 36), nn.Hardswish)


def mobilenetv3_timm_tf(root):
    """timm's tf_mobilenetv3_large_100: "same" padding and eps 1e-3."""
    stages = ["ds_r1_k3_s1_e1_c9_nre", ["ir_r1_k3_s2_e4_c7_nre", "ir_r1_k3_s1_e3_c7_nre"], "ir_r2_k5_s2_e3_c9_se0.25_nre"]
    stages += [["ir_r1_k3_s2_e4_c10", "ir_r1_k3_s1_e2.5_c10"], "ir_r2_k3_s1_e2_c11_se0.25", "ir_r2_k5_s2_e3_c12_se0.25", "cn_r1_k1_s1_c31"]
    norm = dict(pad_type="same", norm_layer=partial(nn.BatchNorm2d, eps=1e-3))
    timm_mobilenetv3(root, "mobilenetv3_timm_tf", "tf_mobilenetv3_large_100", stages, (36, 43), nn.Hardswish, **norm)


def mobilenetv3_timm_minimal(root):
    """timm's tf_mobilenetv3_small_minimal_100: neither squeezes nor hard swishes."""
    stages = ["ds_r1_k3_s2_e1_c7", ["ir_r1_k3_s2_e4.5_c9", "ir_r1_k3_s1_e3.67_c9"], ["ir_r1_k3_s2_e4_c10", "ir_r1_k3_s1_e3_c10"]]
    stages += ["ir_r2_k3_s1_e3_c11", "ir_r2_k3_s2_e3_c12", "cn_r1_k1_s1_c27"]
    norm = dict(pad_type="same", norm_layer=partial(nn.BatchNorm2d, eps=1e-3))
    timm_mobilenetv3(root, "mobilenetv3_timm_minimal", "tf_mobilenetv3_small_minimal_100", stages, (34, 45), nn.ReLU, **norm)


MODELS = {
    f.__name__: f
    for f in (
        mobilenetv2,
        mobilenetv2_timm,
        mobilenetv2_timm_same,
        mobilenetv2_transformers,
        mobilenetv2_dilated,
        mobilenetv2_defaults,
        mobilenetv3_large,
        mobilenetv3_small,
        mobilenetv3_timm,
        mobilenetv3_timm_tf,
        mobilenetv3_timm_minimal,
    )
}
