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
from torchvision.models.convnext import CNBlockConfig
from torchvision.models.swin_transformer import PatchMergingV2, SwinTransformerBlockV2
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


def convnext_places(model):
    """The blocks, and where the map comes from and goes, in a ConvNeXt of transformers."""
    base = getattr(model, model.base_model_prefix)
    blocks = [block for s in base.encoder.stages for block in s.layers]
    return taps(blocks, model.classifier)


def convnext(root):
    """torchvision's ConvNeXt with odd widths; layer scales drawn as matrices are."""

    def build():
        sizes = [(9, 14, 1), (14, 18, 2), (18, 15, 1), (15, None, 1)]
        model = torchvision.models.ConvNeXt([CNBlockConfig(*s) for s in sizes], num_classes=7)
        return model, taps([block for s in list(model.features)[1::2] for block in s], model.classifier[2])

    cnn_case(root, "convnext", "convnext", "convnext_tiny", f"{TORCHVISION} ConvNeXt", build, 2, (45, 38))


def convnext_transformers(root):
    """transformers' naming: three stages, patches of 3, another activation and eps."""
    config = transformers.ConvNextConfig(
        num_stages=3, hidden_sizes=[9, 13, 18], depths=[1, 2, 1], patch_size=3, hidden_act="quick_gelu", layer_norm_eps=0.01, image_size=[31, 43], num_labels=5
    )  # fmt: skip
    cls = transformers.ConvNextForImageClassification
    transformers_case(root, "convnext_transformers", cls, config, 2, (31, 43), convnext_places)


def quiet_defaults(root, name, cls, config, *keys):
    """A case whose config says nothing of eps, activation and patches, and whose map is
    small, so that the last norm's eps shows."""

    def prepare(model):
        with torch.no_grad():
            for key, p in model.named_parameters():
                if "pwconv2" in key or "embeddings.layernorm" in key or "downsampling_layer.1" in key:
                    p.mul_(0.001)

    transformers_case(root, name, cls, config, 2, (35, 46), convnext_places, prepare=prepare)
    strike(root / name, "hidden_act", "layer_norm_eps", "num_channels", "patch_size", *keys)


def convnext_defaults(root):
    """Without layer scales; no word of the activation, patches and eps."""
    config = transformers.ConvNextConfig(hidden_sizes=[7, 9, 10, 12], depths=[1, 1, 2, 1], layer_scale_init_value=0.0, image_size=40, num_labels=6)
    quiet_defaults(root, "convnext_defaults", transformers.ConvNextForImageClassification, config)


def convnextv2_defaults(root):
    """V2; no word of the number of stages either."""
    config = transformers.ConvNextV2Config(hidden_sizes=[7, 9, 10, 12], depths=[1, 2, 1, 1], image_size=40, num_labels=6)
    quiet_defaults(root, "convnextv2_defaults", transformers.ConvNextV2ForImageClassification, config, "num_stages")


def timm_convnext(root, name, family, architecture, batch, size, **arguments):
    """timm's ConvNeXt with arguments that its config names too."""
    model = timm.create_model(architecture, **arguments)
    blocks = [block for s in model.stages for block in s.blocks]
    timm_case(root, name, family, architecture, model, blocks, batch, size, stem=model.stem, **arguments)


def convnext_timm(root):
    """timm's convnext_atto_ols: an overlapping stem of two widths, 1x1 convolutions."""
    sizes = dict(depths=(1, 2, 1, 1), dims=(10, 13, 17, 14), num_classes=6)
    timm_convnext(root, "convnext_timm", "convnext", "convnext_atto_ols", 2, (41, 54), **sizes)


def convnext_timm_norm_first(root):
    """timm's convnext_tiny_hnf with an activation in the stem, kernels by stage, no biases
    of convolutions, no layer scales, another eps."""
    sizes = dict(depths=(1, 1, 1, 2), dims=(11, 12, 15, 13), num_classes=5)
    more = dict(stem_type="overlap_act", kernel_sizes=(7, 5, 3, 9), conv_bias=False, norm_eps=0.01, act_layer="silu", ls_init_value=None)
    timm_convnext(root, "convnext_timm_norm_first", "convnext", "convnext_tiny_hnf", 2, (47, 34), **sizes, **more)


