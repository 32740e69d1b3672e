"""Make the pictures of pictures/: simple drawings, and crops of free photographs.

The photographs are among the sample files of the scikit-image package.
"""

import argparse
import os
import random

import numpy as np
import skimage
from PIL import Image, ImageDraw, ImageFilter

SIDE = 1024  # drawn large, stored at a quarter


def gradient(top, bottom, start=0, end=SIDE):
    """A picture whose rows go from colour top to colour bottom between start and end."""
    t = np.clip((np.arange(SIDE) - start) / max(1, end - start), 0, 1)[:, None, None]
    rows = (1 - t) * np.array(top) + t * np.array(bottom)
    return Image.fromarray(np.broadcast_to(rows, (SIDE, SIDE, 3)).astype(np.uint8).copy())


def ground(picture, top, bottom, horizon):
    """Fill the picture below the horizon with another gradient."""
    picture.paste(gradient(top, bottom, horizon).crop((0, horizon, SIDE, SIDE)), (0, horizon))


def speckle(picture, box, colours, count, size, rng):
    """Scatter small ellipses: waves, grass, stones."""
    d = ImageDraw.Draw(picture)
    for _ in range(count):
        x, y = rng.uniform(box[0], box[2]), rng.uniform(box[1], box[3])
        w, h = size[0] * rng.uniform(0.5, 1.5), size[1] * rng.uniform(0.5, 1.5)
        d.ellipse((x - w, y - h, x + w, y + h), fill=rng.choice(colours))


def clouds(picture, places, rng):
    layer = Image.new("L", picture.size)
    d = ImageDraw.Draw(layer)
    for cx, cy, r in places:
        for _ in range(14):
            x, y, s = cx + rng.gauss(0, 1.3 * r), cy + rng.gauss(0, 0.3 * r), r * rng.uniform(0.4, 0.8)
            d.ellipse((x - s, y - 0.6 * s, x + s, y + 0.6 * s), fill=190)
    picture.paste((250, 250, 252), mask=layer.filter(ImageFilter.GaussianBlur(25)))


def shadow(picture, box, strength=130):
    layer = Image.new("L", picture.size)
    ImageDraw.Draw(layer).ellipse(box, fill=strength)
    picture.paste((15, 15, 15), mask=layer.filter(ImageFilter.GaussianBlur(18)))


def wheel(d, x, y, r):
    d.ellipse((x - r, y - r, x + r, y + r), fill=(22, 22, 24))
    d.ellipse((x - 0.58 * r, y - 0.58 * r, x + 0.58 * r, y + 0.58 * r), fill=(165, 168, 172))
    d.ellipse((x - 0.2 * r, y - 0.2 * r, x + 0.2 * r, y + 0.2 * r), fill=(70, 70, 74))


def airplane(rng):
    p = gradient((70, 130, 205), (185, 215, 240))
    clouds(p, [(200, 830, 110), (830, 780, 90), (760, 160, 60)], rng)
    d = ImageDraw.Draw(p)
    d.polygon([(480, 470), (610, 470), (790, 250), (730, 250)], fill=(170, 175, 185))
    d.polygon([(190, 470), (280, 470), (215, 270), (140, 270)], fill=(40, 70, 140))
    d.rounded_rectangle((150, 440, 880, 560), 60, fill=(240, 242, 246))
    d.polygon([(110, 440), (260, 440), (260, 540)], fill=(240, 242, 246))
    d.polygon([(150, 505), (880, 505), (850, 545), (260, 560)], fill=(190, 194, 204))
    d.polygon([(800, 462), (850, 462), (872, 490), (808, 490)], fill=(30, 40, 60))
    for x in range(290, 770, 40):
        d.ellipse((x, 470, x + 18, 492), fill=(50, 60, 85))
    d.polygon([(430, 530), (610, 530), (420, 790), (340, 790)], fill=(150, 156, 168))
    d.rounded_rectangle((470, 600, 590, 655), 26, fill=(95, 100, 112))
    d.polygon([(170, 500), (270, 500), (180, 590), (120, 590)], fill=(160, 165, 176))
    return p


