#!/usr/bin/env python3
"""Makes the goldens of package tokenizer: small vocabularies of our own and what
transformers' CLIPTokenizer, SiglipTokenizer and Siglip2Tokenizer make of some
2,500 texts with them.

    python golden/tokenizer/generate.py                      everything here
    python golden/tokenizer/generate.py --true bpe_simple_vocab_16e6.txt.gz
                                        clip.json.gz of CLIP's own vocabulary too
    python golden/tokenizer/generate.py --decoders      those of text encoders and decoders alone

CLIP's vocabulary is a file of the package open_clip_torch; it is not kept here,
the ids that it gives are.
"""

import argparse
import gzip
import json
import random
import sys
import tempfile
import unicodedata
from pathlib import Path

import transformers

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent / "zoo"))
import clip_tokenizer  # noqa: E402
import generate_decoders  # noqa: E402
import generate_siglip  # noqa: E402

WORDS = """a photo of the red apple cat dog running quickly through 1 2 3 42 2024 3.14 hello world it's they're we've I'm she'll he'd don't
rock'n'roll O'Neill café naïve façade Straße GROSSE ÉTÉ İstanbul ΣΊΣΥΦΟΣ ὈΔΥΣΣΕΎΣ Москва Україна ЩЁКИ Ђорђе 東京 大阪 こんにちは カタカナ ﾊﾝｶｸ 서울 안녕하세요 北京 简体 繁體
สวัสดี ภาษาไทย नमस्ते हिन्दी বাংলা தமிழ் తెలుగు ಕನ್ನಡ മലയാളം עברית שלום العربية مرحبا فارسی اردو ქართული Հայերեն አማርኛ ខ្មែរ မြန်မာ བོད་སྐད ᏣᎳᎩ ⴰⵎⴰⵣⵉⵖ Tiếng Việt ở đâu Ǆ ǅ ǆ ﬁ ﬀ Ⅷ ⅻ ½ ² ₃ ① ٣ ५ 七
😀 😂🤣 👍🏽 👩‍👩‍👧‍👦 🏳️‍🌈 🇫🇷🇩🇪 ❤️ ☕ ✨ 🧑🏿‍🚀 #️⃣ ♀ © ™ € £ ¥ ₹ ₿ § ¶ † ‡ • … – — ― ‘single’ “double” «guillemets» „low‟ "straight" 'straight' ''' `tick` ´acute´
https://example.org/path?x=1&y=%20#frag user@example.com C++ C# f(x)=x^2 {a:[1,2]} <b>bold</b> &amp; &lt; &#39; \\n /* */ // -- == != <= >= && || ++ $100.00 50% 1,000,000 12:30 2024-11-24 +49-30
<|startoftext|> <|endoftext|> <|ENDOFTEXT|> <|endoftext <start> [PAD] </w> Ġ ĉ Ċ ¡ ÿ e\u0301 A\u030a n\u0303 \u1100\u1161\u11a8 \u0344 \u2126 \u212b \uf900 \u0958 \ufb1d q\u0307\u0323""".split()
GAPS = [" ", " ", " ", " ", "", "  ", "\t", "\n", "\r\n", "\u00a0", "\u3000", "\u2009", "\u200b", "\u200d", "\ufeff", "\u0085", "\u2028", "\v", "\f", "\x1c", "\x1f", "\x00", "\x01", "\x7f", "\u00ad", "\u180e", "\u202e", "\ue000", "\U000f0000", "\u0378"]


def texts():
    r = random.Random(7)
    out = ["", " ", "\n\t ", *WORDS, *(w.upper() for w in WORDS), *(w.lower() for w in WORDS), *(w.title() for w in WORDS)]
    out += [f"x{g}y" for g in GAPS] + [f"{g}x{g}" for g in GAPS] + ["a" * 300, "ab " * 200, "é" * 100, "1" * 90, "!" * 90, "👍🏽" * 50, "'s" * 60]
    while len(out) < 2400:
        n = r.choice([1, 2, 2, 3, 3, 4, 5, 8, 13, 40])
        out.append("".join(r.choice(WORDS) + r.choice(GAPS) for _ in range(n)))
    # Single characters from all planes that have some, but surrogates and those
    # that Unicode got after version 14, which Go's tables may not know yet.
    for _ in range(400):
        c = r.choice([r.randrange(0x20, 0x3000), r.randrange(0x3000, 0xD800), r.randrange(0xF900, 0x10000), r.randrange(0x10000, 0x20000)])
        if unicodedata.category(chr(c)) != "Cn":
            out.append(f"a{chr(c)}B {chr(c)}")
    return list(dict.fromkeys(out))


def encode(tokenizer, strings):
    """The ids of each text, cut to 77."""
    return tokenizer(strings, truncation=True, max_length=77)["input_ids"]


def dump(path, value):
    data = json.dumps(value, ensure_ascii=True, separators=(",", ":")).encode()
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data + b"\n")
    print(f"{path}: {path.stat().st_size} bytes")


def true_vocabulary(path, folder):
    """CLIP's vocabulary as transformers keeps it: bytes, bytes at a word's end, merges, special tokens."""
    lines = gzip.decompress(Path(path).read_bytes()).decode().split("\n")
    merges = [tuple(line.split()) for line in lines[1 : 49152 - 256 - 2 + 1]]
    printable = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    rest = [b for b in range(256) if b not in printable]
    letters = [chr(b) for b in printable] + [chr(256 + i) for i in range(len(rest))]
    entries = letters + [c + "</w>" for c in letters] + ["".join(m) for m in merges] + [clip_tokenizer.START, clip_tokenizer.END]
    (folder / "vocab.json").write_text(json.dumps({e: i for i, e in enumerate(entries)}))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(" ".join(m) for m in merges) + "\n")


def main():
    arg = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arg.add_argument("--true", metavar="FILE", help="CLIP's bpe_simple_vocab_16e6.txt.gz")
    arg.add_argument("--keep", metavar="FOLDER", help="keep vocab.json and merges.txt of --true there")
    arg.add_argument("--decoders", action="store_true", help="only the goldens of text encoders and decoders")
    a = arg.parse_args()
    strings = texts()
    if a.decoders:
        generate_decoders.generate(WORDS, strings, dump)
        return
    small = HERE / "small"
    small.mkdir(exist_ok=True)
    clip_tokenizer.save(clip_tokenizer.train(WORDS * 3, 1000), small, 77)
    dump(HERE / "texts.json.gz", strings)
    fast = encode(transformers.PreTrainedTokenizerFast.from_pretrained(small), strings)
    slow = encode(transformers.CLIPTokenizer(vocab=str(small / "vocab.json"), merges=str(small / "merges.txt")), strings)
    print(f"{len(strings)} texts; tokenizer.json and vocab.json differ on {sum(x != y for x, y in zip(fast, slow))}")
    dump(HERE / "small.json.gz", fast)
    generate_siglip.generate(HERE, WORDS, strings, dump)
    generate_decoders.generate(WORDS, strings, dump)
    if a.true:
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(a.keep or temporary)
            folder.mkdir(exist_ok=True)
            true_vocabulary(a.true, folder)
            reference = transformers.CLIPTokenizer(vocab=str(folder / "vocab.json"), merges=str(folder / "merges.txt"))
            dump(HERE / "clip.json.gz", encode(reference, strings))


if __name__ == "__main__":
    main()
