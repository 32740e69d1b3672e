"""Goldens of networks that find objects: golden/models/<case>/, as generate_models.py makes those of transformers."""

import torch
import transformers
from PIL import Image

from generate_cnns import calibrate, empty
from generate_defaults import strike
from generate_io import generator, halves, write
from generate_models import redraw


def taps(model, modules, inputs):
    """The model's output and what each of the named modules gave; a pair of a module and
    a function gives what that makes of it."""
    seen, hooks = {}, []
    for name, module in modules.items():
        module, make = module if isinstance(module, tuple) else (module, lambda y: y)
        take = lambda m, x, y, name=name, make=make: seen.__setitem__(name, make(y[0] if isinstance(y, tuple) else y).detach().clone())
        hooks.append(module.register_forward_hook(take))
    with torch.no_grad():
        output = model(**inputs)
    for hook in hooks:
        hook.remove()
    return output, {name: seen[name] for name in modules}


def detector(root, name, cls, config, size, modules, batch=2, family="detect", outputs=("logits", "pred_boxes"), prepare=None, inputs=None, pictures=None):
    """A detector of transformers on pictures of a height and width; modules gives the
    named modules of the model, inputs more of the generator, pictures those of the prepared
    model in place of random ones."""
    g = generator(name)
    config._attn_implementation = "eager"
    model = redraw(cls(config), g)
    if prepare:
        prepare(model, g)
    model.save_pretrained(empty(root, name))
    x = pictures(model, g) if pictures else torch.randn(batch, 3, *size, generator=g)
    given = {"pixel_values": x} | (inputs(g, batch) if inputs else {})
    out, layers = taps(model, modules(model), given)
    got = {o: out[o] for o in outputs}

    def call(model, cast):
        out = model(**{k: cast(v) for k, v in given.items()})
        return [out[o] for o in outputs]

    exact = halves(model, call, got)
    source = f"transformers {transformers.__version__} {cls.__name__}"
    more = {k: v.int() if not v.is_floating_point() else v for k, v in given.items() if k != "pixel_values"}
    write_case(root, name, family, source, cls.__name__, {"pixel_values": x} | more, layers, got, exact)


def write_case(root, name, family, source, architecture, inputs, layers, outputs, exact):
    """golden.safetensors of a case with several inputs."""
    metadata = {"model": family, "source": f"{source}; torch {torch.__version__.split('+')[0]}", "architecture": architecture}
    metadata |= {"layers": list(layers), "outputs": list(outputs), "halves": exact}
    write(root / name / "golden.safetensors", inputs | layers | outputs, metadata)


def yolos_modules(model):
    """Its tokens in the order of ours: class, detection tokens, patches."""
    n = model.config.num_detection_tokens
    order = lambda y: torch.cat([y[:, :1], y[:, -n:], y[:, 1:-n]], 1)
    blocks = {f"layer.{i}": (block, order) for i, block in enumerate(model.vit.encoder.layer)}
    return {"embeddings": (model.vit.embeddings, order)} | blocks | {"last_hidden_state": (model.vit.layernorm, order)}


def yolos(root):
    """A tall picture, which is not of whole patches: 4x6 positions become 7x4, between the
    blocks too; heads of 5."""
    config = transformers.YolosConfig(
        hidden_size=15, num_hidden_layers=3, num_attention_heads=3, intermediate_size=41, hidden_act="gelu_new", layer_norm_eps=1e-3,
        image_size=[24, 36], patch_size=6, num_detection_tokens=7, num_labels=5,
    )  # fmt: skip
    detector(root, "yolos", transformers.YolosForObjectDetection, config, (45, 29), yolos_modules)


def yolos_wide(root):
    """A wide picture of the config's size, queries without biases, nothing between the
    blocks."""
    config = transformers.YolosConfig(
        hidden_size=22, num_hidden_layers=2, num_attention_heads=2, intermediate_size=50, qkv_bias=False, use_mid_position_embeddings=False,
        image_size=[20, 44], patch_size=4, num_detection_tokens=3, id2label={0: "cat", 1: "dog", 2: "tree"},
    )  # fmt: skip
    detector(root, "yolos_wide", transformers.YolosForObjectDetection, config, (20, 44), yolos_modules, batch=1)


