"""Goldens of DINO and DINOv2: golden/models/dino*/."""

import re
import shutil

import timm
import torch
import transformers

from generate_io import generator, halves
from generate_models import computed, fields, redraw, run, save


def redraw_scaled(model, g):
    """redraw, then layer scales of 0.5 to 1.5: redraw takes them for biases."""
    redraw(model, g)
    with torch.no_grad():
        for name, p in sorted(model.named_parameters()):
            if re.search(r"lambda1|gamma", name):
                p.copy_(0.5 + torch.rand(p.shape, generator=g))
    return model


def modules_of(base):
    """The modules behind the canonical names, in a ViTModel or a Dinov2Model."""
    layers = base.encoder.layer if hasattr(base, "encoder") else base.layers
    blocks = {f"layer.{i}": block for i, block in enumerate(layers)}
    return {"embeddings": base.embeddings} | blocks | {"norm": base.layernorm}


def transformers_case(root, name, cls, config, batch, size, outputs, attentions=False, options=None, **init):
    """A model of transformers on pictures of a size [h, w]: outputs are names
    of fields of what it returns, init what its constructor takes besides."""
    g = generator(name)
    config._attn_implementation = "eager"
    model = redraw_scaled(cls(config, **init), g)
    folder = root / name
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder)

    base = getattr(model, model.base_model_prefix, model)
    x = torch.randn(batch, config.num_channels, *size, generator=g)
    options = options or {}
    out, layers = run(model, modules_of(base), x, output_attentions=attentions, **options)
    for i, a in enumerate(out.attentions or []):
        layers[f"attentions.{i}"] = a
    layers = {key: layers[key] for key in sorted(layers, key=computed)}
    family = "dino" if config.model_type == "vit" else "dinov2"
    source = f"transformers {transformers.__version__} {cls.__name__}"
    got = {o: out[o] for o in outputs}
    exact = halves(model, lambda model, cast: fields(model(cast(x), **options), outputs), got)
    save(root, name, family, source, cls.__name__, x, layers, got, options=options, halves=exact)


def dino(root):
    """DINO as transformers saves it, a ViTModel without pooler, on a taller
    picture whose height is no multiple of the patch: 5x5 position embeddings
    become 7x4. Probabilities too."""
    config = transformers.ViTConfig(
        hidden_size=25,
        num_attention_heads=5,
        num_hidden_layers=2,
        intermediate_size=44,
        layer_norm_eps=1e-12,
        image_size=20,
        patch_size=4,
    )
    transformers_case(
        root,
        "dino",
        transformers.ViTModel,
        config,
        3,
        (30, 16),
        ["last_hidden_state"],
        attentions=True,
        options={"interpolate_pos_encoding": True},
        add_pooling_layer=False,
    )


def dinov2(root):
    """Heads of 5, pictures whose sides are no multiples of the patch: 4x4
    position embeddings become 3x6. Probabilities too."""
    config = transformers.Dinov2Config(
        hidden_size=35,
        num_attention_heads=7,
        num_hidden_layers=2,
        mlp_ratio=3,
        image_size=28,
        patch_size=7,
    )
    transformers_case(
        root,
        "dinov2",
        transformers.Dinov2Model,
        config,
        3,
        (25, 48),
        ["last_hidden_state", "pooler_output"],
        attentions=True,
    )


def dinov2_giant(root):
    """SwiGLU with a hidden width of 56, q, k and v without bias, no mask token,
    on the picture of the config's size."""
    config = transformers.Dinov2Config(
        hidden_size=27,
        num_attention_heads=3,
        num_hidden_layers=2,
        mlp_ratio=3,
        image_size=30,
        patch_size=6,
        use_swiglu_ffn=True,
        qkv_bias=False,
        use_mask_token=False,
        layer_norm_eps=1e-5,
    )
    transformers_case(
        root, "dinov2_giant", transformers.Dinov2Model, config, 2, (30, 30), ["last_hidden_state", "pooler_output"]
    )


def dinov2_classify(root):
    """A classifier over the class token and the mean of the patches; tanh
    GELU; 3x3 position embeddings become 5x2."""
    config = transformers.Dinov2Config(
        hidden_size=22,
        num_attention_heads=2,
        num_hidden_layers=2,
        mlp_ratio=2,
        hidden_act="gelu_new",
        image_size=15,
        patch_size=5,
        id2label={i: s for i, s in enumerate("ash birch cedar elm fir oak yew".split())},
    )
    transformers_case(
        root, "dinov2_classify", transformers.Dinov2ForImageClassification, config, 3, (27, 10), ["logits"]
    )


def dinov2_registers(root):
    """Three registers, position embeddings interpolated down with antialias,
    6x6 to 4x3, SwiGLU. Probabilities too."""
    config = transformers.Dinov2WithRegistersConfig(
        hidden_size=33,
        num_attention_heads=3,
        num_hidden_layers=2,
        mlp_ratio=2,
        image_size=24,
        patch_size=4,
        num_register_tokens=3,
        use_swiglu_ffn=True,
    )
    transformers_case(
        root,
        "dinov2_registers",
        transformers.Dinov2WithRegistersModel,
        config,
        3,
        (17, 15),
        ["last_hidden_state", "pooler_output"],
        attentions=True,
    )


def dinov2_registers_classify(root):
    """A classifier whose mean leaves out five registers; one picture, wider: 4x4
    position embeddings become 4x7."""
    config = transformers.Dinov2WithRegistersConfig(
        hidden_size=20,
        num_attention_heads=5,
        num_hidden_layers=2,
        mlp_ratio=4,
        image_size=20,
        patch_size=5,
        num_register_tokens=5,
        num_labels=3,
    )
    cls = transformers.Dinov2WithRegistersForImageClassification
    transformers_case(root, "dinov2_registers_classify", cls, config, 1, (20, 35), ["logits"])


def dinov2_timm(root):
    """timm's naming, SwiGLU packed, registers, no position for the class token,
    no head: its pooler_output is what timm's forward gives. 4x4 position
    embeddings become 3x6, with antialias."""
    architecture = "vit_giant_patch14_reg4_dinov2"
    g = generator("dinov2_timm")
    model = timm.create_model(
        architecture,
        img_size=20,
        patch_size=5,
        embed_dim=24,
        depth=2,
        num_heads=3,
        mlp_ratio=3,
        num_classes=0,
        dynamic_img_size=True,
    )
    redraw_scaled(model, g)
    folder = root / "dinov2_timm"
    shutil.rmtree(folder, ignore_errors=True)
    timm.models.save_for_hf(model, folder, safe_serialization=True)
    x = torch.randn(2, 3, 15, 30, generator=g)
    modules = {"embeddings": model.norm_pre} | {f"layer.{i}": b for i, b in enumerate(model.blocks)} | {"norm": model.norm}
    pooled, layers = run(model, modules, x)
    outputs = {"last_hidden_state": layers["norm"].clone(), "pooler_output": pooled}
    source = f"timm {timm.__version__} {architecture}"
    exact = halves(model, lambda model, cast: [model.forward_features(cast(x)), model(cast(x))], outputs)
    save(root, "dinov2_timm", "dinov2", source, architecture, x, layers, outputs, halves=exact)


MODELS = {
    f.__name__: f
    for f in (
        dino,
        dinov2,
        dinov2_giant,
        dinov2_classify,
        dinov2_registers,
        dinov2_registers_classify,
        dinov2_timm,
    )
}
