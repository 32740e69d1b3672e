"""Lines of text, drawn with free fonts: what the recogniser learns from, labelled by construction."""

import functools
import gettext
import glob
import os
import re
import unicodedata

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

HEIGHT = 40  # pixels of a line
SIZES = [12, 14, 16, 18, 21, 24, 28, 32, 38, 46]  # of the letters that are drawn
ASCII = "".join(map(chr, range(0x20, 0x7F)))
HANGUL = bytes(b for lead in range(0xB0, 0xC9) for trail in range(0xA1, 0xFF) for b in (lead, trail)).decode("euc_kr")  # KS X 1001
MORE = "₩€£·"
# What is drawn now and then for a character, and read as it.
ALIKE = {'"': "“”", "'": "‘’", "-": "–—"}

# Beginnings of the names of font files, and those of them that only the evaluation sees.
KOREAN = """NanumBarunGothic.ttf NanumBarunGothicBold NanumBarunGothicLight NanumBarunpen NanumGothic.ttf NanumGothicBold
NanumGothicCoding NanumGothicExtraBold NanumGothicLight NanumMyeongjo.ttf NanumMyeongjoBold NanumMyeongjoExtraBold NanumSquareB.
NanumSquareEB NanumSquareL NanumSquareR. NotoSansCJK NotoSerifCJK UnBatang UnDotum UnGraphic UnGungseo UnShinmun UnTaza UnVada
hline batang gulim dotum UnDinaru NanumSquareRound""".split()
LATIN = """DejaVuSans DejaVuSerif LiberationSans LiberationSerif LiberationMono Carlito Caladea Lato-Reg Lato-Bold Lato-Italic
Lato-Light. Lato-Black. OpenSans EBGaramond12 LinLibertine_R LinBiolinum_R Inconsolata Hack texgyre FreeSans FreeMono Cantarell-
Courier NotoMono NotoSansMono Comfortaa FreeSerif Roboto-Reg Roboto-Bold. Roboto-Italic RobotoCondensed-Reg LiberationMono""".split()
HELD_OUT = ("gulim", "dotum", "UnDinaru", "NanumSquareRound", "FreeSerif", "Roboto", "LiberationMono")
NOT = ("-math", "chorus", "Thin", "_RZ", "LinLibertine_DR")


class Fonts:
    """The font files below a folder, by alphabet; held out or not."""

    def __init__(self, folder, held_out):
        files = sorted(f for f in glob.glob(os.path.join(folder, "**", "*"), recursive=True) if f.lower().endswith(("ttf", "otf", "ttc")))
        names = {f: os.path.basename(f) for f in files}
        files = [f for f in files if names[f].startswith(HELD_OUT) == held_out and not any(n in names[f] for n in NOT)]
        self.korean = [f for f in files if names[f].startswith(tuple(KOREAN))]
        self.latin = [f for f in files if names[f].startswith(tuple(LATIN))]
        if not self.korean or not self.latin:
            raise FileNotFoundError(f"{folder} has not the fonts of Debian's packages that lines.py lists")

    def pick(self, text, rng):
        """A font that has the characters of a text, or none."""
        hangul = any(c >= "가" for c in text)
        files = self.korean if hangul or "₩" in text or rng.random() < 0.15 else self.latin
        path = files[rng.integers(len(files))]
        return path if all(has(path, c) for c in text) else None


@functools.lru_cache(600)
def load(path, size):
    index = 1 if path.endswith(".ttc") else 0  # Korean
    return ImageFont.truetype(path, size, index=index, layout_engine=ImageFont.Layout.BASIC)


@functools.lru_cache(None)
def has(path, character):
    """That a font draws a character, and not the box that stands for those it has not."""
    shown, box = (load(path, 24).getmask(c) for c in (character, "\U0010fffe"))
    return shown.size != box.size or bytes(shown) != bytes(box) or character == " "


