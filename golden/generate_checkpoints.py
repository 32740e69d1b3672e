"""Goldens of whole pipelines' files: golden/checkpoints/.

names/CASE.json.gz: the tensors of a published pipeline, by shape, under the names
of its single file, and what diffusers calls them, of which shape and from which
tensor, with the parts' configurations. The tables from diffusers' names to those
of the single files are this file's own; diffusers' converters (single_file_utils)
must bring what they make back to where it came from.

CASE.safetensors.gz, CASE.ckpt.gz: tiny pipelines as single files, and in
CASE.parts.safetensors.gz the same under diffusers' names, PART.NAME. Their values
are small multiples of 1/64 that repeat, so that the files are small.

lora/CASE.FORMAT.safetensors: LoRAs for those, in the names of PEFT, of diffusers
before, of its attention processors of 2023 and of kohya's trainers, and in
lora/CASE.safetensors.gz the weights that diffusers' fuse_lora gives for each with a
scale of SCALE. All sums are exact.

lora/kinds.safetensors: adapters of other kinds and configurations, of a linear layer
and convolutions as PEFT has them. Of CASE: CASE/weight and CASE/merged, before and
after, and the adapter's tensors by PEFT's names, CASE/lora.…; the configuration is the
metadata CASE.

inversions/: textual inversions in the layouts of A1111 and diffusers. The vectors
count through: 0, 1, 2, …
"""

import gzip
import io
import json
import os
import re
import sys
import types
import zlib
from pathlib import Path

os.environ.setdefault("DIFFUSERS_VERBOSITY", "error")

import diffusers
import numpy
import peft as library_peft
import torch
import transformers
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.loaders import single_file_utils as library
from safetensors.torch import save, save_file

HERE = Path(__file__).resolve().parent / "checkpoints"

UNET = "model.diffusion_model."
VAE = "first_stage_model."

RESNET = {"norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1", "norm2": "out_layers.0", "conv2": "out_layers.3", "conv_shortcut": "skip_connection"}
UNET_LAYERS = {
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}


def unet_name(name, layers, attentive):
    """The single file's name of a UNet's tensor. layers is layers_per_block,
    attentive whether each of the up blocks has attention."""
    base, kind = name.rsplit(".", 1)
    if base in UNET_LAYERS:
        return f"{UNET}{UNET_LAYERS[base]}.{kind}"
    way, rest = name.split(".", 1)
    if way == "mid_block":
        which, i, rest = rest.split(".", 2)
        block = f"middle_block.{1 if which == 'attentions' else 2 * int(i)}"
    else:
        level, which, i, rest = rest.split(".", 3)
        level, i = int(level), int(i)
        at = level * (layers + 1) + i
        if which == "downsamplers":
            return f"{UNET}input_blocks.{(level + 1) * (layers + 1)}.0.op.{kind}"
        if which == "upsamplers":
            return f"{UNET}output_blocks.{level * (layers + 1) + layers}.{2 if attentive[level] else 1}.conv.{kind}"
        at, blocks = (at + 1, "input_blocks") if way == "down_blocks" else (at, "output_blocks")
        block = f"{blocks}.{at}.{1 if which == 'attentions' else 0}"
    if which == "resnets":
        layer = rest.rsplit(".", 1)[0]
        rest = f"{RESNET[layer]}.{kind}"
    return f"{UNET}{block}.{rest}"


VAE_PARTS = [
    (r"mid_block\.resnets\.(\d)", lambda m: f"mid.block_{int(m[1]) + 1}"),
    (r"mid_block\.attentions\.0\.group_norm", "mid.attn_1.norm"),
    (r"mid_block\.attentions\.0\.to_([qkv])", r"mid.attn_1.\1"),
    (r"mid_block\.attentions\.0\.to_out\.0", "mid.attn_1.proj_out"),
    (r"down_blocks\.(\d+)\.resnets", r"down.\1.block"),
    (r"down_blocks\.(\d+)\.downsamplers\.0", r"down.\1.downsample"),
    (r"conv_norm_out", "norm_out"),
    (r"conv_shortcut", "nin_shortcut"),
]


