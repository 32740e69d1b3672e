"""What an exported captioner says of drawings, scenes and photographs that it was not trained on, by transformers."""

import argparse
import os
import random

import numpy as np
import torch
from PIL import Image, ImageDraw
from transformers import AutoTokenizer, BlipForConditionalGeneration, BlipForQuestionAnswering

import cifar10
import emoji
import scenes
import things
from train_captioner import normalised

BATCH = 100


class Captioner:
    """The two models of a folder, in f32."""

    def __init__(self, folder):
        self.say = BlipForConditionalGeneration.from_pretrained(os.path.join(folder, "blip"), dtype=torch.float32).eval()
        self.answer = BlipForQuestionAnswering.from_pretrained(os.path.join(folder, "blip_vqa"), dtype=torch.float32).eval()
        self.tokenizer = AutoTokenizer.from_pretrained(os.path.join(folder, "blip"))

    def captions(self, x):
        """Of pictures [n,3,64,64]."""
        out = []
        for i in range(0, len(x), BATCH):
            out += self.tokenizer.batch_decode(self.say.generate(pixel_values=x[i : i + BATCH]), skip_special_tokens=True)
        return out

    def answers(self, x, questions):
        """To a question about each picture; those of one length go together, since generate attends to padding too."""
        ids, out = self.tokenizer(questions)["input_ids"], [None] * len(questions)
        for length in sorted({len(i) for i in ids}):
            mine = [n for n, i in enumerate(ids) if len(i) == length]
            for part in (mine[k : k + BATCH] for k in range(0, len(mine), BATCH)):
                said = self.answer.generate(pixel_values=x[part], input_ids=torch.tensor([ids[n] for n in part]))
                for n, text in zip(part, self.tokenizer.batch_decode(said, skip_special_tokens=True)):
                    out[n] = text
        return out


def share(got, want):
    right = [g == w for g, w in zip(got, want)]
    return f"{100 * sum(right) / len(right):.1f} % of {len(right)}"


def thing(caption):
    """The noun of a caption of one drawing."""
    words = caption.split()
    words = words[1:] if words[:1] in (["a"], ["an"]) else words
    return " ".join(words[1:] if words[:1] and words[0] in things.COLOURS else words)


def naming(captioner, data, maker, chosen):
    chosen = [i for i in chosen if maker.nouns[data.emoji[i]]]
    names, x = [maker.nouns[data.emoji[i]] for i in chosen], normalised([emoji.over_white(data.pictures[i]) for i in chosen])
    print("name of a drawing in a hand held out:", share([thing(c) for c in captioner.captions(x)], names))
    print('the same, asked "what is this?":', share(captioner.answers(x, ["what is this?"] * len(names)), names))


def asked(captioner, maker, n, kinds, pick, seed=1):
    """Questions of n scenes that pick chooses, and the share that is answered rightly."""
    rng, made = random.Random(seed), []
    while len(made) < n:
        scene = maker.scene(rng, rng.choice(kinds))
        if found := [(q, a) for q, a in scenes.questions(scene, maker, rng) if pick(q, a)]:
            made.append((scene, *rng.choice(found)))
    x = normalised([s.picture for s, _, _ in made])
    got = captioner.answers(x, [q + "?" for _, q, _ in made])
    return share(got, [a for _, _, a in made])


