"""Goldens of whole models: golden/models/<case>/.

Each case but zoo_vit is a tiny random model, saved as its library saves it,
with golden.safetensors beside it: the input, the named intermediates and the
outputs.
"""

import shutil
from pathlib import Path

import timm
import torch
import torchvision
import transformers
from safetensors.torch import save_file

from generate_io import generator, halves, write


def redraw(model, g, gain=1.0):
    """Draw all parameters anew. Default initialisation hides errors: with zero
    biases and unit scales, leaving them out passes too. gain is that of
    matrices and convolutions."""
    with torch.no_grad():
        for name, p in sorted(model.named_parameters()):
            draw, uniform = torch.randn(p.shape, generator=g), torch.rand(p.shape, generator=g)
            if p.ndim == 0:  # a scale of logits, which the case sets
                continue
            if p.ndim == 1 and name.endswith("weight"):  # norms
                p.copy_(0.7 + 0.6 * uniform)
            elif p.ndim == 1:  # biases, ±0.2 to ±0.3
                p.copy_(draw.sign() * (0.2 + 0.1 * uniform))
            elif "token" in name or "pos" in name:  # learned tokens, position embeddings
                p.copy_(0.5 * draw)
            else:  # matrices and convolutions
                p.copy_(draw * gain * p[0].numel() ** -0.5)
    return model.eval()


def run(model, modules, pixel_values, **options):
    """The model's output and what each of the named modules gave, in order."""
    seen, hooks = {}, []
    for name, module in modules.items():
        hooks.append(module.register_forward_hook(lambda m, x, y, name=name: seen.__setitem__(name, y.detach().clone())))
    with torch.no_grad():
        output = model(pixel_values, **options)
    for hook in hooks:
        hook.remove()
    return output, {name: seen[name] for name in modules}


def fields(out, names):
    """Fields of what a model of transformers returns."""
    return [out[name] for name in names]


def save(root, name, model, source, architecture, pixel_values, layers, outputs, **more):
    """Write golden.safetensors of one case. layers are in the order of
    computation; an output may be one of them under a second name."""
    metadata = {
        "model": model,
        "source": f"{source}; torch {torch.__version__.split('+')[0]}",
        "architecture": architecture,
        "layers": list(layers),
        "outputs": list(outputs),
    } | more
    write(root / name / "golden.safetensors", {"pixel_values": pixel_values} | layers | outputs, metadata)


def computed(name):
    """Sorts names by the order of computation: a block's probabilities come
    before its output."""
    kind, _, index = name.partition(".")
    return {"embeddings": -1, "norm": 1e9}.get(kind) or int(index), kind


def transformers_modules(base):
    """The modules behind the canonical names, in a ViTModel or DeiTModel."""
    blocks = {f"layer.{i}": block for i, block in enumerate(base.layers)}
    return {"embeddings": base.embeddings} | blocks | {"norm": base.layernorm}


def transformers_case(
    root, name, cls, config, batch, outputs, size=None, shard="1GB", dtype=torch.float32, attentions=False, **options
):
    """A model of transformers: outputs are names of fields of what it
    returns; size is the picture's, where it is not the config's."""
    g = generator(name)
    config._attn_implementation = "eager"
    base_only = {"add_pooling_layer": "pooler_output" in outputs} if cls is transformers.ViTModel else {}
    model = redraw(cls(config, **base_only), g).to(dtype)
    folder = root / name
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder, max_shard_size=shard)

    model.float()
    base = getattr(model, model.base_model_prefix, model)
    size = size or base.embeddings.image_size
    x = torch.randn(batch, config.num_channels, *size, generator=g)
    out, layers = run(model, transformers_modules(base), x, output_attentions=attentions, **options)
    for i, a in enumerate(out.attentions or []):
        layers[f"attentions.{i}"] = a
    layers = {name: layers[name] for name in sorted(layers, key=computed)}
    got = {o: out[o] for o in outputs}
    exact = halves(model, lambda model, cast: fields(model(cast(x), **options), outputs), got)
    save(
        root,
        name,
        "vit",
        f"transformers {transformers.__version__} {cls.__name__}",
        cls.__name__,
        x,
        layers,
        got,
        options=options,
        halves=exact,
    )


