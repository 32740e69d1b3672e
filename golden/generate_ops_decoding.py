"""Cases of the operations by which a decoder chooses tokens: see generate_ops.py."""

import torch
from transformers import LogitsProcessorList
from transformers.generation import logits_process

from generate_io import generator
from generate_ops_case import case, normal


def logsoftmax():
    """y [R,V] = log_softmax over V of x [R,V]."""
    g, cases = generator("logsoftmax"), []
    for r, v in ((1, 1), (3, 7), (5, 33), (3, 257), (2, 2003)):
        x = normal(g, r, v, std=3)
        cases.append(case(f"{r}x{v}", {}, {"x": x}, {"y": x.double().log_softmax(-1)}))
    x = 4096 * torch.randint(-4, 5, (3, 37), generator=g).float()
    cases.append(case("far_apart", {}, {"x": x}, {"y": x.double().log_softmax(-1)}))
    return cases


def ids(g, rows, vocabulary, length):
    """Lists of ids (int32), each id once in a row, -1 for none."""
    out = torch.stack([torch.randperm(vocabulary, generator=g)[:length] for _ in range(rows)])
    out[torch.rand(out.shape, generator=g) < 0.2] = -1
    return out.int()


def processed(x, repeated, banned, penalty):
    """Scores as transformers' processors leave them."""
    rows = []
    for row, again, never in zip(x, repeated, banned, strict=True):
        p = LogitsProcessorList([logits_process.RepetitionPenaltyLogitsProcessor(penalty)])
        if (never >= 0).any():
            p.append(logits_process.SuppressTokensLogitsProcessor(never[never >= 0].tolist()))
        rows.append(p(again[again >= 0].long()[None], row[None]))
    return torch.cat(rows)


def penalize():
    """y [R,V]: x after the repetition penalty of the ids `repeated` [R,L], zero where
    `out` [R,V] is 1: the ids `banned` [R,M]."""
    g, cases = generator("penalize"), []
    for r, v, repeated, banned, penalty in ((1, 7, 3, 2, 1.5), (3, 33, 9, 5, 1.25), (5, 257, 40, 17, 0.5)):
        inputs = {"x": normal(g, r, v, std=3), "repeated": ids(g, r, v, repeated), "banned": ids(g, r, v, banned)}
        y = processed(inputs["x"].double(), inputs["repeated"], inputs["banned"], penalty)
        out = y.isinf()
        cases.append(case(f"{r}x{v}", {"penalty": penalty}, inputs, {"y": y.masked_fill(out, 0), "out": out}))
    return cases


def choose():
    """Of scores x [R,V] after transformers' warpers: probabilities [R,V]; of each row the
    id (ids [R]) up to which they sum to more than u [R], or without u the largest, and
    the logarithm of its probability (log_p [R])."""
    g, cases = generator("choose"), []
    for name, r, v, temperature, top_k, top_p, min_p in (
        ("one", 1, 1, 0, 0, 0, 0),
        ("greedy", 5, 33, 0, 0, 0, 0),
        ("greedy_wide", 3, 1003, 0, 0, 0, 0),
        ("plain", 5, 33, 0, 0, 0, 0),
        ("temperature", 5, 33, 1.5, 0, 0, 0),
        ("top_k", 5, 33, 0, 7, 0, 0),
        ("top_k_of_fewer", 3, 7, 0, 50, 0, 0),
        ("top_p", 5, 33, 0, 0, 0.8, 0),
        ("top_p_least", 3, 33, 0, 0, 1e-6, 0),
        ("min_p", 5, 33, 0, 0, 0, 0.125),
        ("all", 5, 257, 0.75, 40, 0.9, 0.01),
        ("wide", 3, 1003, 1.25, 0, 0.95, 0),
    ):
        p = LogitsProcessorList()
        if temperature:
            p.append(logits_process.TemperatureLogitsWarper(temperature))
        if top_k:
            p.append(logits_process.TopKLogitsWarper(top_k))
        if top_p:
            p.append(logits_process.TopPLogitsWarper(top_p))
        if min_p:
            p.append(logits_process.MinPLogitsWarper(min_p))
        while True:  # of equal scores the sort of top-p may keep one and not the other
            x = normal(g, r, v, std=3)
            y = p(None, x.double()).softmax(-1)
            if not any(set(s[k > 0].tolist()) & set(s[k == 0].tolist()) for s, k in zip(x, y, strict=True)):
                break
        inputs = {"x": x}
        if name.startswith("greedy"):
            chosen = x.argmax(-1)
        else:
            inputs["u"] = (torch.randint(0, 1024, (r,), generator=g) + 0.5) / 1024
            chosen = torch.searchsorted(y.cumsum(-1), inputs["u"].double()[:, None], right=True)[:, 0]
        log_p = y.gather(1, chosen[:, None])[:, 0].log()
        params = {"temperature": temperature, "top_k": top_k, "top_p": top_p, "min_p": min_p}
        cases.append(case(name, params, inputs, {"probabilities": y, "ids": chosen, "log_p": log_p}))
    return cases


def beams():
    """The k best of log_softmax(x) [N·B,V] after the processors of `penalize`, plus the
    beams' scores [N·B]: sums, ids and parents [N,k], in descending order."""
    g, cases = generator("beams"), []
    for name, n, b, v, k, penalty in (("one", 1, 1, 7, 2, 1.25), ("odd", 3, 3, 33, 6, 1.5), ("wide", 2, 5, 257, 10, 1.25), ("all", 1, 2, 5, 6, 2.0)):
        inputs = {"x": normal(g, n * b, v, std=3), "scores": -normal(g, n * b).abs()}
        inputs |= {"repeated": ids(g, n * b, v, v // 4), "banned": ids(g, n * b, v, 2)}
        y = processed(inputs["x"].double().log_softmax(-1), inputs["repeated"], inputs["banned"], penalty)
        sums, at = (y + inputs["scores"].double()[:, None]).reshape(n, b * v).topk(k)
        params = {"beams": b, "best": k, "penalty": penalty}
        cases.append(case(name, params, inputs, {"sums": sums, "ids": at % v, "parents": at // v}))
    return cases


def reorder():
    """y [N·B,S,C]: of the first `filled` tokens the beams that parents [N·B] names within
    an item, else the state."""
    g, cases = generator("reorder"), []
    for name, n, b, s, c, filled in (("odd", 3, 5, 7, 13, 4), ("one", 1, 1, 3, 5, 2), ("full", 2, 2, 5, 40, 5)):
        state, parents = normal(g, n * b, s, c), torch.randint(0, b, (n * b,), generator=g)
        rows = torch.arange(n * b) // b * b + parents
        y = torch.cat([state.index_select(0, rows)[:, :filled], state[:, filled:]], 1)
        cases.append(case(name, {"beams": b, "filled": filled}, {"state": state, "parents": parents.int()}, {"y": y}))
    return cases
