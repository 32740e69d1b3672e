#!/usr/bin/env python3
"""Makes adapters with PEFT for networks of golden/models: golden/adapters/<case>/ holds
the folder as PEFT saves it, and golden.safetensors with what the adapted network gives
of the inputs of its base's golden.

    python golden/generate_adapters.py
"""

import os
import shutil
from pathlib import Path

import peft
import torch
import transformers
from safetensors.torch import load_file

from generate_io import generator, halves, write

HERE = Path(__file__).resolve().parent
LABELS = {0: "ash", 1: "birch", 2: "cedar", 3: "elm"}
CASES = {  # the base's golden, its class, what of it is read, PEFT's configuration, what the class gives
    "vit": ("vit_classify", transformers.ViTForImageClassification, dict(r=3, lora_alpha=6, target_modules=["q_proj", "v_proj", "fc1"], modules_to_save=["classifier"]), ["logits"]),
    "dinov2": ("dinov2_classify", transformers.Dinov2ForImageClassification, dict(r=2, lora_alpha=3, use_rslora=True, target_modules=["k_proj", "o_proj"]), ["logits"]),
    "clip": ("clip_defaults", transformers.CLIPModel, dict(r=2, lora_alpha=5, rank_pattern={"vision_model.*q_proj": 3}, alpha_pattern={"text_model.*v_proj": 7}, target_modules=["q_proj", "v_proj", "visual_projection"]), ["image_embeds", "text_embeds", "logits_per_image"]),
}  # fmt: skip


def case(name, base, cls, config, outputs):
    g = generator("adapter " + name)
    golden = load_file(HERE / "models" / base / "golden.safetensors")
    inputs = {k: golden[k] for k in ("pixel_values", "input_ids", "attention_mask") if k in golden}
    inputs = {k: v if v.is_floating_point() and k == "pixel_values" else v.long() for k, v in inputs.items()}
    sizes = dict(id2label=LABELS, ignore_mismatched_sizes=True) if name == "vit" else {}
    model = cls.from_pretrained(f"golden/models/{base}",  # which the configuration repeats
         attn_implementation="eager", **sizes).float()
    with torch.no_grad():
        before = model(**inputs)
    model = peft.get_peft_model(model, peft.LoraConfig(**config)).eval()
    for n, p in sorted(model.named_parameters()):
        if p.requires_grad:
            p.data = torch.randn(p.shape, generator=g) * (0.3 if p.ndim == 1 else p.shape[-1] ** -0.5)
    folder = HERE / "adapters" / name
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder)
    (folder / "README.md").unlink()
    with torch.no_grad():
        out = model(**inputs)
    got = {o: out[o] for o in outputs}
    for o, t in got.items():
        assert before[o].shape != t.shape or (before[o] - t).abs().max() > 0.05 * t.abs().max(), o
    half = halves(model.merge_and_unload(), lambda m, cast: [m(**{k: cast(v) for k, v in inputs.items()})[o] for o in outputs], got)
    source = f"peft {peft.__version__}, transformers {transformers.__version__} {cls.__name__}; torch {torch.__version__.split('+')[0]}"
    write(folder / "golden.safetensors", got, {"source": source, "base": base, "outputs": outputs, "halves": half})


def main():
    os.chdir(HERE.parent)
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    for name, rest in CASES.items():
        case(name, *rest)


if __name__ == "__main__":
    main()
