#!/usr/bin/env python3
"""Writes the keys that configs of diffusers' networks have, with their defaults:
models/unet/signatures.json and models/vae/signatures.json.

    python golden/generate_signatures.py

They are the arguments of the constructors, by class. Go reads absent keys from them,
and its tests go through all of them, so that a key that a new version has is noticed.
(golden/generate_schedulers.py writes those of the schedulers.)
"""

import inspect
import json
from pathlib import Path

import diffusers

MODELS = Path(__file__).resolve().parent.parent / "models"
CLASSES = {
    "unet": [diffusers.UNet2DModel, diffusers.UNet2DConditionModel],
    "vae": [diffusers.AutoencoderKL, diffusers.AutoencoderTiny],
}


def main():
    for package, classes in CLASSES.items():
        signatures = {}
        for c in classes:
            parameters = inspect.signature(c.__init__).parameters
            signatures[c.__name__] = {k: p.default for k, p in parameters.items() if k != "self"}
        path = MODELS / package / "signatures.json"
        path.write_text(json.dumps(signatures, indent="\t") + "\n")
        print(path)


if __name__ == "__main__":
    main()
