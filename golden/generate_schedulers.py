#!/usr/bin/env python3
"""Makes the goldens of diffusion schedulers: golden/schedulers/cases.json.gz.

    python golden/generate_schedulers.py

A case runs one scheduler of diffusers on few values with the model below in
place of a network. The schedulers make their tables (timesteps, sigmas,
cumulative alphas) as they always do, in f32; their steps are then computed in
f64, so that what is compared is the formulas and not roundings.

The file: noise [50][4] and picture [4], which all cases share; cases, each with
config (the text of scheduler_config.json), steps, strength, init_sigma, timesteps, begin
(the latents before the first step: noise[0] times init_sigma, or with a strength
below 1 the picture with noise[0] added), latents (after each step) and latents_f32
(after the last, all in f32 as a pipeline has it). Step i of a stochastic
scheduler takes noise[i]; numbers have ten digits.

It also writes models/diffusion/scheduler/defaults.json: the arguments of the
classes' constructors with their defaults, and null for the keys that their code
looks for in a config besides (hasattr(self.config, …)). Go's tests go through all
of them, so that a key that a new version has is noticed.
"""

import gzip
import inspect
import json
import math
import re
import sys
import types
import warnings
from pathlib import Path

import diffusers
import numpy as np
import torch
from diffusers.schedulers import (
    scheduling_ddpm,
    scheduling_deis_multistep,
    scheduling_dpmsolver_multistep,
    scheduling_dpmsolver_singlestep,
    scheduling_euler_ancestral_discrete,
    scheduling_euler_discrete,
    scheduling_k_dpm_2_ancestral_discrete,
    scheduling_lcm,
    scheduling_tcd,
)

sys.modules.setdefault("torchsde", types.ModuleType("torchsde"))  # whose noise is not used
from diffusers.schedulers import scheduling_dpmsolver_sde  # noqa: E402

HERE = Path(__file__).resolve().parent
DEFAULTS = HERE.parent / "models" / "diffusion" / "scheduler" / "defaults.json"
WIDTH = 4  # values of the latents
CLASSES = [
    "DDPMScheduler",
    "DDIMScheduler",
    "PNDMScheduler",
    "LCMScheduler",
    "TCDScheduler",
    "EulerDiscreteScheduler",
    "EulerAncestralDiscreteScheduler",
    "HeunDiscreteScheduler",
    "LMSDiscreteScheduler",
    "KDPM2DiscreteScheduler",
    "KDPM2AncestralDiscreteScheduler",
    "DPMSolverSDEScheduler",
    "DPMSolverMultistepScheduler",
    "DPMSolverSinglestepScheduler",
    "DEISMultistepScheduler",
    "UniPCMultistepScheduler",
]
SD = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
SNR = {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}


def model(x, t):
    """The network: linear in its input x [4], and a function of the timestep."""
    j = torch.arange(WIDTH, dtype=x.dtype)
    return 0.4 * x + 0.2 * x.flip(0) + 0.5 * torch.sin(t / 100 + j)


class Wide:
    """torch, whose float32 is float64: for the casts in steps."""

    float32 = torch.float64

    def __getattr__(self, name):
        return getattr(torch, name)


def class_of(name):
    """The class; that of an SDE is hidden where torchsde is not installed."""
    return getattr(scheduling_dpmsolver_sde, name, None) or getattr(diffusers, name)


class BrownianPath:
    """A Brownian path made of the noise of the evaluations."""

    def __init__(self, *_):
        self.begun = None

    def __call__(self, sigma, to):
        noise = NOISE[0]
        if self.begun is None or self.begun[0] != sigma:
            self.begun = (sigma, to, noise)
            return noise[None]
        _, middle, first = self.begun
        self.begun = None
        return ((sigma - middle).sqrt() * first + (middle - to).sqrt() * noise)[None] / (sigma - to).sqrt()


NOISE = [None]  # of the evaluation at hand
scheduling_dpmsolver_sde.BrownianTreeNoiseSampler = BrownianPath


def widen(scheduler):
    """Tables of a scheduler in f64, as they are."""
    names = ["alphas_cumprod", "final_alpha_cumprod", "sigmas", "one"]
    for name in names + ["sigmas_interpol", "sigmas_up", "sigmas_down"]:
        if isinstance(getattr(scheduler, name, None), torch.Tensor):
            setattr(scheduler, name, getattr(scheduler, name).double())


STOCHASTIC = [
    scheduling_ddpm,
    scheduling_dpmsolver_multistep,
    scheduling_dpmsolver_singlestep,
    scheduling_euler_ancestral_discrete,
    scheduling_k_dpm_2_ancestral_discrete,
    scheduling_lcm,
    scheduling_tcd,
]


