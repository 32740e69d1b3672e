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
from safetensors.torch import load_file

from generate_io import generator, write
from tiny_pipelines import (
    HERE, controlnet_tiny, ddim_tiny, ddpm_tiny, dump, inpaint_tiny, ip_tiny, lcm_tiny, motion_tiny, refiner_tiny,
    sd1_tiny, sd2_tiny, sdxl_tiny, t2i_tiny, t2v_tiny,
)  # fmt: skip

LONG = "a photo of the red lighthouse in the storm, " * 12


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