def vae_name(name, levels):
    for old, new in VAE_PARTS:
        name = re.sub(old, new, name)
    turn = lambda m: f"up.{levels - 1 - int(m[1])}"  # noqa: E731
    return VAE + re.sub(r"up_blocks\.(\d+)", turn, name).replace(".resnets.", ".block.").replace(".upsamplers.0.", ".upsample.")


OPENCLIP = [
    ("text_model.embeddings.token_embedding.weight", "token_embedding.weight"),
    ("text_model.embeddings.position_embedding.weight", "positional_embedding"),
    ("text_model.final_layer_norm", "ln_final"),
    ("text_model.encoder.layers", "transformer.resblocks"),
    ("layer_norm", "ln_"),
    ("mlp.fc1", "mlp.c_fc"),
    ("mlp.fc2", "mlp.c_proj"),
    ("self_attn.", "attn."),
    ("text_projection.weight", "text_projection"),
]


def openclip(tensors, prefix):
    """A text encoder as OpenCLIP has it, and the origins of the tensors."""
    original, origins = {}, {}
    for name, t in tensors.items():
        new = name
        for old, to in OPENCLIP:
            new = new.replace(old, to)
        origins[name] = prefix + new
        if name == "text_projection.weight":
            t = t.T.contiguous()
        if m := re.match(r"(.*)\.([qkv])_proj\.(weight|bias)$", new):
            joined = f"{prefix}{m[1]}.in_proj_{m[3]}"
            origins[name] = f"{joined} ({m[2]})"
            if m[2] == "q":
                original[joined] = torch.cat([tensors[name.replace("q_proj", f"{p}_proj")] for p in "qkv"])
            continue
        original[prefix + new] = t
    return original, origins


def text_tensors(model):
    """A text encoder's tensors by the names of transformers 4."""
    flat = not any(n.startswith("text_model.") for n in model.state_dict())
    return {("text_model." if flat and not n.startswith("text_projection") else "") + n: t for n, t in model.state_dict().items() if not n.endswith("position_ids")}


class Case:
    """A pipeline: its parts, and all under the names of the single file."""

    def __init__(self, unet, vae, texts, device="meta"):
        self.original, self.parts = {}, {}
        with torch.device(device):
            self.unet = UNet2DConditionModel(**unet)
            self.vae = AutoencoderKL(**vae)
            models = [cls(transformers.CLIPTextConfig(**config)) for cls, config, *_ in texts]
        self.texts = models
        if device != "meta":
            for m in [self.unet, self.vae, *models]:
                pattern(m)
        attentive = ["CrossAttn" in t for t in unet["up_block_types"]]
        state = self.unet.state_dict()
        self.add("unet", self.unet.config, state, {n: unet_name(n, unet["layers_per_block"], attentive) for n in state})
        state = self.vae.state_dict()
        self.add("vae", self.vae.config, state, {n: vae_name(n, len(vae["block_out_channels"])) for n in state})
        for part, (cls, config, prefix, drop), model in zip(["text_encoder", "text_encoder_2"][-len(texts) :] if len(texts) == 2 or texts[0][0].__name__.endswith("Projection") else ["text_encoder"], texts, models):
            self.text(part, cls, config, prefix, drop, model)
        self.original |= {"model_ema.decay": torch.zeros((), device=device), "betas": torch.zeros(1000, device=device)}
        self.check()

    def add(self, part, config, tensors, origins):
        self.parts[part] = ({k: v for k, v in config.items() if not k.startswith("_")}, tensors, origins)
        for name, origin in origins.items():
            t = tensors[name]
            self.original[origin] = t[:, :, None, None] if ".mid.attn_1." in origin and t.dim() == 2 else t

    def text(self, part, cls, config, prefix, drop, model):
        tensors = text_tensors(model)
        if prefix.endswith(".model."):
            whole = tensors
            if drop:  # the file has the last layer, the pipeline has not
                last = {n.replace(f"layers.{config['num_hidden_layers'] - 1}.", f"layers.{config['num_hidden_layers']}."): t for n, t in tensors.items()}
                whole = last | tensors
            original, origins = openclip(whole, prefix)
            if drop:
                width = config["hidden_size"]
                original[prefix + "text_projection"] = torch.zeros(width, width, device=self.original["betas"].device if "betas" in self.original else tensors["text_model.final_layer_norm.bias"].device)
            original[prefix + "logit_scale"] = torch.zeros((), device=next(iter(tensors.values())).device)
            origins = {n: origins[n] for n in tensors}
        else:
            origins = {n: prefix + n for n in tensors}
            original = {prefix + n: t for n, t in tensors.items()}
            original[prefix + "text_model.embeddings.position_ids"] = torch.zeros(1, 77, dtype=torch.int64, device=next(iter(tensors.values())).device)
        self.original |= original
        self.parts[part] = (config, tensors, origins)
        if prefix.endswith(".model."):
            back = library.convert_open_clip_checkpoint(model, self.original, prefix)
            # Its converter drops layer 23 by name, which is the last of the published one alone.
            back = {n: t for n, t in back.items() if not drop or (f"layers.{config['num_hidden_layers']}." not in n and n != "text_projection.weight")}
        else:
            back = library.convert_ldm_clip_checkpoint({n: t for n, t in self.original.items() if n.startswith(prefix)})
            back.pop("text_model.embeddings.position_ids")
        same(back, tensors)

    def check(self):
        same(library.convert_ldm_unet_checkpoint(self.original, self.parts["unet"][0]), self.parts["unet"][1])
        same(library.convert_ldm_vae_checkpoint(self.original, self.parts["vae"][0]), self.parts["vae"][1])