def vit_classify(root):
    """Heads of 5, a picture and a grid that are not square, probabilities too."""
    config = transformers.ViTConfig(
        hidden_size=15,
        num_attention_heads=3,
        num_hidden_layers=3,
        intermediate_size=41,
        hidden_act="gelu",
        image_size=[20, 28],
        patch_size=4,
        id2label={i: s for i, s in enumerate("ash birch cedar elm fir oak yew".split())},
    )
    transformers_case(
        root, "vit_classify", transformers.ViTForImageClassification, config, 3, ["logits"], attentions=True
    )


def vit_pooler(root):
    """ViTModel with its pooler; q, k and v without bias; tanh GELU; another eps."""
    config = transformers.ViTConfig(
        hidden_size=21,
        num_attention_heads=7,
        num_hidden_layers=2,
        intermediate_size=50,
        hidden_act="gelu_new",
        layer_norm_eps=1e-3,
        qkv_bias=False,
        image_size=18,
        patch_size=6,
        pooler_output_size=11,
    )
    transformers_case(
        root, "vit_pooler", transformers.ViTModel, config, 2, ["last_hidden_state", "pooler_output"]
    )


def vit_interpolate(root):
    """ViTModel without pooler on a larger, wider picture than its config's:
    6x6 position embeddings become 9x5."""
    config = transformers.ViTConfig(
        hidden_size=22,
        num_attention_heads=2,
        num_hidden_layers=2,
        intermediate_size=64,
        hidden_act="gelu_pytorch_tanh",
        layer_norm_eps=1e-6,
        image_size=24,
        patch_size=4,
    )
    transformers_case(
        root,
        "vit_interpolate",
        transformers.ViTModel,
        config,
        2,
        ["last_hidden_state"],
        size=(36, 20),
        interpolate_pos_encoding=True,
    )


def vit_sharded(root):
    """Quick GELU, patch 7 of a 49x35 picture, saved in several files."""
    config = transformers.ViTConfig(
        hidden_size=40,
        num_attention_heads=5,
        num_hidden_layers=2,
        intermediate_size=72,
        hidden_act="quick_gelu",
        image_size=[49, 35],
        patch_size=7,
        num_labels=33,
    )
    transformers_case(
        root, "vit_sharded", transformers.ViTForImageClassification, config, 2, ["logits"], shard="50KB"
    )


def vit_one_patch(root):
    """The smallest there is: one head, one block, one patch, one picture, one
    label; ReLU; saved in bfloat16 (the reference runs its values in float32)."""
    config = transformers.ViTConfig(
        hidden_size=9,
        num_attention_heads=1,
        num_hidden_layers=1,
        intermediate_size=5,
        hidden_act="relu",
        image_size=5,
        patch_size=5,
        num_labels=1,
    )
    transformers_case(
        root,
        "vit_one_patch",
        transformers.ViTForImageClassification,
        config,
        1,
        ["logits"],
        dtype=torch.bfloat16,
    )


def deit_distilled(root):
    """DeiT with a distillation token and both heads; logits are their mean."""
    config = transformers.DeiTConfig(
        hidden_size=18,
        num_attention_heads=3,
        num_hidden_layers=3,
        intermediate_size=55,
        image_size=[15, 25],
        patch_size=5,
        num_labels=10,
    )
    cls = transformers.DeiTForImageClassificationWithTeacher
    transformers_case(root, "deit_distilled", cls, config, 3, ["cls_logits", "distillation_logits", "logits"])


def deit_grey(root):
    """DeiT with one head, which still has the distillation token; one picture
    channel, patches of 3x5, SiLU."""
    config = transformers.DeiTConfig(
        hidden_size=20,
        num_attention_heads=2,
        num_hidden_layers=2,
        intermediate_size=30,
        hidden_act="silu",
        image_size=[12, 25],
        patch_size=[3, 5],
        num_channels=1,
        num_labels=4,
    )
    transformers_case(root, "deit_grey", transformers.DeiTForImageClassification, config, 2, ["logits"])


