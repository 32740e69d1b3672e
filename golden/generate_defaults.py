"""Goldens of what no file tells: configs without the keys that have defaults, and
constants of libraries.

An eps shows where what is normalised has a variance that is not far above it. So
the parameters that write into the residual stream are drawn small here: the
variance is some 1e-4 to 1e-3, and 1e-6 in place of 1e-5 changes a norm's output by
a percent. Activations show anyway.
"""

import json
import re
import shutil

import diffusers
import timm
import torch
import torchvision
import transformers
from safetensors.torch import save_file

import generate_clip
import generate_cnns
import generate_diffusion
import generate_models
from generate_dino import modules_of, redraw_scaled
from generate_io import generator, halves
from generate_models import fields, redraw, run, save

# Parameters that write into a residual stream, by the libraries' names.
STREAM = re.compile(
    r"token|pos|patch_embed|conv_proj|embedding|conv_in|conv1\.|conv2\.|conv_shortcut|"
    r"attention\.output\.dense|attn\.proj|out_proj|to_out|o_proj|"
    r"(?<!intermediate)(?<!attention)\.output\.dense|fc2|mlp\.3|ff\.net\.2|proj_in|proj_out|quant_conv|attention\.o\b|down_proj"
)


def quiet(model, share=0.03, stream=STREAM):
    """Makes what a residual stream holds small."""
    with torch.no_grad():
        for name, p in model.named_parameters():
            if stream.search(name) and "norm" not in name and "time" not in name:
                p.mul_(share)
    return model.eval()


def strike(folder, *keys, within=()):
    """Takes keys out of config.json, or out of the dicts in it that within names."""
    path = folder / "config.json"
    config = json.loads(path.read_text())
    for part in [config[name] for name in within] or [config]:
        for key in keys:
            part.pop(key, None)
    path.write_text(json.dumps(config, indent=2) + "\n")


def fresh(root, name):
    shutil.rmtree(root / name, ignore_errors=True)
    (root / name).mkdir(parents=True)
    return root / name


def vit_defaults(root):
    """ViTModel with its pooler: no word of the activation, the pooler's, eps and biases."""
    name, cls = "vit_defaults", transformers.ViTModel
    g = generator(name)
    config = transformers.ViTConfig(
        hidden_size=15, num_attention_heads=3, num_hidden_layers=2, intermediate_size=22, image_size=12, patch_size=4, attn_implementation="eager"
    )
    model = quiet(redraw(cls(config), g))
    model.save_pretrained(fresh(root, name))
    strike(root / name, "hidden_act", "layer_norm_eps", "qkv_bias", "pooler_act", "pooler_output_size", "num_channels")
    x = torch.randn(2, 3, 12, 12, generator=g)
    out, layers = run(model, modules_of(model), x)
    outputs = {o: out[o] for o in ("last_hidden_state", "pooler_output")}
    exact = halves(model, lambda model, cast: fields(model(cast(x)), outputs), outputs)
    save(root, name, "vit", f"transformers {transformers.__version__} {cls.__name__}", cls.__name__, x, layers, outputs, options={}, halves=exact)


def vit_timm_eps(root):
    """timm's eps, which is in its code alone."""
    name, architecture = "vit_timm_eps", "vit_tiny_patch16_224"
    g = generator(name)
    model = timm.create_model(architecture, img_size=(12, 12), patch_size=4, embed_dim=15, depth=2, mlp_ratio=2, num_classes=4)
    quiet(redraw(model, g))
    timm.models.save_for_hf(model, fresh(root, name), safe_serialization=True)
    x = torch.randn(2, 3, 12, 12, generator=g)
    modules = {"embeddings": model.norm_pre} | {f"layer.{i}": b for i, b in enumerate(model.blocks)} | {"norm": model.norm}
    logits, layers = run(model, modules, x)
    exact = halves(model, lambda model, cast: [model(cast(x))], {"logits": logits})
    save(root, name, "vit", f"timm {timm.__version__} {architecture}", architecture, x, layers, {"logits": logits}, halves=exact)


