"""Goldens of PP-OCR's detectors and recognisers of transformers."""

import shutil

import torch
import transformers
from torch import nn

from generate_io import generator, halves
from generate_models import redraw
from generate_texts import cast_all, finish, tapped

# Odd channels; strides written as a number and as two, which the classes tell apart.
V3 = dict(
    model_type="pp_lcnet_v3",
    divisor=1,
    stem_channels=7,
    conv_symmetric_num=2,
    block_configs=[
        [[3, 7, 9, 1, False]],
        [[3, 9, 13, 2, False], [3, 13, 13, 1, True]],
        [[3, 13, 18, 2, False]],
        [[3, 18, 21, 2, False], [5, 21, 21, 1, True]],
        [[5, 21, 24, 2, True], [5, 24, 24, 1, False]],
    ],
    out_features=["stage2", "stage3", "stage4", "stage5"],
)
V3_LINES = V3 | dict(
    stem_stride=2,
    block_configs=[
        [[3, 7, 9, 1, False]],
        [[3, 9, 13, [1, 1], False], [3, 13, 13, 1, False]],
        [[3, 13, 16, [2, 1], False]],
        [[3, 16, 20, [2, 1], True], [5, 20, 20, 1, True]],
        [[5, 20, 24, [2, 1], True], [5, 24, 24, 1, False]],
    ],
)
V4 = dict(
    model_type="pp_lcnet_v4",
    stem_channels=[3, 10, 13],
    block_configs=[
        [[3, 13, 13, 1, True]],
        [[3, 13, 18, 2, False], [3, 18, 18, 1, False]],
        [[3, 18, 21, 2, False], [5, 21, 21, 1, True]],
        [[5, 21, 28, 2, True]],
    ],
    out_features=["stage1", "stage2", "stage3", "stage4"],
)
V4_LINES = V4 | dict(
    block_configs=[
        [[3, 13, 13, 1, True]],
        [[3, 13, 16, [1, 1], False], [3, 16, 16, 1, False]],
        [[3, 16, 20, [2, 1], False], [5, 20, 20, 1, True]],
        [[5, 20, 24, [2, 1], False]],
    ],
)

