"""Pages with text, and where its lines are: what the detector learns from, labelled by construction."""

import io

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

import lines

SIZES = [10, *lines.SIZES, 56, 68, 82]  # of letters

GROWTH = 1.5  # what the program grows a box by: area · GROWTH / perimeter


class Maker:
    """Pages by the seed of a generator."""

    def __init__(self, fonts, texts, photographs):
        self.fonts, self.texts, self.photographs = fonts, texts, photographs

    def make(self, rng, side):
        """A picture uint8 [side, side, 3], its lines' corners [n, 4, 2], pixels, from the top left one clockwise, and texts."""
        image, boxes, self.said = self.ground(rng, side), [], []
        dark = np.asarray(image).mean() < 115
        size = float(np.exp(rng.uniform(np.log(10), np.log(36))))
        columns = int(rng.choice([1, 2, 3], p=[0.6, 0.3, 0.1])) if size < 20 else 1
        gap = size * rng.uniform(1.6, 4)
        margin = size * rng.uniform(0.2, 2.5)
        wide = (side - 2 * margin - (columns - 1) * gap) / columns
        for c in range(columns):
            left, y = margin + c * (wide + gap), margin * rng.uniform(0, 1.5)
            while y < side - size:
                y = self.block(image, boxes, rng, left, y, wide, size, dark) + size * rng.uniform(0.2, 2.2)
        if rng.random() < 0.5:
            image, boxes = tilted(image, boxes, rng)
        return spoiled(image, rng), np.array(boxes, float).reshape(-1, 4, 2), self.said

    def ground(self, rng, side):
        """What the text stands on."""
        kind = rng.random()
        if kind < 0.12:  # a photograph, faded or not
            photo = self.photographs[rng.integers(len(self.photographs))]
            w = int(rng.integers(64, min(photo.size) + 1))
            x, y = (int(rng.integers(0, n - w + 1)) for n in photo.size)
            image = photo.crop((x, y, x + w, y + w)).resize((side, side))
            return Image.blend(image, Image.new("RGB", image.size, (255, 255, 255) if rng.random() < 0.7 else (0, 0, 0)), rng.uniform(0.1, 0.8))
        base = rng.uniform(0.75, 1) if rng.random() < 0.85 else rng.uniform(0, 0.3)
        colour = np.clip(base + rng.normal(0, 0.03, 3), 0, 1) * 255
        x = np.ones((side, side, 1)) * colour
        if rng.random() < 0.4:  # light from a side
            ramp = np.linspace(-1, 1, side)
            x = x * (1 + rng.uniform(-0.3, 0.3) * ramp[:, None, None] / 2 + rng.uniform(-0.3, 0.3) * ramp[None, :, None] / 2)
        return Image.fromarray(x.clip(0, 255).astype(np.uint8))

    def block(self, image, boxes, rng, left, y, wide, size, dark):
        """Draw a heading, a paragraph, a table, a figure or a rule at a height; give the height below it."""
        kind = rng.choice(6, p=[0.14, 0.5, 0.14, 0.08, 0.07, 0.07])
        pen = ImageDraw.Draw(image)
        ink = rng.uniform(0.6, 1) if dark else rng.uniform(0, 0.4)
        ink = tuple(int(v) for v in np.clip(ink + rng.normal(0, 0.08, 3) * (rng.random() < 0.4), 0, 1) * 255)
        if kind == 3:
            high = size * rng.uniform(2, 9)
            self.figure(image, rng, (left, y, left + wide * rng.uniform(0.3, 1), y + high))
            return y + high
        if kind == 4:
            pen.line((left, y, left + wide, y + rng.uniform(-2, 2)), ink, max(1, int(size / 12)))
            return y
        font = None
        while font is None:
            font = self.fonts.pick(self.texts.line(rng, 12), rng)
        hangul = font in self.fonts.korean and rng.random() < 0.8
        big = min(size * (rng.uniform(1.2, 3.0) if kind == 0 else 1.0), 90)
        face = lines.load(font, min(SIZES, key=lambda s: abs(s - big)))
        space = face.size * rng.uniform(1.25, 1.9)
        if kind == 2:
            return self.table(image, boxes, rng, left, y, wide, face, font, space, ink, hangul)
        indent = rng.uniform(0, wide / 2) if rng.random() < 0.2 else 0
        for i in range(int(rng.integers(1, 3)) if kind in (0, 5) else int(rng.integers(2, 9))):
            room = (wide - indent) * (1 if rng.random() < 0.75 and kind == 1 else rng.uniform(0.15, 1))
            self.put(image, boxes, rng, left + indent, y, room, face, font, ink, hangul)
            y += space
            if y > image.height:
                break
        return y

    def words(self, rng, room, font, hangul):
        """A text of some room that the font has."""
        for _ in range(4):
            text = self.texts.line(rng, max(2, room), None if hangul else "ascii")
            more = 0
            while len(text) < room * 0.7 and more < 6:
                text, more = text + " " + self.texts.line(rng, max(2, room - len(text)), None if hangul else "ascii"), more + 1
            if all(lines.has(font, c) for c in text):
                return text
        return "a" * max(1, min(room, 5))

    def put(self, image, boxes, rng, x, y, wide, face, font, ink, hangul):
        """Write a line that is at most so wide, and note its box."""
        text = self.words(rng, int(wide / face.size * 1.9), font, hangul)
        length = face.getlength(text)
        if length > wide:
            text = text[: max(1, int(len(text) * wide / length))].rstrip() or text[0]
        ImageDraw.Draw(image).text((x, y), text, ink, face)
        a, b, c, d = face.getbbox(text)
        if d - b < face.size * 0.55:  # a line of dots, dashes or low letters
            middle = (b + d) / 2
            b, d = min(b, middle - 0.3 * face.size), max(d, middle + 0.3 * face.size)
        self.said.append(text)
        boxes.append([(x + a, y + b), (x + c, y + b), (x + c, y + d), (x + a, y + d)])

    def table(self, image, boxes, rng, left, y, wide, face, font, space, ink, hangul):
        columns = int(rng.integers(2, 5))
        cell, pen, ruled = wide / columns, ImageDraw.Draw(image), rng.random()
        if cell < 4 * face.size:
            return y
        for _ in range(int(rng.integers(2, 7))):
            if ruled < 0.4:
                pen.line((left, y - space * 0.12, left + wide, y - space * 0.12), ink)
            for c in range(columns):
                x = left + c * cell
                if ruled < 0.2:
                    pen.line((x - 3, y - space * 0.12, x - 3, y + space * 0.88), ink)
                if rng.random() < 0.9:
                    self.put(image, boxes, rng, x, y, (cell - 1.8 * face.size) * rng.uniform(0.3, 1), face, font, ink, hangul)
            y += space
        return y

    def figure(self, image, rng, box):
        """Something that is no text."""
        x0, y0, x1, y1 = (int(v) for v in box)
        if x1 - x0 < 8 or y1 - y0 < 8:
            return
        if rng.random() < 0.5:
            photo = self.photographs[rng.integers(len(self.photographs))]
            image.paste(photo.resize((x1 - x0, y1 - y0)), (x0, y0))
            return
        pen = ImageDraw.Draw(image)
        for _ in range(int(rng.integers(2, 12))):
            xs, ys = np.sort(rng.uniform(x0, x1, 2)), np.sort(rng.uniform(y0, y1, 2))
            colour = tuple(int(v) for v in rng.integers(0, 256, 3))
            shape = rng.integers(4)
            if shape == 0:
                pen.rectangle((xs[0], ys[0], xs[1], ys[1]), colour if rng.random() < 0.5 else None, colour)
            elif shape == 1:
                pen.ellipse((xs[0], ys[0], xs[1], ys[1]), None, colour, int(rng.integers(1, 5)))
            else:
                pen.line((xs[0], ys[rng.integers(2)], xs[1], ys[rng.integers(2)]), colour, int(rng.integers(1, 5)))