def run(config, steps, strength, original, noise, picture):
    """One case, or None if it is not finite."""
    case = {"config": json.dumps(config), "steps": steps, "strength": strength}
    if original is True:
        case["original"] = True  # the strength is of the original timesteps
    elif original:
        case["part"] = original
    modules = [scheduling_euler_discrete, scheduling_deis_multistep, *STOCHASTIC]
    try:
        case |= loop(config, steps, strength, original, noise, picture, modules)
    finally:
        torch.set_default_dtype(torch.float32)
        for m in modules:
            m.torch = torch
    case["latents_f32"] = loop(config, steps, strength, original, noise.float(), picture.float(), [])["latents"][-1]
    return case if np.isfinite(case["latents"]).all() else None


def part(scheduler, start, end):
    """The first of the timesteps between two parts of the way and that after the last,
    as SDXL's pipelines reckon denoising_start and denoising_end."""
    timesteps, n = scheduler.timesteps, scheduler.config.num_train_timesteps
    begin = 0
    if start > 0:
        left = (timesteps < int(round(n - start * n))).sum().item()
        if scheduler.order == 2 and left % 2 == 0:
            left += 1
        begin = len(timesteps) - left
    stop = len(timesteps)
    if end < 1:
        stop = begin + len([t for t in timesteps[begin:] if t >= int(round(n - end * n))])
    return begin, stop


def loop(config, steps, strength, original, noise, picture, wide):
    """What a pipeline does; the modules in wide compute in f64."""
    torch.set_default_dtype(torch.float32)
    scheduler = class_of(config["_class_name"]).from_config(config)
    begin = (steps - min(int(steps * strength), steps)) * scheduler.order
    stop = None
    if original is True:
        scheduler.set_timesteps(steps, strength=strength)
        begin = 0
    else:
        scheduler.set_timesteps(steps)
        if original:
            begin, stop = part(scheduler, *original)
    timesteps = scheduler.timesteps[begin:stop]
    if hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(begin)
    if wide:
        widen(scheduler)
        torch.set_default_dtype(torch.float64)
    for m in wide:
        m.torch = Wide()
    x = noise[0] * float(scheduler.init_noise_sigma)
    if strength < 1:
        x = scheduler.add_noise(picture[None], noise[:1], timesteps[:1])[0]
    first, after = x, []
    for i, t in enumerate(timesteps):
        NOISE[0] = noise[i % len(noise)]
        for m in STOCHASTIC:
            m.randn_tensor = lambda shape, i=i, **_: noise[i].reshape(shape)
        scaled = scheduler.scale_model_input(x[None], t)[0]
        x = scheduler.step(model(scaled, t.to(x.dtype))[None], t, x[None], return_dict=False)[0][0]
        after.append(x)
    return {
        "init_sigma": float(scheduler.init_noise_sigma),
        "timesteps": timesteps.tolist(),
        "begin": first.tolist(),
        "latents": [x.tolist() for x in after],
    }


NO_SAMPLE = [
    "PNDMScheduler",
    "EulerAncestralDiscreteScheduler",
    "KDPM2DiscreteScheduler",
    "KDPM2AncestralDiscreteScheduler",
    "DPMSolverSDEScheduler",
]
# Classes that came later have fewer cases of what all have: sixty more of them tell
# nothing new.
LATER = [
    "TCDScheduler",
    "LMSDiscreteScheduler",
    "KDPM2DiscreteScheduler",
    "KDPM2AncestralDiscreteScheduler",
    "DPMSolverSDEScheduler",
    "DPMSolverSinglestepScheduler",
    "DEISMultistepScheduler",
]


PARTS = ["DDIMScheduler", "EulerDiscreteScheduler", "HeunDiscreteScheduler", "DPMSolverMultistepScheduler"]


