"""Small vocabularies as SigLIP's and SigLIP 2's, what transformers makes of the
texts with them, and a tiny random model that embeds a few."""

import json
import random
import tempfile
import unicodedata
from pathlib import Path

import sentencepiece
import tokenizers
import torch
import transformers
from tokenizers import AddedToken, Regex, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers.models.siglip2.tokenization_siglip2 import Siglip2Tokenizer

CONTEXT = 64
# Texts around the special tokens, the mark of a space, and what lower case and
# canonicalisation treat apart; beside those that CLIP's tokenizers have too.
PARTS = """</s> <unk> <pad> <eos> <bos> <mask> </S> <EOS> ▁ ▁▁ ▁▁▁ \n \n\n \n\n\n \t <0x41> <0x0a> <start_of_turn> <start_of_turn2> unused ΣΑΣ ὈΔΥΣΣΕΎΣ. Σ ΑΣ' İI
a cat! A.B e\u0301 \u00bd\u0301 ﬁ\u0301 a\u200db ｶﾞ ⑳ … 東東 \r\n \x1c \x85 \u3000 - _ {} a_b it's 100% x y""".split(" ")
EMBEDDED = ["a cat", "A Photo of the Red Apple!", "", "東京 ½ naïve …", "a photo of a dog running " * 20]


def more():
    r = random.Random(11)
    out = ["".join(r.choice(PARTS) + r.choice(["", " ", "  "]) for _ in range(r.choice([1, 2, 3, 4, 6, 9]))) for _ in range(600)]
    return list(dict.fromkeys(PARTS + [" " + p + " " for p in PARTS] + out))


def rules(path):
    """A part of nmt_nfkc, which as a whole takes 240 kB: composition of Latin and Greek, widths,
    ligatures, controls removed, spaces."""
    lines = {}
    for c in [*range(0xA0, 0x600), *range(0x1E00, 0x2200), *range(0x2460, 0x2500), 0x3000, *range(0xFB00, 0xFB07), *range(0xFF00, 0xFFA0)]:
        composed = unicodedata.normalize("NFKC", chr(c))
        if composed != chr(c):
            lines[chr(c)] = composed
        apart = unicodedata.normalize("NFD", chr(c))
        if apart != chr(c) and unicodedata.normalize("NFC", chr(c)) == chr(c):
            lines[apart] = chr(c)
    for k in "カキクケコ":
        lines[chr(0xFF76 + "カキクケコ".index(k)) + "\uff9e"] = unicodedata.normalize("NFC", k + "\u3099")
    for c in [*range(1, 9), 0xB, *range(0xE, 0x20), 0x7F, 0xAD, 0x200B, 0x200D]:
        lines[chr(c)] = ""
    for c in [9, 10, 12, 13, 0x2028, 0x2029, 0xFEFF]:
        lines[chr(c)] = " "
    text = "".join(" ".join(f"{ord(x):X}" for x in k) + "\t" + " ".join(f"{ord(x):X}" for x in v) + "\n" for k, v in sorted(lines.items()))
    path.write_text(text)


def spiece_proto(folder):
    proto = transformers.convert_slow_tokenizer.import_protobuf()
    return proto.ModelProto.FromString((folder / "spiece.model").read_bytes())


def train_spiece(words, folder):
    """spiece.model of some 800 pieces. '<' is none of them, as in some published vocabularies."""
    folder.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        rules(Path(temporary, "rules.tsv"))
        r = random.Random(3)
        clean = [w.replace("<", "").lower() for w in words if "|" not in w]
        joined = [r.choice(clean)[: r.randrange(1, 5)] + r.choice(clean)[-r.randrange(1, 5) :] for _ in range(600)]
        lines = [" ".join(r.choices(clean + joined, k=6)) for _ in range(3000)]
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(lines), model_prefix=str(Path(temporary, "spiece")), model_type="unigram", vocab_size=800,
            hard_vocab_limit=False, character_coverage=0.985, pad_id=0, eos_id=1, unk_id=2, bos_id=-1,
            normalization_rule_tsv=str(Path(temporary, "rules.tsv")), num_threads=1, minloglevel=2,
        )  # fmt: skip
        proto = spiece_proto(Path(temporary))
    proto.trainer_spec.model_prefix = proto.normalizer_spec.normalization_rule_tsv = ""  # paths of the machine
    (folder / "spiece.model").write_bytes(proto.SerializeToString())


def unigram_json(spiece, folder):
    """tokenizer.json as SigLIP's checkpoints have it beside spiece.model."""
    proto = spiece_proto(spiece)
    t = tokenizers.Tokenizer(models.Unigram([(p.piece, p.score) for p in proto.pieces], unk_id=2))
    t.normalizer = normalizers.Sequence([
        normalizers.Precompiled(proto.normalizer_spec.precompiled_charsmap),
        normalizers.Lowercase(),
        normalizers.Replace(Regex(r"""[!"\#\$%\&'\(\)\*\+,\-\.:;=\?@\[\\\]\^_`\{\|\}\~]"""), ""),
        normalizers.Replace(Regex(r"\s+"), " "),
        normalizers.Strip(),
    ])  # fmt: skip
    t.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    t.decoder = decoders.Metaspace(prepend_scheme="always")
    t.add_special_tokens([AddedToken(s, lstrip=True, rstrip=True, normalized=False) for s in ("</s>", "<unk>")])
    t.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=t, eos_token="</s>", pad_token="</s>", unk_token="<unk>", model_max_length=CONTEXT)
    fast.save_pretrained(folder)


