"""Train the captioner that also answers: BLIP's networks, on scenes of drawings and on CIFAR-10's photographs.

One picture encoder, one question encoder and one decoder, which reads the picture's states for a caption and the
question's for an answer. The picture encoder begins as the small CLIP's first blocks and is held to their states at
first. The same command goes on from the last checkpoint.
"""

import argparse
import json
import os
import random

import torch
from tokenizers import Tokenizer
from torch.nn.functional import cross_entropy
from transformers import BlipConfig, BlipForQuestionAnswering, CLIPModel, GenerationConfig

import cifar10
import emoji
import scenes
import things
import word_pieces
from muon import Muon
from train_clip import MEAN, STD
from training import Average, Optimisers, Training, schedule

CONTEXT = 40  # tokens of a text
BLOCKS = 4  # of the picture encoder, of the CLIP's five
ASKED = 3  # questions of a picture
WIDTH, HEADS = 192, 3
DROPPED = 0.1  # of the text networks' values, in training
LEFT = 48  # of the 65 states of a picture that is remembered


def describe(tokenizer):
    vision = dict(hidden_size=WIDTH, intermediate_size=4 * WIDTH, num_hidden_layers=BLOCKS, num_attention_heads=HEADS)
    vision |= dict(image_size=scenes.SIZE, patch_size=8, initializer_range=0.02)
    text = dict(vocab_size=tokenizer.get_vocab_size(), hidden_size=WIDTH, intermediate_size=320, num_hidden_layers=2)
    text |= dict(num_attention_heads=HEADS, max_position_embeddings=CONTEXT, projection_dim=WIDTH)
    end = tokenizer.token_to_id(word_pieces.END)
    text |= dict(bos_token_id=tokenizer.token_to_id(word_pieces.DECODE), pad_token_id=0, sep_token_id=end, eos_token_id=end)
    text |= dict(hidden_dropout_prob=DROPPED, attention_probs_dropout_prob=DROPPED)
    return BlipConfig(text_config=text, vision_config=vision, image_text_hidden_size=WIDTH, projection_dim=WIDTH)


@torch.no_grad()
def begin(vision, teacher):
    """Copy the teacher's first blocks, and let the embeddings be near what its norm before the blocks makes of its own."""
    v, t = vision.embeddings, teacher.embeddings
    norm = teacher.pre_layrnorm if hasattr(teacher, "pre_layrnorm") else teacher.pre_layernorm
    gain = norm.weight / (t.position_embedding.weight[1:].var(1).mean() + t.patch_embedding.weight.flatten(1).norm(dim=1).square().mean()).sqrt()
    v.patch_embedding.weight.copy_(t.patch_embedding.weight * gain[:, None, None, None])
    v.patch_embedding.bias.zero_()
    v.position_embedding.copy_((t.position_embedding.weight * gain + norm.bias)[None])
    first = norm(t.class_embedding + t.position_embedding.weight[0])
    v.class_embedding.copy_(first - v.position_embedding[0, 0])
    for mine, its in zip(vision.encoder.layers, teacher.encoder.layers):
        a = its.self_attn
        mine.self_attn.qkv.weight.copy_(torch.cat([a.q_proj.weight, a.k_proj.weight, a.v_proj.weight]))
        mine.self_attn.qkv.bias.copy_(torch.cat([a.q_proj.bias, a.k_proj.bias, a.v_proj.bias]))
        mine.self_attn.projection.load_state_dict(a.out_proj.state_dict())
        for name in ("layer_norm1", "layer_norm2", "mlp"):
            getattr(mine, name).load_state_dict(getattr(its, name).state_dict())


