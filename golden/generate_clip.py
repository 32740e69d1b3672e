"""Goldens of dual encoders and text towers: CLIP and SigLIP of transformers."""

import shutil

import torch
import transformers

from generate_io import generator, halves, write
from generate_models import best, fields, redraw, zoo_pictures


def hooked(modules, call):
    """What call returns, and what each of the named modules gave."""
    seen, hooks = {}, []
    for name, module in modules.items():

        def keep(m, x, y, name=name):
            seen[name] = (y[0] if isinstance(y, tuple) else y).detach().clone()

        hooks.append(module.register_forward_hook(keep))
    with torch.no_grad():
        out = call()
    for hook in hooks:
        hook.remove()
    return out, {name: seen[name] for name in modules}


def texts(g, n, length, vocab, end, legacy=False):
    """Token ids of texts of different lengths, padded by the end token (in legacy
    checkpoints by ids below it); the first fills the context."""
    ids = torch.randint(3, vocab - 2, (n, length), generator=g, dtype=torch.int32)
    for i in range(n):
        stop = length - 1 if i == 0 else 2 + (i * 3) % (length - 3)
        ids[i, stop:] = end
        if legacy:
            ids[i, stop + 1 :] = 1
    ids[:, 0] = vocab - 2
    return ids


def mask_of(ids):
    """An attention mask of ones, then zeros: texts of different lengths, one of them whole."""
    mask = torch.ones_like(ids)
    for i in range(1, len(ids)):
        mask[i, 2 + (i * 2) % (ids.shape[1] - 2) :] = 0
    return mask


def dual_case(root, name, cls, config, pictures, ids, outputs, attentions=False, size=None, scale=3.0, bias=None, masked=False):
    g = generator(name)
    config._attn_implementation = "eager"
    for part in (config.text_config, config.vision_config):
        part._attn_implementation = "eager"
    model = redraw(cls(config), g)
    with torch.no_grad():
        model.logit_scale.fill_(scale)
        if bias is not None:
            model.logit_bias.fill_(bias)
        for tower in (model.text_model, model.vision_model):  # residual networks: see golden.md
            for layer in tower.encoder.layers:
                layer.mlp.fc2.weight.mul_(0.5)
    folder = root / name
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder)
    image = config.vision_config.image_size
    x = torch.randn(pictures, config.vision_config.num_channels, *(size or (image, image)), generator=g)
    vision, text = model.vision_model, model.text_model
    modules = {"embeddings": vision.embeddings}
    modules |= {f"layer.{i}": b for i, b in enumerate(vision.encoder.layers)} | {"norm": vision.post_layernorm}
    modules |= {"text.embeddings": text.embeddings} | {f"text.layer.{i}": b for i, b in enumerate(text.encoder.layers)}
    options = {"interpolate_pos_encoding": True} if size else {}
    masks = {"attention_mask": mask_of(ids)} if masked else {}
    texts = {k: v.long() for k, v in ({"input_ids": ids} | masks).items()}
    call = lambda: model(pixel_values=x, output_attentions=attentions, **texts, **options)  # noqa: E731
    out, layers = hooked(modules, call)
    if attentions:
        for i, a in enumerate(out.vision_model_output.attentions):
            layers[f"attentions.{i}"] = a
    got = {o: out[o] for o in outputs}
    exact = halves(model, lambda model, cast: fields(model(pixel_values=cast(x), **texts, **options), outputs), got)
    finish(root, name, model, cls, {"pixel_values": x, "input_ids": ids} | masks, layers, got, options, exact)


def finish(root, name, model, cls, inputs, layers, outputs, options, exact):
    metadata = {
        "model": {"clip": "clip", "clip_vision_model": "clip", "siglip": "siglip", "siglip_vision_model": "siglip"}.get(model.config.model_type, "text_encoder"),
        "source": f"transformers {transformers.__version__} {cls.__name__}; torch {torch.__version__.split('+')[0]}",
        "architecture": cls.__name__,
        "inputs": list(inputs),
        "layers": list(layers),
        "outputs": list(outputs),
        "options": options,
        "halves": exact,
    }
    write(root / name / "golden.safetensors", inputs | layers | outputs, metadata)


DUAL = ["image_embeds", "text_embeds", "logits_per_image"]


def clip(root, name, text, vision, projection, pictures=2, count=3, length=None, legacy=False, **options):
    text = dict(vocab_size=67, max_position_embeddings=13, bos_token_id=65, eos_token_id=2 if legacy else 66, pad_token_id=1) | text
    config = transformers.CLIPConfig(text_config=text, vision_config=vision, projection_dim=projection)
    g = generator(name + " texts")
    ids = texts(g, count, length or text["max_position_embeddings"], text["vocab_size"], text["vocab_size"] - 1, legacy)
    dual_case(root, name, transformers.CLIPModel, config, pictures, ids, DUAL, **options)


