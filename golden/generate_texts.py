"""What goldens of decoders share: the texts that transformers' generate writes."""

from random import Random

import torch
import transformers

from generate_io import write


def ways(end):
    """Generation configs, each of which tries something that the others do not, for
    texts that end with that token."""
    return [
        {"max_new_tokens": 9},
        {"max_length": 11, "repetition_penalty": 1.7, "min_length": 9},
        {"no_repeat_ngram_size": 2, "suppress_tokens": [5, 9, 11], "begin_suppress_tokens": [end, 7]},
        {"num_beams": 3, "max_new_tokens": 8},
        {"num_beams": 2, "early_stopping": True, "length_penalty": 2.0, "no_repeat_ngram_size": 1, "max_new_tokens": 7},
        {"num_beams": 4, "early_stopping": "never", "length_penalty": -0.5, "repetition_penalty": 1.3, "max_new_tokens": 6, "min_new_tokens": 3},
        {"num_beams": 2, "forced_eos_token_id": end, "max_length": 10},
        {"do_sample": True, "max_new_tokens": 8},
        {"do_sample": True, "temperature": 1.7, "top_k": 12, "top_p": 0.8, "max_new_tokens": 8},
        {"do_sample": True, "top_k": 0, "min_p": 0.1, "repetition_penalty": 1.2, "max_new_tokens": 8},
    ]


def drawn(call, seed):
    """What call gives where each draw takes the first id up to which the probabilities
    sum to more than a number, and these numbers [steps, rows]."""
    numbers, multinomial = [], torch.multinomial

    def draw(probs, num_samples):
        u = torch.tensor([random.random() for _ in range(len(probs))])
        numbers.append(u.tolist())
        total = probs.double().cumsum(-1)
        return torch.searchsorted(total, (u.double() * total[:, -1])[:, None], right=True)

    random = Random(seed)
    torch.multinomial = draw
    try:
        return call(), numbers
    finally:
        torch.multinomial = multinomial


def written(model, inputs, ways):
    """What the class's generate writes of inputs, by way."""
    texts = []
    for i, way in enumerate(ways):
        with torch.no_grad():
            sequences, numbers = drawn(lambda: model.generate(**{k: v.clone() for k, v in long(inputs).items()}, **way), i)  # noqa: B023
        texts.append({"config": way, "inputs": list(inputs), "sequences": sequences.tolist()} | ({"draws": numbers} if numbers else {}))
    return texts


def long(inputs):
    return {k: v.long() if v.dtype == torch.int32 else v for k, v in inputs.items()}


def cast_all(cast, inputs):
    return {k: cast(v) if v.is_floating_point() else v.long() for k, v in inputs.items()}


def mask_of(ids):
    """A mask whose rows after the first end early, each elsewhere."""
    mask = torch.ones_like(ids)
    for i in range(1, len(ids)):
        mask[i, 2 + (i * 2) % (ids.shape[1] - 2) :] = 0
    return mask


def tapped(modules, call):
    """What call returns, and what each of the named modules gave when it was last run."""
    seen, hooks = {}, []
    for name, (module, index) in modules.items():

        def keep(m, x, y, name=name, index=index):
            seen[name] = (y[index] if isinstance(y, tuple) else y).detach().clone()

        hooks.append(module.register_forward_hook(keep))
    with torch.no_grad():
        out = call()
    for hook in hooks:
        hook.remove()
    return out, {name: seen[name] for name in modules}


def finish(root, name, model, cls, inputs, layers, outputs, exact, options=None, texts=None, architecture=None):
    """Write golden.safetensors of one case."""
    metadata = {
        "model": model,
        "source": f"transformers {transformers.__version__} {cls.__name__}; torch {torch.__version__.split('+')[0]}",
        "architecture": architecture or cls.__name__,
        "inputs": list(inputs),
        "layers": list(layers),
        "outputs": list(outputs),
        "options": options or {},
        "halves": exact,
        "texts": texts or [],
    }
    write(root / name / "golden.safetensors", inputs | layers | outputs, metadata)