def automobile(rng):
    p = gradient((160, 195, 225), (225, 230, 232), 0, 480)
    ground(p, (120, 120, 118), (90, 90, 92), 560)
    speckle(p, (0, 430, SIDE, 560), [(60, 95, 50), (75, 110, 58), (50, 80, 44)], 260, (50, 45), rng)
    ImageDraw.Draw(p).rectangle((0, 556, SIDE, 580), fill=(175, 172, 165))
    shadow(p, (90, 730, 940, 830), 190)
    d = ImageDraw.Draw(p)
    red, dark = (190, 25, 28), (140, 14, 18)
    d.polygon([(250, 520), (370, 350), (660, 350), (800, 520)], fill=red)
    d.polygon([(300, 520), (395, 380), (510, 380), (510, 520)], fill=(45, 58, 72))
    d.polygon([(535, 520), (535, 380), (645, 380), (745, 520)], fill=(45, 58, 72))
    d.rounded_rectangle((90, 505, 940, 725), 70, fill=red)
    d.rounded_rectangle((90, 640, 940, 740), 40, fill=dark)
    d.line((522, 510, 522, 700), fill=dark, width=8)
    d.rounded_rectangle((560, 560, 620, 576), 8, fill=(60, 10, 12))
    d.ellipse((870, 555, 936, 610), fill=(250, 240, 200))
    d.ellipse((92, 560, 130, 612), fill=(255, 90, 60))
    d.rectangle((80, 690, 130, 720), fill=(60, 60, 62))
    d.rectangle((900, 690, 950, 720), fill=(60, 60, 62))
    wheel(d, 270, 730, 100)
    wheel(d, 760, 730, 100)
    return p


def bird(rng):
    p = gradient((150, 185, 130), (105, 150, 85))
    p = p.filter(ImageFilter.GaussianBlur(4))
    d = ImageDraw.Draw(p)
    d.line((0, 830, 420, 790, SIDE, 820), fill=(92, 66, 42), width=46)
    d.polygon([(330, 590), (60, 800), (110, 850), (420, 700)], fill=(70, 60, 50))
    d.ellipse((270, 380, 720, 780), fill=(150, 110, 75))
    d.ellipse((420, 470, 740, 780), fill=(205, 120, 70))
    d.ellipse((560, 220, 800, 460), fill=(135, 98, 66))
    d.ellipse((640, 330, 790, 470), fill=(208, 122, 70))
    d.polygon([(785, 320), (900, 352), (785, 375)], fill=(60, 52, 40))
    d.ellipse((705, 290, 750, 335), fill=(12, 12, 12))
    d.ellipse((722, 297, 736, 311), fill=(240, 240, 240))
    d.polygon([(300, 520), (520, 470), (560, 600), (230, 720)], fill=(96, 72, 52))
    d.polygon([(290, 600), (500, 560), (430, 650), (180, 760)], fill=(70, 54, 42))
    for x in (470, 560):
        d.line((x, 760, x + 6, 815), fill=(70, 45, 30), width=16)
    return p


def deer(rng):
    p = gradient((95, 120, 75), (130, 150, 90), 0, 500)
    ground(p, (120, 130, 70), (90, 105, 55), 620)
    speckle(p, (0, 0, SIDE, 600), [(60, 85, 50), (80, 105, 62), (100, 125, 80)], 260, (60, 50), rng)
    speckle(p, (0, 600, SIDE, SIDE), [(105, 115, 60), (130, 138, 80), (85, 100, 52)], 500, (12, 26), rng)
    p = p.filter(ImageFilter.GaussianBlur(6))
    d = ImageDraw.Draw(p)
    brown, dark, light = (158, 105, 60), (112, 72, 42), (215, 190, 155)
    for x, c in ((330, dark), (610, dark), (275, brown), (560, brown)):
        d.polygon([(x, 600), (x + 70, 600), (x + 45, 780), (x + 48, 930), (x + 14, 930), (x + 12, 780)], fill=c)
    d.ellipse((230, 430, 680, 680), fill=brown)
    d.ellipse((300, 590, 600, 690), fill=light)
    d.ellipse((215, 470, 270, 560), fill=light)
    d.polygon([(540, 500), (680, 580), (790, 300), (690, 270)], fill=brown)
    d.polygon([(690, 240), (800, 230), (925, 345), (905, 385), (760, 370), (690, 330)], fill=brown)
    d.ellipse((880, 340, 930, 388), fill=(40, 30, 26))
    d.ellipse((785, 268, 812, 295), fill=(15, 12, 10))
    d.polygon([(700, 270), (590, 225), (640, 300)], fill=light)
    for pts in ([(735, 240), (690, 130), (720, 20)], [(700, 150), (610, 90)], [(765, 235), (800, 130), (780, 20)], [(792, 140), (870, 70)]):
        d.line(pts, fill=(200, 178, 140), width=18, joint="curve")
    return p