def gemma(words, folder):
    """tokenizer.json as Gemma's: BPE over whole texts, bytes for unknown characters. Training
    breaks ties at random: a new generation has other merges."""
    special = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "<start_of_turn>"]
    t = tokenizers.Tokenizer(models.BPE())
    t.normalizer = normalizers.Replace(" ", "▁")
    r = random.Random(5)
    lines = [" ".join(r.choices([w for w in words if "|" not in w], k=4)) for _ in range(1500)]
    trainer = trainers.BpeTrainer(
        vocab_size=800, special_tokens=special + [f"<0x{b:02X}>" for b in range(256)] + ["\n", "\n\n", "\t", "▁▁", "▁▁▁"],
        limit_alphabet=150, max_token_length=9, show_progress=False,
    )  # fmt: skip
    t.train_from_iterator([line.lower() for line in lines], trainer)
    model = json.loads(t.to_str())["model"]
    out = Siglip2Tokenizer(
        vocab=model["vocab"], merges=[tuple(m) for m in model["merges"]], add_bos_token=False, add_eos_token=True,
        padding_side="right", model_max_length=CONTEXT,
    )  # fmt: skip
    out.add_tokens([AddedToken(s, normalized=False, special=False) for s in ("\n", "\n\n", "\t", "▁▁", "▁▁▁")])
    out.add_tokens([AddedToken("<start_of_turn>", normalized=False, special=True)])
    out.save_pretrained(folder)


def encode(folder, strings, **options):
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, **options)
    print(f"{folder.name}: {type(tokenizer).__name__}, {len(tokenizer)} tokens")
    return tokenizer(strings, truncation=True, max_length=CONTEXT)["input_ids"]


def model(folder):
    """A SiglipModel whose text tower has odd sizes and any of the vocabularies."""
    torch.manual_seed(5)
    text = dict(vocab_size=840, hidden_size=20, intermediate_size=24, num_hidden_layers=1, num_attention_heads=2, max_position_embeddings=CONTEXT, projection_size=20)
    vision = dict(hidden_size=20, intermediate_size=24, num_hidden_layers=1, num_attention_heads=2, image_size=16, patch_size=8)
    net = transformers.SiglipModel(transformers.SiglipConfig(text_config=text, vision_config=vision)).eval()
    with torch.no_grad():
        for name, p in net.named_parameters():
            if p.ndim > 1:
                p.normal_(0, 1 if "embedding" in name else p[0].numel() ** -0.5)
            elif "norm" in name and name.endswith("weight"):
                p.uniform_(0.7, 1.3)
            elif p.numel() > 1:
                p.uniform_(-0.3, 0.3)
    net.save_pretrained(folder)
    return net


def embed(net, folder, strings, **options):
    """text_embeds of unit length, padded to the context as SigLIP was trained."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, **options)
    ids = tokenizer(strings, truncation=True, padding="max_length", max_length=CONTEXT, return_tensors="pt")["input_ids"]
    with torch.no_grad():
        e = net.get_text_features(input_ids=ids)
    e = getattr(e, "pooler_output", e)
    return [[round(x, 7) for x in row] for row in (e / e.norm(dim=-1, keepdim=True)).tolist()]


def generate(here, words, strings, dump):
    strings = strings + more()
    dump(here / "siglip_texts.json.gz", more())
    spiece, unigram, bpe = here / "spiece", here / "unigram", here / "gemma"
    train_spiece(words, spiece)
    transformers.SiglipTokenizer(str(spiece / "spiece.model")).save_pretrained(spiece)
    unigram_json(spiece, unigram)
    gemma(words, bpe)
    slow, fast = encode(spiece, strings), encode(unigram, strings)
    print(f"{len(strings)} texts; spiece.model and tokenizer.json differ on {sum(x != y for x, y in zip(slow, fast))}")
    dump(here / "spiece.json.gz", slow)
    print(f"legacy or not differ on {sum(x != y for x, y in zip(slow, encode(spiece, strings, legacy=False)))}")
    dump(here / "unigram.json.gz", fast)
    dump(here / "gemma.json.gz", encode(bpe, strings))
    net = model(here / "siglip")
    for case, folder, options in (("spiece", spiece, {}), ("unigram", unigram, {}), ("gemma", bpe, {}), ("gemma_left", bpe, {"padding_side": "left"})):
        dump(here / "siglip" / f"{case}.json", {"texts": EMBEDDED, "text_embeds": embed(net, folder, EMBEDDED, **options)})