def same(back, want):
    assert set(back) == set(want), (sorted(set(back) ^ set(want))[:6])
    for name, t in want.items():
        assert back[name].shape == t.shape, (name, back[name].shape, t.shape)
        assert t.is_meta or torch.equal(back[name], t), name


def pattern(model):
    """Fill a model with multiples of 1/64 that differ by tensor and place."""
    with torch.no_grad():
        for name, p in model.named_parameters():
            seed = zlib.crc32(name.encode()) % 113
            p.copy_((((torch.arange(p.numel()) * (seed + 1) + seed) % 127 - 63) / 64).reshape(p.shape))


def levels(attention, down="CrossAttnDownBlock2D", up="CrossAttnUpBlock2D"):
    return {
        "down_block_types": [down if a else "DownBlock2D" for a in attention],
        "up_block_types": [up if a else "UpBlock2D" for a in reversed(attention)],
    }


def kl(widths, side, scale, layers=2):
    n = len(widths)
    return dict(sample_size=side, block_out_channels=widths, layers_per_block=layers, scaling_factor=scale, down_block_types=["DownEncoderBlock2D"] * n, up_block_types=["UpDecoderBlock2D"] * n, latent_channels=4)


def text(width, layers, heads, act, projection=None, vocab=49408, positions=77):
    return dict(hidden_size=width, intermediate_size=4 * width, num_hidden_layers=layers, num_attention_heads=heads, hidden_act=act, projection_dim=projection or width, vocab_size=vocab, max_position_embeddings=positions, eos_token_id=2)


CLIP, WITH = transformers.CLIPTextModel, transformers.CLIPTextModelWithProjection
FOUR = [True, True, True, False]
SD = dict(block_out_channels=[320, 640, 1280, 1280], layers_per_block=2, sample_size=64, **levels(FOUR))
XL = dict(sample_size=128, layers_per_block=2, use_linear_projection=True, addition_embed_type="text_time", addition_time_embed_dim=256)
FIRST = (CLIP, text(768, 12, 12, "quick_gelu"), "cond_stage_model.transformer.", False)
SECOND = (CLIP, text(1024, 23, 16, "gelu"), "cond_stage_model.model.", True)
BIG = text(1280, 32, 20, "gelu")
V1, V2 = kl([128, 256, 512, 512], 512, 0.18215), kl([128, 256, 512, 512], 768, 0.18215)
VX = kl([128, 256, 512, 512], 1024, 0.13025)