def tilted(image, boxes, rng):
    """The page seen from somewhat beside, or turned."""
    side, turn = image.width, rng.normal(0, 0.03) if rng.random() < 0.8 else rng.uniform(-0.25, 0.25)
    a = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) + rng.normal(0, 0.02, (2, 2))
    lean = rng.normal(0, 0.06, 2) / side
    m = np.eye(3)
    m[:2, :2], m[2, :2] = a, lean
    to = np.array([[1, 0, side / 2], [0, 1, side / 2], [0, 0, 1]]) @ m @ np.array([[1, 0, -side / 2], [0, 1, -side / 2], [0, 0, 1]])
    back = np.linalg.inv(to)
    back = (back / back[2, 2]).ravel()[:8]
    fill = tuple(int(v) for v in np.asarray(image)[0, 0])
    image = image.transform(image.size, Image.Transform.PERSPECTIVE, tuple(back), Image.Resampling.BILINEAR, fillcolor=fill)
    corners = np.concatenate([np.array(boxes, float).reshape(-1, 2), np.ones((4 * len(boxes), 1))], 1) @ to.T
    return image, (corners[:, :2] / corners[:, 2:]).reshape(-1, 4, 2)


def spoiled(image, rng):
    """Blur, a JPEG's blocks, noise."""
    if rng.random() < 0.4:
        image = image.filter(ImageFilter.GaussianBlur(abs(rng.normal(0, 0.8))))
    if rng.random() < 0.25:
        file = io.BytesIO()
        image.save(file, "JPEG", quality=int(rng.integers(25, 90)))
        image = Image.open(file)
    x = np.asarray(image.convert("RGB"))
    if rng.random() < 0.25:
        x = np.broadcast_to(np.asarray(image.convert("L"))[..., None], x.shape)
    noise = max(0.0, rng.uniform(-8, 12))
    return (x + rng.standard_normal(x.shape, dtype=np.float32) * noise).clip(0, 255).astype(np.uint8) if noise else x


