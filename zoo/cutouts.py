"""Drawings pasted over photographs, textures and gradients. What is cut out is known exactly: it is their alpha."""

import os

import numpy as np
import skimage
from PIL import Image, ImageFilter

import emoji

SIZE = 256  # of a picture
DRAWN = 128  # of a drawing as it is kept
FLAT = [0, 1, 2, 4]  # of emoji.STYLES: those whose areas have one colour
# Of scikit-image's pictures; those of the second row are for trying alone.
TEXTURES = "astronaut.png brick.png grass.png hubble_deep_field.jpg ihc.png motorcycle_left.png page.png retina.jpg rocket.jpg text.png"
HELD_OUT = "chelsea.png coffee.png coins.png gravel.png motorcycle_right.png"


class Scene:
    """A picture uint8 [256,256,3]; owner int8 [256,256], the drawing that is seen at each pixel or -1; part uint8
    [256,256], the area of one colour of that drawing or 0; touching, by drawing those that overlap it in one group."""

    def __init__(self, picture, owner, part, touching):
        self.picture, self.owner, self.part, self.touching = picture, owner, part, touching


def parts(pictures, style, cache):
    """The connected areas of one colour in each drawing, uint8 [N,64,64], numbered from 1; 0 where an area is smaller
    than 3 % of the drawing or larger than 70 %."""
    saved = os.path.join(cache, "parts.npy")
    if os.path.exists(saved):
        return np.load(saved)
    out = np.zeros((len(pictures), 64, 64), np.uint8)
    for i in np.flatnonzero(np.isin(style, FLAT)):
        small = Image.fromarray(pictures[i]).convert("RGBa").resize((64, 64), Image.BOX).convert("RGBA")
        drawn = np.asarray(small)[..., 3] > 127
        colours = np.asarray(small.convert("RGB").filter(ImageFilter.MedianFilter(3)).quantize(6, kmeans=2)).astype(int)
        labels = skimage.measure.label(np.where(drawn, colours + 1, 0), connectivity=1)
        areas = np.bincount(labels.ravel())
        chosen = np.flatnonzero((areas >= 0.03 * drawn.sum()) & (areas <= 0.7 * drawn.sum()))
        for n, area in enumerate(chosen[chosen > 0]):
            out[i][labels == area] = n + 1
    np.save(saved, out)
    return out


class Maker:
    """Makes scenes of the drawings of a mask over photographs uint8 [N,32,32,3] and textures, by names."""

    def __init__(self, data, areas, mask, photographs, textures):
        self.pictures, self.areas, self.photographs = data.pictures, areas, photographs
        self.chosen = np.flatnonzero(mask)
        folder = os.path.join(os.path.dirname(skimage.__file__), "data")
        self.textures = [Image.open(os.path.join(folder, t)).convert("RGB") for t in textures.split()]

    def scene(self, rng, most=6):
        canvas = self.ground(rng)
        owner, part = np.full((SIZE, SIZE), -1, np.int8), np.zeros((SIZE, SIZE), np.uint8)
        count = min(most, rng.choice([1, 1, 1, 2, 2, 2, 3, 3, 4, 5]))
        touching = [{n} for n in range(count)]
        for n in range(count):
            image, inside, areas = self.drawing(rng, count)
            (w, h), out = image.size, rng.uniform(-0.1, 0.15)  # how much of it may be outside
            x, y = (round(rng.uniform(*sorted([-out * s, SIZE - s + out * s]))) for s in (w, h))
            canvas.paste(image, (x, y), image)
            left, top, right, bottom = max(x, 0), max(y, 0), min(x + w, SIZE), min(y + h, SIZE)
            if left >= right or top >= bottom:
                continue
            inside, areas = (m[top - y : bottom - y, left - x : right - x] for m in (inside, areas))
            below = owner[top:bottom, left:right]
            for other in np.unique(below[inside]):
                if other >= 0:
                    both = touching[n] | touching[other]
                    for k in both:
                        touching[k] = both
            below[inside] = n
            part[top:bottom, left:right][inside] = areas[inside]
        return Scene(finish(rng, canvas), owner, part, touching)

    def drawing(self, rng, count):
        """A drawing as RGBA, which of its pixels count as drawn, and their areas."""
        i = rng.choice(self.chosen)
        side = round(SIZE * min(0.9, np.exp(rng.uniform(np.log(0.18), np.log(0.9 if count < 3 else 0.55)))))
        image, areas = self.pictures[i], self.areas[i]
        if rng.random() < 0.5:
            image, areas = image[:, ::-1], areas[:, ::-1]
        if rng.random() < 0.15:
            image = np.concatenate([image[..., rng.permutation(3)], image[..., 3:]], 2)
        elif rng.random() < 0.05:  # only its outline, filled with another picture
            filled = np.asarray(self.ground(rng).resize((DRAWN, DRAWN), Image.BOX))
            image, areas = np.concatenate([filled, image[..., 3:]], 2), np.zeros_like(areas)
        image, areas = Image.fromarray(np.ascontiguousarray(image)).convert("RGBa"), Image.fromarray(np.ascontiguousarray(areas))
        size = side, max(20, round(side * rng.uniform(0.7, 1.3))) if rng.random() < 0.2 else side
        image, areas = image.resize(size, Image.BICUBIC), areas.resize(size, Image.NEAREST)
        if rng.random() < 0.4:
            turn = rng.uniform(-30, 30) if rng.random() < 0.7 else rng.uniform(-180, 180)
            image, areas = image.rotate(turn, Image.BICUBIC, True), areas.rotate(turn, Image.NEAREST, True)
        image = image.convert("RGBA")
        return image, np.asarray(image)[..., 3] > 127, np.asarray(areas)

    def ground(self, rng):
        kind = rng.random()
        if kind < 0.4:
            image, most, least = Image.fromarray(self.photographs[rng.integers(len(self.photographs))]), 32, 20
        elif kind < 0.7:
            image = self.textures[rng.integers(len(self.textures))]
            most, least = min(image.size), min(160, min(image.size))
        else:
            return gradient(rng, kind < 0.9)
        side = rng.uniform(least, most)
        x, y = (rng.uniform(0, s - side) for s in image.size)
        image = image.resize((SIZE, SIZE), Image.BICUBIC, (x, y, x + side, y + side))
        return image.transpose(Image.FLIP_LEFT_RIGHT) if rng.random() < 0.5 else image


