"""Emoji with names: pictures of several hands, and captions.

The packages, unpacked side by side in one folder (each its npm tarball's `package`):
emoji-datasource-google and emoji-datasource-twitter (64x64 PNG), fluentui-emoji and
openmoji (SVG), emojilib (names and keywords).
"""

import json
import os
import re
from io import BytesIO

import numpy as np
from PIL import Image

SIZE = 64
STYLES = ["noto", "twemoji", "fluent flat", "fluent modern", "openmoji"]


class Emoji:
    """Pictures uint8 [N,size,size,4] with the emoji and the style of each; by emoji its name, keywords, short
    names (without underlines and numbers) and group ("Food & Drink")."""

    def __init__(self, pictures, emoji, style, names, words, shorts, groups):
        self.pictures, self.emoji, self.style = pictures, emoji, style
        self.names, self.words, self.shorts, self.groups = names, words, shorts, groups


def load(folder, cache, size=SIZE):
    """All emoji but flags of countries, without skin tones, size pixels wide. cache keeps the decoded pictures."""
    with open(find(folder, "emoji-datasource-google", "emoji.json")) as f:
        listed = [e for e in json.load(f) if e.get("subcategory") not in ("country-flag", "subdivision-flag", "skin-tone")]
    with open(find(folder, "emojilib", "dist/emoji-en-US.json")) as f:
        keywords = json.load(f)
    names, words, shorts, groups, sources = [], [], [], [], []
    for e in sorted(listed, key=lambda e: e["sort_order"]):
        known = keywords.get(character(e)) or keywords.get(character(e).replace("\ufe0f", "")) or [e["name"]]
        known = [plain(w) for w in known if plain(w)]
        if known and (drawn := drawings(folder, e, known[0])):
            sources += [(len(names), style, path) for style, path in drawn.items()]
            names.append(known[0]), words.append(known[1:])
            brief = [plain(w.replace("-", " ").rstrip("0123456789")) for w in e["short_names"]]
            shorts.append([w for w in brief if w and w != known[0]]), groups.append(e["category"])
    saved = os.path.join(cache, "emoji.npy" if size == SIZE else f"emoji_{size}.npy")
    if os.path.exists(saved):
        pictures = np.load(saved)
    else:
        pictures = np.stack([decode(path, size) for _, _, path in sources])
        np.save(saved, pictures)
    return Emoji(pictures, np.array([e for e, _, _ in sources]), np.array([s for _, s, _ in sources]), names, words, shorts, groups)


def character(e):
    return "".join(chr(int(c, 16)) for c in e["unified"].split("-"))


def plain(word):
    """Lower case, words with spaces between them; "" for smileys of signs."""
    word = re.sub(r"[^\w' ]+", " ", word.replace("_", " ").lower()).strip()
    return re.sub(r"\s+", " ", word) if re.search(r"\w\w", word) else ""


def find(folder, package, name):
    """A file of an unpacked package, whose folder may have the version in its name."""
    for entry in sorted(os.listdir(folder)):
        path = os.path.join(folder, entry, "package", name)
        if entry.startswith(package) and os.path.exists(path):
            return path
    raise SystemExit(f"{folder}: there is no {package}*/package/{name}; unpack the npm package there")


def drawings(folder, e, name):
    """The paths of an emoji's pictures by style."""
    code = e["unified"]
    short = "-".join(c for c in code.split("-") if c != "FE0F")
    slugs = [re.sub(r"\W+", "-", name), re.sub(r"\W+", "-", e["name"].lower()), e["short_name"].replace("_", "-")]
    candidates = {
        0: [("emoji-datasource-google", f"img/google/64/{e['image']}")],
        1: [("emoji-datasource-twitter", f"img/twitter/64/{e['image']}")],
        2: [("fluentui-emoji", f"icons/flat/{slug}.svg") for slug in slugs],
        3: [("fluentui-emoji", f"icons/modern/{slug}.svg") for slug in slugs],
        4: [("openmoji", f"color/svg/{c}.svg") for c in (code, short)],
    }
    found = {}
    for style, files in candidates.items():
        for package, name in files:
            try:
                found[style] = find(folder, package, name)
                break
            except SystemExit:
                continue
    return found


def decode(path, size):
    """A picture as RGBA [size,size,4]."""
    if path.endswith(".svg"):
        import resvg_py

        image = Image.open(BytesIO(bytes(resvg_py.svg_to_bytes(svg_path=path, width=size, height=size))))
    else:
        image = Image.open(path)
    return np.asarray(image.convert("RGBA").resize((size, size), Image.LANCZOS))


def over_white(rgba):
    """A picture uint8 [H,W,4] as [H,W,3] over white."""
    x = rgba.astype(np.float32)
    return (x[..., :3] * x[..., 3:] / 255 + 255 - x[..., 3:]).round().astype(np.uint8)


def split(emoji, seed=0, apart=0.06, drawn=0.15):
    """Boolean masks over the pictures: to train with, drawings held out of emoji that are trained
    on, and all drawings of emoji held out altogether."""
    rng = np.random.default_rng(seed)
    outside = rng.random(len(emoji.names)) < apart
    never = outside[emoji.emoji]
    single = np.zeros(len(never), bool)
    for e in np.flatnonzero(~outside & (rng.random(len(outside)) < drawn)):
        mine = np.flatnonzero(emoji.emoji == e)
        if len(mine) >= 3:
            single[rng.choice(mine)] = True
    return ~never & ~single, single, never
