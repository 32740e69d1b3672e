"""Goldens of networks that find objects: golden/models/<case>/, as generate_models.py
makes those of transformers.
"""

import torch
import transformers

from generate_cnns import empty
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


def detector(root, name, cls, config, size, modules, batch=2, family="detect", outputs=("logits", "pred_boxes"), prepare=None, inputs=None):
    """A detector of transformers on pictures of a height and width; modules gives the
    named modules of the model, inputs more of the generator."""
    g = generator(name)
    config._attn_implementation = "eager"
    model = redraw(cls(config), g)
    if prepare:
        prepare(model, g)
    model.save_pretrained(empty(root, name))
    x = torch.randn(batch, 3, *size, generator=g)
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


MODELS = {f.__name__: f for f in (yolos, yolos_wide, yolos_defaults)}
