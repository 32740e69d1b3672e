"""Goldens of networks that tell depth, classes of pixels and backgrounds: golden/models/<case>/, as generate_detect.py makes
those of networks that find objects.
"""

import sys

import safetensors.torch
import torch
import transformers

from generate_cnns import calibrate, empty
from generate_defaults import strike
from generate_detect import detector, taps, things, write_case, write_zoo
from generate_io import generator, halves
from generate_models import redraw


def depth_modules(model):
    backbone = model.backbone if getattr(model, "backbone", None) is not None else model.dpt
    layers = backbone.encoder.layer
    first = (backbone.embeddings, lambda y: y if torch.is_tensor(y) else y.last_hidden_states)
    blocks = {f"layer.{i}": b for i, b in enumerate(layers)}
    maps = {f"assembled.{i}": m for i, m in enumerate(model.neck.reassemble_stage.layers) if i}  # the first is large
    return {"embeddings": first} | blocks | maps | {f"fused.{i}": m for i, m in enumerate(model.neck.fusion_stage.layers) if i < 2}


def depth_anything_config(backbone=None, **more):
    sizes = dict(hidden_size=24, num_hidden_layers=4, num_attention_heads=3, mlp_ratio=2, image_size=42, patch_size=7)
    nested = transformers.Dinov2Config(**sizes | dict(out_features=["stage1", "stage2", "stage3", "stage4"], reshape_hidden_states=False) | (backbone or {}))
    own = dict(patch_size=7, reassemble_hidden_size=24, neck_hidden_sizes=[9, 10, 11, 12], fusion_hidden_size=11, head_hidden_size=7)
    return transformers.DepthAnythingConfig(backbone_config=nested, **own | more)


def scales(model, g):
    """Layer scales are one-dimensional and no biases."""
    with torch.no_grad():
        for key, p in model.named_parameters():
            if "lambda1" in key:
                p.copy_(0.7 + 0.6 * torch.rand(p.shape, generator=g))


def depth_anything(root):
    """A wide picture of 4x7 patches and some pixels more, whose odd maps do not double."""

    def prepare(model, g):
        scales(model, g)
        model.head.conv3.bias.data.fill_(1.5)  # else most depths would be zero

    cls = transformers.DepthAnythingForDepthEstimation
    detector(root, "depth_anything", cls, depth_anything_config(), (31, 52), depth_modules, batch=1, family="depth", outputs=("predicted_depth",), prepare=prepare)


def depth_anything_metric(root):
    """Metric depth of a tall picture, by the stages before the last norm."""
    config = depth_anything_config(dict(apply_layernorm=False), depth_estimation_type="metric", max_depth=20, reassemble_factors=[2, 1, 1, 0.5])
    cls = transformers.DepthAnythingForDepthEstimation
    detector(root, "depth_anything_metric", cls, config, (50, 29), depth_modules, batch=1, family="depth", outputs=("predicted_depth",), prepare=scales)


def dpt_config(**more):
    sizes = dict(hidden_size=18, num_hidden_layers=4, num_attention_heads=3, intermediate_size=30, image_size=24, patch_size=6, backbone_out_indices=[0, 1, 3])
    own = dict(reassemble_factors=[2, 1, 0.5], neck_hidden_sizes=[9, 10, 11], fusion_hidden_size=14)
    return transformers.DPTConfig(**sizes | own | more)


def dpt(root):
    """Positions of 4x4 patches for 5x5, the class token beside each of them."""
    cls = transformers.DPTForDepthEstimation
    detector(root, "dpt", cls, dpt_config(), (33, 30), depth_modules, batch=1, family="depth", outputs=("predicted_depth",))


