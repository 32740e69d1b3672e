#!/usr/bin/env python3
"""Writes golden/chat: a small SmolVLM2 with its processor and tokenizer, the ids that the
processor makes of prompts and pictures, and what the class's generate answers in turns.

    python golden/generate_chat.py
"""

import json
import os
import shutil
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import tokenizers
import torch
import transformers
from PIL import Image
from tokenizers import AddedToken, decoders, models, pre_tokenizers, trainers
from transformers.models.smolvlm import processing_smolvlm

from generate_io import generator
from generate_models import redraw

HERE = Path(__file__).resolve().parent
OUT = HERE / "chat"
WORDS = "what is broken here? how many hearts are there? the colour of a cat. User: Assistant: answer me, and say why it is so."
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<end_of_utterance>", "<fake_token_around_image>", "<image>", "<global-img>"]
SIDE, TOKENS, LONGEST = 24, 4, 60


def tokenizer():
    t = tokenizers.Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    t.decoder = decoders.ByteLevel()
    special = [AddedToken(x, special=True) for x in SPECIAL + [f"<row_{r}_col_{c}>" for r in range(1, 4) for c in range(1, 4)]]
    t.train_from_iterator([WORDS] * 3, trainers.BpeTrainer(vocab_size=320, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    return transformers.PreTrainedTokenizerFast(tokenizer_object=t, bos_token="<|im_start|>", eos_token="<end_of_utterance>", pad_token="<|im_end|>")


def model(tok):
    ids = tok.convert_tokens_to_ids
    text = dict(vocab_size=len(tok), hidden_size=24, num_attention_heads=3, num_key_value_heads=1, intermediate_size=32, num_hidden_layers=2, max_position_embeddings=160,
                eos_token_id=ids("<end_of_utterance>"), pad_token_id=ids("<|im_end|>"), bos_token_id=ids("<|im_start|>"))  # fmt: skip
    vision = dict(hidden_size=16, num_attention_heads=2, num_hidden_layers=1, intermediate_size=24, image_size=SIDE, patch_size=6)
    c = transformers.SmolVLMConfig(text_config=text, vision_config=vision, image_token_id=ids("<image>"), scale_factor=2)
    m = redraw(transformers.SmolVLMForConditionalGeneration(c), generator("chat"))
    with torch.no_grad():  # some answers end
        m.lm_head.weight[ids("<end_of_utterance>")] *= -3.0
    m.generation_config = transformers.GenerationConfig(eos_token_id=ids("<end_of_utterance>"), pad_token_id=ids("<|im_end|>"), max_new_tokens=7)
    return m.eval()


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    tok = tokenizer()
    m = model(tok)
    m.save_pretrained(OUT)
    template = processing_smolvlm.DEFAULT_CHAT_TEMPLATE
    plain = template.replace("{% elif line['type'] == 'video' %}{{ '<video>' }}", "")
    cut = transformers.SmolVLMImageProcessorPil(size={"longest_edge": LONGEST}, max_image_size={"longest_edge": SIDE})
    processor = transformers.Idefics3Processor(cut, tok, image_seq_len=TOKENS, chat_template=plain)
    tok.save_pretrained(OUT)
    cut.save_pretrained(OUT)
    (OUT / "chat_template.json").write_text(json.dumps({"chat_template": plain}) + "\n")
    (OUT / "templates.json").write_text(json.dumps({"SmolVLM": plain, "SmolVLM2, with videos": template}) + "\n")

    cases = []
    for name, split, turns in [
        ("wide.png", True, ["what is broken here?"]),
        ("tall.png", True, ["how many 12 hearts are there?", "why?", "  say\nwhy it is so. "]),
        ("tiny.png", False, ["the colour of a cat", "Größe, 색은?"]),
    ]:
        image = Image.open(HERE / "picture" / "src" / name)
        messages, answered, texts = [], None, []
        for i, prompt in enumerate(turns):
            content = [{"type": "text", "text": prompt}]
            messages.append({"role": "user", "content": [{"type": "image"}, *content] if i == 0 else content})
            text = processor.apply_chat_template(messages, add_generation_prompt=True)
            inputs = processor(images=[image], text=text, return_tensors="pt", do_image_splitting=split)
            ids = inputs["input_ids"][0].tolist()
            if answered is not None:  # the answers' ids go on as they were written
                tail = processor.apply_chat_template([messages[-1]], add_generation_prompt=True).removeprefix("<|im_start|>")
                ids = answered + tok("<end_of_utterance>\n" + tail, add_special_tokens=False)["input_ids"]
            inputs["input_ids"] = torch.tensor([ids])
            inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
            with torch.no_grad():
                out = m.generate(**inputs)[0].tolist()
            written = out[len(ids) :]
            texts.append({"ids": ids, "written": written, "text": tok.decode(written, skip_special_tokens=True).lstrip(" ")})
            answered = out[:-1] if written[-1] == m.generation_config.eos_token_id else out
            messages.append({"role": "assistant", "content": [{"type": "text", "text": texts[-1]["text"]}]})
        cases.append({"image": name, "split": split, "tiles": inputs["pixel_values"].shape[1], "prompts": turns, "turns": texts})
    lines = ",\n".join(json.dumps(c, ensure_ascii=False) for c in cases)
    (OUT / "cases.json").write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()
