"""Goldens of the networks of diffusion models: UNets and autoencoders of diffusers."""

import json
import os
import shutil

os.environ.setdefault("DIFFUSERS_VERBOSITY", "error")

import diffusers
import torch
from safetensors.torch import save_file

from generate_clip import hooked
from generate_io import generator, halves, write
from generate_models import redraw


def calibrate(model):
    """Scale the last layer of each residual block, attention and perceptron, so
    that halves hold what residual networks add up (see golden.md), and give
    group norms inputs whose mean is not that of their neighbours."""
    with torch.no_grad():
        for name, p in model.named_parameters():
            if name.endswith(("conv2.weight", "conv4.3.weight", "to_out.0.weight", "ff.net.2.weight", "proj_out.weight")):
                p.mul_(0.5)


def save(folder, model, legacy=(), half=False):
    """The checkpoint under one name, model.safetensors, whatever the library calls
    it; legacy renames tensors to what they were called before 2023; half rounds the
    model's to halves, as fp16 variants have them."""
    if half:
        model.half()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    tensors = {}
    for name, t in model.state_dict().items():
        for new, old in legacy:
            name = name.replace(new, old)
        tensors[name] = t.contiguous()
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    model.float()
    config = {"_class_name": type(model).__name__} | {k: v for k, v in model.config.items() if not k.startswith("_")}
    (folder / "config.json").write_text(json.dumps(config, indent=2, default=list) + "\n")


def finish(root, name, family, model, inputs, layers, outputs, call):
    metadata = {
        "model": family,
        "source": f"diffusers {diffusers.__version__} {type(model).__name__}; torch {torch.__version__.split('+')[0]}",
        "architecture": type(model).__name__,
        "inputs": list(inputs),
        "layers": list(layers),
        "outputs": list(outputs),
        "halves": halves(model, call, outputs),
    }
    write(root / name / "golden.safetensors", inputs | layers | outputs, metadata)


def stages(prefix, blocks, which="down"):
    """The modules of stages, in the order of computation, by their names."""
    modules = {}
    for i, block in enumerate(blocks):
        for j, resnet in enumerate(block.resnets):
            modules[f"{prefix}{which}_blocks.{i}.resnets.{j}"] = resnet
            modules |= behind(f"{prefix}{which}_blocks.{i}", block, j)
    return modules


def behind(name, block, j):
    """What follows residual block j of a stage, of a video's with the names that our layers have."""
    kinds = {"temp_convs": "temp_convs", "attentions": "attentions", "temp_attentions": "motion_modules"}
    kept = {ours: getattr(block, of, None) or [] for of, ours in kinds.items()}
    return {f"{name}.{kind}.{j}": modules[j] for kind, modules in kept.items() if j < len(modules) and modules[j] is not None}


def middle(prefix, block):
    modules = {}
    for j, resnet in enumerate(block.resnets):
        modules |= {f"{prefix}mid_block.resnets.{j}": resnet} | behind(f"{prefix}mid_block", block, j)
    return modules


# What diffusers called the projections of self-attention before 2023.
LEGACY = [(".to_q.", ".query."), (".to_k.", ".key."), (".to_v.", ".value."), (".to_out.0.", ".proj_attn.")]