def dpt_add(root):
    """The class token is added; batch norms in the residual units."""

    def prepare(model, g):
        calibrate(model, g, (24, 24))
        g = generator("dpt_add unused")
        for m in model.neck.fusion_stage.layers[0].residual_layer1.modules():  # which nothing runs through
            if isinstance(m, torch.nn.BatchNorm2d):
                m.running_mean, m.running_var = torch.randn(len(m.running_mean), generator=g), 0.5 + torch.rand(len(m.running_var), generator=g)
                m.num_batches_tracked.fill_(1234)
        model.head.head[4].bias.data.fill_(5)  # else most depths would be zero

    config = dpt_config(readout_type="add", use_batch_norm_in_fusion_residual=True, hidden_act="relu", qkv_bias=False)
    cls = transformers.DPTForDepthEstimation
    detector(root, "dpt_add", cls, config, (24, 24), depth_modules, batch=1, family="depth", outputs=("predicted_depth",), prepare=prepare)


def segformer_modules(model):
    """The tokens of a block as a map."""
    places, layer = {}, 0
    for i, stage in enumerate(model.segformer.stages):
        sizes = {}

        def keep(m, x, y, sizes=sizes):
            sizes["hw"] = y[1:]

        stage.patch_embeddings.register_forward_hook(keep)
        as_map = lambda y, sizes=sizes: y.transpose(1, 2).unflatten(2, sizes["hw"])
        if i == 0:
            places["stem"] = (stage.patch_embeddings, as_map)
        for block in stage.blocks:
            places[f"layer.{layer}"] = (block, as_map)
            layer += 1
    return places


def segformer(root):
    """A wide picture of odd maps, reduced by 4, 2 and 1, which their sides are no multiples of."""
    config = transformers.SegformerConfig(
        num_encoder_blocks=3, depths=[1, 2, 1], sr_ratios=[4, 2, 1], hidden_sizes=[6, 10, 15], patch_sizes=[7, 3, 3], strides=[4, 2, 2], num_attention_heads=[1, 2, 3],
        mlp_ratios=[4, 2, 3], hidden_act="relu", decoder_hidden_size=13, num_labels=5,
    )  # fmt: skip
    prepare = lambda model, g: calibrate(model, g, (43, 70))
    detector(root, "segformer", transformers.SegformerForSemanticSegmentation, config, (43, 70), segformer_modules, family="segment", outputs=("logits",), prepare=prepare)


def segformer_defaults(root):
    """No word of reductions, patches, strides, ratios and the activation; a tall picture."""
    config = transformers.SegformerConfig(hidden_sizes=[8, 10, 12, 16], depths=[1, 1, 1, 1], decoder_hidden_size=11, num_attention_heads=[1, 1, 2, 2], num_labels=4)
    prepare = lambda model, g: calibrate(model, g, (66, 41))
    detector(root, "segformer_defaults", transformers.SegformerForSemanticSegmentation, config, (66, 41), segformer_modules, batch=1, family="segment", outputs=("logits",), prepare=prepare)
    strike(root / "segformer_defaults", "sr_ratios", "patch_sizes", "strides", "mlp_ratios", "hidden_act", "num_channels", "num_encoder_blocks", "reshape_last_stage")


def upernet_modules(model):
    head, norms = model.decode_head, getattr(model.backbone, "hidden_states_norms", {})
    as_map = {} if not norms else {f"feature_maps.{i}": norm for i, norm in enumerate(norms.values())}
    if type(model.backbone).__name__ == "SwinBackbone":  # whose norms see tokens
        as_map = {}
    return as_map | {"bottleneck": head.bottleneck} | {f"fpn_convs.{i}": head.fpn_convs[i] for i in range(len(head.fpn_convs) - 1, -1, -1)}


def upernet(root, name, backbone, size, batch=1, **more):
    config = transformers.UperNetConfig(**{"backbone_config": backbone, "hidden_size": 7, "num_labels": 3, "use_auxiliary_head": False} | more)
    prepare = lambda model, g: calibrate(model, g, size)
    cls = transformers.UperNetForSemanticSegmentation
    detector(root, name, cls, config, size, upernet_modules, batch, family="segment", outputs=("logits",), prepare=prepare)