PUBLISHED = {
    "sd1": lambda: Case(SD | dict(cross_attention_dim=768, attention_head_dim=8), V1, [FIRST]),
    "sd1_inpaint": lambda: Case(SD | dict(cross_attention_dim=768, attention_head_dim=8, in_channels=9), V1, [FIRST]),
    "sd2": lambda: Case(SD | dict(cross_attention_dim=1024, attention_head_dim=[5, 10, 20, 20], use_linear_projection=True, sample_size=96), V2, [SECOND]),
    "sdxl": lambda: Case(
        XL | dict(block_out_channels=[320, 640, 1280], cross_attention_dim=2048, attention_head_dim=[5, 10, 20], transformer_layers_per_block=[1, 2, 10], projection_class_embeddings_input_dim=2816, **levels([False, True, True])),
        VX,
        [(CLIP, FIRST[1], "conditioner.embedders.0.transformer.", False), (WITH, BIG, "conditioner.embedders.1.model.", False)],
    ),
    "sdxl_refiner": lambda: Case(
        XL | dict(block_out_channels=[384, 768, 1536, 1536], cross_attention_dim=1280, attention_head_dim=[6, 12, 24, 24], transformer_layers_per_block=4, projection_class_embeddings_input_dim=2560, **levels([False, True, True, False])),
        VX,
        [(WITH, BIG, "conditioner.embedders.0.model.", False)],
    ),
}

TINY = dict(layers_per_block=1, sample_size=8)
TINY_VAE = [32, 32]
PIPELINES = {
    "sd1": lambda: Case(TINY | dict(block_out_channels=[32, 32], cross_attention_dim=16, attention_head_dim=8, **levels([True, False])), kl(TINY_VAE, 16, 0.18215, 1), [(CLIP, text(16, 2, 1, "quick_gelu", vocab=30, positions=7), FIRST[2], False)], "cpu"),
    "sd2": lambda: Case(
        TINY | dict(block_out_channels=[32, 64], cross_attention_dim=24, attention_head_dim=[1, 1], use_linear_projection=True, **levels([False, True])),
        kl(TINY_VAE, 16, 0.18215, 1),
        [(CLIP, text(24, 1, 1, "gelu", vocab=30, positions=7), SECOND[2], True)],
        "cpu",
    ),
    "sdxl": lambda: Case(
        TINY | dict(block_out_channels=[32, 64], cross_attention_dim=40, attention_head_dim=[1, 1], use_linear_projection=True, transformer_layers_per_block=[1, 2], addition_embed_type="text_time", addition_time_embed_dim=8, projection_class_embeddings_input_dim=24 + 48, **levels([False, True])),
        kl(TINY_VAE, 16, 0.13025, 1),
        [(CLIP, text(16, 2, 1, "quick_gelu", vocab=30, positions=7), "conditioner.embedders.0.transformer.", False), (WITH, text(24, 2, 1, "gelu", vocab=30, positions=7), "conditioner.embedders.1.model.", False)],
        "cpu",
    ),
}


def write(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(data, mtime=0))
    print(f"{path}: {path.stat().st_size / 1024:.0f} KiB")


def published(name, case):
    golden = {
        "original": {n: list(t.shape) for n, t in case.original.items()},
        "parts": {part: {"config": config, "tensors": {n: {"shape": list(t.shape), "origin": origins[n]} for n, t in tensors.items()}} for part, (config, tensors, origins) in case.parts.items()},
    }
    write(HERE / "names" / f"{name}.json.gz", json.dumps(golden, separators=(",", ":"), default=list).encode())