@torch.no_grad()
def lend(model, maker, tokenizer):
    """Let the words of nouns begin as what the picture encoder sees in their drawings: whitened means of its states. So the
    decoder has one map to learn, from states to words, and not one for each noun."""
    rng, rows, owners = random.Random(0), [], []
    for noun in maker.all:
        mine = [i for e in maker.by_noun[noun] for i in maker.by_emoji[e]]
        owners += [(noun, i) for i in rng.sample(mine, min(4, len(mine)))]
    for k in range(0, len(owners), 64):
        x = normalised([emoji.over_white(maker.data.pictures[i]) for _, i in owners[k : k + 64]])
        rows.append(model.vision_model(x).last_hidden_state[:, 1:].mean(1))
    seen = torch.cat(rows)
    seen -= seen.mean(0)
    values, axes = torch.linalg.eigh(seen.T @ seen / len(seen))
    seen = seen @ axes @ ((values + 0.03 * values.mean()) ** -0.5).diag() @ axes.T
    of = {}
    for (noun, _), row in zip(owners, seen):
        for word in noun.split():
            of.setdefault(word, []).append(row)
    for word, rows in of.items():
        at = tokenizer.token_to_id(word)
        if at is not None and word not in ("of", "with", "and", "in", "up", "down", "without", "two", "one"):
            row = torch.nn.functional.normalize(torch.stack(rows).mean(0), dim=0)
            for part in (model.text_encoder, model.text_decoder.bert):
                part.embeddings.word_embeddings.weight[at] = row


def optimisers(model, pointer, lr, lr_rest, seeing):
    """Muon for the matrices of the blocks, AdamW for the rest; the picture encoder, which begins trained, at a part of
    the rates."""
    pairs = []
    for part, share in ((True, seeing), (False, 1.0)):
        named = [(n, p) for n, p in model.named_parameters() if n.startswith("vision_model") == part]
        matrix = [(".layer." in n or ".layers." in n) and p.ndim == 2 for n, p in named]
        muon = Muon([p for (_, p), m in zip(named, matrix) if m], weight_decay=0.05)
        adam = torch.optim.AdamW([p for (_, p), m in zip(named, matrix) if not m], betas=(0.9, 0.98), weight_decay=0.05)
        pairs += [(muon, lr * share), (adam, lr_rest * share)]
    pairs.append((torch.optim.AdamW(pointer.parameters(), betas=(0.9, 0.98), weight_decay=0.05), lr_rest))
    return Optimisers(*pairs)


def normalised(pictures):
    """Pictures uint8 [n,64,64,3] as the networks take them."""
    return (torch.stack([torch.from_numpy(p) for p in pictures]).permute(0, 3, 1, 2).float() / 255 - MEAN) / STD


class Reader:
    """Texts as tensors."""

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer
        self.start, self.end = (tokenizer.token_to_id(s) for s in (word_pieces.DECODE, word_pieces.END))

    def padded(self, rows, pad):
        width = max(map(len, rows))
        return torch.tensor([r + [pad] * (width - len(r)) for r in rows])

    def asked(self, texts):
        """Ids with [CLS] and [SEP], and which of them count."""
        rows = [e.ids for e in self.tokenizer.encode_batch(texts)]
        ids = self.padded(rows, 0)
        return ids, (ids != 0).long()

    def said(self, texts):
        """What the decoder is given, [DEC] first, and what it is to say, [SEP] last; -100 where nothing."""
        rows = [e.ids for e in self.tokenizer.encode_batch(texts, add_special_tokens=False)]
        return self.padded([[self.start] + r for r in rows], 0), self.padded([r + [self.end] for r in rows], -100)


def ask(maker, scene, n, rng):
    """n of the questions about a scene, those with the commonest answers less often."""
    left, chosen = scenes.questions(scene, maker, rng), []
    while left and len(chosen) < n:
        weights = [0.4 if a == "1" else 0.6 if a in ("yes", "no") else 1.0 for _, a in left]
        chosen.append(left.pop(rng.choices(range(len(left)), weights)[0]))
    return [(q + ("?" if rng.random() < 0.6 else ""), a) for q, a in chosen]


