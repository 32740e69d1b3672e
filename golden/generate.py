#!/usr/bin/env python3
"""Makes the goldens with the libraries whose checkpoints people load.

    pip install -r golden/requirements.txt
    python golden/generate.py                     everything but the zoo's
    python golden/generate.py linear vit_classify these alone
    python golden/generate.py zoo_vit zoo_clip    trained models, from zoo/

Run by hand: tests only ever read what lies here. Seeds are the cases' names,
so that the same versions (requirements.txt) give the same files.
"""

import argparse
import os
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
import transformers

import generate_backbones
import generate_bert
import generate_blip
import generate_clip
import generate_cnns
import generate_defaults
import generate_dense
import generate_detect
import generate_diffusion
import generate_dino
import generate_efficientnets
import generate_gan
import generate_models
import generate_ops
import generate_ocr
import generate_sam
import generate_sam2
import generate_smolvlm
import generate_sounds
import generate_trocr
import generate_upscale
import generate_whisper
from generate_io import write

HERE = Path(__file__).resolve().parent
MODELS = (
    generate_models.MODELS | generate_cnns.MODELS | generate_efficientnets.MODELS | generate_backbones.MODELS | generate_dino.MODELS | generate_gan.MODELS | generate_clip.MODELS | generate_detect.MODELS | generate_dense.MODELS | generate_bert.MODELS | generate_blip.MODELS | generate_ocr.MODELS | generate_sam.MODELS | generate_sam2.MODELS | generate_smolvlm.MODELS | generate_sounds.MODELS | generate_trocr.MODELS | generate_upscale.MODELS | generate_whisper.MODELS | generate_diffusion.MODELS
    | generate_defaults.MODELS
)  # fmt: skip
ZOO = {"zoo_vit": generate_models.zoo_vit, "zoo_resnet": generate_cnns.zoo_resnet, "zoo_clip": generate_clip.zoo_clip}
ZOO |= {"zoo_yolos": generate_detect.zoo_yolos, "zoo_u2net": generate_dense.zoo_u2net, "zoo_ast": generate_sounds.zoo_ast, "zoo_sam": generate_sam.zoo_sam}


def main():
    names = [*generate_ops.OPS, *MODELS]
    parser = argparse.ArgumentParser(description="Makes the goldens; without names, all but the zoo's.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="an op or a case: " + " ".join([*names, *ZOO]))
    parser.add_argument("--out", type=Path, default=HERE, help="folder to write ops/ and models/ into")
    parser.add_argument("--zoo", type=Path, default=HERE.parent / "zoo", help="folder with vit/, resnet/ and pictures/")
    args = parser.parse_args()
    unknown = set(args.names) - {*names, *ZOO}
    if unknown:
        parser.error(f"unknown: {' '.join(sorted(unknown))}; known: {' '.join([*names, 'zoo_vit'])}")

    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    for name in args.names or names:
        if name in generate_ops.OPS:
            tensors, cases = generate_ops.pack(generate_ops.OPS[name]())
            metadata = {"op": name, "source": f"torch {torch.__version__.split('+')[0]}", "cases": cases}
            write(args.out / "ops" / f"{name}.safetensors", tensors, metadata)
        elif name in ZOO:
            ZOO[name](args.out / "models", args.zoo)
        else:
            MODELS[name](args.out / "models")


if __name__ == "__main__":
    main()
