"""Goldens of text encoders of transformers with sentence-transformers' modules."""

import json
import shutil

import torch
import transformers
from sentence_transformers.models import Dense, LayerNorm, Normalize, Pooling

from generate_io import generator, halves
from generate_models import redraw
from generate_texts import cast_all, finish, long, mask_of, tapped

SIZES = dict(hidden_size=39, num_attention_heads=3, num_hidden_layers=2, intermediate_size=50, vocab_size=61)


def modules_of(folder, modules):
    """Writes sentence-transformers' modules as that library does, older names of theirs."""
    listed = [{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"}]
    for i, module in enumerate(modules, 1):
        kind = type(module).__name__
        path = f"{i}_{kind}"
        (folder / path).mkdir()
        module.save(str(folder / path))
        listed.append({"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"})
    (folder / "modules.json").write_text(json.dumps(listed))


def flat(parts):
    return *parts[0], parts[1]


def encoder(root, name, cls, config, modules=(), n=3, length=9, types=False, padding=None, drop=(), masked=True):
    g = generator(name)
    config._attn_implementation = "eager"
    model = redraw(cls(config), g).eval()
    folder = root / name
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder)
    if drop:
        path = folder / "config.json"
        path.write_text(json.dumps({k: v for k, v in json.loads(path.read_text()).items() if k not in drop}))
    modules = [redraw(m, g).eval() for m in modules]
    if modules:
        modules_of(folder, modules)
    ids = torch.randint(4, config.vocab_size, (n, length), generator=g, dtype=torch.int32)
    mask = mask_of(ids) if masked else torch.ones_like(ids)
    inputs = {"input_ids": ids} | ({"attention_mask": mask} if masked else {})
    if padding is not None:  # where the class counts positions by the ids; one stands inside of a text
        ids[mask == 0] = padding
        ids[0, 3] = padding
    if types:
        inputs["token_type_ids"] = (torch.arange(length)[None] >= torch.arange(2, 2 + n)[:, None]).int()
    bert = getattr(model, "transformer", model) if cls is transformers.DistilBertModel else model.encoder
    taps = {"embeddings": (model.embeddings, 0)} | {f"layer.{i}": (layer, 0) for i, layer in enumerate(bert.layer)}
    out, layers = tapped(taps, lambda: model(**long(inputs)))

    def pooled(states, keep=None):
        features = {"token_embeddings": states, "attention_mask": mask.long()}
        for m in modules or [Pooling(states.shape[-1], pooling_mode="mean")]:
            features = m(features)
            if keep is not None and "pooled" not in keep:
                keep["pooled"] = features["sentence_embedding"]
        return features["sentence_embedding"]

    with torch.no_grad():
        states, kept = out.last_hidden_state, {}
        embedding = pooled(states, kept)
    # states of padding are nobody's
    got = ({} if masked else {"last_hidden_state": states}) | {"sentence_embedding": embedding}

    def half(model, cast):
        states = model(**cast_all(cast, inputs)).last_hidden_state
        return [] if masked else [states], pooled(states.float())

    exact = halves(model, lambda model, cast: flat(half(model, cast)), got)
    finish(root, name, "text", cls, inputs, {"embeddings": layers["embeddings"], "layer.0": layers["layer.0"]} | kept, got, exact)


def text_bert(root):
    """Heads of 13, token types, mean of all but padding as no modules say otherwise."""
    encoder(root, "text_bert", transformers.BertModel, transformers.BertConfig(**SIZES, max_position_embeddings=24), types=True)


def text_bert_cls(root):
    """The class token, dense layers with and without what their defaults are, unit length."""
    modules = [Pooling(39, pooling_mode="cls"), Dense(39, 21), Dense(21, 17, bias=False, activation_function=torch.nn.GELU()), Normalize()]
    encoder(root, "text_bert_cls", transformers.BertModel, transformers.BertConfig(**SIZES, max_position_embeddings=24, hidden_act="gelu_new"), modules)


def text_bert_defaults(root):
    """A config without the keys that equal the class's defaults."""
    drop = ("hidden_act", "layer_norm_eps", "type_vocab_size", "pad_token_id", "max_position_embeddings")
    encoder(root, "text_bert_defaults", transformers.BertModel, transformers.BertConfig(**(SIZES | dict(hidden_size=15))), length=7, drop=drop, masked=False)


def text_roberta(root):
    """Positions that begin at 2, padding inside of a text; a layer norm behind the pooling."""
    config = transformers.RobertaConfig(**SIZES, max_position_embeddings=17, type_vocab_size=1, layer_norm_eps=1e-5)
    encoder(root, "text_roberta", transformers.RobertaModel, config, [Pooling(39, pooling_mode="mean"), LayerNorm(39)], padding=1)


def text_xlmr(root):
    """Padding of another id, from which the positions follow."""
    config = transformers.XLMRobertaConfig(**SIZES, max_position_embeddings=19, pad_token_id=3, type_vocab_size=1)
    encoder(root, "text_xlmr", transformers.XLMRobertaModel, config, padding=3, n=4, length=11)


def text_distilbert(root):
    """No token types; a dense layer into another space, as of encoders that pair with CLIP."""
    config = transformers.DistilBertConfig(dim=39, n_heads=3, n_layers=2, hidden_dim=50, vocab_size=61, max_position_embeddings=24)
    modules = [Pooling(39, pooling_mode="mean"), Dense(39, 33, bias=False, activation_function=torch.nn.Identity())]
    encoder(root, "text_distilbert", transformers.DistilBertModel, config, modules)


MODELS = {f.__name__: f for f in (text_bert, text_bert_cls, text_bert_defaults, text_roberta, text_xlmr, text_distilbert)}