def yolos_defaults(root):
    """No word of patches, eps, the activation, biases and what is between the blocks."""
    config = transformers.YolosConfig(
        hidden_size=18, num_hidden_layers=2, num_attention_heads=3, intermediate_size=30, image_size=[32, 48], num_detection_tokens=5, num_labels=4
    )
    detector(root, "yolos_defaults", transformers.YolosForObjectDetection, config, (51, 40), yolos_modules, batch=1)
    strike(root / "yolos_defaults", "patch_size", "layer_norm_eps", "hidden_act", "qkv_bias", "use_mid_position_embeddings", "num_channels")


def detr_modules(model, masked=False):
    """With a mask the tokens of the encoder stand in another order than ours."""
    base = model.model
    backbone = base.backbone.model
    if hasattr(backbone, "encoder"):
        blocks = [block for stage in backbone.encoder.stages for block in stage.layers]
    else:
        blocks = [b for i in range(1, 5) for b in getattr(backbone, f"layer{i}")]
    kept = [0, len(blocks) - 1]  # the maps of all would be large
    places = {f"layer.{i}": blocks[i] for i in kept} | {"projection": base.input_projection}
    if not masked:
        places |= {f"encoder.layers.{i}": layer for i, layer in enumerate(base.encoder.layers)}
    return places | {f"decoder.layers.{i}": layer for i, layer in enumerate(base.decoder.layers)}


def frozen(model, g):
    """Draws the frozen norms, which are no parameters, anew, so that nothing explodes."""
    calibrated = []

    def draw(norm, inputs):
        deviation, mean = torch.std_mean(inputs[0].transpose(0, 1).flatten(1), 1)
        norm.weight.copy_(0.7 + 0.6 * torch.rand(len(mean), generator=g))
        norm.bias.copy_(torch.randn(len(mean), generator=g).sign() * 0.25)
        norm.running_mean.copy_(mean + deviation * torch.randn(len(mean), generator=g) / 3)
        norm.running_var.copy_(deviation**2 * 4 ** (torch.rand(len(mean), generator=g) - 0.5) + 0.01)
        calibrated.append(norm)

    norms = [m for m in model.modules() if type(m).__name__.endswith("FrozenBatchNorm2d")]
    hooks = [m.register_forward_pre_hook(draw) for m in norms]
    with torch.no_grad():
        model(pixel_values=torch.randn(8, 3, 96, 96, generator=g))
    for hook in hooks:
        hook.remove()
    assert len(calibrated) == len(norms)


def detr_config(**more):
    backbone = transformers.ResNetConfig(embedding_size=9, hidden_sizes=[12, 16, 20, 24], depths=[1, 2, 1, 1], layer_type="bottleneck", out_features=["stage4"])
    sizes = dict(d_model=20, encoder_layers=2, decoder_layers=2, encoder_attention_heads=5, decoder_attention_heads=2, encoder_ffn_dim=31, decoder_ffn_dim=27, num_queries=7)
    return transformers.DetrConfig(**{"backbone_config": backbone, "num_labels": 5} | sizes | more)


def detr(root):
    """A wide picture of odd sides, whole: maps of 2x4."""
    detector(root, "detr", transformers.DetrForObjectDetection, detr_config(activation_function="gelu"), (37, 100), detr_modules, batch=1, prepare=frozen)


def detr_masked(root):
    """A batch that is filled up at the right and at the bottom, by a mask; a norm behind
    each layer of the decoder; maps of 3x3."""

    def masks(g, n):
        mask = torch.zeros(n, 66, 65)
        mask[0, :, :41] = 1
        mask[1, :50, :] = 1
        return {"pixel_mask": mask}

    modules = lambda model: detr_modules(model, True)
    config = detr_config(auxiliary_loss=True, num_labels=3)
    detector(root, "detr_masked", transformers.DetrForObjectDetection, config, (66, 65), modules, prepare=frozen, inputs=masks)


def detr_timm(root):
    """timm's names of the backbone, whose sizes tensors tell, and a config that leaves out
    what has defaults."""
    backbone = {"model_type": "timm_backbone", "backbone": "resnet18", "num_channels": 3, "features_only": True, "out_indices": [1, 2, 3, 4]}
    config = detr_config(backbone_config=backbone, encoder_attention_heads=2)

    def prepare(model, g):
        narrow(model.model.backbone.model)
        model.model.input_projection = torch.nn.Conv2d(13, 20, 1)
        redraw(model, g)
        frozen(model, g)

    detector(root, "detr_timm", transformers.DetrForObjectDetection, config, (97, 65), detr_modules, batch=1, prepare=prepare)
    strike(root / "detr_timm", "activation_function", "position_embedding_type", "dilation", "num_channels", "auxiliary_loss")