def convnext_timm_hidden(root):
    """timm's convnext_large_mlp: a layer before the classifier; patches of 2, so that the
    first stage makes the map smaller too."""
    sizes = dict(depths=(1, 1, 2, 1), dims=(9, 10, 13, 15), num_classes=4, head_hidden_size=11, patch_size=2)
    timm_convnext(root, "convnext_timm_hidden", "convnext", "convnext_large_mlp", 1, (39, 52), **sizes)


def convnextv2_transformers(root):
    """transformers' naming; the response norms' parameters have four dimensions."""
    config = transformers.ConvNextV2Config(hidden_sizes=[9, 11, 14, 13], depths=[1, 1, 2, 1], hidden_act="relu", image_size=[37, 58], num_labels=5)
    cls = transformers.ConvNextV2ForImageClassification
    transformers_case(root, "convnextv2_transformers", cls, config, 2, (37, 58), convnext_places)


def convnextv2_timm(root):
    """timm's convnextv2_atto."""
    sizes = dict(depths=(2, 1, 1, 1), dims=(9, 13, 11, 16), num_classes=7)
    timm_convnext(root, "convnextv2_timm", "convnextv2", "convnextv2_atto", 2, (45, 36), **sizes)


def torchvision_swin(root, name, family, architecture, window, depths, size, v2, **options):
    """torchvision's Swin Transformer, six channels wide, with heads of 3, 4 and 6."""

    def build():
        parts = dict(block=SwinTransformerBlockV2, downsample_layer=PatchMergingV2) if v2 else {}
        heads = [2, 3, 4][: len(depths)]
        model = torchvision.models.SwinTransformer([4, 4], 6, depths, heads, window, num_classes=7, **parts)
        return model, taps([block for s in list(model.features)[1::2] for block in s], model.head)

    cnn_case(root, name, family, architecture, f"{TORCHVISION} SwinTransformer", build, 2, size, **options)


def swin(root):
    """Windows of 3 on maps of 9x11, 5x6 and 3x3: whole, filled up and as large as the map;
    a picture that is not of whole patches."""
    torchvision_swin(root, "swin", "swin", "swin_t", [3, 3], [2, 2, 2], (39, 46), False)


def swin_each(root):
    """A window that holds all of one axis, which alone is not shifted, then all of both."""
    torchvision_swin(root, "swin_each", "swin", "swin_t", [7, 7], [2, 2], (27, 50), False)


def swinv2(root):
    """Windows that are not square, on maps of 9x7 and 5x4."""
    torchvision_swin(root, "swinv2", "swinv2", "swin_v2_t", [4, 5], [2, 2], (38, 31), True)


def swin_places(model):
    """The blocks of a Swin Transformer of transformers."""
    base = getattr(model, model.base_model_prefix)
    return taps([block for s in base.encoder.layers for block in s.blocks], model.classifier)


def swin_transformers(root):
    """Patches of 3x4 that the picture does not fill, maps of 10x11, 5x6 and 3x3 with windows
    of 3, no biases of queries, another activation, eps and width of perceptrons."""
    config = transformers.SwinConfig(
        image_size=[28, 41], patch_size=[3, 4], embed_dim=6, depths=[2, 2, 2], num_heads=[2, 3, 4], window_size=3, mlp_ratio=2.5, qkv_bias=False,
        hidden_act="relu", layer_norm_eps=0.01, num_labels=5,
    )  # fmt: skip
    cls = transformers.SwinForImageClassification
    transformers_case(root, "swin_transformers", cls, config, 2, (28, 41), swin_places)


def swin_defaults(root):
    """No word of windows, patches, perceptrons, biases, the activation and eps."""
    config = transformers.SwinConfig(image_size=56, embed_dim=6, depths=[2, 2], num_heads=[1, 2], num_labels=9)
    transformers_case(root, "swin_defaults", transformers.SwinForImageClassification, config, 1, (61, 52), swin_places)
    strike(root / "swin_defaults", "window_size", "patch_size", "num_channels", "mlp_ratio", "qkv_bias", "hidden_act", "layer_norm_eps", "use_absolute_embeddings")


