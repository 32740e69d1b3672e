"""Small vocabularies as those of text encoders and decoders (BERT's, GPT-2's,
RoBERTa's, Whisper's, SmolLM's, XLM-R's) and what transformers makes of the texts
with them.

Each kind is one archive: a folder for each case, and beside it CASE.json: the ids
of some texts, and CASE.crc: of every text the low half of a CRC-32 of its ids, the
ids without special tokens, and the text of the ids without and with special
tokens."""

import io
import json
import random
import re
import tempfile
import zipfile
import zlib
from pathlib import Path

import sentencepiece
import tokenizers
import transformers
from tokenizers import AddedToken, decoders, models, normalizers, pre_tokenizers, processors, trainers

HERE = Path(__file__).resolve().parent

# Parts of texts beside those that the other tokenizers have: special tokens,
# contractions, runs of white space and of digits, code.
PARTS = """[CLS] [SEP] [PAD] [UNK] [MASK] [DEC] [ENC] [cls] Zyxw zyxw ZYXW zýxw Qúz quz ##ing un##able <s> </s> <pad> <unk> <mask> <MASK> <|endoftext|> <|im_start|> <|im_end|>
<|startoftranscript|> <|en|> <|ko|> <|transcribe|> <|notimestamps|> <|0.00|> <|29.98|> <|1.0|> <image> <fake_token_around_image> <row_1_col_2> <global-img> <end_of_utterance>
it's IT'S we'll WE'LL 'd 'D don't o'clock ''s 'sx 're've x'm ʼs ’s 0 12 345 6789 1234567 3.14159 1e-9 0xFF ٣٤ ४५ 五 ½ Ⅷ x1y2 a\u00a0b
def f(x):\n\treturn\u0020x**2\n \n\n\n \r\n \t\t \u3000\u3000 \u2003 \u0085 \u2028 \x0b \x1c ▁ ▁▁a a▁b ... !!! ?! ($5.00) {"k":[1,2]} <p>x</p> http://a.b/c?d=e#f user@host.org C:\\dir\\file.txt /usr/bin/env
한국어 안녕하세요. 서울특별시에서 2,024년을 ㄱㄴㄷ \u1112\u1161\u11ab 日本語のテキスト。 ﾃｷｽﾄ 中文，文本！ 𠀀𪛖 العَرَبِيَّة مرحبًا हिन्दी क़लम ไทยไม่มีช่องว่าง Việt\u0323 n\u0303 A\u030a ﬁ Å Ω ß ẞ İi Iı Σς ΑΣ
👍🏽 👩‍👩‍👧 🇰🇷🇯🇵 ❤️ 🏴\U000e0067\U000e0062\U000e007f \u200b \u200d \ufeff \u00ad \ufffd \x00 \x07 \x7f \ue000 \U0001fae0""".replace("\\n", "\n").split(" ")
PARTS = [p.encode().decode("unicode_escape") if p.isascii() and "\\" in p and "dir" not in p else p for p in PARTS]

# Ranges of code points that texts are drawn from by rule, in the tests too.
RANGES = [
    (0x20, 0x7E), (0x20, 0x7E), (0x61, 0x7A), (0x61, 0x7A), (0x30, 0x39), (0x20, 0x20), (0xA0, 0x17F), (0x391, 0x3A1), (0x3A3, 0x3C9), (0x410, 0x44F),
    (0x5D0, 0x5EA), (0x621, 0x63A), (0x641, 0x652), (0x904, 0x939), (0x93E, 0x94D), (0xE01, 0xE3A), (0xE40, 0xE4E), (0x10D0, 0x10F0), (0x1100, 0x1112),
    (0x1161, 0x1175), (0x11A8, 0x11C2), (0xAC00, 0xD7A3), (0xAC00, 0xD7A3), (0x3041, 0x3096), (0x30A1, 0x30FA), (0x4E00, 0x9FA5), (0x4E00, 0x9FA5),
    (0x20000, 0x2A6D6), (0x300, 0x36F), (0x1F600, 0x1F64F), (0x1F3FB, 0x1F3FF), (0x200B, 0x200F), (0xFE0E, 0xFE0F), (0x1F1E6, 0x1F1FF), (0x2010, 0x2027),
    (0x2000, 0x200A), (0x3000, 0x3003), (0x00, 0x1F), (0x7F, 0x9F), (0x660, 0x669), (0x2160, 0x2188), (0xB2, 0xBE), (0xFF01, 0xFF5E), (0xFB00, 0xFB04),
    (0x1E00, 0x1EFF), (0x2200, 0x22FF), (0x20A0, 0x20BF), (0xE000, 0xE010), (0x1D400, 0x1D454),
]  # fmt: skip