def narrow(model, widths=(6, 7, 9, 11, 13)):
    """timm's resnet18 with other widths."""
    from torch import nn
    from transformers.models.detr.modeling_detr import DetrFrozenBatchNorm2d as Norm

    model.conv1, model.bn1 = nn.Conv2d(3, widths[0], 7, 2, 3, bias=False), Norm(widths[0])
    before = widths[0]
    for i, width in enumerate(widths[1:]):
        for j, block in enumerate(getattr(model, f"layer{i + 1}")):
            stride = 2 if i and not j else 1
            block.conv1, block.bn1 = nn.Conv2d(before, width, 3, stride, 1, bias=False), Norm(width)
            block.conv2, block.bn2 = nn.Conv2d(width, width, 3, 1, 1, bias=False), Norm(width)
            block.downsample = nn.Sequential(nn.Conv2d(before, width, 1, stride, bias=False), Norm(width)) if stride > 1 or before != width else None
            before = width


def deformable_modules(model):
    base = model.model
    places = {f"input_proj.{i}": p for i, p in enumerate(base.input_proj)} | {f"encoder.layers.{i}": layer for i, layer in enumerate(base.encoder.layers)}
    if base.config.two_stage:
        places["enc_outputs_class"] = base.decoder.class_embed[-1]
    return places | {f"decoder.layers.{i}": layer for i, layer in enumerate(base.decoder.layers)}


def deformable_config(stages=("stage2", "stage3", "stage4"), **more):
    backbone = transformers.ResNetConfig(embedding_size=4, hidden_sizes=[5, 6, 7, 9], depths=[1, 1, 1, 1], layer_type="basic", out_features=list(stages))
    sizes = dict(d_model=32, encoder_layers=1, decoder_layers=2, encoder_attention_heads=4, decoder_attention_heads=2, encoder_ffn_dim=13, decoder_ffn_dim=11, num_queries=7)
    return transformers.DeformableDetrConfig(**{"backbone_config": backbone, "num_labels": 5, "encoder_n_points": 3, "decoder_n_points": 2} | sizes | more)


def deformable(root, name, config, size, batch, first=None, pictures=None):
    def prepare(model, g):
        if first:
            first(model, g)
        else:
            frozen(model, g)
        for m in model.modules():  # to other pixels and off the map
            if hasattr(m, "sampling_offsets"):
                m.sampling_offsets.bias.data = 3 * torch.randn(m.sampling_offsets.bias.shape, generator=g)

    cls = transformers.DeformableDetrForObjectDetection
    detector(root, name, cls, config, size, deformable_modules, batch, prepare=prepare, pictures=pictures)


def deformable_detr(root):
    """A wide picture of odd sides; one level more than the backbone's maps."""
    deformable(root, "deformable_detr", deformable_config(activation_function="gelu"), (37, 100), 1)


def deformable_detr_refine(root):
    """A batch of tall pictures; two more levels than maps; heads of their own for each layer."""
    config = deformable_config(("stage2",), with_box_refine=True, tie_word_embeddings=False, num_feature_levels=3)
    deformable(root, "deformable_detr_refine", config, (70, 41), 2)