def frog(rng):
    p = gradient((92, 78, 52), (120, 104, 70))
    speckle(p, (0, 0, SIDE, SIDE), [(82, 70, 46), (132, 116, 80), (108, 92, 62), (70, 62, 40)], 500, (34, 24), rng)
    p = p.filter(ImageFilter.GaussianBlur(7))
    shadow(p, (150, 700, 880, 900), 170)
    d = ImageDraw.Draw(p)
    green, dark, light = (98, 138, 48), (66, 100, 34), (170, 185, 110)
    d.ellipse((130, 500, 420, 800), fill=dark)
    d.ellipse((610, 500, 900, 800), fill=dark)
    for s in (-1, 1):
        x = 512 + s * 340
        d.polygon([(x - 90, 760), (x + 90, 760), (x + 120 * s, 850), (x - 60 * s, 850)], fill=dark)
    d.ellipse((260, 330, 770, 830), fill=green)
    d.ellipse((340, 560, 690, 830), fill=light)
    for x in (380, 600):
        d.rounded_rectangle((x, 680, x + 52, 850), 24, fill=green)
        d.polygon([(x - 40, 870), (x + 92, 870), (x + 46, 815), (x + 6, 815)], fill=dark)
    d.ellipse((265, 270, 765, 580), fill=green)
    for x in (330, 700):
        d.ellipse((x - 78, 200, x + 78, 356), fill=green)
        d.ellipse((x - 52, 226, x + 52, 330), fill=(215, 185, 60))
        d.ellipse((x - 34, 254, x + 34, 302), fill=(12, 12, 10))
    d.arc((310, 330, 720, 520), 15, 165, fill=(50, 76, 26), width=12)
    for x, y, r in ((450, 330, 20), (560, 310, 26), (510, 390, 18), (300, 620, 28), (720, 600, 30), (230, 620, 24), (800, 640, 24)):
        d.ellipse((x - r, y - r, x + r, y + r), fill=dark)
    return p


def ship(rng):
    p = gradient((150, 190, 225), (215, 225, 230), 0, 600)
    clouds(p, [(180, 180, 90), (800, 260, 80)], rng)
    ground(p, (60, 100, 135), (28, 62, 98), 610)
    speckle(p, (0, 640, SIDE, SIDE), [(80, 120, 152), (45, 85, 122), (100, 138, 165)], 170, (60, 5), rng)
    d = ImageDraw.Draw(p)
    d.polygon([(70, 520), (950, 520), (870, 690), (150, 690)], fill=(38, 44, 60))
    d.polygon([(124, 640), (894, 640), (870, 690), (150, 690)], fill=(150, 38, 34))
    d.line((72, 522, 948, 522), fill=(235, 235, 235), width=12)
    d.rectangle((180, 440, 800, 516), fill=(238, 238, 234))
    d.rectangle((230, 370, 700, 440), fill=(225, 226, 224))
    d.rectangle((560, 300, 690, 370), fill=(238, 238, 234))
    for y, a, b in ((470, 200, 780), (398, 250, 690), (325, 575, 680)):
        for x in range(a, b, 42):
            d.rectangle((x, y, x + 20, y + 20), fill=(60, 78, 100))
    for x in (300, 420):
        d.polygon([(x, 370), (x + 76, 370), (x + 68, 230), (x + 8, 230)], fill=(196, 60, 40))
        d.rectangle((x + 8, 230, x + 68, 256), fill=(30, 30, 34))
    d.line((640, 300, 640, 170), fill=(70, 70, 74), width=10)
    d.line((870, 520, 880, 360), fill=(70, 70, 74), width=10)
    speckle(p, (120, 684, 910, 704), [(225, 235, 240), (190, 212, 224)], 90, (34, 6), rng)
    return p


