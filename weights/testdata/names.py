"""Writes names.json: how transformers 5 names tensors in memory, and under which
names it saves them, of the models that saccade reads and whose class is in its
conversion_mapping. A saved tensor that is made of two in memory has #0 or #1
behind its name.

    python weights/testdata/names.py

wants torch and transformers (golden/requirements.txt).
"""

import json
import tempfile
from pathlib import Path

import torch
import transformers as tf
from safetensors.torch import load_file

SIZE = dict(hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16)
VISION = dict(SIZE, image_size=16, patch_size=8)
TEXT = dict(SIZE, vocab_size=10, bos_token_id=1, eos_token_id=2, pad_token_id=0)
DECODER = tf.TrOCRConfig(vocab_size=10, d_model=4, decoder_layers=1, decoder_attention_heads=2, decoder_ffn_dim=6, max_position_embeddings=5, tie_word_embeddings=False)
SWIN = dict(image_size=16, patch_size=4, embed_dim=4, depths=[1, 1], num_heads=[1, 2], window_size=2)
REGISTERS = dict(VISION, num_register_tokens=2)

MODELS = [
    (tf.ViTForImageClassification, tf.ViTConfig(**VISION)),
    (tf.ViTModel, tf.ViTConfig(**VISION)),
    (tf.DeiTForImageClassificationWithTeacher, tf.DeiTConfig(**VISION)),
    (tf.DeiTModel, tf.DeiTConfig(**VISION)),
    (tf.Dinov2ForImageClassification, tf.Dinov2Config(**VISION)),
    (tf.Dinov2Model, tf.Dinov2Config(use_swiglu_ffn=True, **VISION)),
    (tf.Dinov2WithRegistersForImageClassification, tf.Dinov2WithRegistersConfig(use_swiglu_ffn=True, **REGISTERS)),
    (tf.Dinov2WithRegistersModel, tf.Dinov2WithRegistersConfig(**REGISTERS)),
    (tf.CLIPVisionModel, tf.CLIPVisionConfig(**VISION)),
    (tf.CLIPTextModel, tf.CLIPTextConfig(**TEXT)),
    (tf.SiglipVisionModel, tf.SiglipVisionConfig(**VISION)),
    (tf.SwinForImageClassification, tf.SwinConfig(**SWIN)),
    (tf.SwinModel, tf.SwinConfig(**SWIN)),
    (tf.SiglipTextModel, tf.SiglipTextConfig(**TEXT)),
    (tf.VisionEncoderDecoderModel, tf.VisionEncoderDecoderConfig.from_encoder_decoder_configs(tf.DeiTConfig(**VISION), DECODER)),
]


def names(model):
    """The saved name of each tensor, found by its value."""
    tensors = model.state_dict()
    with torch.no_grad():
        for i, t in enumerate(tensors.values()):
            t.fill_(i)
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        saved = load_file(Path(folder) / "model.safetensors")
    of = {}
    for name, t in saved.items():
        parts = list(dict.fromkeys(t.flatten().tolist()))
        for k, value in enumerate(parts):
            of[int(value)] = name if len(parts) == 1 else f"{name}#{k}"
    return {name: of[i] for i, name in enumerate(tensors)}


def main():
    out = {}
    for cls, config in MODELS:
        model = cls(config)
        out[cls.__name__] = {"model_type": model.config.model_type, "names": names(model)}
    text = json.dumps(out, indent=0)
    (Path(__file__).parent / "names.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
