"""Goldens of BLIP of transformers: captions, answers, matches, and the texts written."""

import shutil

import torch
import transformers

from generate_io import generator, halves
from generate_models import redraw
from generate_texts import cast_all, finish, long, mask_of, tapped, ways, written

PAD, START, END = 0, 59, 3


def config(text, vision, **more):
    text = dict(vocab_size=61, max_position_embeddings=24, bos_token_id=START, sep_token_id=END, pad_token_id=PAD, eos_token_id=2) | text
    c = transformers.BlipConfig(text_config=text, vision_config=vision, **more)
    for part in (c, c.text_config, c.vision_config):
        part._attn_implementation = "eager"
    return c


def ids_of(g, n, length, vocab=58):
    ids = torch.randint(4, vocab, (n, length), generator=g, dtype=torch.int32)
    ids[:, 0] = START
    return ids


def make(root, name, cls, c, g):
    model = redraw(cls(c), g).eval()
    with torch.no_grad():  # residual networks: see golden.md
        for layer in model.vision_model.encoder.layers:
            layer.mlp.fc2.weight.mul_(0.5)
        if hasattr(model, "text_decoder"):  # texts of various lengths end
            model.text_decoder.cls.predictions.bias[END] += 1.0
            model.tie_weights()
    folder = root / name
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    return model


def layers_of(model, prefix=""):
    taps = {f"{prefix}layer.{i}": (layer, 0) for i, layer in enumerate(model.encoder.layer)}
    return {f"{prefix}embeddings": (model.embeddings, 0)} | taps


def crossings(model):
    return {f"cross_attentions.{i}": (layer.crossattention.self, 1) for i, layer in enumerate(model.encoder.layer)}


def caption(root, name, text, vision, n=3, length=7, masked=False, size=None, prompted=False, **more):
    g = generator(name)
    cls = transformers.BlipForConditionalGeneration
    c = config(text, vision, **more)
    model = make(root, name, cls, c, g)
    side = c.vision_config.image_size
    ids = ids_of(g, n, length, c.text_config.vocab_size - 3)
    inputs = {"pixel_values": torch.randn(n, 3, *(size or (side, side)), generator=g), "input_ids": ids}
    if masked:
        inputs["attention_mask"] = mask_of(ids)
    grow = {"interpolate_pos_encoding": True} if size else {}
    run = lambda: model(**long(inputs), **grow)  # noqa: E731
    taps = layers_of(model.text_decoder.bert) | crossings(model.text_decoder.bert)
    out, layers = tapped(taps, run)
    got = {"encoder_last_hidden_state": out.last_hidden_state, "logits": out.logits}
    exact = halves(model, lambda model, cast: fields(model(**cast_all(cast, inputs), **grow)), got)
    plain = {k: v for k, v in inputs.items() if k == "pixel_values" or prompted and k == "input_ids"}
    texts = [] if size else written(model, plain, ways(END))
    finish(root, name, "blip", cls, inputs, layers, got, exact, grow, texts)


def fields(out):
    return out.last_hidden_state, out.logits


def answer(root, name, text, vision, n=2, question=9, length=5, masked=False, **more):
    g = generator(name)
    cls = transformers.BlipForQuestionAnswering
    c = config(text, vision, **more)
    model = make(root, name, cls, c, g)
    side = c.vision_config.image_size
    ids = ids_of(g, n, question, c.text_config.vocab_size - 3)
    inputs = {"pixel_values": torch.randn(n, 3, side, side, generator=g), "input_ids": ids, "decoder_input_ids": ids_of(g, n, length, c.text_config.vocab_size - 3)}
    if masked:
        inputs["attention_mask"] = mask_of(ids)
    run = lambda: model(**long(inputs))  # noqa: E731
    taps = layers_of(model.text_encoder, "question.") | layers_of(model.text_decoder.bert)
    out, layers = tapped(taps, run)
    # the class leaves the answer's logits out of what it returns
    head = model.text_decoder.cls
    kept = {}
    hook = head.register_forward_hook(lambda m, x, y: kept.update(logits=y.detach().clone()))
    with torch.no_grad():
        run()
    hook.remove()
    got = {"encoder_last_hidden_state": out.last_hidden_state, "logits": kept["logits"]}

    def half(model, cast):
        seen = {}
        hook = model.text_decoder.cls.register_forward_hook(lambda m, x, y: seen.update(logits=y))
        out = model(**cast_all(cast, inputs))
        hook.remove()
        return out.last_hidden_state, seen["logits"]

    texts = written(model, {k: v for k, v in inputs.items() if k in ("pixel_values", "input_ids", "attention_mask")}, ways(END))
    finish(root, name, "blip", cls, inputs, layers, got, halves(model, half, got), texts=texts)


