"""Goldens of networks that tell what sounds are, as generate_detect.py makes those of
detectors: golden/models/<case>/, and of what makes their inputs of sounds:
golden/sound/*.safetensors.

    python golden/generate_sounds.py
"""

import math
from pathlib import Path

import numpy as np
import torch
import torchaudio
import transformers

from generate_cnns import empty
from generate_defaults import strike
from generate_detect import taps, write_case
from generate_io import generator, halves, write
from generate_models import redraw

HERE = Path(__file__).resolve().parent
SOURCE = f"transformers {transformers.__version__}, torchaudio {torchaudio.__version__.split('+')[0]}, torch {torch.__version__.split('+')[0]}"


def sound(name, samples, rate):
    """Two tones, a click and noise, so quiet at the end that a floor shows."""
    g = generator(name)
    t = torch.arange(samples, dtype=torch.float64) / rate
    x = 0.4 * torch.sin(2 * torch.pi * 440 * t) + 0.2 * torch.sin(2 * torch.pi * (1200 + 900 * t) * t) + 0.02 * torch.randn(samples, generator=g) + 0.05
    x[samples // 3] += 0.7
    x[-samples // 4 :] *= 1e-6
    return x.float()


def fbank():
    tensors = {}
    for name, samples, bins, frames, normalize in (("short", 4411, 128, 32, True), ("long", 9000, 23, 41, True), ("plain", 563, 40, 2, False), ("window", 400, 64, 1, True)):
        x = sound(name, samples, 16000)
        extract = transformers.ASTFeatureExtractor(num_mel_bins=bins, max_length=frames, do_normalize=normalize)
        y = extract(x.numpy(), sampling_rate=16000, return_tensors="pt")["input_values"]
        tensors |= {f"{name}.samples": x, f"{name}.input_values": y.float()}
    write(HERE / "sound" / "fbank.safetensors", tensors, {"source": SOURCE})


def network(root, name, cls, config, inputs, modules, outputs, prepare=None):
    """A network of transformers; modules gives the named modules of the model."""
    g = generator(name)
    config._attn_implementation = "eager"
    model = redraw(cls(config), g)
    if prepare:
        prepare(model, g)
    model.save_pretrained(empty(root, name))
    given = inputs(g)
    out, layers = taps(model, modules(model), given)
    got = {o: out[o] for o in outputs}

    def call(model, cast):
        out = model(**{k: cast(v) for k, v in given.items()})
        return [out[o] for o in outputs]

    exact = halves(model, call, got)
    given = {k: v.float() if v.dtype == torch.bool else v.int() if not v.is_floating_point() else v for k, v in given.items()}
    write_case(root, name, "sound", f"transformers {transformers.__version__} {cls.__name__}", cls.__name__, given, layers, got, exact)
    return model


def ast_modules(base):
    return {"embeddings": base.embeddings} | {f"layer.{i}": layer for i, layer in enumerate(base.layers)}


def ast(root):
    """Patches that overlap, other strides along bins and frames, heads of 5, and bins and
    frames beyond the last patch."""
    config = transformers.ASTConfig(
        hidden_size=15, num_hidden_layers=2, num_attention_heads=3, intermediate_size=41, layer_norm_eps=1e-3, hidden_act="gelu_new",
        patch_size=7, frequency_stride=4, time_stride=5, max_length=41, num_mel_bins=23, id2label={0: "bell", 1: "dog", 2: "rain", 3: "saw", 4: "wind"},
    )  # fmt: skip
    spectrogram = lambda g: {"input_values": torch.randn(2, 41, 23, generator=g)}
    network(root, "ast", transformers.ASTForAudioClassification, config, spectrogram, lambda m: ast_modules(m.audio_spectrogram_transformer), ["logits"])
    transformers.ASTFeatureExtractor(num_mel_bins=23, max_length=41, mean=-3.5, std=3.25).save_pretrained(root / "ast")


def ast_defaults(root):
    """The tokens alone; no word of patches, strides, eps, the activation and biases."""
    config = transformers.ASTConfig(hidden_size=18, num_hidden_layers=2, num_attention_heads=2, intermediate_size=30, max_length=46, num_mel_bins=26)
    spectrogram = lambda g: {"input_values": torch.randn(1, 46, 26, generator=g)}
    network(root, "ast_defaults", transformers.ASTModel, config, spectrogram, ast_modules, ["last_hidden_state", "pooler_output"])
    strike(root / "ast_defaults", "patch_size", "frequency_stride", "time_stride", "layer_norm_eps", "hidden_act", "qkv_bias")


def decibels():
    """What ClapFeatureExtractor makes of sounds, where the parts that it draws are the
    middle ones of those it draws from."""
    np.random.choice = lambda some: some[len(some) // 2]
    np.random.randint = lambda low, high: (low + high - 1) // 2
    tensors = {}
    cases = (  # samples, bins, truncation, padding, lowest frequency
        ("short", 750, 16, "rand_trunc", "repeatpad", 50), ("zeros", 750, 8, "rand_trunc", "pad", 0), ("long", 5001, 16, "rand_trunc", "repeatpad", 50),
        ("short_fused", 444, 64, "fusion", "repeat", 50), ("whole_fused", 4025, 8, "fusion", "repeatpad", 0), ("long_fused", 5864, 64, "fusion", "repeatpad", 50),
    )  # fmt: skip
    for name, samples, bins, truncation, padding, low in cases:
        x = sound(name, samples, 4000)
        extract = transformers.ClapFeatureExtractor(
            feature_size=bins, sampling_rate=4000, hop_length=100, max_length_s=1, fft_window_size=256, frequency_min=low, frequency_max=1900, truncation=truncation, padding=padding,
        )  # fmt: skip
        y = extract(x.numpy(), sampling_rate=4000, return_tensors="pt")
        tensors |= {f"{name}.samples": x, f"{name}.input_features": y["input_features"].float()}
    write(HERE / "sound" / "decibels.safetensors", tensors, {"source": SOURCE})


def clap_text(**more):
    return transformers.ClapTextConfig(
        vocab_size=71, hidden_size=15, num_hidden_layers=2, num_attention_heads=3, intermediate_size=29, hidden_act="relu", max_position_embeddings=21,
        layer_norm_eps=1e-3, **more,
    )  # fmt: skip


def clap_audio(**more):
    """Squares of 32, folded of strips of 8 bins; windows of 4, maps of 16 and 8 patches."""
    return transformers.ClapAudioConfig(
        window_size=4, num_mel_bins=8, spec_size=32, patch_size=2, patch_stride=[2, 2], hidden_size=20, depths=[2, 2], num_attention_heads=[2, 4],
        patch_embeds_hidden_size=10, mlp_ratio=2.3, **more,
    )  # fmt: skip


def clap_modules(model):
    """The maps of the stages, and the states of the texts."""
    encoder = model.audio_model.audio_encoder
    grid = lambda x: x.unflatten(1, (math.isqrt(x.shape[1]),) * 2)
    blocks = [block for stage in encoder.layers for block in stage.blocks]
    layers = {f"layer.{i}": (block, grid) for i, block in enumerate(blocks)}
    texts = {"text.embeddings": model.text_model.embeddings} | {f"text.layer.{i}": layer for i, layer in enumerate(model.text_model.encoder.layer)}
    return {"stem": (encoder.patch_embed, grid)} | layers | texts | {"text.pooler_output": model.text_model.pooler}


def prepared(model, g):
    """Running statistics that are not those of the beginning, and scales of the logits."""
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_mean.copy_(torch.randn(module.running_mean.shape, generator=g))
                module.running_var.copy_(0.5 + torch.rand(module.running_var.shape, generator=g))
        model.logit_scale_a.fill_(2.3)
        model.logit_scale_t.fill_(1.9)


def clap_inputs(channels, frames, flags):
    def inputs(g):
        ids = torch.randint(3, 71, (3, 9), generator=g)
        ids[:, 0], ids[1, 5:], ids[2, 8:] = 0, 1, 1  # padded behind
        given = {"input_features": 3 * torch.randn(len(flags), channels, frames, 8, generator=g) - 2, "input_ids": ids, "attention_mask": (ids != 1).long()}
        return given | {"is_longer": torch.tensor(flags)[:, None]}

    return inputs


def extractor(hop, truncation):
    return transformers.ClapFeatureExtractor(
        feature_size=8, sampling_rate=4000, hop_length=hop, max_length_s=1, fft_window_size=128, frequency_max=1900, truncation=truncation
    )


OUTPUTS = ["audio_embeds", "text_embeds", "logits_per_audio"]


def clap(root):
    """One spectrogram, of fewer frames than the square takes."""
    config = transformers.ClapConfig(text_config=clap_text(), audio_config=clap_audio(hidden_act="gelu_new"), projection_dim=13, projection_hidden_act="gelu")
    network(root, "clap", transformers.ClapModel, config, clap_inputs(1, 101, [False, True]), clap_modules, OUTPUTS, prepared)
    extractor(40, "rand_trunc").save_pretrained(root / "clap")


def clap_fused(root):
    """Four spectrograms, which are fused of one sound and not of the other, and all frames."""
    audio = clap_audio(enable_fusion=True, fusion_type="aff_2d", aff_block_r=3, qkv_bias=False)
    config = transformers.ClapConfig(text_config=clap_text(), audio_config=audio, projection_dim=7)
    network(root, "clap_fused", transformers.ClapModel, config, clap_inputs(4, 128, [True, False]), clap_modules, OUTPUTS, prepared)
    extractor(32, "fusion").save_pretrained(root / "clap_fused")


def zoo_ast(root, zoo):
    """The trained AST of zoo/ast on a sound of zoo/sounds. Its weights stay in the zoo."""
    import wave

    folder = zoo / "ast"
    model = transformers.ASTForAudioClassification.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    with wave.open(str(zoo / "sounds" / "seven.wav")) as w:
        samples = np.frombuffer(w.readframes(1 << 20), np.int16).astype(np.float32) / 32768
    extract = transformers.ASTFeatureExtractor.from_pretrained(folder)
    x = extract(samples, sampling_rate=16000, return_tensors="pt")["input_values"].float()
    out, layers = taps(model, ast_modules(model.audio_spectrogram_transformer), {"input_values": x})
    got = {"logits": out["logits"]}
    exact = halves(model, lambda model, cast: [model(cast(x)).logits], got)
    metadata = {"model": "sound", "source": f"transformers {transformers.__version__} ASTForAudioClassification; torch {torch.__version__.split('+')[0]}", "architecture": "sound"}
    metadata |= {"layers": ["layer.3"], "outputs": ["logits"], "halves": exact, "weights": "zoo/ast"}
    write(root / "zoo_ast" / "golden.safetensors", {"input_values": x, "layer.3": layers["layer.3"]} | got, metadata)


MODELS = {f.__name__: f for f in (ast, ast_defaults, clap, clap_fused)}


if __name__ == "__main__":
    torch.set_num_threads(1)
    fbank()
    decibels()
    for make in MODELS.values():
        make(HERE / "models")