def kernel(box):
    """What is to be seen of a line: its box, moved in by so much that the program's growth gives it back."""
    w = (np.linalg.norm(box[1] - box[0]) + np.linalg.norm(box[2] - box[3])) / 2
    h = (np.linalg.norm(box[3] - box[0]) + np.linalg.norm(box[2] - box[1])) / 2
    w, h = w + 0.16 * h + 1, 1.16 * h + 1
    low, high = 0.0, min(w, h) / 2
    for _ in range(20):
        d = (low + high) / 2
        a, b = w - 2 * d, h - 2 * d
        low, high = (low, d) if a * b * GROWTH / (2 * (a + b)) < d else (d, high)
    d = min(d, max(0, (min(w, h) - 5) / 2))  # narrower things are not taken for lines
    middle = box.mean(0)
    along, across = (box[1] - box[0] + box[2] - box[3]) / 2, (box[3] - box[0] + box[2] - box[1]) / 2
    u, v = along / max(np.linalg.norm(along), 1e-6) * (w / 2 - d), across / max(np.linalg.norm(across), 1e-6) * (h / 2 - d)
    return np.array([middle - u - v, middle + u - v, middle + u + v, middle - u + v])


def goal(boxes, side):
    """The map that the detector is to give, float32 [side, side]: 1 in the kernels of lines, with soft edges."""
    map4 = Image.new("L", (2 * side, 2 * side))
    pen = ImageDraw.Draw(map4)
    for box in boxes:
        pen.polygon([tuple(2 * p) for p in kernel(box)], fill=255)
    return np.asarray(map4.resize((side, side), Image.Resampling.BOX), np.float32) / 255