def varied(rng, image, wide):
    """A drawing uint8 [128,128,4] as RGBA, about wide pixels across: mirrored, squeezed, turned, with other colours, or not."""
    if rng.random() < 0.5:
        image = image[:, ::-1]
    if rng.random() < 0.1:
        image = np.concatenate([image[..., rng.permutation(3)], image[..., 3:]], 2)
    size = round(wide), round(wide * rng.uniform(0.75, 1.33)) if rng.random() < 0.3 else round(wide)
    image = Image.fromarray(np.ascontiguousarray(image)).convert("RGBa").resize(size, Image.BILINEAR)
    if rng.random() < 0.4:
        image = image.rotate(rng.normal(0, 15), Image.BILINEAR, True)
    return image.convert("RGBA")


def gradient(rng, varied):
    """A plain ground, white in one of three cases, or one that goes from one colour to another, with or without noise."""
    a = np.full(3, 255.0) if not varied and rng.random() < 0.33 else rng.uniform(0, 255, 3)
    x = np.tile(a, (SIZE, SIZE, 1))
    if varied:
        angle, bent = rng.uniform(0, 2 * np.pi), rng.uniform(0.5, 2)
        rows, columns = np.mgrid[0:SIZE, 0:SIZE] / (SIZE - 1) - 0.5
        ramp = np.clip(np.cos(angle) * rows + np.sin(angle) * columns + 0.5, 0, 1) ** bent
        if rng.random() < 0.3:
            ramp = (np.floor(ramp * rng.integers(3, 20)) % 2) * rng.uniform(0.3, 1)  # stripes
        x += ramp[..., None] * (rng.uniform(0, 255, 3) - a)
    if rng.random() < 0.3:
        x += rng.normal(0, rng.uniform(2, 25), (SIZE, SIZE, 1))
    return Image.fromarray(x.clip(0, 255).astype(np.uint8))


def finish(rng, canvas):
    """Light and contrast; seldom a blur."""
    if rng.random() < 0.15:
        canvas = canvas.filter(ImageFilter.GaussianBlur(rng.uniform(0.5, 1.5)))
    if rng.random() < 0.5:
        contrast, light = rng.uniform(0.6, 1.2), rng.uniform(-40, 40)
        canvas = canvas.point([min(255, max(0, round((v - 128) * contrast + 128 + light))) for v in range(256)] * 3)
    return np.asarray(canvas)


def load(folder, cache):
    """The emoji at 128 pixels, and their parts."""
    data = emoji.load(folder, cache, DRAWN)
    return data, parts(data.pictures, data.style, cache)