class Texts:
    """What lines say: words and sentences of dictionaries and of programs' messages, numbers, and characters by chance."""

    def __init__(self, folder):
        allowed = set(ASCII + HANGUL + MORE)
        self.korean, self.english, korean, english = [], [], set(), set()
        for path in sorted(glob.glob(os.path.join(folder, "locale", "ko", "LC_MESSAGES", "*.mo"))):
            with open(path, "rb") as f:
                catalogue = gettext.GNUTranslations(f)._catalog
            for key, value in catalogue.items():
                key = key[0] if isinstance(key, tuple) else key
                for text, into in ((value, self.korean), (key, self.english)):
                    for line in text.splitlines():
                        words = line.split()
                        if words and set("".join(words)) <= allowed:
                            into.append(words)
        with open(os.path.join(folder, "hunspell", "ko.dic"), encoding="utf8") as f:
            for line in f:
                word = unicodedata.normalize("NFC", line.split("/")[0].strip())
                if 1 < len(word) < 9 and not word.isascii() and set(word) <= allowed:
                    korean.add(word)
        with open(os.path.join(folder, "dict", "american-english"), encoding="utf8") as f:
            english = {w for w in f.read().split() if w.isascii()}
        self.korean_words, self.english_words = sorted(korean), sorted(english)

    def line(self, rng, room, kind=None):
        """A text that is about as wide as room: a Hangul syllable counts 2. kind is korean, ascii or any (None)."""
        kinds = {"korean": (0.45, 0.35, 0.2, 0, 0, 0), "ascii": (0, 0, 0, 0.6, 0.25, 0.15), None: (0.27, 0.19, 0.16, 0.2, 0.1, 0.08)}[kind]
        which = rng.choice(6, p=kinds)
        if which == 0:
            text = "".join(" " * (rng.random() < 0.12) + HANGUL[rng.integers(len(HANGUL))] for _ in range(room // 2))
        elif which in (1, 3) and rng.random() < 0.6 or which == 1:
            pool = self.korean_words if which == 1 else self.english_words
            text = " ".join(pool[rng.integers(len(pool))] for _ in range(1 + room // 5))
            if which == 1 and rng.random() < 0.2:
                text = number(rng) + text
        elif which in (2, 3):
            pool = self.korean if which == 2 else self.english
            words = pool[rng.integers(len(pool))]
            text = " ".join(words[rng.integers(len(words)):])
        elif which == 4:
            text = number(rng)
            while len(text) < room and rng.random() < 0.5:
                text += " " + number(rng)
        else:
            text = "".join((ASCII + MORE)[rng.integers(95 + len(MORE))] for _ in range(room))
        if which == 3:
            case = rng.random()
            text = text.upper() if case < 0.12 else text.title() if case < 0.3 else text
            if rng.random() < 0.1:
                text = text.replace(" ", [", ", ". ", "; ", ": ", "/", "-", " (", ") "][rng.integers(8)], 1)
        return cut(re.sub(" +", " ", text), room)


def cut(text, room):
    """The beginning of a text that fits."""
    for i, c in enumerate(text):
        room -= 2 if c >= "가" else 1
        if room < 0:
            text = text[: max(i, 1)]
            break
    return text.strip() or "a"


def number(rng):
    """A number as documents write them."""
    n = int(10 ** rng.uniform(0, 8))
    forms = [f"{n}", f"{n:,}", f"{n / 100:,.2f}", f"{n % 1000 / 10}%", f"${n:,}", f"₩{n:,}", f"€{n / 100:.2f}", f"£{n:,}", f"({n:,})", f"-{n}"]
    forms += [f"{n:,}원", f"{1950 + n % 100}.{1 + n % 12}.{1 + n % 28}", f"{1950 + n % 100}-{1 + n % 12:02}-{1 + n % 28:02}"]
    forms += [f"{1950 + n % 100}년 {1 + n % 12}월", f"{n % 24:02}:{n % 60:02}", f"+82-{n % 100:02}-{n % 10000:04}", f"#{n:x}", f"{n}/{n % 97}"]
    if rng.random() < 0.3:
        return forms[rng.integers(10)]
    return forms[rng.integers(len(forms))]


def draw(text, path, size, rng, spread):
    """The ink of a text [h, w], 0 to 255, with margins of its size all around, and where each character's middle is."""
    font = load(path, size)
    ends = [font.getlength(text[: i + 1]) for i in range(len(text))] if not spread else None
    if spread:
        ends = np.cumsum([font.getlength(c) + spread * size for c in text])
    starts = np.concatenate([[0], ends[:-1]])
    image = Image.new("L", (int(ends[-1]) + 2 * size, int(3.4 * size)))
    pen = ImageDraw.Draw(image)
    shown = "".join(alike(c, path, rng) for c in text)
    if spread:
        for at, c in zip(starts, shown):
            pen.text((size + at, size), c, 255, font)
    else:
        pen.text((size, size), shown, 255, font)
    return image, size + (starts + np.array(ends)) / 2


def alike(character, path, rng):
    """The character, or another that is read as it."""
    if character in ALIKE and rng.random() < 0.25:
        other = ALIKE[character][rng.integers(2)]
        return other if has(path, other) else character
    return character


def ink(image):
    """Left, top, right and bottom of what is drawn."""
    return image.getbbox() or (0, 0, *image.size)


def line(text, path, rng, neighbours=None):
    """A line as a detector would cut it out: its ink [HEIGHT, w], and where the characters' middles are, pixels from the left.
    neighbours gives the text of a line above or below, or none."""
    hangul = any(c >= "가" for c in text)
    size = SIZES[rng.integers(2 if hangul else 0, len(SIZES))]
    spread = 0 if rng.random() < 0.75 else rng.uniform(-0.02, 0.15) if rng.random() < 0.85 else rng.uniform(0.15, 0.4)
    image, middles = draw(text, path, size, rng, spread)
    left, top, right, bottom = ink(image)
    if rng.random() < 0.4:  # a detector sees a line of a, c, e … in company as high as others
        top, bottom = min(top, int(size * 1.15)), max(bottom, int(size * 1.95))
    high = max(bottom - top, 0.35 * size)
    middle = (top + bottom) / 2
    if neighbours is not None:
        other, _ = draw(neighbours, path, size, rng, 0)
        image.paste(other, (int(rng.uniform(-size, size)), int(rng.choice([-1, 1]) * size * rng.uniform(1.1, 1.5))), other)
    if rng.random() < 0.04:
        y = bottom + rng.uniform(0.02, 0.25) * size
        ImageDraw.Draw(image).line((left, y, right, y), 255, max(1, size // 14))
    upper, lower = high * rng.uniform(-0.03, 0.28), high * rng.uniform(-0.03, 0.28)
    before, after = high * rng.uniform(0, 0.45), high * rng.uniform(0, 0.45)
    scale = HEIGHT / (high + upper + lower)  # of source to goal
    wide = scale * np.exp(rng.normal(0, 0.09))
    x0, y0 = left - before, middle - high / 2 - upper
    width = int(round((right - left + before + after) * wide))
    slant = rng.normal(0, 0.1) if rng.random() < 0.4 else 0.0
    slope = rng.normal(0, 1) * min(0.03, 2.5 / width)
    a, b, d, e = 1 / wide, slant / scale, slope / scale, 1 / scale
    c, f = x0 - b * HEIGHT / 2, y0 - d * width / 2
    out = image.transform((width, HEIGHT), Image.Transform.AFFINE, (a, b, c, d, e, f), Image.Resampling.BILINEAR)
    if rng.random() < 0.45:
        out = out.filter(ImageFilter.GaussianBlur(abs(rng.normal(0, 0.9))))
    return np.asarray(out), (middles - x0) * wide


def colour(masks, rng):
    """Pictures float32 [n,3,h,w] in [-1, 1] of lines' ink [n,h,w], 0 to 1: ink and paper, light from a side, spots, noise."""
    n, h, w = masks.shape

    def each(low, high, *shape):
        return rng.uniform(low, high, (n, *shape)).astype(np.float32)

    dark = each(0, 0.45, 1, 1, 1) + each(-0.1, 0.1, 3, 1, 1)
    light = np.maximum(each(0.5, 1.05, 1, 1, 1), dark.max(1, keepdims=True) + 0.3) + each(-0.05, 0.05, 3, 1, 1)
    swap = each(0, 1, 1, 1, 1) < 0.15
    paper, pen = np.where(swap, dark, light), np.where(swap, light, dark)
    m = (masks ** np.exp(each(-0.5, 0.5, 1, 1)) * each(0.7, 1, 1, 1))[:, None]
    x = paper + (pen - paper) * m
    shade = np.linspace(-1, 1, w, dtype=np.float32) * each(-0.12, 0.12, 1, 1) + np.linspace(-1, 1, h, dtype=np.float32)[:, None] * each(-0.12, 0.12, 1, 1)
    spots = rng.standard_normal((n, 4, max(2, w // 16)), dtype=np.float32).repeat(h // 4, 1).repeat(16, 2)[:, :, :w]
    shade[..., : spots.shape[2]] += spots * np.maximum(each(-0.05, 0.05, 1, 1), 0)
    grain = rng.standard_normal((n, h, w), dtype=np.float32) * np.maximum(each(-0.04, 0.06, 1, 1), 0)
    return ((x + (shade + grain)[:, None]).clip(0, 1) - 0.5) * 2


class Maker:
    """Lines by the seed of a generator."""

    def __init__(self, fonts, texts):
        self.fonts, self.texts = fonts, texts

    def make(self, rng, room, kind=None):
        """A text, its ink and its characters' middles."""
        path = None
        while path is None:
            text = self.texts.line(rng, room, kind)
            path = self.fonts.pick(text, rng)
        near = self.texts.line(rng, room, kind) if rng.random() < 0.15 else None
        if near and not all(has(path, c) for c in near):
            near = None
        return text, *line(text, path, rng, near)