def softened(model):
    """Keeps the perceptron of distances where its logistic function is not flat."""
    with torch.no_grad():
        for key, p in model.named_parameters():
            if "continuous_position_bias_mlp.2" in key:
                p.mul_(0.1)


def swinv2_transformers(root):
    """A picture of another size than the config's: the windows of the second stage are
    those of a map of 2, without a shift; distances of another pretrained window."""
    config = transformers.Swinv2Config(
        image_size=[20, 36], patch_size=4, embed_dim=6, depths=[2, 2], num_heads=[2, 3], window_size=4, pretrained_window_sizes=[3, 0], mlp_ratio=1.5,
        hidden_act="silu", layer_norm_eps=0.01, num_labels=5,
    )  # fmt: skip
    cls = transformers.Swinv2ForImageClassification
    transformers_case(root, "swinv2_transformers", cls, config, 2, (25, 42), swin_places, prepare=softened)


def swinv2_defaults(root):
    """No word of windows, their pretrained sizes, patches, biases, the activation and eps."""
    config = transformers.Swinv2Config(image_size=32, embed_dim=10, depths=[2, 1], num_heads=[2, 2], num_labels=9)
    transformers_case(root, "swinv2_defaults", transformers.Swinv2ForImageClassification, config, 1, (40, 32), swin_places, prepare=softened)
    keys = ["window_size", "pretrained_window_sizes", "patch_size", "num_channels", "mlp_ratio", "qkv_bias", "hidden_act", "layer_norm_eps"]
    strike(root / "swinv2_defaults", *keys)


def timm_swin(root, name, family, architecture, size, **arguments):
    """timm's Swin Transformer with arguments that its config names too."""
    model = timm.create_model(architecture, **arguments)
    blocks = [block for s in model.layers for block in s.blocks]
    timm_case(root, name, family, architecture, model, blocks, 2, size, **arguments)


def swin_timm(root):
    """A window for each stage, on maps of 10x7, 5x4 and 3x2 that they do not fill, or that
    do not fill them; a map is rolled before it is filled up."""
    sizes = dict(img_size=(40, 28), embed_dim=6, depths=(2, 2, 2), num_heads=(2, 3, 4), num_classes=5)
    timm_swin(root, "swin_timm", "swin", "swin_tiny_patch4_window7_224", (40, 28), window_size=(4, 3, 5), **sizes)


def swin_timm_dynamic(root):
    """A picture that is smaller than the one that the windows are for: shifts of 3 on maps
    of 2 and 1."""
    sizes = dict(img_size=64, embed_dim=6, depths=(2, 2), num_heads=(3, 2), num_classes=5, strict_img_size=False)
    timm_swin(root, "swin_timm_dynamic", "swin", "swin_small_patch4_window7_224", (8, 20), window_size=(7, 6), **sizes)


def swinv2_timm(root):
    """V2 with distances of a pretrained window, a window that is not square."""
    sizes = dict(img_size=(36, 24), embed_dim=6, depths=(2, 2), num_heads=(2, 3), num_classes=5)
    more = dict(window_size=(4, 5), pretrained_window_sizes=(3, 2), act_layer="relu")
    timm_swin(root, "swinv2_timm", "swinv2", "swinv2_tiny_window8_256", (36, 24), **sizes, **more)


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
        convnext,
        convnext_transformers,
        convnext_defaults,
        convnext_timm,
        convnext_timm_norm_first,
        convnext_timm_hidden,
        convnextv2_transformers,
        convnextv2_defaults,
        convnextv2_timm,
        swin,
        swin_each,
        swin_transformers,
        swin_defaults,
        swin_timm,
        swin_timm_dynamic,
        swinv2,
        swinv2_transformers,
        swinv2_defaults,
        swinv2_timm,
    )
}