def drawn(count):
    """Texts of code points by a linear congruential generator."""
    state = 20
    out = []

    def below(n):
        nonlocal state
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (state >> 33) % n

    for _ in range(count):
        text = ""
        for _ in range(1 + below(8)):
            low, high = RANGES[below(len(RANGES))]
            for _ in range(1 + below(5)):
                text += chr(low + below(high - low + 1))
            text += " " * (below(4) // 2)
        out.append(text)
    return out


def more():
    r = random.Random(21)
    out = ["".join(r.choice(PARTS) + r.choice(["", " ", " ", "  "]) for _ in range(r.choice([1, 2, 3, 5, 8]))) for _ in range(500)]
    out += ["x" * 99 + "y", "x" * 100 + "y", "é" * 100, "é" * 101, "a" * 100 + " b", "한" * 120, "1" * 200, " " * 200 + "a", "a" + "\n" * 50]
    return list(dict.fromkeys(PARTS + [f" {p} " for p in PARTS] + out))


def corpus(words):
    """Lines of English, of code and of the words of the texts."""
    import pydoc_data.topics

    r = random.Random(9)
    lines = "\n".join(pydoc_data.topics.topics.values()).split("\n")
    r.shuffle(lines)
    return [line.strip() for line in lines if line.strip()][:4000] + [" ".join(r.choices(words + [p for p in PARTS if "|" not in p and p[:1] not in "ZzQq"], k=6)) for _ in range(3000)]


def golden(tokenizer, strings):
    """What the tests compare with."""
    # WhisperTokenizer's own decode takes what looks like a timestamp out of the text;
    # here the tokens are taken out.
    times = set()
    if isinstance(tokenizer, transformers.WhisperTokenizer):
        times = {i for token, i in tokenizer.get_vocab().items() if re.fullmatch(r"<\|\d+\.\d+\|>", token)}
    crc, some = b"", {}
    for i, s in enumerate(strings):
        ids = tokenizer(s)["input_ids"]
        part = tokenizer(s, add_special_tokens=False)["input_ids"]
        texts = [tokenizer._decode([x for x in ids if not (skip and x in times)], skip_special_tokens=skip) for skip in (True, False)]
        data = b"".join(x.to_bytes(4, "little") for x in [*ids, *part]) + "\0".join(texts).encode()
        crc += (zlib.crc32(data) & 0xFFFF).to_bytes(2, "little")
        if i % 160 == 0 and len(ids) < 60:
            some[i] = {"ids": ids, "text": texts[0], "all": texts[1]}
    return {"size": len(tokenizer), "some": some}, crc


class Archive:
    """An archive of cases: equal files give equal bytes."""

    def __init__(self, strings):
        self.strings, self.files = strings, {}

    def case(self, name, folder, cls=transformers.AutoTokenizer):
        tokenizer = cls.from_pretrained(folder)
        for path in sorted(Path(folder).iterdir()):
            self.files[f"{name}/{path.name}"] = path.read_bytes()
        some, self.files[f"{name}.crc"] = golden(tokenizer, self.strings)
        self.files[f"{name}.json"] = json.dumps(some, separators=(",", ":")).encode()
        print(f"{name}: {type(tokenizer).__name__}, {len(tokenizer)} tokens")

    def write(self, path):
        data = io.BytesIO()
        with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as z:
            for name, content in sorted(self.files.items()):
                z.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), content, zipfile.ZIP_DEFLATED, 9)
        path.write_bytes(data.getvalue())
        print(f"{path}: {path.stat().st_size} bytes")


def files(**contents):
    """A new folder of files."""
    folder = Path(tempfile.mkdtemp())
    for name, content in contents.items():
        text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
        (folder / re.sub(r"_(json|txt)$", r".\1", name)).write_text(text, newline="")
    return folder


