#!/usr/bin/env python3
"""Makes the goldens of whole diffusion pipelines: golden/pipelines.

    python golden/generate_pipelines.py             all
    python golden/generate_pipelines.py sd1_tiny    some
    python golden/generate_pipelines.py --check     run what is stored again, and compare

A pipeline is a folder as diffusers saves it, with random weights: halves, which the
reference computes with in f32. Its cases are runs of diffusers' pipelines on the folder,
in which everything that is random is an input: the pipeline's own draw is latents, that
of the scheduler in step N is noise.N, and a picture's code is the mean of the
autoencoder's distribution, not a sample of it. The layout is in README.md.
"""

import argparse
import contextlib
import inspect
import json
import os
import shutil
import sys
import warnings
from pathlib import Path
from unittest import mock

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("DIFFUSERS_VERBOSITY", "error")

import diffusers
import torch
import transformers
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from safetensors.torch import load_file, save_file
from tokenizers import pre_tokenizers

from generate_diffusion import calibrate
from generate_io import generator, write
from generate_models import redraw

HERE = Path(__file__).resolve().parent

START, END = "<|startoftext|>", "<|endoftext|>"
WORDS = """a photo of the red apple on table painting lighthouse in storm an old map sea dog that runs beach cat sleeps chair
blurry dark bad quality house with door three green birds tree street at night rain woman hat snow mountain , ' s 's""".split()
SD = {"num_train_timesteps": 1000, "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
LONG = "a photo of the red lighthouse in the storm, " * 12


# ---- folders ----


def dump(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2) + "\n")


def save(model, folder):
    """The model's weights as halves, in the library's layout."""
    model.half().save_pretrained(folder)