def clip_heads_of_5(root):
    """Heads of 5 and 11, quick GELU, attention probabilities of the picture tower."""
    clip(
        root,
        "clip_heads_of_5",
        dict(hidden_size=33, num_attention_heads=3, num_hidden_layers=2, intermediate_size=50),
        dict(hidden_size=15, num_attention_heads=3, num_hidden_layers=3, intermediate_size=41, image_size=20, patch_size=4),
        19,
        attentions=True,
    )


def clip_gelu(root):
    """GELU, as OpenCLIP's; pictures that are no multiple of the patch; another eps."""
    clip(
        root,
        "clip_gelu",
        dict(hidden_size=24, num_attention_heads=2, num_hidden_layers=3, intermediate_size=96, hidden_act="gelu", layer_norm_eps=1e-3),
        dict(hidden_size=40, num_attention_heads=5, num_hidden_layers=2, intermediate_size=72, image_size=23, patch_size=7, hidden_act="gelu"),
        32,
        pictures=3,
        count=5,
    )


def clip_legacy_end(root):
    """A config of before July 2023, whose end token is 2: the greatest id is pooled."""
    clip(
        root,
        "clip_legacy_end",
        dict(hidden_size=20, num_attention_heads=2, num_hidden_layers=2, intermediate_size=31),
        dict(hidden_size=27, num_attention_heads=3, num_hidden_layers=2, intermediate_size=54, image_size=12, patch_size=3),
        9,
        legacy=True,
    )


def clip_interpolate(root):
    """A picture that is larger and not square; texts shorter than the context."""
    clip(
        root,
        "clip_interpolate",
        dict(hidden_size=16, num_attention_heads=1, num_hidden_layers=1, intermediate_size=64),
        dict(hidden_size=22, num_attention_heads=2, num_hidden_layers=2, intermediate_size=44, image_size=16, patch_size=4),
        26,
        length=7,
        size=(20, 28),
    )


def clip_one(root):
    """The smallest: one picture of one patch, one text, one block, one head, one grey channel."""
    clip(
        root,
        "clip_one",
        dict(hidden_size=9, num_attention_heads=1, num_hidden_layers=1, intermediate_size=5),
        dict(hidden_size=7, num_attention_heads=1, num_hidden_layers=1, intermediate_size=11, image_size=5, patch_size=5, num_channels=1),
        3,
        pictures=1,
        count=1,
    )


def text_case(root, name, cls, outputs, legacy=False, masked=False, **options):
    g = generator(name)
    config = transformers.CLIPTextConfig(
        **(dict(vocab_size=59, max_position_embeddings=11, bos_token_id=57, eos_token_id=2 if legacy else 58, pad_token_id=1) | options)
    )
    config._attn_implementation = "eager"
    model = redraw(cls(config), g)
    folder = root / name
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder)
    ids = texts(g, 3, config.max_position_embeddings, config.vocab_size, config.vocab_size - 1, legacy)
    base = getattr(model, "text_model", model)
    modules = {"text.embeddings": base.embeddings} | {f"text.layer.{i}": b for i, b in enumerate(base.encoder.layers)}
    inputs = {"input_ids": ids} | ({"attention_mask": mask_of(ids)} if masked else {})
    call = lambda model: model(**{k: v.long() for k, v in inputs.items()})  # noqa: E731
    out, layers = hooked(modules, lambda: call(model))
    got = {o: out[o] for o in outputs}
    exact = halves(model, lambda model, cast: fields(call(model), outputs), got)
    finish(root, name, model, cls, inputs, layers, got, {}, exact)


def clip_text(root):
    """The text tower alone, heads of 7, with padding masked."""
    text_case(
        root,
        "clip_text",
        transformers.CLIPTextModel,
        ["last_hidden_state", "pooler_output"],
        legacy=True,
        masked=True,
        hidden_size=35,
        num_attention_heads=5,
        num_hidden_layers=3,
        intermediate_size=60,
    )


def clip_text_projection(root):
    """The text tower with its projection, as SDXL's second."""
    text_case(
        root,
        "clip_text_projection",
        transformers.CLIPTextModelWithProjection,
        ["last_hidden_state", "text_embeds"],
        hidden_size=32,
        num_attention_heads=4,
        num_hidden_layers=2,
        intermediate_size=128,
        projection_dim=21,
        hidden_act="gelu",
    )


def vision_case(root, name, cls, config, outputs, unit=False):
    """A picture tower alone; unit has its embeddings at unit length, as a dual
    encoder's are."""
    g = generator(name)
    config._attn_implementation = "eager"
    model = redraw(cls(config), g)
    folder = root / name
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder)
    x = torch.randn(2, 3, config.image_size, config.image_size, generator=g)
    base = getattr(model, "vision_model", model)
    modules = {"embeddings": base.embeddings} | {f"layer.{i}": b for i, b in enumerate(base.encoder.layers)}

    def call(model, x):
        out = dict(model(pixel_values=x))
        if unit:
            out["image_embeds"] = torch.nn.functional.normalize(out["image_embeds"], dim=-1)
        return out

    out, layers = hooked(modules, lambda: call(model, x))
    got = {o: out[o] for o in outputs}
    exact = halves(model, lambda model, cast: fields(call(model, cast(x)), outputs), got)
    finish(root, name, model, cls, {"pixel_values": x}, layers, got, {}, exact)