def wordpiece(words, strings):
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    t = tokenizers.Tokenizer(models.WordPiece(unk_token="[UNK]"))
    t.normalizer = normalizers.BertNormalizer(lowercase=False)
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    lines = corpus(words)
    t.train_from_iterator(lines + [line.lower() for line in lines], trainers.WordPieceTrainer(vocab_size=1500, limit_alphabet=500, special_tokens=special, show_progress=False))
    vocab = sorted(t.get_vocab().items(), key=lambda x: x[1])
    text = "".join(token + "\n" for token, _ in vocab)
    out = Archive(strings)
    out.case("vocab", files(vocab_txt=text), transformers.BertTokenizer)
    out.case("cased", files(vocab_txt=text, tokenizer_config_json={"tokenizer_class": "BertTokenizer", "do_lower_case": False, "model_max_length": 77}))
    out.case("mixed", files(vocab_txt=text.replace("\n", "\r\n"), added_tokens_json={"[ENC]": 1501, "[DEC]": 1500, "Zyxw": 1502}, special_tokens_map_json={"cls_token": "[CLS]", "mask_token": {"content": "[MASK]", "lstrip": True, "rstrip": False, "single_word": False, "normalized": False}, "additional_special_tokens": ["[DEC]", "[ENC]"]},
                            tokenizer_config_json={"tokenizer_class": "BertTokenizerFast", "do_lower_case": False, "strip_accents": True, "tokenize_chinese_chars": False, "clean_up_tokenization_spaces": True}))  # fmt: skip
    bert = transformers.BertTokenizer(vocab=dict(vocab))
    bert.add_tokens([AddedToken("[DEC]", special=True), AddedToken("[ENC]", special=True), AddedToken("Zyxw"), AddedToken("Qúz", rstrip=True, lstrip=True)])
    folder = Path(tempfile.mkdtemp())
    bert.save_pretrained(folder)
    out.case("bert", folder)
    t.normalizer = normalizers.BertNormalizer(clean_text=False, lowercase=True, strip_accents=False)
    t.decoder = decoders.WordPiece(cleanup=False)
    t.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    t.add_tokens(["O'clock"])
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=t, pad_token="[PAD]", unk_token="[UNK]", padding_side="left")
    folder = Path(tempfile.mkdtemp())
    fast.save_pretrained(folder)
    out.case("fast", folder)
    out.write(HERE / "wordpiece.zip")


def saved(tokenizer):
    """The folder of a tokenizer."""
    folder = Path(tempfile.mkdtemp())
    tokenizer.save_pretrained(folder)
    return folder


