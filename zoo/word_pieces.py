"""BERT's word pieces with a vocabulary of our own, and BLIP's two tokens more."""

import json
import os
import re
from collections import Counter

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

PAD, UNKNOWN, START, END, MASK = "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"
DECODE, ENCODE = "[DEC]", "[ENC]"
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"


def train(texts, size):
    """A tokenizer of size entries: the words of texts, but for plurals in s and es of others, the commonest first. Every
    letter and digit is an entry, at a word's beginning and later, so that any word of them has tokens."""
    special, marks, endings = [PAD, UNKNOWN, START, END, MASK], list("?,.!'-"), ["##s", "##es"]
    letters = list(LETTERS) + ["##" + c for c in LETTERS]
    words = Counter(w for t in texts for w in re.findall(r"\w+", t))
    words = [w for w, _ in sorted(words.items(), key=lambda e: (-e[1], e[0])) if not any(w.endswith(s) and w[: -len(s)] in words for s in ("s", "es"))]
    entries = list(dict.fromkeys(special + marks + letters + endings + words))[: size - 2]
    vocab = {token: i for i, token in enumerate(entries + [DECODE, ENCODE])}
    t = Tokenizer(models.WordPiece(vocab, unk_token=UNKNOWN, max_input_chars_per_word=100))
    t.normalizer = normalizers.BertNormalizer(lowercase=True)
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    t.decoder = decoders.WordPiece(prefix="##", cleanup=True)
    t.add_special_tokens([AddedToken(s, special=True, normalized=False) for s in special + [DECODE, ENCODE]])
    t.post_processor = processors.BertProcessing((END, vocab[END]), (START, vocab[START]))
    return t


def save(tokenizer, folder, context):
    """tokenizer.json, and the files that transformers' BertTokenizer reads beside it."""
    tokenizer.save(os.path.join(folder, "tokenizer.json"))
    vocab = sorted(tokenizer.get_vocab().items(), key=lambda entry: entry[1])
    with open(os.path.join(folder, "vocab.txt"), "w", encoding="utf-8") as f:
        f.write("".join(token + "\n" for token, _ in vocab))
    special = {"pad_token": PAD, "unk_token": UNKNOWN, "cls_token": START, "sep_token": END, "mask_token": MASK, "bos_token": DECODE}
    special |= {"additional_special_tokens": [ENCODE]}
    with open(os.path.join(folder, "tokenizer_config.json"), "w") as f:
        json.dump({"tokenizer_class": "BertTokenizer", "model_max_length": context, "do_lower_case": True} | special, f, indent=2)
        f.write("\n")
