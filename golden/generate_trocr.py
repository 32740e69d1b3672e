"""Goldens of TrOCR of transformers: a ViT or DeiT and TrOCRForCausalLM in a
VisionEncoderDecoderModel, and the texts written."""

import shutil

import torch
import transformers

from generate_io import generator, halves
from generate_models import redraw
from generate_texts import cast_all, finish, long, mask_of, tapped, ways, written

PAD = 1


def config(encoder, decoder):
    c = transformers.VisionEncoderDecoderConfig.from_encoder_decoder_configs(encoder, transformers.TrOCRConfig(**dict(vocab_size=61, max_position_embeddings=24) | decoder))
    for part in (c, c.encoder, c.decoder):
        part._attn_implementation = "eager"
    return c


def make(root, name, c, end, g):
    model = redraw(transformers.VisionEncoderDecoderModel(c), g).eval()
    with torch.no_grad():  # residual networks: see golden.md
        for layer in model.encoder.layers:
            layer.mlp.fc2.weight.mul_(0.5)
        if c.decoder.use_learned_position_embeddings:  # or one token follows itself for ever
            model.decoder.model.decoder.embed_positions.weight.mul_(3)
        # The head sees no bias but at the end, so that texts vary and end.
        bias, head = model.decoder.model.decoder.layers[-1].final_layer_norm.bias, model.decoder.output_projection.weight
        head -= (head @ bias)[:, None] * bias / (bias @ bias)
        head[end] += 1.5 * bias / (bias @ bias)
    folder = root / name
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink()
    return model


def ids_of(g, n, length, start):
    ids = torch.randint(4, 58, (n, length), generator=g, dtype=torch.int32)
    ids[:, 0] = start
    return ids


def case(root, name, encoder, decoder, end, n, length, masked=False, padded=False, size=None, prompts=(None,)):
    """Texts begin with none or the first ids."""
    g = generator(name)
    c = config(encoder, decoder)
    model = make(root, name, c, end, g)
    side = c.encoder.image_size
    ids = ids_of(g, n, length, c.decoder.decoder_start_token_id)
    if padded:  # amid the text too, which sinusoidal positions do not count
        ids[0, 2], ids[-1, length - 1] = PAD, PAD
    inputs = {"pixel_values": torch.randn(n, 3, *(size or (side, side)), generator=g), "decoder_input_ids": ids}
    if masked:
        inputs["decoder_attention_mask"] = mask_of(ids)
    grow = {"interpolate_pos_encoding": True} if size else {}
    inner = model.decoder.model.decoder
    taps = {f"layer.{i}": (layer, 0) for i, layer in enumerate(inner.layers)} | {f"cross_attentions.{i}": (layer.encoder_attn, 1) for i, layer in enumerate(inner.layers)}
    first = {}
    hook = inner.layers[0].register_forward_pre_hook(lambda m, x: first.update(embeddings=x[0].detach().clone()))
    out, layers = tapped(taps, lambda: model(**long(inputs), **grow, output_attentions=True))
    hook.remove()
    layers = first | layers
    got = {"encoder_last_hidden_state": out.encoder_last_hidden_state, "logits": out.logits}

    def half(model, cast):
        positions = model.decoder.model.decoder.embed_positions
        if not c.decoder.use_learned_position_embeddings:  # which are no parameter
            positions.weights = positions.weights.half()
        out = model(**cast_all(cast, inputs), **grow)
        return out.encoder_last_hidden_state, out.logits

    exact = halves(model, half, got)
    texts = []
    for prompt in prompts if not size else ():
        begun = {"pixel_values": inputs["pixel_values"]}
        if prompt:
            begun["decoder_input_ids"] = ids
        texts += written(model, begun, ways(end)[:: 3 if prompt else 1])
    finish(root, name, "trocr", transformers.VisionEncoderDecoderModel, inputs, layers, got, exact, grow, texts)


SMALL = dict(hidden_size=15, num_attention_heads=3, num_hidden_layers=2, intermediate_size=41, image_size=20, patch_size=4)


def trocr(root):
    """A ViT without biases of queries, whose patches are brought to the decoder's width;
    heads of 13 and 5, texts of different lengths."""
    decoder = dict(d_model=26, decoder_attention_heads=2, decoder_layers=2, decoder_ffn_dim=37)
    case(root, "trocr", transformers.ViTConfig(**SMALL, qkv_bias=False), decoder, 2, 3, 7, masked=True)


def trocr_sinusoidal(root):
    """A DeiT, whose width the cross-attentions read; sinusoidal positions of an odd width
    and padding amid a text, scaled embeddings without a norm, a head of its own, two
    tokens that end a text, a start that is none of them."""
    encoder = transformers.DeiTConfig(**SMALL | dict(hidden_size=24, num_attention_heads=4, hidden_act="relu", layer_norm_eps=1e-3))
    decoder = dict(
        d_model=27, decoder_attention_heads=3, decoder_layers=2, decoder_ffn_dim=33, activation_function="relu", cross_attention_hidden_size=24,
        use_learned_position_embeddings=False, scale_embedding=True, layernorm_embedding=False, tie_word_embeddings=False,
        decoder_start_token_id=0, eos_token_id=[3, 7], pad_token_id=PAD,
    )  # fmt: skip
    case(root, "trocr_sinusoidal", encoder, decoder, 3, 2, 6, padded=True, prompts=(None, "ids"))


def trocr_scaled(root):
    """Both of one width, scaled embeddings of which the head has the plain ones, sinusoidal
    positions of an even width, one token."""
    encoder = transformers.ViTConfig(**SMALL | dict(hidden_size=20, num_attention_heads=5, num_hidden_layers=1))
    decoder = dict(
        d_model=20, decoder_attention_heads=4, decoder_layers=1, decoder_ffn_dim=29, activation_function="gelu_new", use_learned_position_embeddings=False, scale_embedding=True
    )
    case(root, "trocr_scaled", encoder, decoder, 2, 1, 1)


def trocr_interpolate(root):
    """Images of another size, a text that fills the context."""
    decoder = dict(d_model=16, decoder_attention_heads=1, decoder_layers=1, decoder_ffn_dim=20, max_position_embeddings=9)
    case(root, "trocr_interpolate", transformers.DeiTConfig(**SMALL), decoder, 2, 2, 9, size=(16, 28))


MODELS = {f.__name__: f for f in (trocr, trocr_sinusoidal, trocr_scaled, trocr_interpolate)}
