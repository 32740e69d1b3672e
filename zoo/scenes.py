"""Pictures of one to six drawings, and photographs, with captions, and questions with their answers."""

import random

import numpy as np
from PIL import Image, ImageFilter

import cifar10
import emoji
import things

SIZE = emoji.SIZE
NUMBERS = ["no", "one", "two", "three", "four", "five", "six"]
HANDS = ["noto", "twemoji", "fluent", "fluent", "openmoji"]  # of emoji.STYLES
PHOTOGRAPHED = ["car" if y == "automobile" else y for y in cifar10.LABELS]
KINDS = {"one": 0.44, "photo": 0.14, "pair": 0.18, "group": 0.13, "groups": 0.06, "three": 0.05}


class Drawn:
    """A thing in a picture: its noun, its colour or None, and the places and the size of its copies as fractions of the
    picture."""

    def __init__(self, noun, colour, picture, hand):
        self.noun, self.colour, self.picture, self.hand, self.places, self.size = noun, colour, picture, hand, [], 0.0

    def words(self):
        return f"{self.colour} {self.noun}" if self.colour else self.noun

    def phrase(self):
        """As in a caption: "a red apple", "three red apples"."""
        if len(self.places) > 1:
            return NUMBERS[len(self.places)] + " " + things.plural(self.words())
        return things.one(self.words(), self.noun)


class Scene:
    """A picture uint8 [64,64,3] with its kind (of KINDS), what is drawn in it from left to right (or from above), and
    its caption."""

    def __init__(self, kind, picture, drawn, caption):
        self.kind, self.picture, self.drawn, self.caption = kind, picture, drawn, caption