def lightning(tensors):
    """A checkpoint as PyTorch Lightning wrote that of Stable Diffusion 1."""
    names = ["pytorch_lightning", "pytorch_lightning.callbacks", "pytorch_lightning.callbacks.model_checkpoint"]
    sys.modules.update({n: types.ModuleType(n) for n in names})
    callback = type("ModelCheckpoint", (), {"__module__": names[2]})
    sys.modules[names[2]].ModelCheckpoint = callback
    score = numpy.float32(0.13)
    return {"epoch": 3, "global_step": 470000, "state_dict": tensors, "callbacks": {callback: {"monitor": "val/loss", "best_model_score": score}}, "optimizer_states": [{"lr": 1e-4}], "lr_schedulers": []}


def tiny(name, case):
    tensors = {n: t.half().contiguous() if t.dtype == torch.float32 else t for n, t in case.original.items()}
    if name == "sd1":  # a .ckpt of training
        buffer = io.BytesIO()
        torch.save(lightning(tensors), buffer)
        write(HERE / "sd1.ckpt.gz", buffer.getvalue())
    else:
        write(HERE / f"{name}.safetensors.gz", save(tensors, {"format": "pt"}))
    parts = {f"{part}.{n}": t.half().contiguous() for part, (_, ts, _) in case.parts.items() for n, t in ts.items()}
    write(HERE / f"{name}.parts.safetensors.gz", save(parts))


SCALE, RANK, ALPHA = 0.75, 2, 4.0

# The layers that the LoRAs change, diffusers' names.
SD1_UNET = [
    "conv_in",
    "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q",
    "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_out.0",
    "down_blocks.0.attentions.0.transformer_blocks.0.ff.net.0.proj",
    "down_blocks.0.attentions.0.proj_in",
    "down_blocks.0.downsamplers.0.conv",
    "mid_block.resnets.1.conv2",
    "up_blocks.1.resnets.0.conv_shortcut",
    "up_blocks.1.resnets.1.time_emb_proj",
]
SDXL_UNET = [
    "time_embedding.linear_1",
    "add_embedding.linear_2",
    "down_blocks.0.resnets.0.conv1",
    "down_blocks.0.downsamplers.0.conv",
    "down_blocks.1.attentions.0.transformer_blocks.1.attn2.to_k",
    "down_blocks.1.attentions.0.proj_out",
    "mid_block.attentions.0.transformer_blocks.0.attn1.to_v",
    "up_blocks.0.attentions.1.transformer_blocks.1.ff.net.2",
    "up_blocks.0.upsamplers.0.conv",
    "up_blocks.1.resnets.1.conv_shortcut",
]
TEXT = ["text_model.encoder.layers.0.self_attn.v_proj", "text_model.encoder.layers.1.self_attn.out_proj", "text_model.encoder.layers.1.mlp.fc1"]


def factors(case, wanted):
    """Factors of a low rank for each wanted layer, by part and layer."""
    out = {}
    for part, modules in wanted.items():
        for m in modules:
            shape = case.parts[part][1][m + ".weight"].shape
            seed = zlib.crc32(f"{part}.{m}".encode()) % 31
            values = lambda *size: ((torch.arange(torch.Size(size).numel()) * (seed + 3) + seed) % 17 - 8).reshape(size) / 32.0  # noqa: E731
            out[part, m] = values(RANK, *shape[1:]), values(shape[0], RANK, *[1 for _ in shape[2:]])
    return out


def peft(layers, case):
    tensors = {}
    for (part, m), (down, up) in layers.items():
        tensors |= {f"{part}.{m}.lora_A.weight": down, f"{part}.{m}.lora_B.weight": up}
    config = {f"{part}.{k}": v for part in sorted({p for p, _ in layers}) for k, v in {"r": RANK, "lora_alpha": ALPHA, "peft_type": "LORA", "target_modules": [m.removeprefix("text_model.") if part == "text_encoder" else m for p, m in layers if p == part]}.items()}
    return tensors, {"format": "pt", "lora_adapter_metadata": json.dumps(config)}


def lora_layers(layers, case):
    """diffusers before PEFT, without alphas."""
    tensors = {}
    for (part, m), (down, up) in layers.items():
        way = "lora" if part == "unet" else "lora_linear_layer"
        tensors |= {f"{part}.{m}.{way}.down.weight": down, f"{part}.{m}.{way}.up.weight": up * (ALPHA / RANK)}
    return tensors, {"format": "pt"}