TOWER = dict(hidden_size=15, num_attention_heads=3, num_hidden_layers=1, intermediate_size=22, image_size=12, patch_size=4)


def clip_vision(root):
    vision_case(root, "clip_vision", transformers.CLIPVisionModel, transformers.CLIPVisionConfig(**TOWER), ["last_hidden_state", "pooler_output"])


def clip_vision_projection(root):
    config = transformers.CLIPVisionConfig(**TOWER, projection_dim=9)
    vision_case(root, "clip_vision_projection", transformers.CLIPVisionModelWithProjection, config, ["image_embeds", "last_hidden_state"], unit=True)


def siglip_vision(root):
    vision_case(root, "siglip_vision", transformers.SiglipVisionModel, transformers.SiglipVisionConfig(**TOWER), ["last_hidden_state", "pooler_output"])


def siglip(root, name, text, vision, pictures=2, count=3, **options):
    text = dict(vocab_size=53, max_position_embeddings=9, bos_token_id=51, eos_token_id=52, pad_token_id=1) | text
    config = transformers.SiglipConfig(text_config=text, vision_config=vision)
    ids = texts(generator(name + " texts"), count, text["max_position_embeddings"], text["vocab_size"], 1)
    dual_case(root, name, transformers.SiglipModel, config, pictures, ids, DUAL, scale=2.0, bias=-3.5, **options)


def siglip_small(root):
    """Heads of 5 and 8, attention probabilities."""
    siglip(
        root,
        "siglip_small",
        dict(hidden_size=24, num_attention_heads=3, num_hidden_layers=2, intermediate_size=50, projection_size=15),
        dict(hidden_size=15, num_attention_heads=3, num_hidden_layers=2, intermediate_size=41, image_size=20, patch_size=4),
        attentions=True,
    )


def siglip_wide_head(root):
    """A head of 72, as the so400m's; three pictures of a size that is no multiple of the patch."""
    siglip(
        root,
        "siglip_wide_head",
        dict(hidden_size=16, num_attention_heads=2, num_hidden_layers=1, intermediate_size=33, projection_size=72),
        dict(hidden_size=72, num_attention_heads=1, num_hidden_layers=1, intermediate_size=13, image_size=22, patch_size=5),
        pictures=3,
        count=1,
    )


def siglip_interpolate(root):
    """A picture that is larger and not square; texts with padding masked."""
    siglip(
        root,
        "siglip_interpolate",
        dict(hidden_size=18, num_attention_heads=2, num_hidden_layers=2, intermediate_size=36, projection_size=22),
        dict(hidden_size=22, num_attention_heads=2, num_hidden_layers=2, intermediate_size=44, image_size=12, patch_size=4),
        size=(20, 16),
        masked=True,
    )


def zoo_clip(root, zoo):
    """The trained model of zoo/clip on pictures of zoo/pictures and as many
    texts: from file and text to probabilities. Its weights stay in the zoo. To
    keep it small, only the first picture's and the first text's intermediates
    are here, and few of them."""
    folder = zoo / "clip"
    model = transformers.CLIPModel.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    files, x = zoo_pictures(zoo, folder)
    sentences = ["a photo of an airplane", "a photo of a car", "a bird", "smiling face with sunglasses"]
    ids = transformers.AutoTokenizer.from_pretrained(folder)(sentences, padding=True, return_tensors="pt")["input_ids"]
    vision, text = model.vision_model, model.text_model
    modules = {"layer.0": vision.encoder.layers[0], "text.embeddings": text.embeddings}
    modules |= {f"text.layer.{i}": text.encoder.layers[i] for i in (0, len(text.encoder.layers) - 1)}
    out, layers = hooked(modules, lambda: model(pixel_values=x, input_ids=ids))
    metadata = {
        "model": "clip",
        "source": f"transformers {transformers.__version__} CLIPModel; torch {torch.__version__.split('+')[0]}",
        "architecture": "CLIPModel",
        "layers": list(layers),
        "outputs": DUAL,
        "weights": "zoo/clip",
        "layer_images": 1,
        "options": {"texts": sentences},
        "images": best(files, out.logits_per_image, sentences),
    }
    inputs = {"pixel_values": x, "input_ids": ids.int()}
    tensors = inputs | {k: v[:1] for k, v in layers.items()} | {o: out[o] for o in DUAL}
    write(root / "zoo_clip" / "golden.safetensors", tensors, metadata)


MODELS = {
    f.__name__: f
    for f in (
        clip_heads_of_5,
        clip_gelu,
        clip_legacy_end,
        clip_interpolate,
        clip_one,
        clip_vision,
        clip_vision_projection,
        siglip_vision,
        clip_text,
        clip_text_projection,
        siglip_small,
        siglip_wide_head,
        siglip_interpolate,
    )
}