def truck(rng):
    p = gradient((140, 180, 215), (220, 228, 232), 0, 560)
    clouds(p, [(250, 150, 70), (820, 120, 60)], rng)
    ground(p, (128, 126, 122), (92, 92, 94), 640)
    speckle(p, (0, 590, SIDE, 650), [(120, 125, 80), (100, 112, 66), (140, 140, 95)], 220, (40, 18), rng)
    shadow(p, (60, 790, 980, 880), 190)
    d = ImageDraw.Draw(p)
    d.rectangle((70, 250, 650, 730), fill=(232, 233, 230))
    d.rectangle((70, 250, 650, 290), fill=(200, 202, 200))
    d.rectangle((70, 470, 650, 545), fill=(205, 70, 40))
    for x in range(100, 650, 60):
        d.line((x, 292, x, 730), fill=(214, 216, 213), width=4)
    d.rectangle((60, 730, 960, 775), fill=(48, 48, 52))
    d.polygon([(670, 735), (670, 330), (850, 330), (940, 540), (960, 560), (960, 735)], fill=(30, 80, 165))
    d.polygon([(720, 380), (838, 380), (905, 540), (720, 540)], fill=(150, 180, 200))
    d.line((700, 360, 700, 730), fill=(20, 58, 122), width=6)
    d.rectangle((905, 620, 958, 665), fill=(250, 240, 200))
    d.rectangle((890, 690, 975, 740), fill=(60, 60, 64))
    for x in (190, 340, 820):
        wheel(d, x, 775, 84)
    return p


def sample(file):
    """One of scikit-image's sample files."""
    return Image.open(os.path.join(os.path.dirname(skimage.__file__), "data", file))


def things(rng):
    """Drawings pasted over a photograph: what the detector and the cut-outs know."""
    p = sample("chelsea.png").convert("RGB").crop((150, 0, 450, 300)).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    d = ImageDraw.Draw(p)
    t = np.linspace(0, 2 * np.pi, 200)
    heart = np.stack([250 + 10 * 16 * np.sin(t) ** 3, 250 - 10 * (13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t))], 1)
    d.polygon([tuple(v) for v in heart], fill=(221, 46, 68))
    a = np.arange(10) * np.pi / 5 - np.pi / 2
    r = np.where(np.arange(10) % 2, 75, 180)
    d.polygon([(750 + x, 250 + y) for x, y in zip(r * np.cos(a), r * np.sin(a))], fill=(255, 193, 40))
    d.ellipse((90, 580, 430, 920), fill=(120, 130, 140))  # a clock
    d.ellipse((120, 610, 400, 890), fill=(245, 247, 250))
    for k in range(12):
        x, y = np.cos(k * np.pi / 6), np.sin(k * np.pi / 6)
        d.line((260 + 110 * x, 750 + 110 * y, 260 + 130 * x, 750 + 130 * y), fill=(60, 66, 74), width=12)
    d.line((260, 750, 260, 650), fill=(40, 46, 54), width=16)
    d.line((260, 750, 320, 785), fill=(40, 46, 54), width=20)
    d.rectangle((620, 700, 900, 920), fill=(240, 214, 170))  # a house
    d.polygon([(570, 710), (760, 540), (950, 710)], fill=(190, 70, 50))
    d.rectangle((720, 790, 800, 920), fill=(120, 80, 50))
    for x in (645, 820):
        d.rectangle((x, 750, x + 55, 810), fill=(90, 160, 215))
    return p


def photographs():
    """The name and the picture of each photograph, from scikit-image's sample files."""
    for name, file, box, size in (
        ("cat.jpg", "chelsea.png", (100, 0, 400, 300), (300, 300)),
        ("coffee.jpg", "coffee.png", (0, 0, 600, 400), (480, 320)),
        ("rocket.jpg", "rocket.jpg", (0, 0, 640, 427), (480, 320)),
        ("astronaut.jpg", "astronaut.png", (0, 0, 512, 512), (384, 384)),
        ("horse.png", "horse.png", (0, 0, 400, 328), (400, 328)),
    ):
        picture = sample(file).convert("L" if name == "horse.png" else "RGB").crop(box)
        yield name, picture.resize(size, Image.Resampling.LANCZOS)


def main():
    arg = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arg.add_argument("--out", default="pictures")
    a = arg.parse_args()
    os.makedirs(a.out, exist_ok=True)
    for draw in (airplane, automobile, bird, deer, frog, ship, things, truck):
        picture = draw(random.Random(1)).filter(ImageFilter.GaussianBlur(3)).resize((256, 256), Image.Resampling.LANCZOS)
        picture.save(os.path.join(a.out, draw.__name__ + ".png"), optimize=True)
    for name, picture in photographs():
        picture.save(os.path.join(a.out, name), **({"quality": 88} if name.endswith("jpg") else {"optimize": True}))


if __name__ == "__main__":
    main()