def configs(name):
    """The configurations of a class: (config, steps, strength, original), the last True
    where the strength is of the original steps, or the part of the way from noise."""
    keys = set(defaults()[name])
    predictions = ["epsilon", "v_prediction", "sample"]
    if name in NO_SAMPLE:
        predictions.remove("sample")

    def case(steps, strength=1.0, original=False, **config):
        config = {k: v for k, v in config.items() if k in keys}
        return {"_class_name": name} | config, steps, strength, original

    base = SD | {"skip_prk_steps": True, "clip_sample": False}
    if name in LATER:
        if name == "KDPM2DiscreteScheduler":
            yield case(7, original=[0.4, 0.8], **base)
        yield from later(name, case, base, predictions)
        return
    if name in PARTS:
        yield case(6, original=[0.0, 0.7], **base)
        yield case(6, original=[0.7, 1.0], **base)
        yield case(9, original=[0.3, 0.6], **base, timestep_spacing="leading", steps_offset=1)
    counts = [7, 20, 1, 2, 50, 7, 13, 2, 20]
    for i, prediction in enumerate(predictions):
        for k, spacing in enumerate(["leading", "trailing", "linspace"]):
            steps = counts[(3 * i + k) % len(counts)]
            yield case(steps, **base, prediction_type=prediction, timestep_spacing=spacing, steps_offset=1)
    yield case(7)
    if name != "LCMScheduler":
        yield case(50, **base)
    yield case(20, beta_schedule="squaredcos_cap_v2", **{k: v for k, v in base.items() if "beta" not in k})
    yield case(2, trained_betas=[0.1, 0.2, 0.3, 0.4, 0.5], num_train_timesteps=5, skip_prk_steps=True, original_inference_steps=5)
    yield case(7, strength=0.6, **base, timestep_spacing="leading", steps_offset=1)
    yield case(13, strength=0.35, **base, prediction_type="v_prediction", timestep_spacing="trailing")
    if "rescale_betas_zero_snr" in keys:
        yield case(7, **base, **SNR, prediction_type="v_prediction")
    if "clip_sample" in keys:
        for i, prediction in enumerate(predictions):
            yield case([7, 2, 5][i], **SD, prediction_type=prediction, clip_sample=True, clip_sample_range=0.7)
    if "use_karras_sigmas" in keys:
        yield case(20, **base, use_karras_sigmas=True)
        yield case(7, **base, use_karras_sigmas=True, timestep_spacing="leading", steps_offset=1)
        yield case(7, use_karras_sigmas=True, beta_schedule="squaredcos_cap_v2", prediction_type="v_prediction")
        for curve in ["use_exponential_sigmas", "use_beta_sigmas"]:
            yield case(6, **base, **{curve: True}, sigma_min=0.1)
    if "final_sigmas_type" in keys:
        yield case(20, **base, final_sigmas_type="sigma_min")
        yield case(7, **base, final_sigmas_type="sigma_min", use_karras_sigmas=True)
    if "sigma_min" in keys:
        yield case(5, **base, use_karras_sigmas=True, sigma_min=0.1, sigma_max=10.0)
    yield from own(name, case, base)


def later(name, case, base, predictions):
    """Few cases of what all classes have, and what one of them alone has."""
    for prediction, spacing in zip(predictions, ["leading", "trailing", "linspace"]):
        yield case(5, **base, prediction_type=prediction, timestep_spacing=spacing, steps_offset=1)
    yield case(1, **base)
    yield case(2)
    yield case(7, strength=0.5, **base, timestep_spacing="leading", steps_offset=1)
    if name == "TCDScheduler":
        yield case(4, strength=0.5, original=True, **base)
        yield case(3, **base, rescale_betas_zero_snr=True, prediction_type="v_prediction")
        return
    for curve in ["use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas"]:
        yield case(6, **base, **{curve: True}, sigma_min=0.1, sigma_max=10.0)
    if name == "LMSDiscreteScheduler":
        yield case(8, strength=0.4, **base)
    if name == "DEISMultistepScheduler":
        yield case(6, **base, solver_order=3)
        yield case(16, **base, solver_order=3, algorithm_type="dpmsolver++", solver_type="midpoint")
        yield case(7, strength=0.5, **base, solver_order=3, lower_order_final=False)
        yield case(5, **base, solver_order=1)
    if name == "DPMSolverSinglestepScheduler":
        for steps in [5, 6, 7]:
            for solver in ["midpoint", "heun"]:
                yield case(steps, **base, solver_order=3, solver_type=solver, final_sigmas_type="sigma_min")
        yield case(8, **base, lower_order_final=True)
        yield case(6, **base, solver_type="heun", algorithm_type="sde-dpmsolver++")
        yield case(6, **base, solver_order=3, solver_type="heun", algorithm_type="sde-dpmsolver++", final_sigmas_type="sigma_min")
        yield case(6, **base, solver_order=3, algorithm_type="dpmsolver", final_sigmas_type="sigma_min")
        yield case(7, strength=0.6, **base, solver_order=3)
        yield case(6, beta_schedule="squaredcos_cap_v2", lambda_min_clipped=-5.1)