def spoken(model, reader, seen, captions, asked):
    """The captions' loss and the answers' of pictures whose states are seen [n,T,D]; asked are the number of a picture, a
    question and its answer."""

    def loss(states, texts, counts=None):
        ids, goal = reader.said(texts)
        logits = model.text_decoder(ids, encoder_hidden_states=states, encoder_attention_mask=counts).logits
        return cross_entropy(logits.float().flatten(0, 1), goal.flatten(), ignore_index=-100)

    owner = torch.tensor([i for i, _, _ in asked])
    ids, counts = reader.asked([q for _, q, _ in asked])
    states = model.text_encoder(ids, attention_mask=counts, encoder_hidden_states=seen[owner]).last_hidden_state
    return torch.stack([loss(seen, captions), loss(states, [a for _, _, a in asked], counts)])


class Memory:
    """The states of pictures that were seen lately, from which the text networks learn again: that costs little beside
    seeing."""

    def __init__(self, size):
        self.size, self.states, self.scenes = size, [], []

    def keep(self, seen, made):
        self.states, self.scenes = (self.states + list(seen.detach()))[-self.size :], (self.scenes + made)[-self.size :]
        for s in made:
            s.picture = None

    def some(self, n, rng):
        """n of them, each without the same few of its states, so that none is learnt by heart."""
        which = rng.sample(range(len(self.scenes)), min(n, len(self.scenes)))
        states = torch.stack([self.states[i] for i in which])
        return states[:, sorted(rng.sample(range(states.shape[1]), LEFT))], [self.scenes[i] for i in which]