def scenes_of(captioner, known, apart, n):
    """Accuracies on scenes of drawings held out (known nouns), and of emoji held out altogether."""
    drawn = ["one", "pair", "group", "groups", "three"]

    def has(*words):
        return lambda q, a: any(q.startswith(w) for w in words)

    print("scenes of drawings held out:")
    print("  colour:", asked(captioner, known, n, drawn, has("what col")))
    print("  how many of a thing:", asked(captioner, known, n, ["group", "groups"], lambda q, a: q.startswith("how many") and " things" not in q))
    print("  what is left, right, above, below:", asked(captioner, known, n, ["pair", "three"], lambda q, a: q.split()[:2] == ["what", "is"] and len(q.split()) > 4))
    print("  is it left, right, above, below:", asked(captioner, known, n, ["pair", "three"], has("is the")))
    print("  is there:", asked(captioner, known, n, drawn, has("is there")))
    rng = random.Random(2)
    for kind in drawn:
        made = [known.scene(rng, kind) for _ in range(n // 2)]
        said = captioner.captions(normalised([s.picture for s in made]))
        print(f"  whole caption, {kind}:", share(said, [s.caption for s in made]))
        if kind == "pair":
            relation = [next((w for w in ("left of", "above") if f" {w} " in c), None) for c in said]
            print("  relation in the caption, pair:", share(relation, ["left of" if "left of" in s.caption else "above" for s in made]))
    print("scenes of emoji held out altogether:")
    print("  colour:", asked(captioner, apart, n, ["one"], lambda q, a: q in [f"what {c} is {w}" for c in ("colour", "color") for w in ("it", "this")]))
    print("  how many things:", asked(captioner, apart, n, drawn, lambda q, a: " things" in q))
    print("  style:", asked(captioner, apart, n, ["one"], lambda q, a: "style" in q))


def photographs(captioner, data, work, every):
    pictures, labels, _ = cifar10.load("test", data, work)
    pictures, labels = pictures[::every], labels[::every].tolist()
    large = [np.asarray(Image.fromarray(p).resize((scenes.SIZE, scenes.SIZE), Image.BICUBIC)) for p in pictures.numpy()]
    said = captioner.captions(normalised(large))
    print("class of a CIFAR-10 test picture in the caption:", share([thing(c.removeprefix("a photo of ")) for c in said], [scenes.PHOTOGRAPHED[y] for y in labels]))
    print('those captioned as "a photo of":', share([c.startswith("a photo of ") for c in said], [True] * len(said)))


def sheet(captioner, maker, folder, path):
    """Draw scenes and the pictures of a folder with what is said of them."""
    rng, pictures, questions = random.Random(3), [], []
    for kind in ["one"] * 8 + ["pair"] * 6 + ["group"] * 5 + ["groups"] * 3 + ["three"] * 2:
        s = maker.scene(rng, kind)
        pictures.append(s.picture), questions.append(rng.choice(scenes.questions(s, maker, rng))[0] + "?")
    for name in sorted(os.listdir(folder)):
        if name.endswith((".png", ".jpg")):
            image = Image.open(os.path.join(folder, name)).convert("RGB")
            pictures.append(np.asarray(image.resize((scenes.SIZE, scenes.SIZE), Image.BICUBIC))), questions.append("what is this?")
    x = normalised(pictures)
    said, got = captioner.captions(x), captioner.answers(x, questions)
    columns, wide, high = 6, 250, 172
    out = Image.new("RGB", (columns * wide, -(-len(pictures) // columns) * high), "white")
    draw = ImageDraw.Draw(out)
    for i, (p, c, q, a) in enumerate(zip(pictures, said, questions, got)):
        left, top = i % columns * wide, i // columns * high
        out.paste(Image.fromarray(p).resize((128, 128), Image.NEAREST), (left, top))
        draw.text((left, top + 130), c, "black"), draw.text((left, top + 146), f"{q} {a}", "blue")
        print(f"{c} | {q} {a}")
    out.save(path)


def main():
    arg = argparse.ArgumentParser(description=__doc__)
    arg.add_argument("folder", help="what holds blip and blip_vqa")
    arg.add_argument("--emoji", required=True, help="folder of unpacked npm packages; see emoji.py")
    arg.add_argument("--data", help="CIFAR-10 as for train_vit.py")
    arg.add_argument("--work", default="work", help="folder of decoded pictures")
    arg.add_argument("--scenes", type=int, default=400, help="of each kind of question")
    arg.add_argument("--every", type=int, default=1, help="take one of so many of CIFAR-10's test pictures")
    arg.add_argument("--pictures", default="pictures", help="pictures for the sheet")
    arg.add_argument("--sheet", help="write a sheet of examples here, and measure nothing")
    a = arg.parse_args()
    torch.set_num_threads(1)
    os.makedirs(a.work, exist_ok=True)
    captioner = Captioner(a.folder)
    data = emoji.load(a.emoji, a.work)
    _, drawing, never = emoji.split(data)
    known = scenes.Maker(data, drawing, [], [])
    if a.sheet:
        return sheet(captioner, known, a.pictures, a.sheet)
    naming(captioner, data, known, np.flatnonzero(drawing))
    scenes_of(captioner, known, scenes.Maker(data, never, [], [], None), a.scenes)
    photographs(captioner, a.data, a.work, a.every)


if __name__ == "__main__":
    main()