def byte_level(words, strings):
    t = tokenizers.Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    t.train_from_iterator(corpus(words), trainers.BpeTrainer(vocab_size=900, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), max_token_length=12, show_progress=False))
    model = json.loads(t.to_str())["model"]
    merges = [tuple(m) for m in model["merges"]]
    words_only = [token for token, _ in sorted(model["vocab"].items(), key=lambda x: x[1])]
    numbered = lambda tokens: {token: i for i, token in enumerate(tokens)}  # noqa: E731
    gpt2 = numbered([*words_only, "<|endoftext|>"])
    roberta = numbered(["<s>", "<pad>", "</s>", "<unk>", *words_only, "<mask>"])
    pairs = "#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges)
    out = Archive(strings)
    out.case("gpt2", files(vocab_json=gpt2, merges_txt=pairs), transformers.GPT2Tokenizer)
    out.case("prefix", files(vocab_json=gpt2, merges_txt=pairs, tokenizer_config_json={"tokenizer_class": "GPT2Tokenizer", "add_prefix_space": True, "add_bos_token": True, "additional_special_tokens": ["<|im_start|>"], "added_tokens_decoder": {"900": {"content": "<|endoftext|>", "special": True}, "901": {"content": "<|im_start|>", "special": True}}}))
    out.case("trocr", files(vocab_json=roberta, merges_txt=pairs, tokenizer_config_json={"tokenizer_class": "RobertaTokenizer", "add_prefix_space": False, "trim_offsets": True, "mask_token": {"__type": "AddedToken", "content": "<mask>", "lstrip": True, "rstrip": False, "normalized": True, "single_word": False}},
                            special_tokens_map_json={"bos_token": "<s>", "mask_token": {"content": "<mask>", "lstrip": True, "rstrip": False, "normalized": True, "single_word": False}}))  # fmt: skip
    out.case("roberta", saved(transformers.RobertaTokenizer(vocab=roberta, merges=merges, add_prefix_space=True)))
    whisper = transformers.WhisperTokenizer(vocab=gpt2, merges=merges)
    special = ["<|startoftranscript|>", "<|en|>", "<|zh|>", "<|de|>", "<|es|>", "<|ru|>", "<|ko|>", "<|translate|>", "<|transcribe|>", "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>"]
    whisper.add_tokens([AddedToken(x, special=True, normalized=False) for x in special])
    whisper.add_tokens([AddedToken(f"<|{i * 0.02:.2f}|>", special=False, normalized=False) for i in range(26)])
    whisper.set_prefix_tokens(language="ko", task="transcribe")
    out.case("whisper", saved(whisper))
    t = tokenizers.Tokenizer(models.BPE(vocab=gpt2, merges=merges))
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    t.decoder = decoders.ByteLevel()
    t.add_special_tokens(["<|im_start|>", "<|im_end|>", "<fake_token_around_image>", "<image>", "<end_of_utterance>", *(f"<row_{r}_col_{c}>" for r in (1, 2) for c in (1, 2)), "<global-img>"])
    out.case("smol", saved(transformers.PreTrainedTokenizerFast(tokenizer_object=t, bos_token="<|im_start|>", eos_token="<end_of_utterance>", pad_token="<|im_end|>", clean_up_tokenization_spaces=True)))
    rare = numbered([*(x for x in gpt2 if x not in ("Ã", "ĥ", "Ġthe")), "Ġquickly", "<unk>"])
    t = tokenizers.Tokenizer(models.BPE(vocab=rare, merges=[m for m in merges if not {m[0], m[1], m[0] + m[1]} & {"Ã", "ĥ", "Ġthe"} and not any(x in "".join(m) for x in "Ãĥ") and not "".join(m).startswith("Ġthe")], unk_token="<unk>", fuse_unk=True, ignore_merges=True))
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(tokenizers.Regex(LLAMA), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=True, use_regex=False)])
    t.decoder = decoders.ByteLevel()
    t.add_special_tokens(["<|endoftext|>"])
    t.add_tokens([AddedToken("Zyxw", lstrip=True), AddedToken("<|en|>", normalized=False, rstrip=True)])
    t.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=True), processors.TemplateProcessing(single="<|endoftext|> $A", special_tokens=[("<|endoftext|>", rare["<|endoftext|>"])])])
    out.case("llama", saved(transformers.PreTrainedTokenizerFast(tokenizer_object=t)))
    out.case("qwen2", files(vocab_json=gpt2, merges_txt=pairs, tokenizer_config_json={"tokenizer_class": "Qwen2Tokenizer", "additional_special_tokens": ["<|im_start|>"], "added_tokens_decoder": {"900": {"content": "<|endoftext|>", "special": True}, "901": {"content": "<|im_start|>", "special": True}}}))
    out.write(HERE / "bytelevel.zip")


def xlmr(words, strings):
    """sentencepiece.bpe.model as XLM-R's, whose first pieces are <unk>, <s>, </s>."""
    import generate_siglip

    r = random.Random(4)
    folder = Path(tempfile.mkdtemp())
    generate_siglip.rules(folder / "rules.tsv")
    lines = [line for line in corpus(words) if "<" not in line]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(r.sample(lines, 5000)), model_prefix=str(folder / "sentencepiece"), model_type="unigram", vocab_size=700, hard_vocab_limit=False,
        character_coverage=0.98, unk_id=0, bos_id=1, eos_id=2, pad_id=-1, normalization_rule_tsv=str(folder / "rules.tsv"), num_threads=1, minloglevel=2,
    )  # fmt: skip
    proto = transformers.convert_slow_tokenizer.import_protobuf().ModelProto.FromString((folder / "sentencepiece.model").read_bytes())
    proto.trainer_spec.model_prefix = proto.normalizer_spec.normalization_rule_tsv = ""  # paths of the machine
    out = Archive(strings)
    old = files(tokenizer_config_json={"tokenizer_class": "XLMRobertaTokenizer", "clean_up_tokenization_spaces": True}, special_tokens_map_json={"mask_token": {"content": "<mask>", "lstrip": True, "rstrip": False, "normalized": True, "single_word": False}})
    (old / "sentencepiece.bpe.model").write_bytes(proto.SerializeToString())
    out.case("old", old)
    out.case("xlmr", saved(transformers.AutoTokenizer.from_pretrained(old, clean_up_tokenization_spaces=False)))
    out.write(HERE / "xlmr.zip")


LLAMA = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


def generate(words, strings, dump):
    """All kinds, of these texts, SigLIP's and those above."""
    import generate_siglip

    dump(HERE / "decoder_texts.json.gz", more())
    strings = strings + generate_siglip.more() + more() + drawn(600)
    print(f"{len(strings)} texts for decoders")
    wordpiece(words, strings)
    byte_level(words, strings)
    xlmr(words, strings)
