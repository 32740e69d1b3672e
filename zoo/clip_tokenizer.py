"""A byte-level BPE as CLIP's, trained on captions of our own."""

import json
import os

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

START, END = "<|startoftext|>", "<|endoftext|>"
PATTERN = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


def dress(tokenizer):
    """CLIP's clean-up: NFC, runs of white space as one, lower case, words by a pattern."""
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(PATTERN), "removed", invert=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def train(captions, size):
    """A tokenizer of at most size entries. Every byte is one, alone and at a word's end, so that
    any text has tokens."""
    t = dress(Tokenizer(models.BPE(end_of_word_suffix="</w>")))
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=size - len(letters) - 2, end_of_word_suffix="</w>", initial_alphabet=letters, show_progress=False
    )
    t.train_from_iterator(captions, trainer)
    merges = [tuple(m) for m in json.loads(t.to_str())["model"]["merges"]]
    entries = letters + [c + "</w>" for c in letters] + ["".join(m) for m in merges]
    vocab = {token: i for i, token in enumerate(dict.fromkeys(entries))}
    vocab |= {START: len(vocab), END: len(vocab) + 1}
    t = dress(Tokenizer(models.BPE(vocab, merges, end_of_word_suffix="</w>", unk_token=END)))
    t.add_special_tokens([AddedToken(s, special=True, normalized=False) for s in (START, END)])
    t.post_processor = processors.RobertaProcessing(
        (END, vocab[END]), (START, vocab[START]), trim_offsets=False, add_prefix_space=False
    )
    return t


def save(tokenizer, folder, context):
    """tokenizer.json, and the files that transformers' CLIPTokenizer reads beside it."""
    tokenizer.save(os.path.join(folder, "tokenizer.json"))
    model = json.loads(tokenizer.to_str())["model"]
    with open(os.path.join(folder, "vocab.json"), "w", encoding="utf-8") as f:
        json.dump(model["vocab"], f, ensure_ascii=False)
    with open(os.path.join(folder, "merges.txt"), "w", encoding="utf-8") as f:
        f.write("#version: 0.2\n" + "".join(" ".join(m) + "\n" for m in model["merges"]))
    special = {"bos_token": START, "eos_token": END, "pad_token": END, "unk_token": END}
    with open(os.path.join(folder, "tokenizer_config.json"), "w") as f:
        json.dump({"tokenizer_class": "CLIPTokenizer", "model_max_length": context, "do_lower_case": True} | special, f, indent=2)
        f.write("\n")