def unet(root, name, cls, batch, size, config, times, tokens=7, added=None, legacy=(), half=True, frames=()):
    g = generator(name)
    model = redraw(cls(sample_size=list(size), **config), g)
    calibrate(model)
    save(root / name, model, legacy, half)
    inputs = {"sample": torch.randn(batch, model.config.in_channels, *frames, *size, generator=g), "timestep": torch.tensor(times)}
    options = {}
    if cls is not diffusers.UNet2DModel:
        inputs["encoder_hidden_states"] = torch.randn(batch, tokens, model.config.cross_attention_dim, generator=g)
        options["encoder_hidden_states"] = inputs["encoder_hidden_states"]
    if added:
        pooled, sizes = added
        inputs["text_embeds"] = torch.randn(batch, pooled, generator=g)
        inputs["time_ids"] = torch.tensor(sizes, dtype=torch.float32).expand(batch, -1).contiguous() + 8.0 * torch.arange(batch)[:, None]
        options["added_cond_kwargs"] = {k: inputs[k] for k in ("text_embeds", "time_ids")}
    if frames and model.config.time_cond_proj_dim:
        inputs["timestep_cond"] = options["timestep_cond"] = torch.randn(batch, model.config.time_cond_proj_dim, generator=g)
    kind = getattr(model.config, "class_embed_type", None)
    if kind == "timestep":
        inputs["class_labels"] = torch.tensor([3.0 * i + 1 for i in range(batch)])
    if kind == "projection":
        inputs["class_labels"] = torch.randn(batch, model.config.projection_class_embeddings_input_dim, generator=g)
    if "class_labels" in inputs:
        options["class_labels"] = inputs["class_labels"]
    modules = {"time_embedding": model.time_embedding, "conv_in": model.conv_in}
    modules |= {"transformer_in": model.transformer_in} if frames else {}
    modules |= stages("", model.down_blocks)
    if model.mid_block is not None:
        modules |= middle("", model.mid_block)
    modules |= stages("", model.up_blocks, "up")
    sample = inputs["sample"]

    def call(model, cast):
        given = {k: {n: cast(t) for n, t in v.items()} if isinstance(v, dict) else cast(v) for k, v in options.items()}
        return model(cast(sample), inputs["timestep"], return_dict=False, **given)

    out, layers = hooked(modules, lambda: call(model, lambda t: t))
    inputs["inputs.sample"] = inputs.pop("sample")  # whose name is the output's too
    finish(root, name, "unet", model, inputs, layers, {"sample": out[0]}, call)


def unet_ddpm(root):
    """The layout of google/ddpm-cifar10-32: zeros at the bottom and right on the way
    down, attention of one head at one size, the old names of its projections."""
    unet(
        root,
        "unet_ddpm",
        diffusers.UNet2DModel,
        3,
        (8, 12),
        dict(
            block_out_channels=[10, 20, 10],
            layers_per_block=1,
            norm_num_groups=2,
            down_block_types=["DownBlock2D", "AttnDownBlock2D", "DownBlock2D"],
            up_block_types=["UpBlock2D", "AttnUpBlock2D", "UpBlock2D"],
            attention_head_dim=None,
            downsample_padding=0,
            flip_sin_to_cos=False,
            freq_shift=1,
            norm_eps=1e-6,
        ),
        [999.0, 0.0, 37.0],
        legacy=LEGACY,
    )


def unet_heads(root):
    """Heads of 5, a class given as a number, other channels out than in, no
    attention in the middle, another width of the time's embedding."""
    unet(
        root,
        "unet_heads",
        diffusers.UNet2DModel,
        2,
        (6, 8),
        dict(
            in_channels=1,
            out_channels=5,
            block_out_channels=[10, 20],
            layers_per_block=2,
            norm_num_groups=5,
            down_block_types=["AttnDownBlock2D", "DownBlock2D"],
            up_block_types=["UpBlock2D", "AttnUpBlock2D"],
            attention_head_dim=5,
            time_embedding_dim=27,
            class_embed_type="timestep",
            add_attention=False,
            freq_shift=0,
        ),
        [12.5, 640.0],
    )


