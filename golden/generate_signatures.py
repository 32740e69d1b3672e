#!/usr/bin/env python3
"""Writes the keys that configs of diffusers' networks and of PEFT's LoRAs have, with
their defaults: signatures.json in models/unet, models/controlnet, models/vae and
models/lora.

    python golden/generate_signatures.py

They are the arguments of the constructors, by class. Go reads absent keys from them,
and its tests go through all of them, so that a key that a new version has is noticed.
(golden/generate_schedulers.py writes those of the schedulers.)
"""

import inspect
import json
from pathlib import Path

import diffusers
import peft

MODELS = Path(__file__).resolve().parent.parent / "models"
CLASSES = {
    "unet": [diffusers.UNet2DModel, diffusers.UNet2DConditionModel, diffusers.UNet3DConditionModel],
    "controlnet": [diffusers.ControlNetModel],
    "motion": [diffusers.MotionAdapter],
    "t2iadapter": [diffusers.T2IAdapter],
    "vae": [diffusers.AutoencoderKL, diffusers.AutoencoderTiny],
    "lora": [peft.LoraConfig],
}


def default(value):
    """A default as JSON: that of what a function makes is what it makes."""
    if type(value).__name__ == "_HAS_DEFAULT_FACTORY_CLASS":
        return {}
    return value


def main():
    for package, classes in CLASSES.items():
        signatures = {}
        for c in classes:
            parameters = inspect.signature(c.__init__).parameters
            signatures[c.__name__] = {k: default(p.default) for k, p in parameters.items() if k != "self"}
        path = MODELS / package / "signatures.json"
        path.write_text(json.dumps(signatures, indent="\t") + "\n")
        print(path)


if __name__ == "__main__":
    main()