def processors(layers, case):
    """diffusers' attention processors, the UNet's attention alone."""
    tensors = {}
    for (part, m), (down, up) in layers.items():
        if part == "unet" and ".attn" in m:
            m = re.sub(r"\.(to_\w+)(\.0)?$", r".processor.\1_lora", m)
            tensors |= {f"unet.{m}.down.weight": down, f"unet.{m}.up.weight": up * (ALPHA / RANK)}
    return tensors, {"format": "pt"}


def kohya(layers, case, original=False):
    tensors = {}
    attentive = ["CrossAttn" in t for t in case.unet.config.up_block_types]
    prefixes = {"unet": "lora_unet_", "text_encoder": "lora_te1_" if "text_encoder_2" in case.parts else "lora_te_", "text_encoder_2": "lora_te2_"}
    for (part, m), (down, up) in layers.items():
        if original and part == "unet":
            m = unet_name(m + ".weight", 1, attentive).removeprefix(UNET).removesuffix(".weight")
        key = prefixes[part] + m.replace(".", "_")
        tensors |= {f"{key}.lora_down.weight": down, f"{key}.lora_up.weight": up, f"{key}.alpha": torch.tensor(ALPHA)}
    return tensors, {"format": "pt"}


def kohya_original(layers, case):
    return kohya(layers, case, True)


def fused(case, file):
    """The weights of all parts after diffusers has merged a file."""
    common = dict(vae=case.vae, unet=case.unet, tokenizer=None, scheduler=diffusers.DDIMScheduler(clip_sample=False, steps_offset=1))
    if "text_encoder_2" in case.parts:
        one, two = case.texts
        pipe = diffusers.StableDiffusionXLPipeline(text_encoder=one, text_encoder_2=two, tokenizer_2=None, **common)
    else:
        pipe = diffusers.StableDiffusionPipeline(text_encoder=case.texts[0], safety_checker=None, feature_extractor=None, requires_safety_checker=False, **common)
    pipe.load_lora_weights(str(file.parent), weight_name=file.name)
    pipe.fuse_lora(lora_scale=SCALE, components=[n for n in case.parts if n != "vae"])
    pipe.unload_lora_weights()
    return {"unet." + n: t for n, t in pipe.unet.state_dict().items()} | {f"{p}.{n}": t for p, model in zip([p for p in case.parts if p.startswith("text")], case.texts) for n, t in text_tensors(model).items()}


def loras(name, formats, wanted):
    case = PIPELINES[name]()
    before = {f"{part}.{n}": t.clone() for part, (_, ts, _) in case.parts.items() for n, t in ts.items()}
    layers = factors(case, wanted)
    want = {}
    for (part, m), (down, up) in layers.items():
        w = before[f"{part}.{m}.weight"]
        want[f"{part}.{m}.weight"] = w + SCALE * ALPHA / RANK * (up.flatten(1) @ down.flatten(1)).reshape(w.shape)
    (HERE / "lora").mkdir(exist_ok=True)
    for make in formats:
        tensors, metadata = make(layers, case)
        file = HERE / "lora" / f"{name}.{make.__name__}.safetensors"
        save_file({n: t.contiguous() for n, t in tensors.items()}, file, metadata)
        got = fused(PIPELINES[name](), file)
        for n, t in got.items():
            if make is processors and ".attn" not in n:
                assert torch.equal(t, before[n]), (make, n)
            else:
                assert torch.equal(t, want.get(n, before[n])), (make, n)
        print(f"{file}: {file.stat().st_size / 1024:.0f} KiB, as diffusers merges it")
    write(HERE / "lora" / f"{name}.safetensors.gz", save({n: t.contiguous() for n, t in want.items()}, {"scale": str(SCALE)}))