def tokenizer(folder, pad=END):
    """A tokenizer's folder as those of Stable Diffusion, which have no tokenizer.json: bytes, bytes
    at a word's end, and WORDS put together from left to right. It returns the number of entries."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = {}
    for word in WORDS:
        *head, last = word
        parts = [*head, last + "</w>"]
        merges |= {("".join(parts[:i]), parts[i]): None for i in range(1, len(parts))}
    entries = letters + [c + "</w>" for c in letters] + ["".join(m) for m in merges] + [START, END]
    folder.mkdir(parents=True)
    (folder / "vocab.json").write_text(json.dumps({e: i for i, e in enumerate(entries)}, ensure_ascii=False))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "".join(f"{x} {y}\n" for x, y in merges))
    special = {"bos_token": START, "eos_token": END, "pad_token": pad, "unk_token": END}
    dump(folder / "tokenizer_config.json", {"tokenizer_class": "CLIPTokenizer", "model_max_length": 77, "do_lower_case": True} | special)
    return len(entries)


def text_encoder(folder, cls, g, vocabulary, published=False, **config):
    """A text tower that pools at the largest id, as those of Stable Diffusion do by their
    eos_token_id 2. published names its tensors as checkpoints do that transformers 4 wrote."""
    c = transformers.CLIPTextConfig(
        vocab_size=vocabulary, max_position_embeddings=77, bos_token_id=0, eos_token_id=2, pad_token_id=1, **config
    )
    model = redraw(cls(c), g)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if name.endswith(("out_proj.weight", "fc2.weight")):
                p.mul_(0.5)
    save(model, folder)
    file = folder / "model.safetensors"
    if published and cls is transformers.CLIPTextModel:
        save_file({f"text_model.{name}": t for name, t in load_file(file).items()}, file, metadata={"format": "pt"})


def vae(folder, g, factor, widths=(6, 6, 9, 12)):
    """An autoencoder that halves three times, so that latents can have odd sides. Its codes are
    made as large as 1/factor, and the scaled ones 1, as those of a trained one are."""
    types = dict(down_block_types=["DownEncoderBlock2D"] * 4, up_block_types=["UpDecoderBlock2D"] * 4)
    model = diffusers.AutoencoderKL(
        block_out_channels=list(widths), layers_per_block=1, norm_num_groups=3, latent_channels=4, scaling_factor=factor, sample_size=40, **types
    )
    calibrate(redraw(model, g))
    with torch.no_grad():
        model.quant_conv.weight.div_(factor)
        model.post_quant_conv.weight.mul_(factor)
    save(model, folder)


def denoise(model, g, options, frames=()):
    """Make an epsilon network guess most of the noise that it is given, by least squares for its
    last layer: the latents of a random one grow by the signal's inverse, some 15-fold."""
    n, side, out = 24, 5, model.config.out_channels
    x = torch.randn(n, model.config.in_channels, *frames, side, side + 2, generator=g)
    times = torch.rand(n, generator=g) * 999
    seen = []
    hook = model.conv_out.register_forward_pre_hook(lambda m, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        model(x, times, **options(n))
        hook.remove()
        features = torch.nn.functional.unfold(seen[0], 3, padding=1).transpose(1, 2).flatten(0, 1)
        x = x.transpose(1, 2).flatten(0, 1) if frames else x
        noise = x[:, :out].flatten(2).transpose(1, 2).flatten(0, 1)
        ridge = features.T @ features + 1.0 * torch.eye(features.shape[1])
        fit = torch.linalg.solve(ridge, features.T @ noise).T.reshape(model.conv_out.weight.shape)
        model.conv_out.weight.mul_(0.2).add_(fit)
        model.conv_out.bias.mul_(0.2)


def unet(folder, g, epsilon=True, sizes=6, **config):
    """A network whose maps may have odd sides at every size."""
    model = diffusers.UNet2DConditionModel(sample_size=5, layers_per_block=1, norm_num_groups=4, **config)
    calibrate(redraw(model, g))
    with torch.no_grad():
        for name, p in model.named_parameters():
            if ".attn2.to_k." in name or ".attn2.to_v." in name:  # so that the prompt matters
                p.mul_(2)
    c = model.config

    def options(n):
        o = {"encoder_hidden_states": torch.randn(n, 9, c.cross_attention_dim, generator=g)}
        if c.addition_embed_type:
            pooled = c.projection_class_embeddings_input_dim - sizes * c.addition_time_embed_dim
            o["added_cond_kwargs"] = {"text_embeds": torch.randn(n, pooled, generator=g), "time_ids": torch.full((n, sizes), 40.0)}
        if c.time_cond_proj_dim:
            o["timestep_cond"] = torch.randn(n, c.time_cond_proj_dim, generator=g)
        return o

    if epsilon:
        denoise(model, g, options)
    save(model, folder)


def index(folder, cls, parts, **config):
    """model_index.json; parts are the names of components' classes by folder."""
    library = {name: "transformers" if name.startswith("te") or name.startswith("to") else "diffusers" for name in parts}
    components = {name: [library[name], kind] for name, kind in parts.items()}
    dump(folder / "model_index.json", {"_class_name": cls, "_diffusers_version": diffusers.__version__} | config | dict(sorted(components.items())))


def stable_diffusion(folder, g, scheduler, text, network, cls="StableDiffusionPipeline", pad=END, epsilon=True):
    """The parts of Stable Diffusion 1 and 2. scheduler is the config as published, without what the class adds."""
    vocabulary = tokenizer(folder / "tokenizer", pad)
    text_encoder(folder / "text_encoder", transformers.CLIPTextModel, g, vocabulary, **text)
    vae(folder / "vae", g, 0.18215)
    unet(folder / "unet", g, epsilon, cross_attention_dim=text["hidden_size"], **network)
    dump(folder / "scheduler" / "scheduler_config.json", scheduler)
    parts = {
        "scheduler": scheduler["_class_name"],
        "text_encoder": "CLIPTextModel",
        "tokenizer": "CLIPTokenizer",
        "unet": "UNet2DConditionModel",
        "vae": "AutoencoderKL",
    }
    none = {"safety_checker": [None, None], "feature_extractor": [None, None], "image_encoder": [None, None]}
    index(folder, cls, parts, requires_safety_checker=False, **none)


PNDM = {"_class_name": "PNDMScheduler", "_diffusers_version": "0.6.0"} | SD
PNDM |= {"set_alpha_to_one": False, "skip_prk_steps": True, "steps_offset": 1, "trained_betas": None, "clip_sample": False}
SD1_TEXT = dict(published=True, hidden_size=20, num_attention_heads=4, num_hidden_layers=3, intermediate_size=44, hidden_act="quick_gelu")
SD1_UNET = dict(
    block_out_channels=[8, 16, 16],
    attention_head_dim=4,
    down_block_types=["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
    up_block_types=["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"],
)
SHORT_UNET = dict(
    block_out_channels=[8, 20],
    down_block_types=["CrossAttnDownBlock2D", "DownBlock2D"],
    up_block_types=["UpBlock2D", "CrossAttnUpBlock2D"],
)


def sd1_tiny(folder, g):
    # The library's pipelines set what this does not say.
    silent = {key: value for key, value in PNDM.items() if key != "steps_offset"}
    stable_diffusion(folder, g, silent, SD1_TEXT, SD1_UNET)


def sd2_tiny(folder, g):
    scheduler = {"_class_name": "DDIMScheduler", "_diffusers_version": "0.8.0"} | SD
    scheduler |= {"clip_sample": False, "prediction_type": "v_prediction", "set_alpha_to_one": False}
    scheduler |= {"skip_prk_steps": True, "steps_offset": 1, "trained_betas": None}
    text = dict(hidden_size=24, num_attention_heads=3, num_hidden_layers=2, intermediate_size=52, hidden_act="gelu")
    network = SHORT_UNET | dict(attention_head_dim=[2, 5], use_linear_projection=True, upcast_attention=True)
    stable_diffusion(folder, g, scheduler, text, network, pad="!", epsilon=False)


def inpaint_tiny(folder, g):
    network = SHORT_UNET | dict(attention_head_dim=4, in_channels=9)
    stable_diffusion(folder, g, PNDM, SD1_TEXT | {"num_hidden_layers": 2, "published": False}, network, "StableDiffusionInpaintPipeline")


def lcm_tiny(folder, g):
    scheduler = {"_class_name": "LCMScheduler", "_diffusers_version": "0.22.0.dev0"} | SD
    scheduler |= {"clip_sample": False, "original_inference_steps": 50, "prediction_type": "epsilon", "set_alpha_to_one": True}
    scheduler |= {"steps_offset": 1, "timestep_scaling": 10.0, "timestep_spacing": "leading", "rescale_betas_zero_snr": False}
    network = SHORT_UNET | dict(attention_head_dim=4, time_cond_proj_dim=14)
    stable_diffusion(folder, g, scheduler, SD1_TEXT | {"num_hidden_layers": 2}, network, "LatentConsistencyModelPipeline")


def sdxl_tiny(folder, g):
    vocabulary = tokenizer(folder / "tokenizer")
    tokenizer(folder / "tokenizer_2", "!")
    first = dict(published=True, hidden_size=12, num_attention_heads=2, num_hidden_layers=2, intermediate_size=30, hidden_act="quick_gelu")
    second = dict(hidden_size=18, num_attention_heads=3, num_hidden_layers=3, intermediate_size=40, hidden_act="gelu", projection_dim=14)
    text_encoder(folder / "text_encoder", transformers.CLIPTextModel, g, vocabulary, **first)
    text_encoder(folder / "text_encoder_2", transformers.CLIPTextModelWithProjection, g, vocabulary, **second)
    vae(folder / "vae", g, 0.13025)
    unet(
        folder / "unet",
        g,
        block_out_channels=[8, 20],
        down_block_types=["DownBlock2D", "CrossAttnDownBlock2D"],
        up_block_types=["CrossAttnUpBlock2D", "UpBlock2D"],
        cross_attention_dim=30,
        attention_head_dim=[2, 4],
        transformer_layers_per_block=[1, 2],
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=14 + 6 * 8,
    )
    scheduler = {"_class_name": "EulerDiscreteScheduler", "_diffusers_version": "0.19.0.dev0"} | SD
    scheduler |= {"clip_sample": False, "interpolation_type": "linear", "prediction_type": "epsilon", "sample_max_value": 1.0}
    scheduler |= {"set_alpha_to_one": False, "skip_prk_steps": True, "steps_offset": 1, "timestep_spacing": "leading"}
    scheduler |= {"trained_betas": None, "use_karras_sigmas": False}
    dump(folder / "scheduler" / "scheduler_config.json", scheduler)
    parts = {
        "scheduler": "EulerDiscreteScheduler",
        "text_encoder": "CLIPTextModel",
        "text_encoder_2": "CLIPTextModelWithProjection",
        "tokenizer": "CLIPTokenizer",
        "tokenizer_2": "CLIPTokenizer",
        "unet": "UNet2DConditionModel",
        "vae": "AutoencoderKL",
    }
    none = {"feature_extractor": [None, None], "image_encoder": [None, None]}
    index(folder, "StableDiffusionXLPipeline", parts, force_zeros_for_empty_prompt=True, **none)


def refiner_tiny(folder, g):
    """SDXL's refiner: the second text tower alone, and a score among the sizes."""
    vocabulary = tokenizer(folder / "tokenizer_2", "!")
    text = dict(hidden_size=12, num_attention_heads=2, num_hidden_layers=2, intermediate_size=20, hidden_act="gelu", projection_dim=10)
    text_encoder(folder / "text_encoder_2", transformers.CLIPTextModelWithProjection, g, vocabulary, **text)
    vae(folder / "vae", g, 0.13025, [3, 3, 3, 6])
    unet(
        folder / "unet",
        g,
        sizes=5,
        block_out_channels=[8, 12],
        down_block_types=["DownBlock2D", "CrossAttnDownBlock2D"],
        up_block_types=["CrossAttnUpBlock2D", "UpBlock2D"],
        cross_attention_dim=12,
        attention_head_dim=[2, 3],
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=4,
        projection_class_embeddings_input_dim=10 + 5 * 4,
    )
    scheduler = {"_class_name": "EulerDiscreteScheduler", "_diffusers_version": "0.19.0.dev0"} | SD
    scheduler |= {"interpolation_type": "linear", "prediction_type": "epsilon", "steps_offset": 1, "timestep_spacing": "leading"}
    dump(folder / "scheduler" / "scheduler_config.json", scheduler)
    parts = {
        "scheduler": "EulerDiscreteScheduler",
        "text_encoder_2": "CLIPTextModelWithProjection",
        "tokenizer_2": "CLIPTokenizer",
        "unet": "UNet2DConditionModel",
        "vae": "AutoencoderKL",
    }
    none = {name: [None, None] for name in ("text_encoder", "tokenizer", "feature_extractor", "image_encoder")}
    config = dict(force_zeros_for_empty_prompt=False, requires_aesthetics_score=True)
    index(folder, "StableDiffusionXLImg2ImgPipeline", parts, **config, **none)


def unconditional(folder, g, cls, scheduler):
    """google/ddpm-cifar10-32's network, whose sample is the picture."""
    model = diffusers.UNet2DModel(
        sample_size=[6, 10],
        block_out_channels=[10, 20],
        layers_per_block=1,
        norm_num_groups=2,
        down_block_types=["DownBlock2D", "AttnDownBlock2D"],
        up_block_types=["AttnUpBlock2D", "UpBlock2D"],
        attention_head_dim=None,
        downsample_padding=0,
        flip_sin_to_cos=False,
        freq_shift=1,
        norm_eps=1e-6,
    )
    calibrate(redraw(model, g))
    save(model, folder / "unet")
    dump(folder / "scheduler" / "scheduler_config.json", scheduler)
    index(folder, cls, {"scheduler": scheduler["_class_name"], "unet": "UNet2DModel"})


LINEAR = {"num_train_timesteps": 1000, "beta_start": 0.0001, "beta_end": 0.02, "beta_schedule": "linear", "trained_betas": None, "clip_sample": True}


def ddpm_tiny(folder, g):
    scheduler = {"_class_name": "DDPMScheduler", "_diffusers_version": "0.1.1"} | LINEAR | {"variance_type": "fixed_large"}
    unconditional(folder, g, "DDPMPipeline", scheduler)


def ddim_tiny(folder, g):
    unconditional(folder, g, "DDIMPipeline", {"_class_name": "DDIMScheduler", "_diffusers_version": "0.1.1"} | LINEAR)


def controlnet_tiny(folder, g):
    """ControlNets for the pipelines whose names they begin with, which are not stored again."""
    for name, base in (("sd1.0", "sd1_tiny"), ("sd1.1", "sd1_tiny"), ("sdxl.0", "sdxl_tiny")):
        network = diffusers.UNet2DConditionModel.from_pretrained(HERE / "pipelines" / base / "unet", torch_dtype=torch.float32)
        model = diffusers.ControlNetModel.from_unet(network, conditioning_embedding_out_channels=(4, 4, 6, 8), load_weights_from_unet=False)
        save(calibrated(redraw(model, g)), folder / name)


def motion_tiny(folder, g):
    """Motion adapters for sd1_tiny, with a module in the middle (AnimateDiff's second version) and without (its
    third), and a LoRA of the first."""
    common = {"block_out_channels": (8, 16, 16), "motion_layers_per_block": 1, "motion_num_attention_heads": 4, "motion_norm_num_groups": 4}
    for name, options in {"v2": {"motion_max_seq_length": 7}, "v3": {"motion_max_seq_length": 9, "use_motion_mid_block": False}}.items():
        model = diffusers.MotionAdapter(**common, **options)
        save(calibrated(redraw(model, g)), folder / name)
    state = {}
    for name, t in diffusers.MotionAdapter(**common, motion_max_seq_length=7).state_dict().items():
        if "attn" in name and "down_blocks" in name and name.endswith("weight"):
            layer = f"unet.{name.removesuffix('.weight')}"
            state[f"{layer}.lora_A.weight"] = torch.randn(2, t.shape[1], generator=g).half() / 4
            state[f"{layer}.lora_B.weight"] = torch.randn(t.shape[0], 2, generator=g).half() / 4
    save_file(state, folder / "zoom.safetensors", metadata={"format": "pt"})


def t2v_tiny(folder, g):
    """ModelScope's pipeline of videos. The network's config lacks what is the class's default."""
    vocabulary = tokenizer(folder / "tokenizer")
    text_encoder(folder / "text_encoder", transformers.CLIPTextModel, g, vocabulary, hidden_size=8, num_attention_heads=2, num_hidden_layers=2, intermediate_size=14, hidden_act="gelu")
    vae(folder / "vae", g, 0.18215, [3, 3, 3, 6])
    types = dict(down_block_types=["CrossAttnDownBlock3D", "DownBlock3D"], up_block_types=["UpBlock3D", "CrossAttnUpBlock3D"])
    model = diffusers.UNet3DConditionModel(block_out_channels=[4, 6], layers_per_block=1, norm_num_groups=2, attention_head_dim=2, cross_attention_dim=8, **types)
    calibrate(redraw(model, g))
    with torch.no_grad():
        for name, p in model.named_parameters():
            if ".attn2.to_k." in name or ".attn2.to_v." in name:
                p.mul_(2)
    denoise(model, g, lambda n: {"encoder_hidden_states": torch.randn(n, 9, 8, generator=g)}, frames=(3,))
    save(model, folder / "unet")
    config = json.loads((folder / "unet" / "config.json").read_text())
    defaults = inspect.signature(diffusers.UNet3DConditionModel.__init__).parameters
    dump(folder / "unet" / "config.json", {k: v for k, v in config.items() if k not in defaults or v != defaults[k].default})
    scheduler = {"_class_name": "DDIMScheduler", "_diffusers_version": "0.15.0.dev0"} | SD
    scheduler |= {"clip_sample": False, "clip_sample_range": 1.0, "prediction_type": "epsilon", "set_alpha_to_one": False, "skip_prk_steps": True}
    dump(folder / "scheduler" / "scheduler_config.json", scheduler | {"steps_offset": 1, "thresholding": False, "trained_betas": None})
    parts = {"scheduler": "DDIMScheduler", "text_encoder": "CLIPTextModel", "tokenizer": "CLIPTokenizer", "unet": "UNet3DConditionModel", "vae": "AutoencoderKL"}
    index(folder, "TextToVideoSDPipeline", parts)


def ip_tiny(folder, g):
    """IP-Adapters for sd1_tiny and sdxl_tiny by the names of their authors, and the image tower that they see by."""
    config = transformers.CLIPVisionConfig(hidden_size=12, intermediate_size=17, num_hidden_layers=3, num_attention_heads=2, image_size=14, patch_size=5, projection_dim=10)
    save(redraw(transformers.CLIPVisionModelWithProjection(config), g), folder / "image_encoder")
    for name, base, plus in (("sd1_plain", "sd1_tiny", False), ("sd1_plus", "sd1_tiny", True), ("sdxl_plain", "sdxl_tiny", False)):
        network = diffusers.UNet2DConditionModel.from_pretrained(HERE / "pipelines" / base / "unet", torch_dtype=torch.float32)
        width = network.config.cross_attention_dim
        draw = lambda *shape, scale=1.0: (torch.randn(*shape, generator=g) * scale * shape[-1] ** -0.5).half()
        norm = lambda n: {"weight": (0.7 + 0.6 * torch.rand(n, generator=g)).half(), "bias": (0.3 * torch.randn(n, generator=g)).half()}
        named = lambda prefix, tensors: {f"{prefix}.{k}": t for k, t in tensors.items()}
        if plus:
            hidden, heads = 9, 2
            state = {"latents": draw(1, 3, hidden, scale=3), "proj_in.weight": draw(hidden, 12), "proj_in.bias": draw(hidden), "proj_out.weight": draw(width, hidden), "proj_out.bias": draw(width)}
            state |= named("norm_out", norm(width))
            for i in range(4):  # as many as diffusers takes
                state |= named(f"layers.{i}.0.norm1", norm(hidden)) | named(f"layers.{i}.0.norm2", norm(hidden)) | named(f"layers.{i}.1.0", norm(hidden))
                state |= {f"layers.{i}.0.to_q.weight": draw(64 * heads, hidden), f"layers.{i}.0.to_kv.weight": draw(128 * heads, hidden), f"layers.{i}.0.to_out.weight": draw(hidden, 64 * heads)}
                state |= {f"layers.{i}.1.1.weight": draw(4 * hidden, hidden), f"layers.{i}.1.3.weight": draw(hidden, 4 * hidden)}
        else:
            state = {"proj.weight": draw(4 * width, 10), "proj.bias": draw(4 * width)} | named("norm", norm(width))
        state = named("image_proj", state)
        crosses = [k for k in network.attn_processors if k.endswith("attn2.processor")]
        for i, k in enumerate(crosses):
            out = network.get_submodule(k.removesuffix(".processor")).to_k.out_features
            state |= {f"ip_adapter.{2 * i + 1}.to_{of}_ip.weight": draw(out, width) for of in "kv"}
        save_file(state, folder / f"{name}.safetensors", metadata={"format": "pt"})


def t2i_tiny(folder, g):
    """T2I-Adapters for sd1_tiny and sdxl_tiny, of each kind."""
    for name, options in {
        "full": {"channels": [8, 16, 16], "num_res_blocks": 1, "adapter_type": "full_adapter"},
        "light": {"in_channels": 1, "channels": [8, 16], "num_res_blocks": 2, "adapter_type": "light_adapter"},
        "xl": {"channels": [8, 20], "num_res_blocks": 1, "downscale_factor": 16, "adapter_type": "full_adapter_xl"},
    }.items():
        save(redraw(diffusers.T2IAdapter(**options), g), folder / name)


def calibrated(model):
    calibrate(model)
    return model


# ---- cases ----


def zoo_sd(folder, g):
    """The embedded model: its weights are not stored again."""


def case(name, pipeline, steps, **options):
    """A run; what is absent takes diffusers' default. The picture is 24 wide and 40 high if nothing else is said."""
    return {"name": name, "pipeline": pipeline, "steps": steps, "width": 24, "height": 40, "batch": 1} | options


def sd(name, steps=4, pipeline="StableDiffusionPipeline", prompt="a photo of a red apple", guidance=7.5, **options):
    return case(name, pipeline, steps, prompt=prompt, guidance=guidance, **options)


def control(net, weight, start=0.0, end=1.0):
    return {"net": net, "weight": weight, "from": start, "to": end}


def ip(file, weight):
    return {"file": f"{file}.safetensors", "weight": weight}


NEGATIVE = "blurry, bad quality"
IMG2IMG = dict(pipeline="StableDiffusionImg2ImgPipeline", init_image=True)
INPAINT = dict(pipeline="StableDiffusionInpaintPipeline", init_image=True, mask=True)
XL = dict(pipeline="StableDiffusionXLPipeline", guidance=5.0)
WEIGHTED = "a ((red) apple:1.3) on [table], BREAK painting (lighthouse:0.6) in storm"
WEIGHTED_LONG = "(dog:1.4), that runs " * 21 + r"\(house\)"
# Prompts as AUTOMATIC1111 reads them, by hand: of each chunk its pieces and their weights.
READ = {
    WEIGHTED: [
        [("a ", 1.0), ("red", 1.3 * 1.1), (" apple", 1.3), (" on ", 1.0), ("table", 1 / 1.1), (",", 1.0)],
        [("painting ", 1.0), ("lighthouse", 0.6), (" in storm", 1.0)],
    ],
    WEIGHTED_LONG: [[("dog", 1.4), (", that runs ", 1.0)] * 21 + [("(house)", 1.0)]],
    NEGATIVE: [[(NEGATIVE, 1.0)]],
    "[blurry] dark": [[("blurry", 1 / 1.1), (" dark", 1.0)]],
    "": [[("", 1.0)]],
}
CONTROL = dict(pipeline="StableDiffusionControlNetPipeline", weights="golden/pipelines/sd1_tiny")
CONTROL_IMAGE = CONTROL | dict(pipeline="StableDiffusionControlNetImg2ImgPipeline", init_image=True)
CONTROL_INPAINT = CONTROL | dict(pipeline="StableDiffusionControlNetInpaintPipeline", init_image=True, mask=True)
CONTROL_XL = dict(pipeline="StableDiffusionXLControlNetPipeline", weights="golden/pipelines/sdxl_tiny", guidance=5.0)
T2I = dict(pipeline="StableDiffusionAdapterPipeline", weights="golden/pipelines/sd1_tiny", nets="t2i_tiny")
T2I_XL = dict(pipeline="StableDiffusionXLAdapterPipeline", weights="golden/pipelines/sdxl_tiny", nets="t2i_tiny", guidance=5.0)
IP = dict(weights="golden/pipelines/sd1_tiny")
MOTION = dict(pipeline="AnimateDiffPipeline", weights="golden/pipelines/sd1_tiny", scheduler="DDIMScheduler",
              scheduler_config={"beta_schedule": "linear", "clip_sample": False, "timestep_spacing": "linspace", "steps_offset": 1})
T2V = dict(pipeline="TextToVideoSDPipeline", guidance=9.0)
MOTION_CONTROL = MOTION | {"pipeline": "AnimateDiffControlNetPipeline"}
ANCESTRAL, MULTISTEP = "EulerAncestralDiscreteScheduler", "DPMSolverMultistepScheduler"
PIPELINES = {
    sd1_tiny: [
        sd("text", negative_prompt=NEGATIVE, width=40, height=56),
        sd("no_guidance", guidance=1.0),
        sd("batch", batch=2, steps=3),
        sd("long_prompt", prompt=LONG, steps=2),
        sd("euler_ancestral", scheduler=ANCESTRAL),
        sd("dpm_karras", scheduler=MULTISTEP, scheduler_config={"use_karras_sigmas": True}, steps=5),
        sd("image_ddim", scheduler="DDIMScheduler", strength=0.6, steps=5, **IMG2IMG),
        sd("image_pndm", strength=0.6, steps=5, negative_prompt=NEGATIVE, **IMG2IMG),
        sd("image_euler", strength=0.5, scheduler="EulerDiscreteScheduler", **IMG2IMG),
        sd("image_heun", strength=0.5, scheduler="HeunDiscreteScheduler", **IMG2IMG),
        sd("inpaint", strength=1.0, **INPAINT),
        sd("inpaint_strength", strength=0.7, scheduler="DDIMScheduler", width=40, **INPAINT),
        sd("clip_skip", clip_skip=1, steps=2),
        sd("weights", prompt=WEIGHTED, negative_prompt="[blurry] dark", prompt_syntax="a1111", guidance_rescale=0.7, steps=2),
    ],
    sd2_tiny: [
        sd("text", negative_prompt=NEGATIVE, steps=5, width=56),
        sd("batch", guidance=3.0, batch=3, steps=2),
        sd("weights", prompt=WEIGHTED_LONG, prompt_syntax="a1111", guidance=3.0, steps=1),
    ],
    inpaint_tiny: [
        sd("inpaint", strength=1.0, negative_prompt=NEGATIVE, **INPAINT),
        sd("inpaint_strength", strength=0.7, steps=5, **INPAINT),
        sd("euler_batch", strength=0.8, steps=3, scheduler="EulerDiscreteScheduler", batch=2, **INPAINT),
    ],
    sdxl_tiny: [
        sd("text", width=40, **XL),
        sd("negative_prompt", negative_prompt=NEGATIVE, **XL),
        sd("image", strength=0.5, pipeline="StableDiffusionXLImg2ImgPipeline", guidance=5.0, init_image=True),
        sd("clip_skip", clip_skip=1, steps=2, **XL),
        sd("weights", prompt=WEIGHTED, negative_prompt="[blurry] dark", prompt_syntax="a1111", guidance_rescale=0.6, steps=1, **XL),
        sd("turbo", steps=1, scheduler=ANCESTRAL, scheduler_config={"timestep_spacing": "trailing"}, **XL | {"guidance": 0.0}),
    ],
    refiner_tiny: [
        sd("after_base", base="sdxl_tiny", refiner_start=0.6, steps=5, negative_prompt=NEGATIVE, **XL),
        sd("ancestral", base="sdxl_tiny", refiner_start=0.7, steps=4, scheduler=ANCESTRAL, **XL),
    ],
    lcm_tiny: [sd("text", pipeline="LatentConsistencyModelPipeline", guidance=8.5)],
    controlnet_tiny: [
        sd("one", controls=[control("sd1.0", 0.8)], width=40, **CONTROL),
        sd("two", controls=[control("sd1.0", 0.5, 0.0, 0.5), control("sd1.1", 1.2, 0.25)], negative_prompt=NEGATIVE, batch=2, **CONTROL),
        sd("no_guidance", controls=[control("sd1.1", 1.0, 0.0, 0.7)], guidance=1.0, steps=3, **CONTROL),
        sd("image", controls=[control("sd1.1", 1.0)], strength=0.6, steps=5, scheduler="DDIMScheduler", **CONTROL_IMAGE),
        sd("inpaint", controls=[control("sd1.0", 1.0)], strength=0.8, **CONTROL_INPAINT),
        sd("xl", controls=[control("sdxl.0", 0.9, 0.0, 0.8)], **CONTROL_XL),
    ],
    t2i_tiny: [
        sd("full", controls=[control("full", 0.8)], steps=2, width=40, **T2I),
        sd("two", controls=[control("full", 0.3), control("light", 0.6)], steps=2, batch=2, negative_prompt=NEGATIVE, **T2I),
        sd("xl", controls=[control("xl", 0.7, 0.0, 0.5)], steps=2, width=32, height=48, **T2I_XL),
    ],
    ip_tiny: [
        sd("plain", ip_adapters=[ip("sd1_plain", 0.7)], steps=2, width=40, **IP),
        sd("plus", ip_adapters=[ip("sd1_plus", 0.9)], steps=2, batch=2, negative_prompt=NEGATIVE, **IP),
        sd("both", ip_adapters=[ip("sd1_plain", 0.4), ip("sd1_plus", 0.6)], steps=2, guidance=1.0, **IP),
        sd("xl", ip_adapters=[ip("sdxl_plain", 1.0)], steps=2, **XL | {"weights": "golden/pipelines/sdxl_tiny"}),
    ],
    motion_tiny: [
        sd("five", motion="v2", frames=5, steps=3, negative_prompt=NEGATIVE, **MOTION),
        sd("one", motion="v3", frames=1, steps=2, **MOTION),
        sd("third", motion="v3", frames=3, steps=2, guidance=1.0, **MOTION | {"scheduler": ANCESTRAL}),
        sd("windows", motion="v2", frames=5, context_length=3, context_stride=1, steps=2, height=8, **MOTION),
        sd("windows_left", motion="v3", frames=7, context_length=4, context_stride=2, steps=2, height=8, negative_prompt=NEGATIVE, **MOTION),
        sd("control", motion="v3", frames=3, steps=2, height=24, nets="controlnet_tiny", controls=[control("sd1.0", 0.8)], **MOTION_CONTROL),
        sd("controls", motion="v2", frames=2, steps=2, height=16, nets="controlnet_tiny", controls=[control("sd1.0", 0.5, 0.0, 0.5), control("sd1.1", 1.2)], negative_prompt=NEGATIVE, **MOTION_CONTROL),
        sd("lora", motion="v2", frames=2, steps=2, height=24, lora="zoom.safetensors", lora_scale=0.8, guidance=3.0, **MOTION),
    ],
    t2v_tiny: [
        sd("five", frames=5, steps=3, height=24, negative_prompt=NEGATIVE, **T2V),
        sd("one", frames=1, steps=2, width=16, **T2V | {"guidance": 1.0}),
        sd("ancestral", frames=2, steps=2, height=16, clip_skip=1, scheduler=ANCESTRAL, **T2V),
        sd("multistep", frames=3, steps=4, height=8, scheduler=MULTISTEP, **T2V),
    ],
    ddpm_tiny: [case("sample", "DDPMPipeline", 4, width=10, height=6, batch=2)],
    ddim_tiny: [case("sample", "DDIMPipeline", 5, width=10, height=6, batch=2)],
    zoo_sd: [sd("text", prompt="red apple", guidance=4.0, width=64, height=64, weights="zoo/sd")],
}


def picture(g, batch, height, width):
    """Soft spots with some noise, from -1 to 1."""
    coarse = torch.rand(batch, 3, 3, 3, generator=g)
    soft = torch.nn.functional.interpolate(coarse, (height, width), mode="bilinear", align_corners=True)
    return (1.6 * soft + 0.4 * torch.rand(soft.shape, generator=g)) - 1


def weights(folder, c):
    """The folder of a case's pipeline."""
    return HERE.parent / c["weights"] if "weights" in c else folder


def draw_inputs(folder, c, g):
    """What a case starts from. The mask is no multiple of a latent pixel."""
    config, reduction = json.loads((folder / "unet" / "config.json").read_text()), 1
    if (folder / "vae").exists():
        reduction = 2 ** (len(json.loads((folder / "vae" / "config.json").read_text())["block_out_channels"]) - 1)
    shape = c.get("frames", c["batch"]), config.get("out_channels", 4), c["height"] // reduction, c["width"] // reduction
    inputs = {"latents": torch.randn(shape, generator=g)}
    inputs |= {f"noise.{i}": torch.randn(shape, generator=g) for i in range(c["steps"])}
    if c.get("init_image"):
        inputs["init_image"] = picture(g, c["batch"], c["height"], c["width"])
    for i in range(len(c.get("controls", []))):
        inputs[f"hint.{i}"] = picture(g, c.get("frames", 1), c["height"], c["width"]) / 2 + 0.5
        if c.get("nets") == "t2i_tiny":  # some take grey
            inputs[f"hint.{i}"] = inputs[f"hint.{i}"][:, :1].repeat(1, 3, 1, 1)
    for i in range(len(c.get("ip_adapters", []))):
        inputs[f"ip_image.{i}"] = torch.randn(1, 3, 14, 14, generator=g)
    if c.get("mask"):
        mask = torch.zeros(1, 1, c["height"], c["width"])
        mask[:, :, 11:29, 5 : c["width"] - 4] = 1
        inputs["mask"] = mask
    return inputs


def emphasized(pipe, c):
    """A pipeline's arguments for prompts as AUTOMATIC1111 reads them: chunks of tokens that are encoded
    each on its own, their states times the weights and all times one number that restores their mean."""
    xl = hasattr(pipe, "text_encoder_2")
    towers = [(pipe.tokenizer, pipe.text_encoder)] + ([(pipe.tokenizer_2, pipe.text_encoder_2)] if xl else [])
    texts = {"prompt": READ[c["prompt"]], "negative_prompt": READ[c.get("negative_prompt", "")]}
    tokens = lambda t, text: t(text, add_special_tokens=False).input_ids

    def split(t, chunk):
        pairs = [(i, w) for text, w in chunk for i in tokens(t, text)]
        comma = tokens(t, ",")[0]
        while len(pairs) > 75:  # what follows the last comma goes with the next chunk
            last = max(i for i in range(75) if pairs[i][0] == comma)
            yield pairs[: last + 1 if 75 - last <= 20 else 75]
            pairs = pairs[last + 1 if 75 - last <= 20 else 75 :]
        yield pairs

    out = {}
    for name, chunks in texts.items():
        states, pooled = [], None
        for t, model in towers:
            rows = [pairs for chunk in chunks for pairs in split(t, chunk)]
            most = max(sum(1 for chunk in other for _ in split(t, chunk)) for other in texts.values())
            rows += [[]] * (most - len(rows))
            parts = []
            for row in rows:
                ids = [t.bos_token_id] + [i for i, _ in row] + [t.eos_token_id]
                ids += [t.pad_token_id] * (77 - len(ids))
                weights = torch.tensor([1.0] + [w for _, w in row] + [1.0] * (76 - len(row)))
                got = model(torch.tensor([ids]), output_hidden_states=True)
                z = got.hidden_states[-2] if xl else got.last_hidden_state
                y = z * weights[None, :, None]
                parts.append(y * (z.mean() / y.mean()))
                pooled = got[0] if xl and not parts[1:] and model is pipe.text_encoder_2 else pooled
            states.append(torch.cat(parts, 1))
        out[f"{name}_embeds"] = torch.cat(states, -1)
        if xl:
            out["pooled_prompt_embeds" if name == "prompt" else "negative_pooled_prompt_embeds"] = pooled
    return out


def base_latents(root, c, inputs):
    """The latents with which the base ends, the steps on the way, and whether it drew noise."""
    pipe, state, out = open_pipeline(root / c["base"], c | {"pipeline": "StableDiffusionXLPipeline"}), {"step": 0, "drew": False}, {}
    watch(pipe, state, out)
    with given(inputs, state), torch.no_grad():
        latents = pipe(**arguments(c, inputs), denoising_end=c["refiner_start"], output_type="latent").images
    return latents, {k: t for k, t in out.items() if ".step." in k}, state


def video(frames):
    """Maps [frames, C, h, w] as diffusers has them, [1, C, frames, h, w]."""
    return frames.permute(1, 0, 2, 3)[None].contiguous()


def frames(video):
    """The same back; maps of images as they are."""
    return video[0].permute(1, 0, 2, 3).contiguous() if video.ndim == 5 else video


@contextlib.contextmanager
def given(inputs, state):
    """Inputs in place of draws. state["step"] is the scheduler's step, state["drew"] whether it asked for noise."""

    def pipeline_draw(shape, **_):
        if len(shape) == 5:
            assert video(inputs["latents"]).shape == torch.Size(shape), f"latents of {tuple(shape)} wanted"
            return video(inputs["latents"])
        assert inputs["latents"].shape == torch.Size(shape), f"latents of {tuple(shape)} wanted"
        return inputs["latents"].clone()

    def scheduler_draw(shape, **_):
        noise = inputs[f"noise.{state['step']}"]
        if len(shape) == 5:
            noise = video(noise)
        assert noise.shape == torch.Size(shape), f"noise of {tuple(shape)} wanted"
        state["drew"] = True
        return noise.clone()

    with contextlib.ExitStack() as stack:
        for name, module in list(sys.modules.items()):
            if "randn_tensor" in vars(module) and name.startswith(("diffusers.pipelines", "diffusers.schedulers")):
                draw = pipeline_draw if name.startswith("diffusers.pipelines") else scheduler_draw
                stack.enter_context(mock.patch.object(module, "randn_tensor", draw))
        stack.enter_context(mock.patch.object(DiagonalGaussianDistribution, "sample", lambda self, generator=None: self.mode()))
        yield


def open_pipeline(folder, c):
    parts = {}
    if c.get("nets") == "t2i_tiny":
        nets = [diffusers.T2IAdapter.from_pretrained(HERE / "pipelines" / c["nets"] / k["net"], torch_dtype=torch.float32) for k in c["controls"]]
        parts["adapter"] = diffusers.MultiAdapter(nets) if len(nets) > 1 else nets[0]
    elif "controls" in c:
        nets = HERE / "pipelines" / "controlnet_tiny"
        nets = [diffusers.ControlNetModel.from_pretrained(nets / k["net"], torch_dtype=torch.float32) for k in c["controls"]]
        parts["controlnet"] = nets if len(nets) > 1 else nets[0]
    if "motion" in c:
        parts["motion_adapter"] = diffusers.MotionAdapter.from_pretrained(HERE / "pipelines" / "motion_tiny" / c["motion"], torch_dtype=torch.float32)
    pipe = getattr(diffusers, c["pipeline"]).from_pretrained(folder, dtype=torch.float32, **parts)
    if "ip_adapters" in c:
        ips = HERE / "pipelines" / "ip_tiny"
        pipe.register_modules(image_encoder=transformers.CLIPVisionModelWithProjection.from_pretrained(ips / "image_encoder", dtype=torch.float32))
        pipe.load_ip_adapter([str(ips)] * len(c["ip_adapters"]), subfolder=[""] * len(c["ip_adapters"]), weight_name=[a["file"] for a in c["ip_adapters"]], image_encoder_folder=None)
        pipe.unet.float()
        pipe.set_ip_adapter_scale([a["weight"] for a in c["ip_adapters"]])
    if "lora" in c:
        pipe.load_lora_weights(HERE / "pipelines" / "motion_tiny", weight_name=c["lora"], adapter_name="lora")
        pipe.set_adapters(["lora"], [c["lora_scale"]])
    if "context_length" in c:
        pipe.enable_free_noise(c["context_length"], c["context_stride"], noise_type="random")  # the latents as they are
    pipe.set_progress_bar_config(disable=True)
    if "scheduler" in c:
        pipe.scheduler = getattr(diffusers, c["scheduler"]).from_config(pipe.scheduler.config, **c.get("scheduler_config", {}))
    if "clip_skip" in c:  # diffusers looks for the last norm where transformers 4 had it
        object.__setattr__(pipe.text_encoder, "text_model", getattr(pipe.text_encoder, "text_model", pipe.text_encoder))
    for part in pipe.components.values():
        if isinstance(part, torch.nn.Module):
            assert part.dtype == torch.float32, f"{type(part).__name__} is {part.dtype}"
    return pipe


def arguments(c, inputs):
    """A pipeline's arguments for a case."""
    if "prompt" not in c:
        return {"batch_size": c["batch"], "num_inference_steps": c["steps"]}
    a = {"prompt": c["prompt"], "num_inference_steps": c["steps"], "guidance_scale": c["guidance"]}
    if c["pipeline"] != "StableDiffusionXLImg2ImgPipeline" and c["pipeline"] != "StableDiffusionImg2ImgPipeline":
        a |= {"width": c["width"], "height": c["height"]}
    a |= {k: c[k] for k in ("negative_prompt", "strength", "clip_skip", "guidance_rescale") if k in c}
    if c.get("init_image"):  # a batch of pictures wants one prompt each
        a |= {"prompt": [c["prompt"]] * c["batch"], "image": inputs["init_image"]}
        a |= {"negative_prompt": [c["negative_prompt"]] * c["batch"]} if "negative_prompt" in c else {}
    elif "frames" in c:
        a |= {"num_frames": c["frames"]} | ({"num_videos_per_prompt": 1} if "motion" in c else {})
    else:
        a["num_images_per_prompt"] = c["batch"]
    if "ip_adapters" in c:
        a["ip_adapter_image"] = [inputs[f"ip_image.{i}"] for i in range(len(c["ip_adapters"]))]
    if c.get("mask"):
        a["mask_image"] = inputs["mask"]
    if c.get("nets") == "t2i_tiny":
        hints = [inputs[f"hint.{i}"] for i in range(len(c["controls"]))]
        hints = [h[:, : json.loads((HERE / "pipelines" / c["nets"] / k["net"] / "config.json").read_text())["in_channels"]] for h, k in zip(hints, c["controls"])]
        scales = [k["weight"] for k in c["controls"]]
        a |= {"image": hints if len(hints) > 1 else hints[0], "adapter_conditioning_scale": scales if len(hints) > 1 else scales[0]}
        if "XL" in c["pipeline"]:
            a["adapter_conditioning_factor"] = c["controls"][0]["to"]
    elif "controls" in c:
        one_or_all = lambda all: all if len(all) > 1 else all[0]
        hints = [inputs[f"hint.{i}"] for i in range(len(c["controls"]))]
        if "frames" in c:
            a["conditioning_frames"] = one_or_all([list(h) for h in hints])
        else:
            a["control_image" if c.get("init_image") else "image"] = one_or_all(hints)
        names = {"controlnet_conditioning_scale": "weight", "control_guidance_start": "from", "control_guidance_end": "to"}
        a |= {name: one_or_all([k[key] for k in c["controls"]]) for name, key in names.items()}
    return a


def watch(pipe, state, out):
    """Count the scheduler's steps, and keep what it, the text towers and the decoder give."""
    step = pipe.scheduler.step

    def stepped(*args, **kwargs):
        got = step(*args, **kwargs)
        out[f"expected.step.{state['step']}"] = frames(got[0] if isinstance(got, tuple) else got.prev_sample).clone()
        state["step"] += 1
        return got

    pipe.scheduler.step = stepped
    if not hasattr(pipe, "vae"):
        return
    encode, decode = pipe.encode_prompt, pipe.vae.decode

    def encoded(*args, **kwargs):
        got = encode(*args, **kwargs)
        names = ["prompt_embeds", "negative_prompt_embeds", "pooled_prompt_embeds", "negative_pooled_prompt_embeds"]
        out.update({f"expected.{n}": t[:1].clone() for n, t in zip(names, got) if t is not None})
        return got

    def decoded(*args, **kwargs):
        got = decode(*args, **kwargs)
        out["expected.image"] = got[0].clone()
        return got

    pipe.encode_prompt, pipe.vae.decode = encoded, decoded


def run(folder, c, inputs):
    """The outputs of a case, in the order of computation, and whether the scheduler drew noise."""
    state, out, before = {"step": 0, "drew": False}, {}, 0
    if "base" in c:
        latents, out, state = base_latents(folder.parent, c, inputs)
        before = state["step"]
        pipe = open_pipeline(folder, c | {"pipeline": "StableDiffusionXLImg2ImgPipeline"})
        options = {k: v for k, v in arguments(c, inputs).items() if k not in ("width", "height")}
        options |= {"image": latents, "denoising_start": c["refiner_start"]}
    else:
        pipe = open_pipeline(folder, c)
        options = arguments(c, inputs)
    watch(pipe, state, out)
    if "prompt_syntax" in c:
        with torch.no_grad():
            options = {k: v for k, v in options.items() if "prompt" not in k or k == "num_images_per_prompt"} | emphasized(pipe, c)
    if hasattr(pipe, "vae"):

        def ended(_, i, t, kept):  # after what inpainting pastes into the step's latents
            out[f"expected.step.{before + i}"] = frames(kept["latents"]).clone()
            return kept

        options |= {"output_type": "pt"} | ({} if c.get("nets") == "t2i_tiny" or c["pipeline"] == "TextToVideoSDPipeline" else {"callback_on_step_end": ended})
    else:
        options["output_type"] = "np"
    with given(inputs, state), torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        got = pipe(**options)
        images = got.frames[0] if "frames" in c else torch.as_tensor(got.images)
    out["expected.latents"] = out[f"expected.step.{state['step'] - 1}"]
    out.setdefault("expected.image", out["expected.latents"])
    shown = (out["expected.image"] / 2 + 0.5).clamp(0, 1)
    assert torch.equal(shown, images if images.shape == shown.shape else images.permute(0, 3, 1, 2)), "the image is not the pipeline's"
    return out, state["drew"]


def generate(root, build, cases):
    name = build.__name__
    folder = root / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    build(folder, generator(name))
    dump(folder / "cases.json", cases)
    for c in cases:
        inputs = draw_inputs(weights(folder, c), c, generator(f"{name} {c['name']}"))
        out, drew = run(weights(folder, c), c, inputs)
        if not drew:
            inputs = {k: t for k, t in inputs.items() if not k.startswith("noise.")}
        source = f"diffusers {diffusers.__version__} {c['pipeline']}; transformers {transformers.__version__}; torch {torch.__version__.split('+')[0]}"
        write(folder / "cases" / f"{c['name']}.safetensors", inputs | out, {"source": source})
        largest = max(out[k].abs().max().item() for k in out if ".step." in k)
        print(f"    largest latent {largest:.3g}, last {out['expected.latents'].std():.3g}, image {out['expected.image'].std():.3g}")


def check(root, build):
    """Run the stored cases again from the stored inputs."""
    folder = root / build.__name__
    for c in json.loads((folder / "cases.json").read_text()):
        stored = load_file(folder / "cases" / f"{c['name']}.safetensors")
        want = {k: t for k, t in stored.items() if k.startswith("expected.")}
        got, _ = run(weights(folder, c), c, {k: t for k, t in stored.items() if k not in want})
        assert got.keys() == want.keys(), f"{folder.name} {c['name']}: {sorted(got.keys() ^ want.keys())}"
        furthest = max((got[k] - want[k]).abs().max().item() for k in want)
        print(f"{folder.name} {c['name']}: {len(want)} outputs, furthest {furthest:.3g}")


def main():
    known = {f.__name__: f for f in PIPELINES}
    parser = argparse.ArgumentParser(description="Makes the goldens of diffusion pipelines; without names, all.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=" ".join(known))
    parser.add_argument("--out", type=Path, default=HERE / "pipelines")
    parser.add_argument("--check", action="store_true", help="write nothing: run what is stored again, and compare")
    args = parser.parse_args()
    if unknown := set(args.names) - set(known):
        parser.error(f"unknown: {' '.join(sorted(unknown))}; known: {' '.join(known)}")
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    diffusers.utils.logging.disable_progress_bar()
    for name in args.names or known:
        if args.check:
            check(args.out, known[name])
        else:
            generate(args.out, known[name], PIPELINES[known[name]])


if __name__ == "__main__":
    main()