def deformable_detr_two_stage(root):
    """Queries chosen among the pixels of the one map of a wide picture; timm's names of the backbone, and no word of what has
    defaults. Halves must choose as floats do: see chooser."""
    size = (70, 101)
    backbone = {"model_type": "timm_backbone", "backbone": "resnet18", "num_channels": 3, "features_only": True, "out_indices": [4]}

    def first(model, g):
        narrow(model.model.backbone.model, (4, 5, 6, 7, 8))
        model.model.input_proj[0][0] = torch.nn.Conv2d(8, 32, 1)
        redraw(model, g)
        frozen(model, g)
        model.model.decoder.class_embed[-1].weight.data *= 4

    def pictures(model, g):
        x = torch.randn(200, 3, *size, generator=g)
        gaps = []
        for part in x.split(20):
            scores = taps(model, {"scores": model.model.decoder.class_embed[-1]}, {"pixel_values": part})[1]["scores"]
            seen = scores[..., 0].sort(-1, descending=True).values
            gaps.append((seen[:, :9] - seen[:, 1:10]).min(-1).values)
        best = torch.cat(gaps).topk(1)
        print(f"deformable_detr_two_stage: the chosen scores are {best.values.min():.3f} apart")
        return x[best.indices]

    config = deformable_config(
        backbone_config=backbone, num_feature_levels=1, with_box_refine=True, two_stage=True, two_stage_num_proposals=9, encoder_n_points=4, decoder_n_points=4
    )
    deformable(root, "deformable_detr_two_stage", config, size, 1, first, pictures)
    strike(root / "deformable_detr_two_stage", "encoder_n_points", "decoder_n_points", "activation_function", "position_embedding_type", "dilation", "num_channels", "num_queries")


def rtdetr_modules(model):
    base = model.model
    aifi = {f"encoder.aifi.{i}.layers.{j}": layer for i, a in enumerate(base.encoder.aifi) for j, layer in enumerate(a.layers)}
    parts = {f"encoder.{part}.{i}": block for part in ("fpn_blocks", "pan_blocks") for i, block in enumerate(getattr(base.encoder, part))}
    return aifi | parts | {"enc_outputs_class": base.enc_score_head} | {f"decoder.layers.{i}": layer for i, layer in enumerate(base.decoder.layers)}


def rtdetr_config(cls, backbone=None, **more):
    sizes = dict(embedding_size=6, hidden_sizes=[6, 7, 9, 10], depths=[1, 2, 1, 1], layer_type="basic", out_features=["stage2", "stage3", "stage4"])
    nested = transformers.RTDetrResNetConfig(**sizes | (backbone or {}))
    own = dict(
        encoder_hidden_dim=12, d_model=15, encoder_in_channels=nested.hidden_sizes[1:], decoder_in_channels=[12] * 3, encoder_ffn_dim=31, decoder_ffn_dim=27,
        encoder_attention_heads=4, decoder_attention_heads=3, decoder_layers=3, num_queries=9, num_labels=5, hidden_expansion=0.5,
    )  # fmt: skip
    return cls(**{"backbone_config": nested} | own | more)


def chooser(root, name, cls, config, size, modules, batch=2, first=None):
    """A detector that chooses its queries among pixels. Halves must choose as floats do, so of
    many pictures those are taken whose scores stand furthest apart."""

    def prepare(model, g):
        if first:
            first(model, g)
        frozen(model, g)
        calibrate(model, g, size, [*model.model.encoder.fpn_blocks, *model.model.encoder.pan_blocks])
        model.model.enc_score_head.weight.data *= 4
        model.model.enc_bbox_head.layers[-1].weight.data *= 2

    def order(model, x):
        scores = taps(model, {"scores": model.model.enc_score_head}, {"pixel_values": x})[1]["scores"]
        seen = scores.max(-1).values.sort(-1, descending=True).values
        n = model.config.num_queries
        return (seen[:, :n] - seen[:, 1 : n + 1]).min(-1).values

    def pictures(model, g):
        x = torch.randn(200, 3, *size, generator=g)
        gaps = torch.cat([order(model, part) for part in x.split(20)])
        best = gaps.topk(batch)
        print(f"{name}: the chosen scores are {best.values.min():.3f} apart")
        return x[best.indices]

    detector(root, name, cls, config, size, modules, batch, prepare=prepare, pictures=pictures)


def rtdetr(root):
    """RT-DETR on wide pictures, a fourth level made of the last, basic blocks."""
    config = rtdetr_config(transformers.RTDetrConfig, num_feature_levels=4, decoder_n_points=3, activation_function="relu", layer_norm_eps=1e-3, batch_norm_eps=1e-3)
    chooser(root, "rtdetr", transformers.RTDetrForObjectDetection, config, (64, 96), rtdetr_modules)