class Maker:
    """Makes scenes of the drawings of a mask that show one of the wanted nouns, all if None, and of photographs."""

    def __init__(self, data, mask, photographs, labels, wanted=things.COMMON):
        self.nouns = [things.noun(n, g) for n, g in zip(data.names, data.groups)]
        self.nouns = [n if not wanted or n in wanted else None for n in self.nouns]
        self.data, self.photographs, self.labels = data, photographs, labels
        self.by_emoji = {}
        for i in np.flatnonzero(mask):
            if self.nouns[data.emoji[i]]:
                self.by_emoji.setdefault(data.emoji[i], []).append(i)
        self.by_noun = {}
        for e in self.by_emoji:
            self.by_noun.setdefault(self.nouns[e], []).append(e)
        self.all = sorted(self.by_noun)
        self.several = [n for n in self.all if things.counted(n) and len(n.split()) < 3]
        self.colours = {}

    def drawing(self, i, rng, plain=0.6):
        """Drawing i as it is or recoloured, mirrored or not, or None where the colour asked for did not come out."""
        noun, picture = self.nouns[self.data.emoji[i]], self.data.pictures[i]
        target = None if rng.random() < plain else rng.choice(list(things.TINTS))
        if target and self.colours.get((i, target), target) == target:
            picture = things.tinted(picture, target)
        if (i, target) not in self.colours:
            self.colours[i, target] = things.colour(picture)
        colour = self.colours[i, target]
        if target and colour != target:
            return None
        if rng.random() < 0.3:
            picture = picture[:, ::-1]
        return Drawn(noun, colour, picture, HANDS[self.data.style[i]])

    def any(self, rng, nouns, plain=0.6, but=()):
        """Some drawing of one of the nouns."""
        while True:
            noun = rng.choices(nouns, [len(self.by_noun[n]) ** 0.4 for n in nouns])[0]
            if noun not in but and (made := self.drawing(rng.choice(self.by_emoji[rng.choice(self.by_noun[noun])]), rng, plain)):
                return made
            plain = plain if len(nouns) > 1 else 1.0 if rng.random() < 0.2 else plain

    def scene(self, rng, kind=None):
        kind = kind or rng.choices(list(KINDS), KINDS.values())[0]
        if kind == "photo":
            return self.photograph(rng, rng.randrange(len(self.labels)))
        if kind == "one":
            drawn = [self.any(rng, self.all)]
            sizes = [rng.uniform(0.5, 1.0) if rng.random() < 0.8 else rng.uniform(0.3, 0.5)]
            free = (1 - sizes[0]) / 2
            drawn[0].places = [(0.5 + rng.uniform(-free, free), 0.5 + rng.uniform(-free, free))]
            caption = drawn[0].phrase()
        elif kind == "pair":
            first = self.any(rng, self.several)
            if rng.random() < 0.15 and first.colour and (second := self.any(rng, [first.noun], 0.2)).colour not in (None, first.colour):
                pass
            else:
                second = self.any(rng, self.several, but=[first.noun])
            drawn, apart, across = [first, second], rng.uniform(0.24, 0.28), rng.random() < 0.75
            sizes = [rng.uniform(0.34, 0.48) for _ in drawn]
            for d, s in zip(drawn, (-1, 1)):
                along, off = 0.5 + s * apart, 0.5 + rng.uniform(-0.14, 0.14)
                d.places = [(along, off) if across else (off, along)]
            caption = f"{first.phrase()} {'left of' if across else 'above'} {second.phrase()}"
        elif kind == "three":
            drawn = [self.any(rng, self.several)]
            while len(drawn) < 3:
                drawn.append(self.any(rng, self.several, but=[d.noun for d in drawn]))
            sizes = [rng.uniform(0.28, 0.34) for _ in drawn]
            for d, x in zip(drawn, (0.18, 0.5, 0.82)):
                d.places = [(x, 0.5 + rng.uniform(-0.25, 0.25))]
            caption = f"{drawn[0].phrase()}, {drawn[1].phrase()} and {drawn[2].phrase()}"
        else:
            drawn, sizes = self.groups(rng, kind)
            caption = " and ".join(d.phrase() for d in drawn)
        return Scene(kind, self.paint(rng, drawn, sizes), drawn, caption)

    def groups(self, rng, kind):
        """One thing two to six times, or two of which the first is there more often."""
        first = self.any(rng, self.several)
        if kind == "group":
            drawn, counts = [first], [rng.choice([2, 2, 3, 3, 4, 4, 5, 6])]
        else:
            drawn = [first, self.any(rng, self.several, but=[first.noun])]
            counts = rng.choice([(2, 1), (3, 1), (3, 2), (4, 1), (4, 2)])
        total = sum(counts)
        rows, columns = rng.choice({2: [(2, 2)], 3: [(2, 2), (2, 3), (3, 2)], 4: [(2, 2), (2, 3), (3, 2)]}.get(total, [(2, 3), (3, 2), (3, 3)]))
        cells = rng.sample([((c + 0.5) / columns, (r + 0.5) / rows) for r in range(rows) for c in range(columns)], total)
        size = rng.uniform(0.75, 0.95) / max(rows, columns)
        free = (1 / max(rows, columns) - size) / 2
        for d, n in zip(drawn, counts):
            d.places = [(x + rng.uniform(-free, free), y + rng.uniform(-free, free)) for x, y in (cells.pop() for _ in range(n))]
        return drawn, [size] * len(drawn)

    def paint(self, rng, drawn, sizes):
        """The drawings in places of the given sizes, fractions of the picture, over a ground of another colour."""
        while True:
            ground = np.ones((SIZE, SIZE, 3)) * 255
            kind = rng.random()
            if kind < 0.5:
                a, b = [rng.choice([rng.uniform(0, 255), rng.uniform(160, 255)]) for _ in "rgb"], None
                ground[:] = a
                if kind < 0.2:
                    b = np.array([rng.uniform(0, 255) for _ in "rgb"])
                    ramp = np.linspace(0, 1, SIZE)[:, None, None]
                    ground = (ramp.transpose(1, 0, 2) if rng.random() < 0.5 else ramp) * (b - ground) + ground
            ground = ground.astype(np.uint8)
            seen = {things.COLOURS[k] for k in np.unique(things.kinds(ground[::21, ::21])) if k >= 0}
            if not seen & {d.colour for d in drawn} or rng.random() < 0.02:
                break
        canvas = Image.fromarray(ground)
        for d, size in zip(drawn, sizes):
            d.size = size
            for x, y in d.places:
                side = round(size * SIZE * (rng.uniform(0.93, 1.0) if len(d.places) > 1 else 1))
                image = Image.fromarray(np.ascontiguousarray(d.picture)).convert("RGBa")
                if len(drawn) == 1 and len(d.places) == 1 and rng.random() < 0.4:
                    image = image.rotate(rng.uniform(-15, 15), Image.BICUBIC)
                image = image.resize((side, side), Image.BOX if side < 24 and rng.random() < 0.3 else Image.LANCZOS).convert("RGBA")
                canvas.paste(image, (round(x * SIZE - side / 2), round(y * SIZE - side / 2)), image)
        if rng.random() < 0.15:
            small = rng.choice([32, 40, 48])
            canvas = canvas.resize((small, small), Image.BICUBIC).resize((SIZE, SIZE), Image.BICUBIC)
        return lit(rng, canvas)

    def photograph(self, rng, i):
        image = Image.fromarray(self.photographs[i])
        edge = rng.uniform(0, 5), rng.uniform(0, 5)
        side = rng.uniform(27, 32)
        box = (min(edge[0], 32 - side), min(edge[1], 32 - side))
        image = image.resize((SIZE, SIZE), Image.BICUBIC, (*box, box[0] + side, box[1] + side))
        if rng.random() < 0.5:
            image = image.transpose(Image.FLIP_LEFT_RIGHT)
        if rng.random() < 0.3:
            image = image.filter(ImageFilter.UnsharpMask(2, 100, 2))
        shown = Drawn(PHOTOGRAPHED[self.labels[i]], None, None, None)
        shown.places, shown.size = [(0.5, 0.5)], 1.0
        return Scene("photo", lit(rng, image), [shown], f"a photo of {things.one(shown.noun, shown.noun)}")