def upernet_convnext(root):
    """A wide picture, of which the last map is smaller than what is pooled of it; a head for training beside the other."""
    backbone = transformers.ConvNextConfig(hidden_sizes=[6, 9, 12], depths=[1, 2, 1], num_stages=3, hidden_act="relu", out_features=["stage1", "stage2", "stage3"])
    upernet(root, "upernet_convnext", backbone, (37, 90), use_auxiliary_head=True, auxiliary_channels=5)


def upernet_swin(root):
    """A batch of tall pictures, whose maps windows do not fill, and of which the last is smaller than one; not all stages."""
    backbone = transformers.SwinConfig(embed_dim=6, depths=[2, 2, 2], num_heads=[2, 3, 3], window_size=4, image_size=32, patch_size=4, out_features=["stage1", "stage3"])
    upernet(root, "upernet_swin", backbone, (59, 38), 2, pool_scales=[1, 3])


def upernet_defaults(root):
    """No word of the pools; a ResNet."""
    backbone = transformers.ResNetConfig(embedding_size=5, hidden_sizes=[6, 7, 8], depths=[1, 1, 1], layer_type="basic", out_features=["stage1", "stage2", "stage3"])
    upernet(root, "upernet_defaults", backbone, (45, 64), 1)
    strike(root / "upernet_defaults", "pool_scales", "auxiliary_channels", "loss_ignore_index", "auxiliary_concat_input", "auxiliary_num_convs")


class Rebnconv(torch.nn.Module):
    """Convolution, norm and ReLU, by the names of U²-Net's and IS-Net's authors."""

    def __init__(self, channels, out, dilation=1):
        super().__init__()
        self.conv_s1 = torch.nn.Conv2d(channels, out, 3, padding=dilation, dilation=dilation)
        self.bn_s1 = torch.nn.BatchNorm2d(out)

    def forward(self, x):
        return torch.relu(self.bn_s1(self.conv_s1(x)))


def like(x, y):
    return torch.nn.functional.interpolate(x, size=y.shape[2:], mode="bilinear", align_corners=False)


def pool(x):
    return torch.nn.functional.max_pool2d(x, 2, 2, ceil_mode=True)


class ResidualU(torch.nn.Module):
    """The authors' RSU-height, of height 0 their RSU-4F."""

    def __init__(self, height, channels, middle, out):
        super().__init__()
        self.flat, self.steps = height == 0, height or 4
        self.rebnconvin = Rebnconv(channels, out)
        for i in range(1, self.steps + 1):
            dilation = 2 ** (i - 1) if self.flat else 2 if i == self.steps else 1
            setattr(self, f"rebnconv{i}", Rebnconv(out if i == 1 else middle, middle, dilation))
        for i in range(1, self.steps):
            setattr(self, f"rebnconv{i}d", Rebnconv(2 * middle, out if i == 1 else middle, 2 ** (i - 1) if self.flat else 1))

    def forward(self, x):
        x = first = self.rebnconvin(x)
        maps = []
        for i in range(1, self.steps + 1):
            if 1 < i < self.steps and not self.flat:
                x = pool(x)
            x = getattr(self, f"rebnconv{i}")(x)
            maps.append(x)
        for i in range(self.steps - 1, 0, -1):
            x = getattr(self, f"rebnconv{i}d")(torch.cat([like(x, maps[i - 1]), maps[i - 1]], 1))
        return x + first


