"""Two drawings in one, with words for both: "a pear with a crown", "a bus on fire", "a bell cake"."""

import random

import numpy as np
from PIL import Image

from emoji import SIZE

# By name, what is put on top of a thing, over its middle, or held at its side; how it is called; and its width beside the thing's.
WORN = {
    "crown": ("a crown", 0.62),
    "top hat": ("a top hat", 0.6),
    "woman s hat": ("a hat", 0.75),
    "billed cap": ("a cap", 0.65),
    "graduation cap": ("a graduation cap", 0.75),
    "ribbon": ("a ribbon", 0.5),
}
SEEN = {"sunglasses": ("sunglasses", 0.8), "glasses": ("glasses", 0.8), "goggles": ("goggles", 0.75), "eyes": ("eyes", 0.55)}
CARRIED = {
    n: (f"an {n}" if n[0] in "aeiou" else f"a {n}", 0.55)
    for n in "balloon,umbrella,guitar,trumpet,violin,candle,key,hammer,camera,flashlight,book,magnet,shield,axe,broom,basket,bell,"
    "bomb,tulip,rose,sunflower,leaf,cookie,lollipop,ice cream,banana,carrot,fish,wrapped gift,soccer ball,trophy,kite,magic wand,"
    "teddy bear,heart,star,clock,backpack,scarf,lock,pencil,scissors,mushroom,snowflake,cloud".split(",")
}
FLAMES = "fire"
# The animals without "face" in their names of whom the head alone, or mostly, is drawn: the others' heads may be anywhere.
HEADS = "fox,wolf,bear,polar bear,panda,koala,hamster,frog,lion,unicorn,moose,chicken,penguin,baby chick,owl,octopus,snail,fish".split(",")
COUNTS = {"worn": 2600, "seen": 2200, "on fire": 1500, "carried": 2600, "in it": 3600}


def make(drawings, animals):
    """Pairs of a picture uint8 [64,64,4] and its caption, of drawings: pictures of single things by name. animals are
    the names of those that have a head. The same ones each time."""
    draw = random.Random(0)
    names = [n for n in sorted(drawings) for _ in range(1 if " " in bare(n) else 4)]  # plain words more often
    faced = [n for n in names if n not in animals or n in HEADS or n.endswith(" face")]
    made = []
    for kind, count in COUNTS.items():
        for _ in range(count):
            if kind == "in it":
                first, second = draw.choice(names), draw.choice(names)
                if len(f"{first} {second}".split()) > 4 or first == second:
                    continue
                picture = over(drawings[second], drawings[first], draw.uniform(0.5, 0.6), jittered(draw, 0.5), jittered(draw, 0.52))
                made.append((picture, f"{bare(first)} {bare(second)}"))
                continue
            options = {"worn": WORN, "seen": SEEN, "carried": CARRIED, "on fire": {FLAMES: (None, 0.62)}}[kind]
            thing, extra = draw.choice(faced if kind in ("worn", "seen") else names), draw.choice(list(options))
            if thing in options or extra not in drawings or len(thing.split()) > 3:
                continue
            words, wide = options[extra]
            a, b = drawings[thing], drawings[extra]
            if kind == "worn":
                picture = crowned(a, b, wide)
            elif kind == "seen":
                picture = over(a, b, wide, 0.5, 0.42)
            elif kind == "carried":
                picture = over(a, b, wide, jittered(draw, 0.74), jittered(draw, 0.74))
            else:
                picture = over(a, b, wide, jittered(draw, 0.5), jittered(draw, 0.7))
            made.append((picture, f"{bare(thing)} on fire" if kind == "on fire" else f"{bare(thing)} with {words}"))
    return made


def bare(name):
    return name.removesuffix(" face")


def jittered(draw, at):
    return at + draw.uniform(-0.04, 0.04)


def box(picture):
    """Left, top, right and bottom of what is drawn."""
    solid = picture[..., 3] > 100
    x, y = np.flatnonzero(solid.any(0)), np.flatnonzero(solid.any(1))
    return x[0], y[0], x[-1] + 1, y[-1] + 1


def scaled(picture, wide):
    """What is drawn, wide pixels in width, or in height where it is higher, as RGBA."""
    image = Image.fromarray(np.ascontiguousarray(picture)).crop(box(picture)).convert("RGBa")
    by = wide / max(image.size)
    return image.resize([max(1, round(s * by)) for s in image.size], Image.BICUBIC).convert("RGBA")


def over(below, above, wide, x, y):
    """One drawing over another: its width as a part of the other's, its middle at x, y of the other's box."""
    left, top, right, bottom = box(below)
    image = Image.fromarray(np.ascontiguousarray(below))
    small = scaled(above, wide * max(right - left, bottom - top))
    at = [left + x * (right - left) - small.width / 2, top + y * (bottom - top) - small.height / 2]
    at = [round(min(max(p, 0), SIZE - s)) for p, s in zip(at, small.size)]
    image.alpha_composite(small, tuple(at))
    return np.asarray(image)


def crowned(below, above, wide):
    """One drawing on top of another, which is made smaller to leave room."""
    canvas = Image.new("RGBA", (SIZE, SIZE))
    hat, thing = scaled(above, wide * 46), scaled(below, 46)
    canvas.alpha_composite(thing, ((SIZE - thing.width) // 2, SIZE - thing.height))
    top = max(0, SIZE - thing.height - round(0.72 * hat.height))
    canvas.alpha_composite(hat, ((SIZE - hat.width) // 2, top))
    return np.asarray(canvas)
