#!/usr/bin/env python3
"""Writes the names that the first publication of ControlNet gives tensors, with shapes, and diffusers' names for
them: models/diffusion/checkpoint/testdata/controlnet_names.tsv.

    python golden/generate_controlnet_names.py

Diffusers' converter is asked with a checkpoint of the published layout of Stable Diffusion 1 and XL, made of its
own mapping backwards; what the converter does not give back is an error.
"""

from pathlib import Path

import diffusers
import torch
from diffusers.loaders.single_file_utils import DIFFUSERS_TO_LDM_MAPPING, convert_controlnet_checkpoint

OUT = Path(__file__).resolve().parent.parent / "models" / "diffusion" / "checkpoint" / "testdata" / "controlnet_names.tsv"
XL = dict(
    down_block_types=["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
    block_out_channels=[320, 640, 1280],
    attention_head_dim=[5, 10, 20],
    transformer_layers_per_block=[1, 2, 3],
    cross_attention_dim=2048,
    use_linear_projection=True,
    addition_embed_type="text_time",
    addition_time_embed_dim=256,
    projection_class_embeddings_input_dim=2816,
)
NETS = {"sd1": dict(cross_attention_dim=768), "xl": XL}
RESNET = {"norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1", "norm2": "out_layers.0", "conv2": "out_layers.3", "conv_shortcut": "skip_connection"}


def published(name, layers):
    """The published name of a tensor that diffusers calls so, as the publication's modules are built."""
    if name in DIFFUSERS_TO_LDM_MAPPING["controlnet"]["layers"]:
        return DIFFUSERS_TO_LDM_MAPPING["controlnet"]["layers"][name]
    fixed = {"add_embedding.linear_1": "label_emb.0.0", "add_embedding.linear_2": "label_emb.0.2"}
    for new, old in fixed.items():
        if name.startswith(new):
            return name.replace(new, old)
    p = name.split(".")
    if p[0] == "controlnet_cond_embedding":
        at = {"conv_in": 0, "conv_out": 14}.get(p[1], 2 * int(p[2]) + 2 if p[1] == "blocks" else None)
        return f"input_hint_block.{at}.{p[-1]}"
    if p[0] == "controlnet_down_blocks":
        return f"zero_convs.{p[1]}.0.{p[2]}"
    if p[0] == "controlnet_mid_block":
        return f"middle_block_out.0.{p[1]}"
    if p[0] == "mid_block":
        at, rest = ("middle_block.1", p[3:]) if p[1] == "attentions" else (f"middle_block.{2 * int(p[2])}", p[3:])
    else:
        level, kind, n = int(p[1]), p[2], int(p[3])
        block = 1 + level * (layers + 1) + (layers if kind == "downsamplers" else n)
        if kind == "downsamplers":
            return f"input_blocks.{block}.0.op.{p[-1]}"
        at, rest = f"input_blocks.{block}.{int(kind == 'attentions')}", p[4:]
    return ".".join([at, RESNET.get(rest[0], rest[0]), *rest[1:]])


def main():
    lines = []
    for net, config in NETS.items():
        with torch.device("meta"):
            model = diffusers.ControlNetModel(**config)
        shapes = {n: t.shape for n, t in model.state_dict().items()}
        old = {published(n, 2): n for n in shapes}
        assert len(old) == len(shapes)
        marked = {o: torch.tensor([i]) for i, o in enumerate(old)}
        converted = convert_controlnet_checkpoint(dict(marked), model.config)
        for i, (o, n) in enumerate(old.items()):
            known = n in converted or n.startswith("add_embedding")  # which the converter leaves out
            assert known and converted.get(n, marked[o]).item() == i, n
            lines.append("\t".join([net, o, n, "x".join(map(str, shapes[n]))]))
    OUT.write_text("\n".join(lines) + "\n")
    print(OUT, len(lines))


if __name__ == "__main__":
    main()