def rtdetr_bottleneck(root):
    """Tall pictures of odd sides, bottlenecks with the stride first, two maps with attention, nothing narrower within the fusions."""
    backbone = dict(layer_type="bottleneck", hidden_sizes=[8, 12, 16, 20], depths=[1, 1, 1, 1], downsample_in_bottleneck=True, hidden_act="silu")
    config = rtdetr_config(
        transformers.RTDetrConfig, backbone, encode_proj_layers=[1, 2], encoder_layers=2, hidden_expansion=1.0, decoder_layers=2,
        encoder_activation_function="silu", decoder_activation_function="gelu", positional_encoding_temperature=100,
    )  # fmt: skip
    chooser(root, "rtdetr_bottleneck", transformers.RTDetrForObjectDetection, config, (95, 63), rtdetr_modules, batch=1)


def rtdetr_v2(root):
    """RT-DETRv2 with an offset scale; square pictures, no positions in the encoder."""
    config = rtdetr_config(transformers.RTDetrV2Config, decoder_offset_scale=0.8, eval_size=64, decoder_n_points=2)
    chooser(root, "rtdetr_v2", transformers.RTDetrV2ForObjectDetection, config, (64, 64), rtdetr_modules)


def rtdetr_v2_discrete(root):
    """RT-DETRv2 that takes the nearest pixel."""
    config = rtdetr_config(transformers.RTDetrV2Config, decoder_method="discrete")
    chooser(root, "rtdetr_v2_discrete", transformers.RTDetrV2ForObjectDetection, config, (96, 64), rtdetr_modules, batch=1)


def dfine_config(**more):
    backbone = transformers.HGNetV2Config(
        stem_channels=[3, 6, 7], stage_in_channels=[7, 9, 10, 12], stage_mid_channels=[4, 5, 6, 3], stage_out_channels=[9, 10, 12, 14], stage_num_blocks=[1, 1, 2, 1],
        stage_numb_of_layers=[2, 1, 3, 2], stage_light_block=[False, True, True, False], stage_kernel_size=[3, 3, 5, 3], embedding_size=7, hidden_sizes=[9, 10, 12, 14],
        depths=[1, 1, 2, 1], out_features=["stage2", "stage3", "stage4"], **more.pop("backbone", {}),
    )  # fmt: skip
    own = dict(
        encoder_hidden_dim=12, d_model=12, encoder_in_channels=[10, 12, 14], decoder_in_channels=[12] * 3, encoder_ffn_dim=31, decoder_ffn_dim=27, encoder_attention_heads=3,
        decoder_attention_heads=3, decoder_layers=3, num_queries=9, num_labels=5, lqe_hidden_dim=13, max_num_bins=8, depth_mult=0.34,
    )  # fmt: skip
    return transformers.DFineConfig(**{"backbone_config": backbone} | own | more)


def bins(model, g):
    """Scales that are not the config's, and those behind activations, which are no weights of norms."""
    model.model.decoder.up.data.fill_(-0.4)
    model.model.decoder.reg_scale.data.fill_(3.5)
    for key, p in model.named_parameters():
        if key.endswith("lab.scale"):
            p.data.copy_(0.7 + 0.6 * torch.rand(p.shape, generator=g))


def dfine(root):
    """D-FINE on wide pictures, with scales and shifts behind activations and a number of points for each level."""
    config = dfine_config(backbone=dict(use_learnable_affine_block=True), decoder_n_points=[2, 3, 1], layer_norm_eps=1e-3, decoder_offset_scale=0.7, top_prob_values=3)
    chooser(root, "dfine", transformers.DFineForObjectDetection, config, (64, 96), rtdetr_modules, batch=1, first=bins)


def dfine_projected(root):
    """D-FINE on tall pictures of odd sides, the encoder narrower than the decoder, the nearest pixels, other activations."""
    config = dfine_config(
        backbone=dict(hidden_act="silu"), d_model=16, decoder_attention_heads=2, decoder_layers=2, decoder_method="discrete", hidden_expansion=1.5, depth_mult=0.5,
        activation_function="relu", lqe_layers=3, eval_idx=1, encode_proj_layers=[0, 2], batch_norm_eps=1e-3,
    )  # fmt: skip
    chooser(root, "dfine_projected", transformers.DFineForObjectDetection, config, (95, 63), rtdetr_modules, batch=1, first=bins)


def owl_modules(model):
    base = getattr(model, model.base_model_prefix)
    blocks = {f"layer.{i}": b for i, b in enumerate(base.vision_model.encoder.layers)}
    texts = {f"text.layer.{i}": b for i, b in enumerate(base.text_model.encoder.layers)}
    flat = lambda y: y.flatten(1, 2) if y.ndim == 4 else y
    return {"embeddings": base.vision_model.embeddings} | blocks | texts | {"features": (model.layer_norm, flat)}