def vit_torchvision_eps(root):
    """torchvision's eps, which is in its code alone; 12 heads of 1."""
    name = "vit_torchvision_eps"
    g = generator(name)
    model = torchvision.models.VisionTransformer(
        image_size=12, patch_size=4, num_layers=2, num_heads=12, hidden_dim=12, mlp_dim=22, num_classes=4
    )
    quiet(redraw(model, g))
    save_file(model.state_dict(), fresh(root, name) / "model.safetensors")
    x = torch.randn(2, 3, 12, 12, generator=g)
    blocks = {f"layer.{i}": block for i, block in enumerate(model.encoder.layers)}
    logits, layers = run(model, {"embeddings": model.encoder.dropout} | blocks | {"norm": model.encoder.ln}, x)
    source = f"torchvision {torchvision.__version__.split('+')[0]} VisionTransformer"
    exact = halves(model, lambda model, cast: [model(cast(x))], {"logits": logits})
    save(root, name, "vit", source, "vit_b_16", x, layers, {"logits": logits}, halves=exact)


def dinov2_defaults(root):
    """Dinov2Model: no word of the activation, eps, the perceptron's width and biases."""
    name, cls = "dinov2_defaults", transformers.Dinov2Model
    g = generator(name)
    config = transformers.Dinov2Config(
        hidden_size=15, num_attention_heads=3, num_hidden_layers=2, image_size=12, patch_size=4, attn_implementation="eager"
    )
    model = quiet(redraw_scaled(cls(config), g))
    model.save_pretrained(fresh(root, name))
    strike(root / name, "hidden_act", "layer_norm_eps", "qkv_bias", "mlp_ratio", "use_swiglu_ffn", "num_channels", "layerscale_value")
    x = torch.randn(2, 3, 12, 12, generator=g)
    out, layers = run(model, modules_of(model), x)
    outputs = {o: out[o] for o in ("last_hidden_state", "pooler_output")}
    exact = halves(model, lambda model, cast: fields(model(cast(x)), outputs), outputs)
    save(root, name, "dinov2", f"transformers {transformers.__version__} {cls.__name__}", cls.__name__, x, layers, outputs, options={}, halves=exact)


def dual(root, name, case, *args):
    """A dual encoder, quiet, whose towers say nothing of the activation and eps."""
    drawn = generate_clip.redraw
    generate_clip.redraw = lambda model, g: quiet(redraw(model, g))
    try:
        case(root, name, *args)
    finally:
        generate_clip.redraw = drawn
    strike(root / name, "hidden_act", "layer_norm_eps", "num_channels", within=("text_config", "vision_config"))


def clip_defaults(root):
    """CLIPModel: no word of the activation and eps."""
    text = dict(hidden_size=16, num_attention_heads=2, num_hidden_layers=2, intermediate_size=20)
    vision = dict(hidden_size=15, num_attention_heads=3, num_hidden_layers=2, intermediate_size=22, image_size=12, patch_size=4)
    dual(root, "clip_defaults", generate_clip.clip, text, vision, 9)


def siglip_defaults(root):
    """SiglipModel: no word of the activation and eps."""
    text = dict(hidden_size=16, num_attention_heads=2, num_hidden_layers=2, intermediate_size=20, projection_size=15)
    vision = dict(hidden_size=15, num_attention_heads=3, num_hidden_layers=2, intermediate_size=22, image_size=12, patch_size=4)
    dual(root, "siglip_defaults", generate_clip.siglip, text, vision)