class Cutout(torch.nn.Module):
    """U²-Net's authors' U2NET, or ISNetDIS with a stem; before the sigmoid."""

    heights = (7, 6, 5, 4, 0, 0)

    def __init__(self, down, up, stem=0):
        super().__init__()
        if stem:
            self.conv_in = torch.nn.Conv2d(3, stem, 3, stride=2, padding=1)
        for i, widths in enumerate(down):
            setattr(self, f"stage{i + 1}", ResidualU(self.heights[i], *widths))
        for i, widths in enumerate(up):
            setattr(self, f"stage{i + 1}d", ResidualU(self.heights[i], *widths))
        for i, out in enumerate([*(w[2] for w in up), down[-1][2]]):
            setattr(self, f"side{i + 1}", torch.nn.Conv2d(out, 1, 3, padding=1))
        if not stem:
            self.outconv = torch.nn.Conv2d(6, 1, 1)

    def forward(self, pixel_values):
        x, maps = self.conv_in(pixel_values) if hasattr(self, "conv_in") else pixel_values, []
        for i in range(6):
            x = getattr(self, f"stage{i + 1}")(pool(x) if i else x)
            maps.append(x)
        sides = [self.side6(x)]
        for i in range(4, -1, -1):
            x = getattr(self, f"stage{i + 1}d")(torch.cat([like(x, maps[i]), maps[i]], 1))
            sides.insert(0, getattr(self, f"side{i + 1}")(x))
        if not hasattr(self, "outconv"):
            return like(sides[0], pixel_values)
        return self.outconv(torch.cat([sides[0]] + [like(s, sides[0]) for s in sides[1:]], 1))


def background(root, name, size, down, up, stem, batch):
    """A network that cuts out, on pictures of a height and width."""
    g = generator(name)
    model = redraw(Cutout(down, up, stem), g)
    calibrate(model, g, size, [m for m in model.modules() if isinstance(m, ResidualU)])
    safetensors.torch.save_file(model.state_dict(), empty(root, name) / "model.safetensors")
    x = torch.randn(batch, 3, *size, generator=g)
    modules = {f"layer.{i}": getattr(model, f"stage{i + 1}") for i in range(6)} | {f"up.{i}": getattr(model, f"stage{i + 1}d") for i in range(4, -1, -1)}
    out, layers = taps(model, modules, {"pixel_values": x})
    got = {"logits": out}
    exact = halves(model, lambda model, cast: [model(cast(x))], got)
    write_case(root, name, "cutout", "the network of the authors' code", name, {"pixel_values": x}, layers, got, exact)


def u2net(root):
    """A wide picture of odd sides."""
    down = [(3, 3, 6), (6, 2, 7), (7, 3, 8), (8, 4, 9), (9, 3, 10), (10, 4, 7)]
    up = [(12, 2, 6), (14, 3, 6), (16, 3, 7), (18, 4, 8), (17, 3, 9)]
    background(root, "u2net", (33, 39), down, up, 0, 1)


def isnet(root):
    """A tall one, halved by the stem and put back."""
    down = [(5, 3, 6), (6, 2, 7), (7, 3, 8), (8, 4, 9), (9, 3, 10), (10, 4, 7)]
    up = [(12, 2, 6), (14, 3, 6), (16, 3, 7), (18, 4, 8), (17, 3, 9)]
    background(root, "isnet", (69, 42), down, up, 5, 1)


def zoo_u2net(root, zoo):
    """The trained cut-out network of zoo/u2net on a small, tall picture. Its weights stay in the zoo."""
    sys.path.insert(0, str(zoo))
    from train_cutout import DOWN, UP
    from u2net import U2Net

    folder = zoo / "u2net"
    model = U2Net(DOWN, UP).eval()
    model.load_state_dict({k: v.float() for k, v in safetensors.torch.load_file(folder / "model.safetensors").items()}, strict=False)
    x = things(zoo, folder, (40, 32))
    modules = {f"layer.{i}": getattr(model, f"stage{i + 1}") for i in (0, 5)}
    (logits, _), layers = taps(model, modules, {"x": x})
    exact = halves(model, lambda model, cast: [model(cast(x))[0]], {"logits": logits})
    write_zoo(root, "zoo_u2net", "cutout", "own code, zoo/u2net.py", "zoo/u2net", x, layers, {"logits": logits}, exact)


MODELS = {
    f.__name__: f
    for f in (
        depth_anything,
        depth_anything_metric,
        dpt,
        dpt_add,
        segformer,
        segformer_defaults,
        upernet_convnext,
        upernet_swin,
        upernet_defaults,
        u2net,
        isnet,
    )
}