def owl_config(cls, **more):
    text = dict(vocab_size=60, hidden_size=21, intermediate_size=30, num_hidden_layers=2, num_attention_heads=3, max_position_embeddings=9)
    vision = dict(hidden_size=15, intermediate_size=40, num_hidden_layers=2, num_attention_heads=3, image_size=30, patch_size=6)
    for key, value in more.items():
        (text if key.startswith("text_") else vision)[key.partition("_")[2]] = value
    return cls(text_config=text, vision_config=vision, projection_dim=21)


def words(g, n, end=59):
    """Three texts for each picture, which end at a token. None is missing: the lowest number as
    its logit would hide all others'."""
    ids = torch.randint(1, 50, (n, 3, 9), generator=g)
    ids[0, 0, 4:] = ids[0, 1, 8:] = 0
    ids[0, 0, 3] = ids[0, 1, 7] = ids[0, 2, 8] = ids[-1, 0, 5] = ids[-1, 1, 2] = ids[-1, 2, 4] = end
    return {"input_ids": ids.flatten(0, 1)}


def owlvit(root):
    """Two pictures with texts of their own."""
    config = owl_config(transformers.OwlViTConfig, vision_hidden_act="gelu", text_layer_norm_eps=0.01)
    detector(root, "owlvit", transformers.OwlViTForObjectDetection, config, (30, 30), owl_modules, family="find", inputs=words)


def owlv2(root):
    """OWLv2, whose patches tell too whether they are an object; a mask of the texts."""

    def masked(g, n):
        given = words(g, n, 881)
        mask = torch.ones_like(given["input_ids"])
        mask[0, 4:] = mask[1, 8:] = 0
        return given | {"attention_mask": mask}

    config = owl_config(transformers.Owlv2Config, text_vocab_size=882, vision_layer_norm_eps=0.01, text_hidden_act="relu")
    outputs = ("logits", "pred_boxes", "objectness_logits")
    detector(root, "owlv2", transformers.Owlv2ForObjectDetection, config, (30, 30), owl_modules, batch=1, family="find", outputs=outputs, inputs=masked)


def things(zoo, folder, size):
    """zoo/pictures/things.png at a height and width, as a folder's preprocessing has it; the inputs are small so."""
    processor = transformers.AutoImageProcessor.from_pretrained(folder, backend="pil", size={"height": size[0], "width": size[1]})
    return processor(Image.open(zoo / "pictures" / "things.png"), return_tensors="pt")["pixel_values"].float()


def zoo_yolos(root, zoo):
    """The trained detector of zoo/yolos on a wide picture: 8x8 positions become 3x4. Its weights stay in the zoo."""
    folder = zoo / "yolos"
    model = transformers.YolosForObjectDetection.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    x = things(zoo, folder, (48, 64))
    out, layers = taps(model, yolos_modules(model), {"pixel_values": x})
    got = {"logits": out.logits, "pred_boxes": out.pred_boxes}
    exact = halves(model, lambda model, cast: [(o := model(cast(x))).logits, o.pred_boxes], got)
    source = f"transformers {transformers.__version__} YolosForObjectDetection"
    write_zoo(root, "zoo_yolos", "detect", source, "zoo/yolos", x, {name: layers[name] for name in ("layer.0", "last_hidden_state")}, got, exact)


def write_zoo(root, name, family, source, weights, x, layers, outputs, exact):
    """golden.safetensors of a trained model."""
    metadata = {"model": family, "source": f"{source}; torch {torch.__version__.split('+')[0]}", "architecture": family}
    metadata |= {"layers": list(layers), "outputs": list(outputs), "halves": exact, "weights": weights}
    write(root / name / "golden.safetensors", {"pixel_values": x} | layers | outputs, metadata)


MODELS = {
    f.__name__: f
    for f in (
        yolos,
        yolos_wide,
        yolos_defaults,
        detr,
        detr_masked,
        detr_timm,
        deformable_detr,
        deformable_detr_refine,
        deformable_detr_two_stage,
        rtdetr,
        rtdetr_bottleneck,
        rtdetr_v2,
        rtdetr_v2_discrete,
        dfine,
        dfine_projected,
        owlvit,
        owlv2,
    )
}