HG = dict(
    model_type="hgnet_v2",
    stem_channels=[3, 6, 7],
    stage_in_channels=[7, 10, 14, 18],
    stage_mid_channels=[5, 6, 7, 8],
    stage_out_channels=[10, 14, 18, 24],
    stage_num_blocks=[1, 1, 2, 1],
    stage_numb_of_layers=[2, 2, 2, 2],
    out_features=["stage1", "stage2", "stage3", "stage4"],
)
BLOCK = {"reduce_channel": [1, 1, 0], "return_channel": [1, 1, 0]}
for k, ratio in ((7, "long"), (5, "mid"), (3, "short")):
    BLOCK[f"vertical_long_to_small_conv_{ratio}ratio"] = [[k, 1], [1, 1], [k // 2, 0]]
    BLOCK[f"horizontal_small_to_long_conv_{ratio}ratio"] = [[1, k], [1, 1], [0, k // 2]]
    BLOCK[f"symmetric_conv_long_{ratio}ratio"] = [[k, k], [1, 1], [k // 2, k // 2]]
LARGE = dict(neck_out_channels=20, reduce_factor=2, intraclass_block_config=BLOCK, scale_factor_list=[1, 2, 4, 8], kernel_list=[3, 2, 2])


def calibrate(model, g, size):
    """Draws the running statistics of norms anew, near those of random pictures; what
    is added to others in V4 is small."""

    def draw(norm, inputs):
        x = inputs[0].transpose(0, 1).flatten(1)
        deviation, mean = torch.std_mean(x, 1)
        deviation = torch.hypot(deviation, deviation.square().mean().sqrt())
        norm.running_mean = mean + deviation * torch.randn(len(mean), generator=g) / 3
        norm.running_var = deviation**2 * 4 ** (torch.rand(len(mean), generator=g) - 0.5)

    hooks = [m.register_forward_pre_hook(draw) for m in model.modules() if isinstance(m, (nn.BatchNorm2d, nn.BatchNorm1d))]
    with torch.no_grad():
        model(torch.randn(8, 3, *size, generator=g))
    for hook in hooks:
        hook.remove()


def case(root, name, kind, cls, config, size, n, tap="layer.0", first=lambda encoder: encoder.blocks[0], middle=0.0):
    """middle is that of the shifts: below 0 they take off what ReLU leaves of the mean, which norms would take off less exactly."""
    g = generator(name)
    model = redraw(cls(config), g).eval()
    with torch.no_grad():
        for key, p in model.named_parameters():
            if key.endswith("lab.scale") or key.endswith("lab.bias"):
                p.copy_(middle + p.sign() * 0.2 if key.endswith("bias") else 0.8 + 0.4 * torch.rand(1, generator=g))
    calibrate(model, g, size)
    folder = root / name
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder)
    inputs = {"pixel_values": torch.randn(n, 3, *size, generator=g)}
    out, layers = tapped({tap: (first(model.model.backbone.encoder), 0)}, lambda: model(**inputs))
    got = {"last_hidden_state": out.last_hidden_state}
    finish(root, name, kind, cls, inputs, layers, got, halves(model, lambda model, cast: (model(**cast_all(cast, inputs)).last_hidden_state,), got))


def ocr_det(root):
    """The detector of version 5."""
    c = transformers.PPOCRV5MobileDetConfig(backbone_config=V3, neck_out_channels=44, reduction=3, layer_list_out_channels=[5, 7, 9, 11])
    case(root, "ocr_det", "ocr_det", transformers.PPOCRV5MobileDetForObjectDetection, c, (32, 64), 1)


def ocr_det_bilinear(root):
    """That of version 6, between pixels; the large stem."""
    c = transformers.PPOCRV6SmallDetConfig(backbone_config=V4 | dict(stem_strides=[2, 1, 1, 2, 1]), neck_out_channels=44, reduction=3, layer_list_out_channels=[13, 18, 21, 28], interpolate_mode="bilinear")
    case(root, "ocr_det_bilinear", "ocr_det", transformers.PPOCRV6SmallDetForObjectDetection, c, (64, 32), 1)


def ocr_rec(root):
    """The recogniser of version 5; heads of 5."""
    c = transformers.PPOCRV5MobileRecConfig(backbone_config=V3_LINES, hidden_size=15, num_attention_heads=3, head_out_channels=37)
    case(root, "ocr_rec", "ocr_rec", transformers.PPOCRV5MobileRecForTextRecognition, c, (48, 76), 2)


def ocr_rec_small(root):
    """The small one of version 6, without biases of queries and values."""
    c = transformers.PPOCRV6SmallRecConfig(backbone_config=V4_LINES, hidden_size=15, num_attention_heads=3, head_out_channels=37, qkv_bias=False)
    case(root, "ocr_rec_small", "ocr_rec", transformers.PPOCRV6SmallRecForTextRecognition, c, (48, 76), 2)


def ocr_rec_tiny(root):
    """The tiny one of version 6; the small stem."""
    c = transformers.PPOCRV6TinyRecConfig(backbone_config=V4_LINES | dict(stem_type="small"), hidden_size=15, head_out_channels=37)
    case(root, "ocr_rec_tiny", "ocr_rec", transformers.PPOCRV6TinyRecForTextRecognition, c, (48, 76), 2)


SERVER = dict(tap="stages.0", first=lambda encoder: encoder.stages[0])


def ocr_det_server(root):
    """The server's of version 5, which refines its map."""
    c = transformers.PPOCRV5ServerDetConfig(backbone_config=HG, **LARGE)
    case(root, "ocr_det_server", "ocr_det", transformers.PPOCRV5ServerDetForObjectDetection, c, (64, 32), 1, **SERVER)


def ocr_det_medium(root):
    """The medium one of version 6, between pixels."""
    c = transformers.PPOCRV6MediumDetConfig(backbone_config=V4 | dict(stem_type="small"), interpolate_mode="bilinear", **LARGE)
    case(root, "ocr_det_medium", "ocr_det", transformers.PPOCRV6MediumDetForObjectDetection, c, (32, 64), 2)


def ocr_rec_server(root):
    """The server's of version 5, with scales and shifts behind activations."""
    lines = dict(stage_downsample=[True, False, True, True], stem_strides=[2, 1, 1, 1, 1])
    c = transformers.PPOCRV5ServerRecConfig(backbone_config=HG | lines | dict(use_learnable_affine_block=True, stem_channels=[3, 8, 11], stage_in_channels=[11, 15, 21, 30], stage_mid_channels=[9, 11, 13, 15], stage_out_channels=[15, 21, 30, 64], stage_num_blocks=[1] * 4, stage_numb_of_layers=[1] * 4, stage_downsample_strides=[[2, 1], [1, 2], [2, 1], [2, 1]]), hidden_size=15, num_attention_heads=3, head_out_channels=37)
    case(root, "ocr_rec_server", "ocr_rec", transformers.PPOCRV5ServerRecForTextRecognition, c, (48, 76), 2, middle=-0.4, **SERVER)


MODELS = {f.__name__: f for f in (ocr_det, ocr_det_bilinear, ocr_det_server, ocr_det_medium, ocr_rec, ocr_rec_small, ocr_rec_tiny, ocr_rec_server)}
