"""A ViT-B-32 of open_clip with random weights, which immich's models come from, as a
checkpoint of transformers, and open_clip's vectors of texts and images:
open_clip_checkpoint.py FOLDER TEXTS.json IMAGE..."""
import json
import os
import sys

import open_clip
import torch
from PIL import Image
from transformers import CLIPConfig, CLIPModel

folder, texts, *images = sys.argv[1:]
torch.manual_seed(1)
kind = "ViT-B-32-quickgelu"
model, _, preprocess = open_clip.create_model_and_transforms(kind, pretrained=None)
model.eval()
tokenizer = open_clip.get_tokenizer(kind)

common = {"num_hidden_layers": 12, "hidden_act": "quick_gelu", "projection_dim": 512}
text = dict(common, hidden_size=512, intermediate_size=2048, num_attention_heads=8, bos_token_id=49406, eos_token_id=49407, pad_token_id=49407)
vision = dict(common, hidden_size=768, intermediate_size=3072, num_attention_heads=12, patch_size=32, image_size=224)
theirs = CLIPModel(CLIPConfig(projection_dim=512, text_config=text, vision_config=vision))

source, named = model.state_dict(), {}
for here, there, width in ("transformer", "text_model", 512), ("visual.transformer", "vision_model", 768):
    for i in range(12):
        a, b = f"{here}.resblocks.{i}.", f"{there}.encoder.layers.{i}."
        for k, name in enumerate(("q_proj", "k_proj", "v_proj")):
            for part in "weight", "bias":
                named[f"{b}self_attn.{name}.{part}"] = source[f"{a}attn.in_proj_{part}"][k * width : (k + 1) * width].clone()
        for x, y in ("attn.out_proj", "self_attn.out_proj"), ("ln_1", "layer_norm1"), ("ln_2", "layer_norm2"), ("mlp.c_fc", "mlp.fc1"), ("mlp.c_proj", "mlp.fc2"):
            for part in "weight", "bias":
                named[f"{b}{y}.{part}"] = source[f"{a}{x}.{part}"]
for x, y in {
    "token_embedding.weight": "text_model.embeddings.token_embedding.weight", "positional_embedding": "text_model.embeddings.position_embedding.weight",
    "ln_final.weight": "text_model.final_layer_norm.weight", "ln_final.bias": "text_model.final_layer_norm.bias", "logit_scale": "logit_scale",
    "visual.class_embedding": "vision_model.embeddings.class_embedding", "visual.conv1.weight": "vision_model.embeddings.patch_embedding.weight",
    "visual.positional_embedding": "vision_model.embeddings.position_embedding.weight", "visual.ln_pre.weight": "vision_model.pre_layrnorm.weight",
    "visual.ln_pre.bias": "vision_model.pre_layrnorm.bias", "visual.ln_post.weight": "vision_model.post_layernorm.weight", "visual.ln_post.bias": "vision_model.post_layernorm.bias",
}.items():
    named[y] = source[x]
named["text_projection.weight"] = source["text_projection"].T.contiguous()
named["visual_projection.weight"] = source["visual.proj"].T.contiguous()
theirs.load_state_dict(named)
theirs.save_pretrained(folder)


def write(name, content):
    with open(os.path.join(folder, name), "w") as f:
        f.write(content if isinstance(content, str) else json.dumps(content))


special = {"<start_of_text>": "<|startoftext|>", "<end_of_text>": "<|endoftext|>"}
write("vocab.json", {special.get(k, k): i for k, i in tokenizer.encoder.items()})
merges = sorted(tokenizer.bpe_ranks.items(), key=lambda x: x[1])
write("merges.txt", "#version: 0.2\n" + "".join(" ".join(pair) + "\n" for pair, _ in merges))
write("tokenizer_config.json", {"tokenizer_class": "CLIPTokenizer", "unk_token": "<|endoftext|>", "bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>", "model_max_length": 77})
write("preprocessor_config.json", {
    "image_processor_type": "CLIPImageProcessor", "do_resize": True, "size": {"shortest_edge": 224}, "do_center_crop": True, "crop_size": {"height": 224, "width": 224},
    "do_rescale": True, "do_normalize": True, "resample": 3, "image_mean": [0.48145466, 0.4578275, 0.40821073], "image_std": [0.26862954, 0.26130258, 0.27577711],
})
with torch.no_grad():
    of_texts = model.encode_text(tokenizer(json.loads(texts)), normalize=True)
    of_images = torch.cat([model.encode_image(preprocess(Image.open(p).convert("RGB"))[None], normalize=True) for p in images])
write("vectors.json", {"texts": of_texts.tolist(), "images": of_images.tolist()})