def timm_case(root, name, architecture, batch, size=None, **args):
    """A model of timm, saved as its hub folders are; size is the picture's,
    where it is not the config's."""
    g = generator(name)
    model = redraw(timm.create_model(architecture, **args), g)
    folder = root / name
    shutil.rmtree(folder, ignore_errors=True)
    timm.models.save_for_hf(model, folder, safe_serialization=True)

    x = torch.randn(batch, args.get("in_chans", 3), *(size or args["img_size"]), generator=g)
    blocks = {f"layer.{i}": block for i, block in enumerate(model.blocks)}
    modules = {"embeddings": model.pos_drop} | blocks
    # With a norm after pooling there is none before it: its output is "pooled".
    modules |= {"norm": model.norm} if not isinstance(model.norm, torch.nn.Identity) else {"pooled": model.fc_norm}
    logits, layers = run(model, modules, x)
    exact = halves(model, lambda model, cast: [model(cast(x))], {"logits": logits})
    save(root, name, "vit", f"timm {timm.__version__} {architecture}", architecture, x, layers, {"logits": logits}, halves=exact)


def vit_timm(root):
    """timm's naming, class token. Its config leaves out the head count, which
    the architecture knows: 3."""
    timm_case(
        root,
        "vit_timm",
        "vit_tiny_patch16_224",
        3,
        img_size=(18, 30),
        patch_size=6,
        embed_dim=15,
        depth=3,
        mlp_ratio=2.8,
        num_classes=9,
    )


def vit_timm_dynamic(root):
    """timm on a picture of another size: 5x3 position embeddings become 4x6,
    bicubic with antialias, which differs from what transformers does."""
    timm_case(
        root,
        "vit_timm_dynamic",
        "vit_base_patch16_224",
        2,
        size=(16, 24),
        img_size=(20, 12),
        patch_size=4,
        embed_dim=24,
        num_heads=2,
        depth=1,
        mlp_ratio=2,
        num_classes=3,
        dynamic_img_size=True,
    )


def vit_timm_average(root):
    """timm with the mean over the patches in place of the class token's
    output, and the norm after it; q, k and v without bias."""
    timm_case(
        root,
        "vit_timm_average",
        "vit_small_patch16_224",
        2,
        img_size=(16, 24),
        patch_size=8,
        embed_dim=28,
        num_heads=4,
        depth=2,
        mlp_ratio=3,
        num_classes=5,
        global_pool="avg",
        qkv_bias=False,
    )


def deit_timm(root):
    """timm's distilled DeiT: both tokens, both heads."""
    timm_case(
        root,
        "deit_timm",
        "deit_tiny_distilled_patch16_224",
        2,
        img_size=(20, 20),
        patch_size=4,
        embed_dim=33,
        depth=2,
        mlp_ratio=2,
        num_classes=6,
    )


def vit_timm_clip(root):
    """timm's CLIP: a norm before the blocks, another eps, quick GELU."""
    timm_case(
        root,
        "vit_timm_clip",
        "vit_base_patch32_clip_quickgelu_224",
        2,
        img_size=(8, 12),
        patch_size=4,
        embed_dim=15,
        num_heads=3,
        depth=2,
        num_classes=4,
    )


def vit_timm_siglip(root):
    """timm's SigLIP: no class token, attention pooling, tanh GELU."""
    timm_case(
        root,
        "vit_timm_siglip",
        "vit_base_patch32_siglip_256",
        2,
        img_size=(8, 12),
        patch_size=4,
        embed_dim=15,
        num_heads=3,
        depth=1,
        num_classes=4,
    )


def vit_timm_registers(root):
    """timm's registers without a class token, the mean of the patches, layer scale."""
    timm_case(
        root,
        "vit_timm_registers",
        "vit_medium_patch16_reg4_gap_256",
        2,
        img_size=(8, 12),
        patch_size=4,
        embed_dim=14,
        num_heads=2,
        depth=1,
        num_classes=4,
    )


