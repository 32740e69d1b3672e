"""A multilingual SigLIP of open_clip with random weights and few words, as a checkpoint of
transformers, and open_clip's vectors of texts and images:
open_clip_siglip.py FOLDER TEXTS.json IMAGE..."""
import json
import os
import sys

import open_clip
import sentencepiece
import torch
from open_clip.tokenizer import canonicalize_text
from open_clip.transform import image_transform
from PIL import Image
from transformers import SiglipConfig, SiglipModel

folder, texts, *images = sys.argv[1:]
texts = json.loads(texts)
config = open_clip.get_model_config("ViT-B-16-SigLIP-i18n-256")
context = config["text_cfg"]["context_length"]

# Of the words of these texts alone: the real vocabulary has a quarter of a million pieces.
corpus = os.path.join(folder, "corpus.txt")
with open(corpus, "w") as f:
    f.write("\n".join(canonicalize_text(t) for t in texts * 20))
sentencepiece.SentencePieceTrainer.train(input=corpus, model_prefix=os.path.join(folder, "spiece"), vocab_size=90, hard_vocab_limit=False, character_coverage=1.0,
                                         pad_id=0, eos_id=1, unk_id=2, bos_id=-1, minloglevel=2)
pieces = sentencepiece.SentencePieceProcessor(model_file=os.path.join(folder, "spiece.model"))


def tokens(text):
    ids = pieces.encode(canonicalize_text(text))[: context - 1] + [pieces.eos_id()]
    return ids + [pieces.eos_id()] * (context - len(ids))


torch.manual_seed(1)
config["text_cfg"]["vocab_size"] = pieces.get_piece_size()
model = open_clip.CustomTextCLIP(config["embed_dim"], config["vision_cfg"], config["text_cfg"], init_logit_bias=config["init_logit_bias"]).eval()
for tensor in model.parameters():  # some begin as zeros, or so small that towers differ in nothing
    if tensor.ndim == 1:
        tensor.data += 0.02 * torch.randn_like(tensor)

text = {"vocab_size": pieces.get_piece_size(), "pad_token_id": 1, "bos_token_id": None, "eos_token_id": 1}
theirs = SiglipModel(SiglipConfig(text_config=text, vision_config={"image_size": 256}))
source = model.state_dict()
plain = {"ln_1": "layer_norm1", "ln_2": "layer_norm2", "norm1": "layer_norm1", "norm2": "layer_norm2", "attn.out_proj": "self_attn.out_proj", "attn.proj": "self_attn.out_proj",
         "mlp.c_fc": "mlp.fc1", "mlp.c_proj": "mlp.fc2", "mlp.fc1": "mlp.fc1", "mlp.fc2": "mlp.fc2"}
state = {"logit_scale": source["logit_scale"].reshape(1), "logit_bias": source["logit_bias"].reshape(1)}
for here, there, stacked in ("text.transformer.resblocks", "text_model", "attn.in_proj_"), ("visual.trunk.blocks", "vision_model", "attn.qkv."):
    for i in range(12):
        a, b = f"{here}.{i}.", f"{there}.encoder.layers.{i}."
        for part in "weight", "bias":
            for k, name in enumerate(("q_proj", "k_proj", "v_proj")):
                state[f"{b}self_attn.{name}.{part}"] = source[f"{a}{stacked}{part}"][k * 768 : (k + 1) * 768].clone()
            for x, y in plain.items():
                if f"{a}{x}.{part}" in source:
                    state[f"{b}{y}.{part}"] = source[f"{a}{x}.{part}"]
pool, head = "visual.trunk.attn_pool.", "vision_model.head."
for x, y in {
    "text.token_embedding.weight": "text_model.embeddings.token_embedding.weight", "text.positional_embedding": "text_model.embeddings.position_embedding.weight",
    "text.ln_final": "text_model.final_layer_norm", "text.text_projection": "text_model.head",
    "visual.trunk.patch_embed.proj": "vision_model.embeddings.patch_embedding", "visual.trunk.norm": "vision_model.post_layernorm",
    f"{pool}proj": f"{head}attention.out_proj", f"{pool}norm": f"{head}layernorm", f"{pool}mlp.fc1": f"{head}mlp.fc1", f"{pool}mlp.fc2": f"{head}mlp.fc2",
}.items():
    if x in source:
        state[y] = source[x]
        continue
    for part in "weight", "bias":
        state[f"{y}.{part}"] = source[f"{x}.{part}"]
state["vision_model.embeddings.position_embedding.weight"] = source["visual.trunk.pos_embed"][0]
state[f"{head}probe"] = source[f"{pool}latent"]
for part in "weight", "bias":
    state[f"{head}attention.in_proj_{part}"] = torch.cat([source[f"{pool}q.{part}"], source[f"{pool}kv.{part}"]])
theirs.load_state_dict(state)
theirs.save_pretrained(folder)


def write(name, content):
    with open(os.path.join(folder, name), "w") as f:
        json.dump(content, f)


write("tokenizer_config.json", {"tokenizer_class": "SiglipTokenizer", "unk_token": "<unk>", "eos_token": "</s>", "pad_token": "</s>", "model_max_length": context, "do_lower_case": True})
write("preprocessor_config.json", {
    "image_processor_type": "SiglipImageProcessor", "do_resize": True, "size": {"height": 256, "width": 256}, "do_rescale": True, "rescale_factor": 1 / 255,
    "do_normalize": True, "resample": 3, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5],
})
preprocess = image_transform((256, 256), is_train=False, mean=(0.5,) * 3, std=(0.5,) * 3, interpolation="bicubic", resize_mode="squash")
with torch.no_grad():
    of_texts = model.encode_text(torch.tensor([tokens(t) for t in texts]), normalize=True)
    of_images = torch.cat([model.encode_image(preprocess(Image.open(p).convert("RGB"))[None], normalize=True) for p in images])
write("vectors.json", {"texts": of_texts.tolist(), "images": of_images.tolist()})