class Pointer(torch.nn.Module):
    """What teaches the picture encoder what is where, and is thrown away: a linear layer that names each thing by the mean
    state of the patches that it covers."""

    def __init__(self, nouns):
        super().__init__()
        self.index = {n: i for i, n in enumerate(nouns)}
        self.head = torch.nn.Linear(WIDTH, len(nouns))

    def means(self, seen, made):
        """By thing, one copy of each: the mean state, and its noun's number."""
        side = round((seen.shape[1] - 1) ** 0.5)
        centre = (torch.arange(side) + 0.5) / side
        owner, masks, goal = [], [], []
        for i, s in enumerate(made):
            for d in s.drawn:
                if d.noun in self.index:
                    (x, y), half = d.places[0], max(d.size / 2, 0.5 / side)
                    masks.append((((centre - y).abs() <= half)[:, None] & ((centre - x).abs() <= half)[None]).flatten().float())
                    owner.append(i), goal.append(self.index[d.noun])
        masks = torch.stack(masks)
        masks = masks / masks.sum(1, keepdim=True).clamp(min=1)
        return (masks[:, None] @ seen[owner][:, 1:].float())[:, 0], torch.tensor(goal)

    def forward(self, seen, made):
        rows, goal = self.means(seen, made)
        return cross_entropy(self.head(rows).float(), goal)

    @torch.no_grad()
    def begin(self, model, maker, n=3000):
        """Start as the ridge regression of n scenes."""
        rng, rows, goals = random.Random(-1), [], []
        for _ in range(n // 50):
            made = [maker.scene(rng) for _ in range(50)]
            with torch.autocast("cpu", torch.bfloat16):
                seen = model.vision_model(normalised([s.picture for s in made])).last_hidden_state
            row, goal = self.means(seen, made)
            rows.append(row), goals.append(goal)
        rows, goal = torch.cat(rows), torch.nn.functional.one_hot(torch.cat(goals), len(self.index)).float()
        mean = rows.mean(0)
        part = (rows - mean).T @ (rows - mean) / len(rows)
        weight = torch.linalg.solve(part + 0.03 * part.trace() / WIDTH * torch.eye(WIDTH), (rows - mean).T @ (goal - goal.mean(0)) / len(rows)).T
        weight *= 3 / ((rows - mean) @ weight.T).amax(1).mean()
        self.head.weight.copy_(weight), self.head.bias.copy_(-weight @ mean)


def losses(model, reader, maker, teacher, pointer, memory, a, rng):
    """Of a batch: the captions' loss, the answers', both of what is remembered, the pointer's, and the distance to the
    teacher's states (0 without one). Where the picture encoder does not learn, the batch is only remembered."""
    made = [maker.scene(rng) for _ in range(a.batch)]
    x = normalised([s.picture for s in made])
    apart, named, parts = torch.zeros(1), torch.zeros(1), []
    with torch.autocast("cpu", torch.bfloat16):
        vision = model.vision_model
        with torch.set_grad_enabled(a.seeing > 0):
            raw = vision.encoder(inputs_embeds=vision.embeddings(x)).last_hidden_state
            seen = vision.post_layernorm(raw).bfloat16()
        if teacher:
            with torch.no_grad():
                goal = teacher(x, output_hidden_states=True).hidden_states[BLOCKS].float()
            apart = (raw.float() - goal).square().mean()[None] / goal.var()
        if a.seeing > 0:
            named = pointer(seen, made)[None]
        memory.keep(seen, made)
        old, known = memory.some(a.again, rng)
        for states, those, n in [(seen, made, ASKED)] * (a.seeing > 0) + [(old, known, 1)]:
            asked = [(i, q, answer) for i, s in enumerate(those[: a.asked]) for q, answer in ask(maker, s, n, rng)]
            parts.append(spoken(model, reader, states, [s.caption for s in those], asked))
    return torch.cat([*([torch.zeros(2)] if len(parts) == 1 else []), *parts, named, apart])


def export(average, config, tokenizer, folder):
    """Write blip and blip_vqa. All but the question encoder is in the first, which the second links to."""
    config.dtype = "float16"
    config.text_config.hidden_dropout_prob = config.text_config.attention_probs_dropout_prob = 0.0
    tied = ("text_decoder.cls.predictions.decoder.weight", "text_decoder.cls.predictions.decoder.bias")
    state = {k: v for k, v in average.items() if v.is_floating_point() and k not in tied}
    question = {k: v for k, v in state.items() if k.startswith("text_encoder.")}
    rest = {k: v for k, v in state.items() if k not in question}
    text, size = config.text_config, scenes.SIZE
    generation = GenerationConfig(bos_token_id=text.bos_token_id, eos_token_id=text.sep_token_id, pad_token_id=0, max_length=CONTEXT)
    for name, architecture in (("blip", "BlipForConditionalGeneration"), ("blip_vqa", "BlipForQuestionAnswering")):
        path = os.path.join(folder, name)
        os.makedirs(path, exist_ok=True)
        config.architectures = [architecture]
        config.save_pretrained(path)
        generation.save_pretrained(path)
        word_pieces.save(tokenizer, path, CONTEXT)
        with open(os.path.join(path, "preprocessor_config.json"), "w") as f:
            processor = {"image_processor_type": "BlipImageProcessor", "processor_class": "BlipProcessor", "do_convert_rgb": True, "do_resize": True}
            processor |= {"size": {"height": size, "width": size}, "resample": 3, "do_rescale": True, "rescale_factor": 1 / 255}
            processor |= {"do_normalize": True, "image_mean": [MEAN] * 3, "image_std": [STD] * 3}
            f.write(json.dumps(processor, indent=2) + "\n")
    cifar10.save_halves(rest, os.path.join(folder, "blip"))
    cifar10.save_halves(question, os.path.join(folder, "blip_vqa"))
    os.replace(os.path.join(folder, "blip_vqa", "model.safetensors"), os.path.join(folder, "blip_vqa", "question.safetensors"))
    link = os.path.join(folder, "blip_vqa", "rest.safetensors")
    if not os.path.lexists(link):
        os.symlink("../blip/model.safetensors", link)
    files = {k: "question.safetensors" if k in question else "rest.safetensors" for k in sorted(state)}
    with open(os.path.join(folder, "blip_vqa", "model.safetensors.index.json"), "w") as f:
        json.dump({"metadata": {"total_size": 2 * sum(v.numel() for v in state.values())}, "weight_map": files}, f, indent=1)
        f.write("\n")


def arguments():
    arg = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arg.add_argument("--emoji", required=True, help="folder of unpacked npm packages; see emoji.py")
    arg.add_argument("--data", help="CIFAR-10 as for train_vit.py")
    arg.add_argument("--clip", default="clip", help="the small CLIP, which teaches")
    arg.add_argument("--out", default=".", help="folder in which blip and blip_vqa are written")
    arg.add_argument("--work", default="work", help="folder for checkpoints and decoded pictures")
    arg.add_argument("--minutes", type=float, default=100, help="length of the training from its very start, pauses not counted")
    arg.add_argument("--decay", type=float, default=0.4, help="the part of the training in which the rate falls")
    arg.add_argument("--batch", type=int, default=48)
    arg.add_argument("--memory", type=int, default=6000, help="pictures whose states are remembered")
    arg.add_argument("--again", type=int, default=128, help="of them, those that the text networks learn from again in a step")
    arg.add_argument("--asked", type=int, default=96, help="pictures of a batch, and of those again, that are asked about")
    arg.add_argument("--taught", type=int, default=150, help="steps over which the teacher's weight falls from 1 to 0")
    arg.add_argument("--lr", type=float, default=0.01, help="Muon, for the matrices of the blocks")
    arg.add_argument("--lr-rest", type=float, default=1e-3, help="AdamW, for everything else")
    arg.add_argument("--seeing", type=float, default=0.4, help="the part of these rates that the picture encoder has; 0: it does not learn")
    arg.add_argument("--vocab", type=int, default=944)
    return arg.parse_args()


def vocabulary(maker, size):
    """A tokenizer for what is said and asked."""
    rng, texts = random.Random(0), ["a photo of " + noun for noun in scenes.PHOTOGRAPHED]
    for noun in maker.all:
        texts += [noun] * 3 + [things.plural(noun)] * (noun in maker.several)
    plain = Plain(maker)
    for _ in range(3000):
        s = plain.scene(rng, rng.choice([kind for kind in scenes.KINDS if kind != "photo"]))
        texts += [s.caption] + [w for q, a in scenes.questions(s, maker, rng) for w in (q, a)]
    return word_pieces.train(texts, size)


class Plain(scenes.Maker):
    """Makes scenes without their pictures."""

    def __init__(self, maker):
        self.__dict__.update(maker.__dict__)

    def paint(self, rng, drawn, sizes):
        return None


def main():
    a = arguments()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    os.makedirs(a.work, exist_ok=True)
    data = emoji.load(a.emoji, a.work)
    photographs, labels, _ = cifar10.load("train", a.data, a.work)
    maker = scenes.Maker(data, emoji.split(data)[0], photographs.numpy(), labels.tolist())
    saved = os.path.join(a.work, "captioner.json")
    if not os.path.exists(saved):
        vocabulary(scenes.Maker(data, emoji.split(data)[0], [], [], None), a.vocab).save(saved)
    tokenizer = Tokenizer.from_file(saved)
    reader = Reader(tokenizer)

    model = BlipForQuestionAnswering(describe(tokenizer)).train()
    teacher = CLIPModel.from_pretrained(a.clip, dtype=torch.float32, attn_implementation="eager").vision_model.eval()
    begin(model.vision_model, teacher)
    pointer, checkpoint = Pointer(maker.all), os.path.join(a.work, "captioner.pt")
    if not os.path.exists(checkpoint):
        lend(model, maker, tokenizer), pointer.begin(model, maker)
    learning, average = optimisers(model, pointer, a.lr, a.lr_rest, a.seeing), Average(model, most=0.996)
    print(f"{sum(p.numel() for p in model.parameters())} parameters, {tokenizer.get_vocab_size()} tokens, {len(maker.all)} nouns", flush=True)

    memory = Memory(a.memory)
    training = Training(checkpoint, {"model": model, "average": average, "pointer": pointer, "optimisers": learning}, a.minutes)
    for step, progress in training:
        rng = random.Random(step)
        weight = max(0.0, 1 - step / a.taught)
        parts = losses(model, reader, maker, teacher if weight else None, pointer, memory, a, rng)
        (parts[:5].sum() + weight * parts[5]).backward()
        learning.step(schedule(progress, step, 100, a.decay))
        average.follow(step)
        training.log(25, "caption {:.3f} answer {:.3f} again {:.3f} {:.3f} pointer {:.3f} teacher {:.3f}", *parts)
    export(average.state, model.config, tokenizer, a.out)


if __name__ == "__main__":
    main()
