"""Cases of attention, and of the positions that turn its queries and keys: see generate_ops.py."""

import math

import torch
import torch.nn.functional as F
from transformers import SamVisionConfig
from transformers.models.llama.modeling_llama import apply_rotary_pos_emb
from transformers.models.sam.modeling_sam import SamVisionAttention

from generate_io import generator
from generate_ops_case import case, normal


def attention_case(g, name, heads, size, tq, tk, batch=1, probabilities=False, causal=False, sharp=1.0, key_heads=None, lengths=None, tail=False):
    """out [B,Tq,H*D] = softmax(q kᵀ / sqrt(D)) v for each of H heads, with
    q [B,Tq,H*D], k and v [B,Tk,H'*D], a head of which serves H/H' of q;
    probabilities [B,H,Tq,Tk]. Of lengths [B] only the first keys are seen; with
    a tail the queries are the last of those."""
    key_heads = key_heads or heads
    q = normal(g, batch, tq, heads * size, std=1.5 * sharp)
    k, v = (normal(g, batch, tk, key_heads * size) for _ in range(2))
    split = [t.double().unflatten(-1, (-1, size)).transpose(1, 2) for t in (q, k, v)]
    end = torch.tensor(lengths or [tk] * batch)[:, None, None, None]
    seen = torch.arange(tk) < end
    if causal:
        seen = seen & (torch.arange(tk) <= torch.arange(tq)[:, None] + (end - tq if tail else 0))
    out = F.scaled_dot_product_attention(*split, attn_mask=seen, enable_gqa=True)
    inputs, outputs = {"q": q, "k": k, "v": v}, {"out": out.transpose(1, 2).flatten(2)}
    if probabilities:
        scores = split[0] @ split[1].repeat_interleave(heads // key_heads, 1).transpose(2, 3) / math.sqrt(size)
        outputs["probabilities"] = scores.masked_fill(~seen, -math.inf).softmax(-1)
    params = {"heads": heads, "head_size": size, "tq": tq, "tk": tk, "batch": batch, "causal": causal}
    if key_heads != heads:
        params["key_heads"] = key_heads
    if tail:
        params["tail"] = tail
    if lengths:
        inputs["lengths"] = torch.tensor(lengths, dtype=torch.int32)
    return case(name, params, inputs, outputs)


def attention():
    """Attention of as many heads of keys as of queries: see attention_case."""
    g, cases = generator("attention"), []

    def add(*args, **options):
        cases.append(attention_case(g, *args, **options))

    add("3x5_7", 3, 5, 7, 7, batch=3, probabilities=True)
    add("3x5_1", 3, 5, 1, 1, batch=2, probabilities=True)
    add("3x5_65", 3, 5, 65, 65)
    add("3x5_197", 3, 5, 197, 197)
    add("3x5_cross_7_65", 3, 5, 7, 65, batch=2, probabilities=True)
    add("2x64_7", 2, 64, 7, 7)
    add("2x64_cross_1_25", 2, 64, 1, 25, probabilities=True)
    add("2x64_cross_9_7", 2, 64, 9, 7)
    add("1x80_cross_17_1", 1, 80, 17, 1)
    add("1x80_9", 1, 80, 9, 9)
    add("5x8_33", 5, 8, 33, 33)
    add("5x8_7", 5, 8, 7, 7, batch=2)
    add("1x160_cross_7_9", 1, 160, 7, 9)
    add("1x1_3", 1, 1, 3, 3, probabilities=True)
    add("1x13_cross_197_50", 1, 13, 197, 50)
    add("sharp", 2, 10, 33, 33, sharp=16, probabilities=True)  # scores to ±100
    add("causal_3x5_7", 3, 5, 7, 7, batch=2, causal=True, probabilities=True)
    add("causal_2x16_17", 2, 16, 17, 17, causal=True)
    return cases


def cached_attention():
    """Attention of decoders: see attention_case."""
    g, cases = generator("cached_attention"), []

    def add(*args, **options):
        cases.append(attention_case(g, *args, **options))

    add("keys_6by2x15_7", 6, 15, 7, 7, batch=2, key_heads=2, probabilities=True)
    add("keys_3by1x16_cross_5_9", 3, 16, 5, 9, key_heads=1, probabilities=True)
    add("lengths_3x5_7", 3, 5, 7, 7, batch=3, lengths=[7, 1, 4], probabilities=True)
    add("step_9by3x14_33", 9, 14, 1, 33, batch=3, causal=True, key_heads=3, lengths=[33, 1, 20], tail=True, probabilities=True)
    add("step_3by1x64_37", 3, 64, 1, 37, batch=2, causal=True, key_heads=1, lengths=[35, 7], tail=True)
    add("turn_4by2x15_5_21", 4, 15, 5, 21, batch=2, causal=True, key_heads=2, lengths=[21, 8], tail=True, probabilities=True)
    add("turn_3x5_19_40", 3, 5, 19, 40, batch=2, causal=True, lengths=[33, 19], tail=True)
    return cases


def biased_attention():
    """out [B,T,H*D] = softmax(scale q kᵀ + what is added) v for each of H heads, of q,
    k, v [B,T,H*D]; probabilities [B,H,T,T]. Added are a bias [H,T,T], −100 for tokens of
    different regions [W,T] (window b % W of item b), and what SamVisionAttention makes of
    rel_pos_h [2h'-1,D] and rel_pos_w on a map. With scales [H], q and k are of unit length
    and those take the place of the scale: Swin V2's cosine attention."""
    g, cases = generator("biased_attention"), []
    sam = SamVisionAttention(SamVisionConfig(hidden_size=8, num_attention_heads=1), window_size=2)

    def add(name, heads, size, tokens, batch=1, bias=False, windows=0, cosine=False, map=None, tables=None):
        q, k, v = (normal(g, batch, tokens, heads * size) for _ in range(3))
        inputs, params = {"q": q, "k": k, "v": v}, {"heads": heads, "head_size": size}
        qs, ks, vs = (t.double().unflatten(-1, (heads, size)).transpose(1, 2) for t in (q, k, v))
        added, scale = torch.zeros(batch, heads, tokens, tokens).double(), size**-0.5
        if bias:
            inputs["bias"] = normal(g, heads, tokens, tokens, std=2)
            added += inputs["bias"]
        if windows:
            inputs["regions"] = torch.randint(0, 3, (windows, tokens), generator=g, dtype=torch.int32)
            apart = inputs["regions"][:, :, None] != inputs["regions"][:, None, :]
            added += -100.0 * apart[:, None].repeat(batch // windows, 1, 1, 1)
        if map:
            h, w = tables or map
            inputs |= {"rel_pos_h": normal(g, 2 * h - 1, size, std=0.5), "rel_pos_w": normal(g, 2 * w - 1, size, std=0.5)}
            there = sam.get_decomposed_rel_pos(qs.flatten(0, 1), inputs["rel_pos_h"].double(), inputs["rel_pos_w"].double(), map, map)
            added += there.reshape(batch, heads, tokens, tokens)
            params["map"] = map
        if cosine:
            inputs["scales"] = torch.rand(heads, generator=g).half().float() * 16 + 4
            inputs["scales"] = inputs["scales"].half().float()
            qs, ks, scale = F.normalize(qs, dim=-1) * inputs["scales"].double()[:, None, None], F.normalize(ks, dim=-1), 1
        scores = scale * qs @ ks.transpose(2, 3) + added
        outputs = {"out": (scores.softmax(-1) @ vs).transpose(1, 2).flatten(2), "probabilities": scores.softmax(-1)}
        cases.append(case(name, params, inputs, outputs))

    add("bias_3x14_9", 3, 14, 9, batch=2, bias=True)
    add("bias_2x32_25", 2, 32, 25, bias=True)
    add("regions_2x15_9", 2, 15, 9, batch=4, windows=2)
    add("shifted_2x16_9", 2, 16, 9, batch=4, bias=True, windows=4)
    add("cosine_3x15_9", 3, 15, 9, batch=2, bias=True, windows=2, cosine=True)
    add("map_3x14_3x5", 3, 14, 15, batch=2, map=[3, 5])
    add("map_2x16_5x2", 2, 16, 10, map=[5, 2], tables=[3, 3])
    add("few_2x16_2x2", 2, 16, 4, map=[2, 2])
    add("few_3x15_3", 3, 15, 3, batch=2, bias=True, windows=2)
    return cases


def rotate():
    """y [N,T,H·D]: the first 2·K elements of each head turned as transformers does it
    (apply_rotary_pos_emb); table [positions, 2·K] has cosines, then sines."""
    g, cases = generator("rotate"), []
    for name, n, tokens, heads, size, pairs, base, at in (
        ("heads_of_6", 2, 7, 3, 6, 3, 10000, False),
        ("heads_of_64", 1, 19, 2, 64, 32, 10000, False),
        ("half_of_heads_of_20", 2, 5, 3, 20, 5, 1e6, False),
        ("positions", 3, 4, 2, 16, 8, 10000, True),
    ):
        x = normal(g, n, tokens, heads * size)
        positions = torch.randint(0, 50, (n, tokens), generator=g) if at else torch.arange(tokens).expand(n, -1)
        rows = int(positions.max()) + 1
        angles = torch.arange(rows)[:, None] * float(base) ** -(torch.arange(pairs) / pairs)
        table = torch.cat([angles.cos(), angles.sin()], 1).half().float()
        cos, sin = (t.double().repeat(1, 2)[positions] for t in table.chunk(2, 1))
        q = x.double().reshape(n, tokens, heads, size).transpose(1, 2)
        turned, _ = apply_rotary_pos_emb(q[..., : 2 * pairs], q[..., : 2 * pairs], cos, sin)
        y = torch.cat([turned, q[..., 2 * pairs :]], -1).transpose(1, 2).flatten(2)
        inputs = {"x": x, "table": table} | ({"at": positions.int()} if at else {})
        cases.append(case(name, {"heads": heads}, inputs, {"y": y}))
    return cases