def unet_sd1(root):
    """Stable Diffusion 1's: projections as convolutions, one number of heads at all
    sizes; a map whose sides are odd at both halvings."""
    unet(
        root,
        "unet_sd1",
        diffusers.UNet2DConditionModel,
        2,
        (7, 5),
        dict(
            block_out_channels=[12, 15, 15],
            layers_per_block=1,
            norm_num_groups=3,
            down_block_types=["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
            up_block_types=["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"],
            cross_attention_dim=13,
            attention_head_dim=3,
        ),
        [321.0, 981.0],
    )


def unet_sd2(root):
    """Stable Diffusion 2's: projections as matrices, heads by size; unCLIP's class, a
    vector; one time for the batch."""
    unet(
        root,
        "unet_sd2",
        diffusers.UNet2DConditionModel,
        3,
        (4, 6),
        dict(
            block_out_channels=[10, 20],
            layers_per_block=1,
            norm_num_groups=2,
            down_block_types=["CrossAttnDownBlock2D", "DownBlock2D"],
            up_block_types=["UpBlock2D", "CrossAttnUpBlock2D"],
            cross_attention_dim=9,
            attention_head_dim=[1, 4],
            use_linear_projection=True,
            class_embed_type="projection",
            projection_class_embeddings_input_dim=11,
        ),
        [501.0],
        tokens=5,
    )


def unet_sdxl(root):
    """SDXL's: several transformer blocks at the small size and none at the large, the
    pooled prompt and the sizes of pictures."""
    unet(
        root,
        "unet_sdxl",
        diffusers.UNet2DConditionModel,
        2,
        (4, 4),
        dict(
            block_out_channels=[6, 12],
            layers_per_block=1,
            norm_num_groups=3,
            down_block_types=["DownBlock2D", "CrossAttnDownBlock2D"],
            up_block_types=["CrossAttnUpBlock2D", "UpBlock2D"],
            cross_attention_dim=15,
            attention_head_dim=[1, 2],
            transformer_layers_per_block=[1, 3],
            use_linear_projection=True,
            addition_embed_type="text_time",
            addition_time_embed_dim=6,
            projection_class_embeddings_input_dim=43,
        ),
        [999.0, 249.0],
        added=(7, [1024, 768, 0, 96, 1024, 1024]),
    )


def unet_segmind(root):
    """Segmind's: the depths of each block, those of the way up apart, one block in the
    middle; an activation that not all embeddings have."""
    unet(
        root,
        "unet_segmind",
        diffusers.UNet2DConditionModel,
        2,
        (4, 2),
        dict(
            block_out_channels=[6, 12],
            layers_per_block=1,
            norm_num_groups=3,
            down_block_types=["DownBlock2D", "CrossAttnDownBlock2D"],
            mid_block_type="UNetMidBlock2D",
            up_block_types=["CrossAttnUpBlock2D", "UpBlock2D"],
            cross_attention_dim=9,
            attention_head_dim=[1, 2],
            transformer_layers_per_block=[1, [2]],
            reverse_transformer_layers_per_block=[[1, 2], 1],
            act_fn="gelu",
            use_linear_projection=True,
            addition_embed_type="text_time",
            addition_time_embed_dim=4,
            projection_class_embeddings_input_dim=29,
        ),
        [999.0, 249.0],
        added=(5, [1024, 768, 0, 96, 1024, 1024]),
    )


def unet_inpaint(root):
    """An inpainting network's nine channels, other filters at both ends, another
    number of blocks at each size, GELU."""
    unet(
        root,
        "unet_inpaint",
        diffusers.UNet2DConditionModel,
        1,
        (10, 3),
        dict(
            in_channels=9,
            block_out_channels=[9, 12],
            layers_per_block=[2, 1],
            norm_num_groups=3,
            down_block_types=["DownBlock2D", "CrossAttnDownBlock2D"],
            up_block_types=["CrossAttnUpBlock2D", "UpBlock2D"],
            cross_attention_dim=8,
            attention_head_dim=2,
            act_fn="gelu",
            conv_in_kernel=5,
            conv_out_kernel=1,
        ),
        [77.0],
        tokens=3,
    )


def controlnet(root, name, size, config, times, added=None):
    g = generator(name)
    config = dict(conditioning_embedding_out_channels=[5, 6, 9], layers_per_block=1) | config
    model = redraw(diffusers.ControlNetModel(**config), g)
    calibrate(model)
    save(root / name, model, half=True)
    n = len(times)
    inputs = {"sample": torch.randn(n, model.config.in_channels, *size, generator=g), "timestep": torch.tensor(times)}
    inputs["encoder_hidden_states"] = torch.randn(n, 7, model.config.cross_attention_dim, generator=g)
    inputs["controlnet_cond"] = torch.rand(n, 3, 4 * size[0], 4 * size[1], generator=g)
    if added:
        pooled, sizes = added
        inputs["text_embeds"] = torch.randn(n, pooled, generator=g)
        inputs["time_ids"] = torch.tensor(sizes, dtype=torch.float32).expand(n, -1).contiguous() + 8.0 * torch.arange(n)[:, None]
    modules = {"controlnet_cond_embedding": model.controlnet_cond_embedding} | stages("", model.down_blocks) | middle("", model.mid_block)

    def call(model, cast):
        extra = {"added_cond_kwargs": {k: cast(inputs[k]) for k in ("text_embeds", "time_ids")}} if added else {}
        x, context, hint = (cast(inputs[k]) for k in ("sample", "encoder_hidden_states", "controlnet_cond"))
        down, mid = model(x, inputs["timestep"], context, hint, return_dict=False, **extra)
        return *down, mid

    out, layers = hooked(modules, lambda: call(model, lambda t: t))
    outputs = {f"down_block_res_samples.{i}": t for i, t in enumerate(out[:-1])} | {"mid_block_res_sample": out[-1]}
    finish(root, name, "controlnet", model, inputs, layers, outputs, call)


def unet_video(root):
    """ModelScope's, of videos: attention among frames that is wider than its maps before all
    blocks, another activation than that of the convolutions over frames; the guidance told
    beside the time; zeros at the bottom and right on the way down."""
    unet(
        root,
        "unet_video",
        diffusers.UNet3DConditionModel,
        2,
        (6, 2),
        dict(
            in_channels=5,
            block_out_channels=[4, 6],
            layers_per_block=1,
            norm_num_groups=2,
            down_block_types=["CrossAttnDownBlock3D", "DownBlock3D"],
            up_block_types=["UpBlock3D", "CrossAttnUpBlock3D"],
            downsample_padding=0,
            cross_attention_dim=7,
            attention_head_dim=2,
            act_fn="gelu",
            norm_eps=1e-6,
            time_cond_proj_dim=5,
        ),
        [999.0, 249.0],
        frames=(3,),
    )


def controlnet_sd1(root):
    """A map whose sides are odd at both halvings."""
    controlnet(
        root,
        "controlnet_sd1",
        (7, 5),
        dict(
            block_out_channels=[12, 15, 15],
            norm_num_groups=3,
            down_block_types=["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
            cross_attention_dim=13,
            attention_head_dim=3,
        ),
        [321.0, 981.0],
    )


def controlnet_sdxl(root):
    """The pooled prompt and the sizes of pictures; depths and heads by size."""
    controlnet(
        root,
        "controlnet_sdxl",
        (4, 6),
        dict(
            block_out_channels=[8, 20],
            norm_num_groups=4,
            down_block_types=["DownBlock2D", "CrossAttnDownBlock2D"],
            cross_attention_dim=11,
            attention_head_dim=[2, 4],
            transformer_layers_per_block=[1, 2],
            use_linear_projection=True,
            addition_embed_type="text_time",
            addition_time_embed_dim=6,
            projection_class_embeddings_input_dim=10 + 6 * 6,
        ),
        [41.0],
        added=(10, [48, 32, 0, 8, 48, 32]),
    )


def vae(root, name, batch, size, config, legacy=(), half=True):
    """Latents of pictures, and pictures of other latents."""
    g = generator(name)
    levels = len(config["block_out_channels"])
    types = dict(down_block_types=["DownEncoderBlock2D"] * levels, up_block_types=["UpDecoderBlock2D"] * levels)
    model = redraw(diffusers.AutoencoderKL(sample_size=size[0] * 2 ** (levels - 1), **types, **config), g)
    calibrate(model)
    save(root / name, model, legacy, half)
    c = model.config
    inputs = {
        "pixel_values": torch.rand(batch, c.in_channels, *(s * 2 ** (levels - 1) for s in size), generator=g) * 2 - 1,
        "inputs.latents": torch.randn(batch, c.latent_channels, *size, generator=g),
    }
    e, d = model.encoder, model.decoder
    modules = {"encoder.conv_in": e.conv_in} | stages("encoder.", e.down_blocks) | middle("encoder.", e.mid_block)
    modules |= {"decoder.conv_in": d.conv_in} | middle("decoder.", d.mid_block) | stages("decoder.", d.up_blocks, "up")

    def call(model, cast):
        latents = model.encode(cast(inputs["pixel_values"])).latent_dist.mean
        return latents, model.decode(cast(inputs["inputs.latents"])).sample

    (latents, image), layers = hooked(modules, lambda: call(model, lambda t: t))
    finish(root, name, "vae", model, inputs, layers, {"latents": latents, "image": image}, call)
    return model


def tiled(root, name, model, latent, overlap, size):
    """tiled.safetensors: the same model on larger inputs, tile by tile; latent is a
    tile's side. AutoencoderTiny takes tiles to be reduced by eight and to have four
    channels, whatever its config says: the first is set right here, and for the
    second it only decodes."""
    g = generator(name + "_tiled")
    c = model.config
    kl = isinstance(model, diffusers.AutoencoderKL)
    shrink = 2 ** (len(c.block_out_channels if kl else c.num_encoder_blocks) - 1)
    model.enable_tiling()
    model.spatial_scale_factor = shrink
    model.tile_latent_min_size, model.tile_sample_min_size, model.tile_overlap_factor = latent, latent * shrink, overlap
    tensors = {"inputs.latents": 2 * torch.randn(2, c.latent_channels, *size, generator=g)}
    with torch.no_grad():
        tensors["image"] = model.decode(tensors["inputs.latents"]).sample
        if kl:
            tensors["pixel_values"] = torch.rand(2, c.in_channels, *(s * shrink for s in size), generator=g) * 2 - 1
            tensors["latents"] = model.encode(tensors["pixel_values"]).latent_dist.mean
    write(root / name / "tiled.safetensors", tensors, {"latent": latent, "overlap": overlap, "source": f"diffusers {diffusers.__version__}"})


def vae_kl(root):
    """Stable Diffusion's: three sizes, the old names of the projections in the middle."""
    config = dict(block_out_channels=[10, 10, 15], layers_per_block=1, norm_num_groups=5, latent_channels=4)
    tiled(root, "vae_kl", vae(root, "vae_kl", 2, (3, 4), config, legacy=LEGACY), 4, 0.25, (9, 7))


def vae_plain(root):
    """Sixteen channels and no convolution of latents, as Stable Diffusion 3's; grey
    pictures, no attention."""
    config = dict(
        in_channels=1,
        out_channels=1,
        block_out_channels=[9, 12],
        layers_per_block=2,
        norm_num_groups=3,
        latent_channels=16,
        use_quant_conv=False,
        use_post_quant_conv=False,
        mid_block_add_attention=False,
    )
    vae(root, "vae_plain", 3, (3, 2), config)


def vae_one_size(root):
    """No halving at all."""
    config = dict(block_out_channels=[20], layers_per_block=1, norm_num_groups=4, latent_channels=3)
    vae(root, "vae_one_size", 1, (7, 5), config, half=False)


def tiny(root, name, batch, size, config):
    """Latents of pictures, and pictures of other latents, of an AutoencoderTiny."""
    g = generator(name)
    model = redraw(diffusers.AutoencoderTiny(**config), g)
    with torch.no_grad():
        for p_name, p in model.named_parameters():
            if p_name.endswith("conv.4.weight"):
                p.mul_(0.5)
    save(root / name, model, half=True)
    c = model.config
    shrink = 2 ** (len(c.num_encoder_blocks) - 1)
    inputs = {
        "pixel_values": torch.rand(batch, c.in_channels, *(s * shrink for s in size), generator=g) * 2 - 1,
        "inputs.latents": 2 * torch.randn(batch, c.latent_channels, *size, generator=g),
    }
    modules = {}
    for way in ("encoder", "decoder"):
        layers = list(getattr(model, way).layers)
        for i, layer in enumerate(layers[:-1]):
            if not isinstance(layer, torch.nn.Upsample) and (way == "encoder" or i > 1):
                modules[f"{way}.layers.{i}"] = layer

    def call(model, cast):
        return model.encode(cast(inputs["pixel_values"])).latents, model.decode(cast(inputs["inputs.latents"])).sample

    (latents, image), layers = hooked(modules, lambda: call(model, lambda t: t))
    finish(root, name, "vae", model, inputs, layers, {"latents": latents, "image": image}, call)
    return model


def vae_tiny(root):
    """TAESD's: three sizes, other widths and numbers of blocks on either way."""
    config = dict(
        encoder_block_out_channels=[13] * 3,
        decoder_block_out_channels=[20] * 3,
        num_encoder_blocks=[1, 2, 1],
        num_decoder_blocks=[2, 1, 1],
        latent_channels=5,
    )
    tiled(root, "vae_tiny", tiny(root, "vae_tiny", 2, (2, 3), config), 6, 0.5, (11, 8))


MODELS = {
    f.__name__: f
    for f in (unet_ddpm, unet_heads, unet_sd1, unet_sd2, unet_sdxl, unet_segmind, unet_inpaint, unet_video, controlnet_sd1, controlnet_sdxl, vae_kl, vae_plain, vae_one_size, vae_tiny)
}