def vit_timm_maximum(root):
    """The mean of mean and maximum over the patches behind a class token, ReLU; grey."""
    timm_case(
        root,
        "vit_timm_maximum",
        "vit_tiny_patch16_224",
        2,
        img_size=(8, 12),
        patch_size=4,
        embed_dim=15,
        depth=1,
        num_classes=4,
        global_pool="avgmax",
        act_layer="relu",
        in_chans=1,
    )


def vit_torchvision(root):
    """torchvision's naming: a state_dict and nothing else. What its tensors
    do not tell is vit_b_16's: 12 heads (here of 5), eps 1e-6, GELU."""
    name = "vit_torchvision"
    g = generator(name)
    model = torchvision.models.VisionTransformer(
        image_size=20, patch_size=5, num_layers=2, num_heads=12, hidden_dim=60, mlp_dim=52, num_classes=11
    )
    redraw(model, g)
    shutil.rmtree(root / name, ignore_errors=True)
    (root / name).mkdir(parents=True)
    save_file(model.state_dict(), root / name / "model.safetensors")

    x = torch.randn(2, 3, 20, 20, generator=g)
    blocks = {f"layer.{i}": block for i, block in enumerate(model.encoder.layers)}
    modules = {"embeddings": model.encoder.dropout} | blocks | {"norm": model.encoder.ln}
    logits, layers = run(model, modules, x)
    source = f"torchvision {torchvision.__version__.split('+')[0]} VisionTransformer"
    exact = halves(model, lambda model, cast: [model(cast(x))], {"logits": logits})
    save(root, name, "vit", source, "vit_b_16", x, layers, {"logits": logits}, halves=exact)


def zoo_pictures(zoo: Path, folder: Path):
    """Some files of zoo/pictures, and what the folder's preprocessing makes of them."""
    from PIL import Image

    # PNG, as decoders of JPEG differ; without alpha, as what lies behind it is
    # a choice that transformers does not make.
    files = [p for p in sorted((zoo / "pictures").glob("*.png")) if Image.open(p).mode == "RGB"][:4]
    if not files:
        raise FileNotFoundError(f"{zoo / 'pictures'}: no PNG file without alpha")
    processor = transformers.AutoImageProcessor.from_pretrained(folder, backend="pil")
    x = torch.cat([processor(Image.open(f), return_tensors="pt")["pixel_values"].float() for f in files])
    return files, x


def best(files, logits, labels):
    """The metadata "images": of each file the five best labels, best first."""
    images = []
    for file, row in zip(files, logits):
        scores = row.softmax(-1)
        order = row.argsort(descending=True)[:5].tolist()
        top = [{"index": j, "label": labels[j], "score": float(scores[j])} for j in order]
        images.append({"file": file.name, "top": top})
    return images


def zoo_vit(root, zoo: Path):
    """The trained model of zoo/vit on pictures of zoo/pictures: from the file
    to the label. Its weights stay in the zoo. To keep it small, only the first
    picture's intermediates are here, and of the blocks the first, the middle
    one and the last."""
    folder = zoo / "vit"
    model = transformers.ViTForImageClassification.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager"
    ).eval()
    files, x = zoo_pictures(zoo, folder)
    out, seen = run(model, transformers_modules(model.vit), x)
    last = len(model.vit.layers) - 1
    keep = ["embeddings", "layer.0", f"layer.{last // 2}", f"layer.{last}", "norm"]
    save(
        root,
        "zoo_vit",
        "vit",
        f"transformers {transformers.__version__} ViTForImageClassification",
        "ViTForImageClassification",
        x,
        {name: seen[name][:1] for name in keep},
        {"logits": out.logits},
        weights="zoo/vit",
        layer_images=1,
        images=best(files, out.logits, model.config.id2label),
    )


MODELS = {
    f.__name__: f
    for f in (
        vit_classify,
        vit_pooler,
        vit_interpolate,
        vit_sharded,
        vit_one_patch,
        deit_distilled,
        deit_grey,
        vit_timm,
        vit_timm_dynamic,
        vit_timm_average,
        vit_timm_clip,
        vit_timm_siglip,
        vit_timm_registers,
        vit_timm_maximum,
        deit_timm,
        vit_torchvision,
    )
}
