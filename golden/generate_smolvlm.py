"""Goldens of SmolVLM, SmolVLM2 and Idefics3 of transformers."""

import json
import shutil

import torch
import transformers

from generate_blip import long, tapped, written
from generate_io import generator, halves, write
from generate_models import redraw

IMAGE, END = 58, 3

# WAYS are generation configs, each of which tries something that the others do not.
WAYS = [
    {"max_new_tokens": 9},
    {"max_length": 24, "repetition_penalty": 1.4, "min_new_tokens": 4},
    {"num_beams": 3, "max_new_tokens": 7, "no_repeat_ngram_size": 2},
    {"do_sample": True, "temperature": 1.3, "top_k": 12, "top_p": 0.9, "max_new_tokens": 8},
]


def texts_of(g, counts, tokens, length, vocab):
    """Ids of texts in which so many tokens are those of each one's tiles."""
    ids = torch.randint(4, vocab, (len(counts), length), generator=g, dtype=torch.int32)
    ids[ids == IMAGE] = 5
    for i, n in enumerate(counts):
        at = 1 + i
        for _ in range(n):
            ids[i, at : at + tokens] = IMAGE
            at += tokens + 1
    return ids


def case(root, name, cls, config, counts, length, masked=False, mask_pixels=False, texts=None):
    """counts are the tiles of each item that are no padding."""
    g = generator(name)
    for part in (config, config.text_config, config.vision_config):
        part._attn_implementation = "eager"
    model = redraw(cls(config), g).eval()
    model.tie_weights()
    folder = root / name
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    side = config.vision_config.image_size
    tokens = (side // config.vision_config.patch_size // config.scale_factor) ** 2
    pixels = torch.zeros(len(counts), max(counts), 3, side, side)
    for i, n in enumerate(counts):
        at = max(counts) - n if i % 2 else 0  # padding stands last, and first
        pixels[i, at : at + n] = torch.randn(n, 3, side, side, generator=g)
    ids = texts_of(g, counts, tokens, length, config.text_config.vocab_size)
    inputs = {"pixel_values": pixels}
    if mask_pixels:
        inputs["pixel_attention_mask"] = (pixels != 0).any(dim=2).to(torch.int32)
    inputs["input_ids"] = ids
    if masked:
        inputs["attention_mask"] = torch.ones_like(ids)
        inputs["attention_mask"][-1, length - 3 :] = 0
    vision, text = model.model.vision_model, model.model.text_model
    taps = {"embeddings": (vision.embeddings, 0)} | {f"layer.{i}": (layer, 0) for i, layer in enumerate(vision.encoder.layers)}
    taps |= {"norm": (vision.post_layernorm, 0), "image_hidden_states": (model.model.connector, 0)}
    taps |= {f"text.layer.{i}": (layer, 0) for i, layer in enumerate(text.layers)} | {"text.norm": (text.norm, 0)}
    call = lambda m, given: m(**given, use_cache=False)  # noqa: E731
    out, layers = tapped(taps, lambda: call(model, long(inputs)))
    hidden = layers.pop("image_hidden_states")
    got = {"image_hidden_states": hidden.reshape(-1, hidden.shape[-1]), "logits": out.logits}

    def half(model, cast):
        given = {k: cast(v) if v.is_floating_point() else v.long() for k, v in inputs.items()}
        out, seen = tapped({"image_hidden_states": (model.model.connector, 0)}, lambda: call(model, given))
        return seen["image_hidden_states"].reshape(-1, hidden.shape[-1]), out.logits

    exact = halves(model, half, got)
    model.generation_config.eos_token_id = END
    model.generation_config.pad_token_id = config.text_config.pad_token_id
    given = {k: v for k, v in inputs.items() if k != "attention_mask"}
    metadata = {
        "model": "smolvlm",
        "source": f"transformers {transformers.__version__} {cls.__name__}; torch {torch.__version__.split('+')[0]}",
        "architecture": cls.__name__,
        "inputs": list(inputs),
        "layers": list(layers),
        "outputs": list(got),
        "halves": exact,
        "texts": written(model, given, texts or WAYS),
    }
    write(folder / "golden.safetensors", inputs | layers | got, metadata)


def configs(text, vision, cls=transformers.SmolVLMConfig, **more):
    text = dict(vocab_size=61, max_position_embeddings=40, eos_token_id=END, pad_token_id=0, bos_token_id=1) | text
    return cls(text_config=text, vision_config=vision, image_token_id=IMAGE, **more)


def smolvlm_idefics3(root):
    """Heads of 10 and 5, three to a head of keys; tiles of which one is padding; a head that
    is tied; texts of different lengths."""
    text = dict(hidden_size=30, num_attention_heads=3, num_key_value_heads=1, intermediate_size=41, num_hidden_layers=2, rms_norm_eps=1e-4, rope_parameters={"rope_type": "default", "rope_theta": 77.0})
    vision = dict(hidden_size=15, num_attention_heads=3, num_hidden_layers=2, intermediate_size=23, image_size=24, patch_size=4)
    c = configs(text, vision, transformers.Idefics3Config, scale_factor=3, tie_word_embeddings=True)
    case(root, "smolvlm_idefics3", transformers.Idefics3ForConditionalGeneration, c, [2, 1], 17, masked=True, mask_pixels=True)


def smolvlm_2(root):
    """Heads wider than the states, of 14, two to a head of keys; biases; another activation;
    patches that are joined by two; one picture."""
    text = dict(hidden_size=24, num_attention_heads=4, num_key_value_heads=2, head_dim=14, intermediate_size=29, num_hidden_layers=3, hidden_act="gelu", attention_bias=True, mlp_bias=True)
    vision = dict(hidden_size=16, num_attention_heads=1, num_hidden_layers=1, intermediate_size=33, image_size=12, patch_size=3, hidden_act="relu", layer_norm_eps=1e-3)
    case(root, "smolvlm_2", transformers.SmolVLMForConditionalGeneration, configs(text, vision), [1], 11)


def smolvlm_defaults(root):
    """A config that leaves out what the classes have of their own; three items."""
    text = dict(hidden_size=32, num_attention_heads=2, intermediate_size=20, num_hidden_layers=1)
    vision = dict(hidden_size=32, num_hidden_layers=1, intermediate_size=20, image_size=10, patch_size=5)
    case(root, "smolvlm_defaults", transformers.SmolVLMForConditionalGeneration, configs(text, vision), [1, 3, 2], 12)
    path = root / "smolvlm_defaults" / "config.json"
    full = json.loads(path.read_text())
    short = {"model_type": "smolvlm", "image_token_id": IMAGE}
    for part in (text, vision):
        key = "text_config" if part is text else "vision_config"
        short[key] = {k: v for k, v in full[key].items() if k in [*part, "vocab_size", "max_position_embeddings", "eos_token_id", "pad_token_id"]}
    path.write_text(json.dumps(short, indent=2) + "\n")
    read = transformers.SmolVLMConfig.from_pretrained(path.parent).to_dict()
    for part in ("text_config", "vision_config"):
        assert {k: read[part][k] for k in full[part]} == full[part]


MODELS = {f.__name__: f for f in (smolvlm_idefics3, smolvlm_2, smolvlm_defaults)}
