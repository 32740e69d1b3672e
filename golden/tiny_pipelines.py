"""The folders of golden/pipelines: tiny diffusion pipelines with random weights, as diffusers saves them."""

import inspect
import json
from pathlib import Path

import diffusers
import torch
import transformers
from safetensors.torch import load_file, save_file
from tokenizers import pre_tokenizers

from generate_diffusion import calibrate
from generate_models import redraw

HERE = Path(__file__).resolve().parent
START, END = "<|startoftext|>", "<|endoftext|>"
WORDS = """a photo of the red apple on table painting lighthouse in storm an old map sea dog that runs beach cat sleeps chair
blurry dark bad quality house with door three green birds tree street at night rain woman hat snow mountain , ' s 's""".split()
SD = {"num_train_timesteps": 1000, "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}


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