def match(root, name, text, vision, n=3, length=8, masked=False, **more):
    g = generator(name)
    cls = transformers.BlipForImageTextRetrieval
    c = config(text, vision, **more)
    model = make(root, name, cls, c, g)
    side = c.vision_config.image_size
    ids = ids_of(g, n, length, c.text_config.vocab_size - 3)
    inputs = {"pixel_values": torch.randn(n, 3, side, side, generator=g), "input_ids": ids}
    if masked:
        inputs["attention_mask"] = mask_of(ids)
    out, layers = tapped(layers_of(model.text_encoder, "question."), lambda: model(**long(inputs)))
    _, alone = tapped(layers_of(model.text_encoder, "text."), lambda: model(**long(inputs), use_itm_head=False))
    layers |= alone
    with torch.no_grad():
        cosine = model(**long(inputs), use_itm_head=False)
        feature = torch.nn.functional.normalize
        image = feature(model.vision_proj(cosine.last_hidden_state[:, 0, :]), dim=-1)
        words = feature(model.text_proj(cosine.question_embeds[:, 0, :]), dim=-1)
    assert torch.allclose(image @ words.T, cosine.itm_score)
    got = {"itm_score": out.itm_score, "image_embeds": image, "text_embeds": words}

    def half(model, cast):
        out = model(**cast_all(cast, inputs))
        cosine = model(**cast_all(cast, inputs), use_itm_head=False)
        image = torch.nn.functional.normalize(model.vision_proj(cosine.last_hidden_state[:, 0, :]).float(), dim=-1)
        words = torch.nn.functional.normalize(model.text_proj(cosine.question_embeds[:, 0, :]).float(), dim=-1)
        return out.itm_score, image, words

    finish(root, name, "blip", cls, inputs, layers, got, halves(model, half, got))


SMALL = dict(hidden_size=15, num_attention_heads=3, num_hidden_layers=2, intermediate_size=41, image_size=20, patch_size=4)


def blip_caption(root):
    """Heads of 13 and 5, texts of different lengths."""
    caption(root, "blip_caption", dict(hidden_size=39, num_attention_heads=3, num_hidden_layers=2, intermediate_size=50), SMALL, masked=True, prompted=True)


def blip_caption_relu(root):
    """Another activation and eps of text and images; one token."""
    text = dict(hidden_size=24, num_attention_heads=4, num_hidden_layers=3, intermediate_size=33, hidden_act="relu", layer_norm_eps=1e-3)
    vision = dict(hidden_size=40, num_attention_heads=5, num_hidden_layers=2, intermediate_size=72, image_size=14, patch_size=7, hidden_act="quick_gelu", layer_norm_eps=1e-2)
    caption(root, "blip_caption_relu", text, vision, n=1, length=1)


def blip_caption_interpolate(root):
    """Images of another size, a text that fills the context, the class's eight heads."""
    text = dict(hidden_size=32, num_hidden_layers=1, intermediate_size=45, max_position_embeddings=11)
    caption(root, "blip_caption_interpolate", text, SMALL, n=2, length=11, size=(16, 28))


def blip_answer(root):
    """A question that is masked, which the class forgets in the answer's cross-attention."""
    answer(root, "blip_answer", dict(hidden_size=15, num_attention_heads=3, num_hidden_layers=2, intermediate_size=29), SMALL, masked=True)


def blip_answer_one(root):
    """One layer, one token of an answer."""
    vision = dict(hidden_size=22, num_attention_heads=2, num_hidden_layers=1, intermediate_size=31, image_size=12, patch_size=6)
    answer(root, "blip_answer_one", dict(hidden_size=22, num_attention_heads=1, num_hidden_layers=1, intermediate_size=40), vision, n=1, question=3, length=1)


def blip_answer_gelu_new(root):
    """More items and layers than of the others, another activation."""
    vision = dict(hidden_size=20, num_attention_heads=4, num_hidden_layers=1, intermediate_size=31, image_size=15, patch_size=5)
    text = dict(hidden_size=20, num_attention_heads=5, num_hidden_layers=3, intermediate_size=33, hidden_act="gelu_new", vocab_size=77)
    answer(root, "blip_answer_gelu_new", text, vision, n=4, question=6, length=8)


def blip_match(root):
    """Texts of different lengths."""
    match(root, "blip_match", dict(hidden_size=39, num_attention_heads=3, num_hidden_layers=2, intermediate_size=50), SMALL, masked=True, image_text_hidden_size=19)


def blip_match_defaults(root):
    """A config without the width of the embeddings."""
    match(root, "blip_match_defaults", dict(hidden_size=16, num_hidden_layers=1, intermediate_size=20), SMALL, n=4)


def blip_match_wide(root):
    """Heads wider than of the others."""
    vision = dict(hidden_size=44, num_attention_heads=1, num_hidden_layers=1, intermediate_size=31, image_size=18, patch_size=9)
    match(root, "blip_match_wide", dict(hidden_size=46, num_attention_heads=1, num_hidden_layers=1, intermediate_size=33), vision, n=5, length=4, image_text_hidden_size=33)


MODELS = {
    f.__name__: f
    for f in (
        blip_caption,
        blip_caption_relu,
        blip_caption_interpolate,
        blip_answer,
        blip_answer_one,
        blip_answer_gelu_new,
        blip_match,
        blip_match_defaults,
        blip_match_wide,
    )
}