def own(name, case, base):
    """What one class alone has."""
    if name == "DDPMScheduler":
        yield case(7, **base, variance_type="fixed_large")
        yield case(7, **base, variance_type="fixed_small_log")
    if name == "DDIMScheduler":
        yield case(7, **base, set_alpha_to_one=False)
    if name == "PNDMScheduler":
        plain = base | {"skip_prk_steps": False}
        for steps, prediction in [(4, "epsilon"), (7, "v_prediction"), (20, "epsilon")]:
            yield case(steps, **plain, prediction_type=prediction)
        yield case(7, **plain, timestep_spacing="trailing", set_alpha_to_one=True)
    if name == "LCMScheduler":
        yield case(4, original_inference_steps=50)
        yield case(4, strength=0.3, original=True, **base)
        yield case(50, **base)
        yield case(4, **base, original_inference_steps=100, timestep_scaling=8.0)
    if name == "DPMSolverMultistepScheduler":
        for order in [1, 2]:
            for solver in ["midpoint", "heun"]:
                for algorithm in ["dpmsolver++", "sde-dpmsolver++"]:
                    yield case(7, **base, solver_order=order, solver_type=solver, algorithm_type=algorithm)
        for algorithm in ["dpmsolver", "sde-dpmsolver"]:
            for solver, order in [("midpoint", 2), ("heun", 2), ("heun", 3)]:
                if (algorithm, order) != ("sde-dpmsolver", 3):  # of which there is none
                    own = {"solver_order": order, "solver_type": solver, "algorithm_type": algorithm}
                    yield case(6, **base, **own, final_sigmas_type="sigma_min")
        yield case(8, **base, solver_order=3)
        yield case(16, **base, solver_order=3, final_sigmas_type="sigma_min")
        yield case(6, **base, solver_order=3, algorithm_type="sde-dpmsolver++", lower_order_final=False)
        yield case(6, **base, use_lu_lambdas=True)
        yield case(5, beta_schedule="squaredcos_cap_v2", use_lu_lambdas=True)
        yield case(20, **base, algorithm_type="sde-dpmsolver++", use_karras_sigmas=True)
        yield case(16, **base, final_sigmas_type="sigma_min", euler_at_final=True)
        yield case(7, **base, final_sigmas_type="sigma_min", lower_order_final=False)
        for spacing in ["linspace", "leading", "trailing"]:
            yield case(7, beta_schedule="squaredcos_cap_v2", lambda_min_clipped=-5.1, timestep_spacing=spacing)
        yield case(7, **base, lambda_min_clipped=-math.inf)
        yield case(7, **base, algorithm_type="deis", solver_type="logrho", final_sigmas_type="sigma_min")
    if name == "UniPCMultistepScheduler":
        for order in [1, 2, 3]:
            for solver in ["bh1", "bh2"]:
                yield case(7, **base, solver_order=order, solver_type=solver, final_sigmas_type="sigma_min")
        yield case(7, **base, solver_order=3)
        yield case(20, **base, solver_order=3, disable_corrector=[0, 1, 5])
        for prediction in ["epsilon", "v_prediction", "sample"]:
            yield case(
                7, **base, solver_order=3, predict_x0=False, final_sigmas_type="sigma_min", prediction_type=prediction
            )
        yield case(7, **base, solver_order=3, final_sigmas_type="sigma_min", lower_order_final=False)
        yield case(5, strength=0.7, **base, solver_order=3, solver_type="heun")


def defaults():
    """The keys of the classes' configs; what is not finite is null."""
    out = {}
    for name in CLASSES:
        parameters = inspect.signature(class_of(name).__init__).parameters
        values = {k: p.default for k, p in parameters.items() if k != "self"}
        for key in re.findall(r'hasattr\(self\.config, "(\w+)"\)', inspect.getsource(class_of(name))):
            values.setdefault(key, None)
        out[name] = {k: None if v == -math.inf else v for k, v in values.items()}
    return out


def digits(v):
    """JSON's numbers with ten digits."""
    if isinstance(v, float) and math.isfinite(v):
        return float(f"{v:.10g}")
    if isinstance(v, list):
        return [digits(x) for x in v]
    return v


def main():
    warnings.filterwarnings("ignore")
    diffusers.logging.set_verbosity_error()
    torch.set_num_threads(1)
    DEFAULTS.write_text(json.dumps(defaults(), indent="\t") + "\n")
    g = torch.Generator().manual_seed(6)
    noise = torch.randn(50, WIDTH, generator=g).double()
    picture = torch.randn(WIDTH, generator=g).double()
    cases = []
    for name in CLASSES:
        for config, steps, strength, original in configs(name):
            c = run(config, steps, strength, original, noise, picture)
            if c is None:
                print(f"left out, as it is not finite: {config}, {steps} steps")
                continue
            cases.append({k: digits(v) for k, v in c.items()})
    golden = {
        "source": f"diffusers {diffusers.__version__}, torch {torch.__version__.split('+')[0]}, numpy {np.__version__}",
        "noise": noise.tolist(),
        "picture": picture.tolist(),
        "cases": cases,
    }
    path = HERE / "schedulers" / "cases.json.gz"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(gzip.compress(json.dumps(golden, separators=(",", ":")).encode(), mtime=0))
    print(f"{path}: {path.stat().st_size / 1024:.0f} KiB, {len(cases)} cases")


if __name__ == "__main__":
    main()
