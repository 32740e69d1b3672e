"""The kinds of drawings that the small detector knows, and pictures of them with boxes."""

import re

import numpy as np
from PIL import Image

import cutouts
import emoji

# By kind, the names of its emoji.
KINDS = {
    "face": r"(?!cat|dog|monkey|wind|.*(clouds|dotted|moon|sun|tiger|horse|cow|pig|mouse|rabbit|dragon|baby)).*\bface\b.*"
    r"|exploding head|star struck|rolling on the floor laughing",
    "cat": r".*\bcat\b.*",
    "dog": r"dog face|dog|guide dog|service dog|poodle|wolf",
    "bird": r"rooster|chicken|baby chick|front facing baby chick|hatching chick|bird|penguin|dove|eagle|duck|swan|owl|dodo"
    r"|flamingo|parrot|black bird|goose",
    "fish": r"fish|tropical fish|blowfish|shark|dolphin|whale|spouting whale|seal",
    "flower": r"bouquet|cherry blossom|white flower|lotus|rosette|rose|wilted flower|hibiscus|sunflower|blossom|tulip|hyacinth",
    "tree": r"evergreen tree|deciduous tree|palm tree|cactus|christmas tree|leafless tree|potted plant",
    "fruit": r"melon|tangerine|lemon|lime|mango|red apple|green apple|pear|peach|cherries|strawberry|blueberries|tomato|grapes|pineapple",
    "cake": r"birthday cake|shortcake|cupcake|pie|custard|pancakes|waffle|doughnut|moon cake",
    "drink": r"glass of milk|hot beverage|teacup.*|wine glass|cocktail glass|tropical drink|beer mug|tumbler glass|cup with straw|bubble tea",
    "heart": r"(\w+ |light blue )?heart|heart with (arrow|ribbon)|heart suit",
    "star": r"star|glowing star|eight pointed star|dizzy|star of david",
    "moon": r"(?!new|full moon$).*\bmoon( face)?",
    "clock": r"\w+ o clock|\w+ thirty|watch|alarm clock|stopwatch|timer clock|mantelpiece clock",
    "hand": r"waving hand|raised back of hand|hand with fingers splayed|raised hand|vulcan salute|ok hand|victory hand|crossed fingers"
    r"|love you gesture|sign of the horns|call me hand|.*index pointing (?!at).*|thumbs up|thumbs down|raised fist|oncoming fist"
    r"|.* facing fist|.*wards hand|palm (up|down) hand|middle finger|pinched fingers|pinching hand",
    "car": r"(oncoming )?(automobile|taxi|police car|bus)|sport utility vehicle|pickup truck|racing car|ambulance|minibus|delivery truck",
    "boat": r"sailboat|canoe|speedboat|passenger ship|ferry|motor boat|ship",
    "house": r"house|house with garden|houses|derelict house|school|hospital|bank|hotel|convenience store|department store"
    r"|office building|post office|japanese post office|church",
    "ball": r"soccer ball|basketball|baseball|softball|tennis|volleyball|pool 8 ball|bowling|yarn",
    "book": r"notebook.*|closed book|open book|green book|blue book|orange book|books|ledger",
}
NAMES = list(KINDS)
OTHERS = 0.1  # the part of the drawings that are of no kind


class Drawings:
    """The drawings uint8 [N,128,128,4]; the kind of each or -1; and which are held out: those that the captioner did not
    see, and a tenth of the others of a kind."""

    def __init__(self, folder, cache):
        data = emoji.load(folder, cache, cutouts.DRAWN)
        train, single, never = emoji.split(data)
        kinds = np.full(len(data.names), -1)
        for e, (name, group) in enumerate(zip(data.names, data.groups)):
            for k, pattern in enumerate(KINDS.values()):
                if (group == "People & Body") == (NAMES[k] == "hand") and re.fullmatch(pattern, name):
                    kinds[e] = k
        self.pictures, self.kind, self.unseen = data.pictures, kinds[data.emoji], single | never
        self.held_out = self.unseen | train & (self.kind >= 0) & (np.random.default_rng(0).random(len(train)) < 0.1)


class Scene:
    """A picture uint8 [side,side,3]; boxes [n,4] as x, y of two corners in parts of the side, of what is seen of a drawing;
    its kind [n]; and of which of them each pixel is, int8 [side,side], or -1."""

    def __init__(self, picture, boxes, kinds, owner):
        self.picture, self.boxes, self.kinds, self.owner = picture, boxes, kinds, owner


class Maker(cutouts.Maker):
    """Makes scenes with boxes of some of the drawings, over grounds as the SAM's."""

    def __init__(self, drawings, mask, photographs, textures, side):
        super().__init__(drawings, None, mask, photographs, textures)
        self.side, kind = side, drawings.kind
        self.of_kind = [np.flatnonzero(mask & (kind == k)) for k in range(len(NAMES))]
        self.others = np.flatnonzero(mask & (kind < 0))
        self.known = [k for k, of in enumerate(self.of_kind) if len(of)]

    def scene(self, rng):
        side = self.side
        canvas = self.ground(rng).resize((side, side), Image.BILINEAR)
        count = rng.choice([1, 2, 2, 3, 3, 4, 5, 6])
        owner, areas, kinds = np.full((side, side), -1, np.int8), np.zeros(count), np.full(count, -1)
        for n in range(count):
            if rng.random() > OTHERS:
                kinds[n] = rng.choice(self.known)
            image = self.pictures[rng.choice(self.others if kinds[n] < 0 else self.of_kind[kinds[n]])]
            most = 0.8 if count < 3 else 0.5 if count < 5 else 0.4
            image = cutouts.varied(rng, image, side * np.exp(rng.uniform(np.log(0.22), np.log(most))))
            inside = np.asarray(image)[..., 3] > 127
            areas[n] = max(1, inside.sum())
            (w, h), tries = image.size, 0
            while True:  # not over too much of another
                x, y = (round(rng.uniform(*sorted([-0.1 * s, side - 0.9 * s]))) for s in (w, h))
                left, top, right, bottom = max(x, 0), max(y, 0), min(x + w, side), min(y + h, side)
                mine, below = inside[top - y : bottom - y, left - x : right - x], owner[top:bottom, left:right]
                tries += 1
                if (below[mine] >= 0).mean() < 0.15 if mine.any() else False:
                    canvas.paste(image, (x, y), image)
                    below[mine] = n
                    break
                if tries == 8:
                    break
        boxes, kept, of = [], [], np.full(count + 1, -1, np.int8)
        for n in np.flatnonzero(kinds >= 0):
            rows, columns = np.nonzero(owner == n)
            if len(rows) > 0.5 * areas[n]:
                of[n] = len(kept)
                boxes.append([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
                kept.append(kinds[n])
        boxes = np.array(boxes, np.float32).reshape(-1, 4) / side
        return Scene(cutouts.finish(rng, canvas), boxes, np.array(kept, int), of[owner])