def lit(rng, image):
    """A picture with a little more or less light and contrast."""
    x = np.asarray(image).astype(np.float32)
    x = (x - 128) * rng.uniform(0.85, 1.15) + 128 + rng.uniform(-16, 16)
    return x.clip(0, 255).astype(np.uint8)


def questions(scene, maker, rng):
    """Pairs of a question and its answer about a scene, one of each kind that can be asked."""
    d, many = scene.drawn, [n for n in maker.several if n not in [d.noun for d in scene.drawn]]
    hue = rng.choice(["colour", "color"])
    asked = []
    absent = rng.choice(PHOTOGRAPHED if scene.kind == "photo" else many)
    there = rng.choice(d)
    if rng.random() < 0.5 and absent not in [t.noun for t in d]:
        asked.append((f"is there {things.one(absent, absent)}", "no"))
    elif things.counted(there.noun):
        asked.append((f"is there {things.one(there.noun, there.noun)}", "yes"))
    if scene.kind in ("one", "photo"):
        asked.append((rng.choice(["what is this", "what is it", "what is in the picture", "what can you see"]), d[0].noun))
        asked.append((rng.choice(["is this a photo", "is it a photo"]), "yes" if scene.kind == "photo" else "no"))
    if scene.kind == "photo":
        return asked
    if scene.kind == "one":
        asked.append((rng.choice(["what style is this", "which style is it", "what style is it drawn in"]), d[0].hand))
    if there.colour and sum(t.noun == there.noun for t in d) == 1:
        if len(there.places) > 1:
            asked.append((f"what {hue} are the {things.plural(there.noun)}", there.colour))
        elif len(d) == 1 and rng.random() < 0.4:
            asked.append((rng.choice([f"what {hue} is it", f"what {hue} is this"]), there.colour))
        else:
            asked.append((f"what {hue} is the {there.noun}", there.colour))
        if len(there.places) == 1 and things.counted(there.noun):
            shade = there.colour if rng.random() < 0.5 else rng.choice(things.COLOURS)
            asked.append((f"is there {things.one(shade + ' ' + there.noun, there.noun)}", "yes" if shade == there.colour else "no"))
    total = sum(len(t.places) for t in d)
    form = rng.choice(["how many {}", "how many {} are there", "how many {} can you see"])
    asked.append((form.format("things"), str(total)))
    if things.counted(there.noun):
        counted = there.noun if rng.random() < 0.85 else absent
        number = sum(len(t.places) for t in d if t.noun == counted)
        asked += [(form.format(things.plural(counted)), str(number))] * (2 if total > 1 else 1)
    if scene.kind == "pair" or scene.kind == "three":
        asked += placed(scene, rng)
    return asked


def placed(scene, rng):
    """Questions of where two or three things are."""
    d = scene.drawn
    across = scene.kind == "three" or "left of" in scene.caption
    before, after = ("left of", "right of") if across else ("above", "below")
    i = rng.randrange(len(d) - 1)
    a, b = d[i], d[i + 1]
    if a.noun == b.noun:
        return []
    asked = [rng.choice([(f"what is {before} the {b.noun}", a.noun), (f"what is {after} the {a.noun}", b.noun)])] * 2
    x, y = rng.choice([(a, b), (b, a)])
    asked.append((f"is the {x.noun} {rng.choice([before, after])} the {y.noun}", None))
    relation = before if f" {before} " in asked[-1][0] else after
    asked[-1] = (asked[-1][0], "yes" if (relation == before) == (x is a) else "no")
    if across:
        ends = [("what is on the left", d[0].noun), ("what is on the right", d[-1].noun)]
    else:
        ends = [("what is at the top", d[0].noun), ("what is at the bottom", d[-1].noun)]
    if scene.kind == "three":
        ends.append(("what is in the middle", d[1].noun))
    asked.append(rng.choice(ends))
    return asked