def efficientnet_defaults(root):
    """EfficientNetForImageClassification: no word of the activation, eps, pooling,
    squeeze and kernels; running variances of 0.002 to 0.01."""
    name, cls = "efficientnet_defaults", transformers.EfficientNetForImageClassification
    g = generator(name)
    config = transformers.EfficientNetConfig(
        image_size=24, width_coefficient=0.05, depth_coefficient=1.0, kernel_sizes=[3, 5], in_channels=[32, 16], out_channels=[16, 24],
        strides=[1, 2], num_block_repeats=[1, 1], expand_ratios=[1, 3], hidden_dim=64, num_labels=4,
    )  # fmt: skip
    model = redraw(cls(config), g)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, (torch.nn.Conv2d, torch.nn.BatchNorm2d)):
                if isinstance(module, torch.nn.Conv2d):
                    if module.bias is None:
                        module.weight.mul_(0.07)
                else:
                    module.running_var.copy_(0.002 + 0.008 * torch.rand(module.running_var.shape, generator=g))
                    module.running_mean.copy_(0.02 * torch.randn(module.running_mean.shape, generator=g))
                    module.num_batches_tracked.fill_(100)
    model.save_pretrained(fresh(root, name))
    strike(root / name, "hidden_act", "batch_norm_eps", "pooling_type", "squeeze_expansion_ratio", "num_channels", "depth_divisor", "depthwise_padding")
    x = torch.randn(2, 3, 24, 24, generator=g)
    out, layers = generate_cnns.record(model, generate_cnns.taps(list(model.efficientnet.encoder.blocks), model.classifier), x)
    source = f"transformers {transformers.__version__} {cls.__name__}"
    exact = halves(model, lambda model, cast: [model(cast(x)).logits], {"logits": out.logits})
    save(root, name, config.model_type, source, cls.__name__, x, layers, {"logits": out.logits}, halves=exact)


def diffusion(root, name, case, *args, struck=(), **options):
    """A network of diffusers, quiet, with keys struck from its config."""
    drawn = generate_diffusion.redraw
    generate_diffusion.redraw = lambda model, g: quiet(redraw(model, g), 0.05)
    try:
        case(root, name, *args, **options)
    finally:
        generate_diffusion.redraw = drawn
    strike(root / name, *struck)


UNET_KEYS = ("norm_eps", "downsample_padding", "act_fn", "mid_block_scale_factor", "flip_sin_to_cos", "freq_shift", "time_embedding_type",
             "resnet_time_scale_shift", "conv_in_kernel", "conv_out_kernel", "transformer_layers_per_block")  # fmt: skip


def unet_defaults(root):
    """UNet2DConditionModel: no word of eps, padding, activation and embedding; the eps
    of its transformers, which are in the code alone."""
    config = dict(
        block_out_channels=[8, 8], layers_per_block=1, norm_num_groups=2, cross_attention_dim=6, attention_head_dim=2,
        down_block_types=["CrossAttnDownBlock2D", "DownBlock2D"], up_block_types=["UpBlock2D", "CrossAttnUpBlock2D"],
    )  # fmt: skip
    diffusion(root, "unet_defaults", generate_diffusion.unet, diffusers.UNet2DConditionModel, 2, (6, 5), config, [999.0, 37.0], tokens=3, struck=UNET_KEYS)


def vae_defaults(root):
    """AutoencoderKL: its eps, which is in the code alone; no word of the activation,
    the convolutions around the latents and attention."""
    config = dict(block_out_channels=[6, 9], layers_per_block=1, norm_num_groups=3, latent_channels=2)
    struck = ("act_fn", "scaling_factor", "use_quant_conv", "use_post_quant_conv", "mid_block_add_attention", "shift_factor")
    diffusion(root, "vae_defaults", generate_diffusion.vae, 2, (5, 3), config, struck=struck)


MODELS = {
    f.__name__: f
    for f in (
        vit_defaults, vit_timm_eps, vit_torchvision_eps, dinov2_defaults, clip_defaults, siglip_defaults, efficientnet_defaults, unet_defaults, vae_defaults,
    )
}  # fmt: skip