KINDS = {  # what is adapted, and by which of PEFT's classes
    "dora_linear": (torch.nn.Linear(7, 5), "LoraConfig", dict(r=3, lora_alpha=4, use_dora=True)),
    "dora_conv": (torch.nn.Conv2d(3, 5, 3), "LoraConfig", dict(r=2, lora_alpha=3, use_dora=True, use_rslora=True)),
    "pattern": (torch.nn.Linear(6, 4), "LoraConfig", dict(r=2, lora_alpha=3, rank_pattern={"la.*r": 3}, alpha_pattern={"l.yer": 5.5, "layer": 9})),
    "loha_linear": (torch.nn.Linear(7, 5), "LoHaConfig", dict(r=2, alpha=3)),
    "loha_conv": (torch.nn.Conv2d(3, 5, 3), "LoHaConfig", dict(r=2, alpha=3)),
    "loha_tucker": (torch.nn.Conv2d(3, 5, (3, 1)), "LoHaConfig", dict(r=2, alpha=3, use_effective_conv2d=True)),
    "lokr_linear": (torch.nn.Linear(18, 12), "LoKrConfig", dict(r=2, alpha=5)),
    "lokr_both": (torch.nn.Linear(36, 25), "LoKrConfig", dict(r=1, alpha=3, decompose_both=True)),
    "lokr_tucker": (torch.nn.Conv2d(12, 18, (3, 2)), "LoKrConfig", dict(r=2, alpha=3, use_effective_conv2d=True)),
    "lokr_whole": (torch.nn.Linear(6, 4), "LoKrConfig", dict(r=8, alpha=8)),
}


def kinds():
    tensors, configs = {}, {}
    g = torch.Generator().manual_seed(8)
    for name, (layer, cls, config) in KINDS.items():
        layer.weight.data = torch.randn(layer.weight.shape, generator=g)
        tensors[f"{name}/weight"] = layer.weight.data.clone()
        model = library_peft.get_peft_model(torch.nn.ModuleDict({"layer": layer}), getattr(library_peft, cls)(target_modules=["layer"], **config))
        for key, p in model.named_parameters():
            if p.requires_grad:
                p.data = torch.rand(p.shape, generator=g) + 0.5 if "magnitude" in key else torch.randn(p.shape, generator=g) / 2
        for key, t in library_peft.get_peft_model_state_dict(model).items():
            tensors[f"{name}/{key}"] = t.clone()
        model.base_model.merge_adapter()
        tensors[f"{name}/merged"] = layer.weight.data.clone() if not hasattr(model.base_model.layer, "base_layer") else model.base_model.layer.base_layer.weight.data.clone()
        configs[name] = json.dumps(config)
    save_file(tensors, HERE / "lora" / "kinds.safetensors", metadata=configs)


def inversions():
    """Layouts of textual inversions, for text towers of 4 and 6 values."""
    folder = HERE / "inversions"
    folder.mkdir(exist_ok=True)
    vectors = lambda *shape: torch.arange(torch.Size(shape).numel(), dtype=torch.float32).reshape(shape)  # noqa: E731
    a1111 = {"string_to_token": {"*": 265}, "string_to_param": {"*": vectors(2, 4)}, "name": "my cat", "step": 500, "sd_checkpoint": None}
    torch.save(a1111, folder / "a1111.pt")
    torch.save({"<cat>": vectors(4)}, folder / "learned_embeds.bin")
    save_file({"<cat>": vectors(3, 4)}, folder / "learned_embeds.safetensors")
    save_file({"emb_params": vectors(1, 4)}, folder / "params.safetensors")
    save_file({"clip_l": vectors(2, 4), "clip_g": vectors(2, 6)}, folder / "xl.safetensors")


def main():
    torch.set_num_threads(1)
    kinds()
    inversions()
    loras("sd1", [peft, lora_layers, processors, kohya], {"unet": SD1_UNET, "text_encoder": TEXT})
    loras("sdxl", [peft, kohya_original], {"unet": SDXL_UNET, "text_encoder": TEXT, "text_encoder_2": TEXT[:2]})
    for name, make in PUBLISHED.items():
        published(name, make())
    for name, make in PIPELINES.items():
        tiny(name, make())


if __name__ == "__main__":
    main()
