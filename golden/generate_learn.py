"""Goldens of trainings: golden/learn/<model>/, a checkpoint as its library saves it, and
beside it <run>.safetensors of each run by PyTorch and PEFT: the values that training began
with ("init.NAME"), the micro-batches ("pixel_values.N", "labels.N"), the gradients of the
first step before clipping ("grad.NAME"), the losses of the steps ("loss") and what was
learned ("param.NAME"); of networks that were trained as a whole under the names in the
checkpoint, where training began. What was trained, and how, stands in the metadata.

    python golden/generate_learn.py [MODEL...]
"""

import copy
import sys
import tempfile
from pathlib import Path

import diffusers
import peft
import safetensors.torch
import torch
import transformers

from generate_io import generator, write
from generate_models import redraw

HERE = Path(__file__).resolve().parent
STEPS = 5


def vit():
    config = transformers.ViTConfig(
        hidden_size=30, num_hidden_layers=2, num_attention_heads=3, intermediate_size=44, image_size=(20, 12), patch_size=4,
        num_labels=5, hidden_act="gelu", hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
    )  # fmt: skip
    return transformers.ViTForImageClassification(config), (3, 20, 12), 5


def unet():
    config = dict(
        sample_size=9, in_channels=3, out_channels=3, block_out_channels=(8, 12), layers_per_block=1, norm_num_groups=4,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=11, attention_head_dim=2,
    )  # fmt: skip
    return diffusers.UNet2DConditionModel(**config), (3, 9, 7), None


def clip():
    vision = dict(hidden_size=28, num_hidden_layers=2, num_attention_heads=4, intermediate_size=36, image_size=12, patch_size=4)
    text = dict(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, vocab_size=32)
    config = transformers.CLIPConfig(text_config=text, vision_config=vision, num_labels=3)
    return transformers.CLIPForImageClassification(config), (3, 12, 12), 3


def clip_context():
    vision = dict(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, image_size=12, patch_size=4)
    text = dict(hidden_size=28, num_hidden_layers=2, num_attention_heads=4, intermediate_size=36, vocab_size=32, eos_token_id=31, max_position_embeddings=12)
    model = transformers.CLIPModel(transformers.CLIPConfig(text_config=text, vision_config=vision, projection_dim=13))
    torch.nn.init.constant_(model.logit_scale, 2.5)
    return model, (13,), 4


def dinov2():
    config = transformers.Dinov2Config(hidden_size=18, num_hidden_layers=2, num_attention_heads=3, mlp_ratio=2, image_size=12, patch_size=4, num_labels=4)
    return transformers.Dinov2ForImageClassification(config), (3, 12, 12), 4


def resnet():
    config = transformers.ResNetConfig(embedding_size=6, hidden_sizes=[6, 10], depths=[1, 2], layer_type="basic", num_labels=3)
    return transformers.ResNetForImageClassification(config), (3, 15, 18), 3


def mobilenetv2():
    config = transformers.MobileNetV2Config(
        depth_multiplier=0.03, depth_divisible_by=1, min_depth=3, expand_ratio=2, finegrained_output=False, tf_padding=False, classifier_dropout_prob=0.0,
        image_size=32, num_labels=3, output_stride=8,
    )  # fmt: skip
    return transformers.MobileNetV2ForImageClassification(config), (3, 21, 26), 3


MODELS = {"vit": vit, "clip": clip, "clip_context": clip_context, "dinov2": dinov2, "unet": unet, "resnet": resnet, "mobilenetv2": mobilenetv2}

ALL = ["q_proj", "k_proj", "v_proj", "o_proj", "fc1", "fc2"]
RUNS = {
    "vit": {
        "adamw": dict(lora=dict(r=3, lora_alpha=6, target_modules=["q_proj", "v_proj"]), head=True, optimizer="adamw", lr=0.01),
        "sgd": dict(lora=dict(r=3, lora_alpha=6, target_modules=["q_proj", "v_proj"]), head=True, optimizer="sgd", lr=0.1),
        "adamw_all": dict(
            lora=dict(r=2, lora_alpha=1, target_modules=ALL, use_rslora=True), head=False, optimizer="adamw", lr=0.002,
            weight_decay=0.3, betas=[0.8, 0.95], eps=1e-6, clip=0.5, accumulate=2, warmup=3,
        ),
        "sgd_nesterov": dict(lora=dict(r=3, lora_alpha=6, target_modules=["fc1", "o_proj"]), head=True, optimizer="sgd", lr=0.02, momentum=0.9, nesterov=True, weight_decay=0.02, clip=1.0),
        "full": dict(lora=None, head=False, full=True, optimizer="adamw", lr=0.002, eps=1e-4, clip=1.0, accumulate=2),
        "prompts": dict(lora=None, head=True, prompts=3, optimizer="sgd", lr=0.05, momentum=0.9),
        "head_momentum": dict(lora=None, head=True, optimizer="sgd", lr=0.05, momentum=0.8, dampening=0.3, accumulate=3),
    },
    "clip": {
        "adamw": dict(lora=dict(r=2, lora_alpha=2, target_modules=["q_proj", "v_proj", "out_proj"]), head=True, optimizer="adamw", lr=0.002, clip=1.0),
    },
    "clip_context": {
        "coop": dict(lora=None, head=False, context=3, optimizer="sgd", lr=0.05, momentum=0.9),
    },
    "dinov2": {
        "adamw": dict(lora=dict(r=2, lora_alpha=2, target_modules=["q_proj", "v_proj", "fc1"]), head=True, optimizer="adamw", lr=0.002),
    },
    "resnet": {
        "full": dict(lora=None, head=False, full=True, optimizer="sgd", lr=0.005, momentum=0.9),
        "full_batch": dict(lora=None, head=False, full=True, batch_statistics=True, optimizer="adamw", lr=0.001, eps=1e-4, accumulate=2),
    },
    "mobilenetv2": {
        "full": dict(lora=None, head=False, full=True, optimizer="sgd", lr=0.005),
    },
    "unet": {
        "adamw": dict(lora=dict(r=2, lora_alpha=2, target_modules=["to_q", "to_k", "to_v", "to_out.0"]), head=False, optimizer="adamw", lr=0.002),
        "sgd_clip": dict(lora=dict(r=2, lora_alpha=2, target_modules=["to_v", "ff.net.0.proj", "ff.net.2"]), head=False, optimizer="sgd", lr=0.1, momentum=0.9, clip=0.5, accumulate=2),
    },
}  # fmt: skip


def optimizer_of(run, parameters):
    keys = {"adamw": ["lr", "weight_decay", "betas", "eps"], "sgd": ["lr", "weight_decay", "momentum", "dampening", "nesterov"]}
    kind = {"adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}[run["optimizer"]]
    options = {k: tuple(run[k]) if k == "betas" else run[k] for k in keys[run["optimizer"]] if k in run}
    return kind(parameters, **options)


def short(name):
    """A name as PEFT writes it."""
    return name.replace(".default.", ".").replace(".modules_to_save.", ".")


def micro_step(model, g, shape, classes):
    """What a micro-batch has, and its loss."""
    if hasattr(model, "ctx"):
        x, labels = torch.randn(4, *shape, generator=g), torch.randint(classes, (4,), generator=g)
        n, texts = len(model.ctx), model.texts
        ids = torch.cat([texts[:, :1], texts[:, :1].expand(-1, n), texts[:, 1:]], 1)
        embeds = torch.nn.functional.normalize(model.get_text_features(input_ids=ids).pooler_output, dim=-1)
        logits = model.logit_scale.exp() * torch.nn.functional.normalize(x, dim=-1) @ embeds.T
        return {"image_embeds": x, "labels": labels.int()}, torch.nn.functional.cross_entropy(logits, labels)
    if classes:
        x, labels = torch.randn(4, *shape, generator=g), torch.randint(classes, (4,), generator=g)
        return {"pixel_values": x, "labels": labels.int()}, model(pixel_values=x, labels=labels).loss
    x, noise = torch.randn(2, *shape, generator=g), torch.randn(2, *shape, generator=g)
    t, context = torch.tensor([3.0, 741.0]), torch.randn(2, 5, 11, generator=g)
    weights = torch.tensor([1.0, 0.625])  # of min-SNR
    estimate = model(x, t, context).sample
    loss = (((estimate - noise) ** 2).mean((1, 2, 3)) * weights).mean()
    return {"sample": x, "timestep": t, "encoder_hidden_states": context, "target": noise, "weights": weights}, loss


def settle(model, shape, g):
    """Gives batch norms the statistics of some pictures, and the head small weights, so that
    halves hold the gradients times 65536."""
    norms = [m for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    momenta = [m.momentum for m in norms]
    for m in norms:
        m.momentum = None  # the mean of all
    if norms:
        with torch.no_grad():
            model.train()(torch.randn(16, *shape, generator=g))
            for p in model.classifier.parameters():
                p.mul_(0.03)
    for m, momentum in zip(norms, momenta):
        m.momentum = momentum


def saved(model):
    """The model's tensors under the names that files have."""
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        return {n: p for n, p in safetensors.torch.load_file(f"{folder}/model.safetensors").items() if not n.endswith("num_batches_tracked")}


def train(model, shape, classes, name, run):
    g = generator(f"learn {name}")
    model = copy.deepcopy(model)
    if run["lora"]:
        config = peft.LoraConfig(modules_to_save=["classifier"] if run["head"] else None, **run["lora"])
        model = peft.get_peft_model(model, config)
    elif run.get("full"):
        model.train(run.get("batch_statistics", False))
    else:
        for n, p in model.named_parameters():
            p.requires_grad_(n.startswith("classifier."))
    if run.get("context"):  # CoOp: tokens behind the first of each text
        model.requires_grad_(False)
        model.ctx = torch.nn.Parameter(torch.randn(run["context"], model.config.text_config.hidden_size, generator=g) * 0.5)
        model.texts = torch.tensor([[30, 4, 7, 31, 31], [30, 9, 31, 31, 31], [30, 2, 3, 5, 31], [30, 9, 4, 31, 31]])
        model.text_model.embeddings.token_embedding.register_forward_hook(
            lambda m, x, y: torch.cat([y[:, :1], model.ctx.expand(len(y), -1, -1), y[:, 1 + len(model.ctx) :]], 1)
        )
    if run.get("prompts"):  # Visual Prompt Tuning, shallow: tokens without positions behind the first
        embeddings = model.vit.embeddings
        embeddings.prompt_embeddings = torch.nn.Parameter(torch.randn(1, run["prompts"], model.config.hidden_size, generator=g) * 0.5)
        forward = embeddings.forward

        def prompted(*args, **options):
            x = forward(*args, **options)
            return torch.cat([x[:, :1], embeddings.prompt_embeddings.expand(len(x), -1, -1), x[:, 1:]], 1)

        embeddings.forward = prompted
    trained = {short(n): p for n, p in model.named_parameters() if p.requires_grad}
    with torch.no_grad():  # of PEFT's own start, B is zero, and so would be A's gradient
        for n, p in trained.items():
            if "lora_" in n:
                p.copy_(torch.randn(p.shape, generator=g) * p.shape[1] ** -0.5)
    tensors = {} if run.get("full") else {f"init.{n}": p.detach().clone() for n, p in trained.items()}
    if run.get("context"):
        tensors["texts"] = model.texts.int()
    optimizer = optimizer_of(run, trained.values())
    micro, losses, gradients = run.get("accumulate", 1), [], {}
    rates = [run["lr"] * min(1, (t + 1) / run.get("warmup", 1)) for t in range(STEPS)]
    for step in range(STEPS):
        optimizer.zero_grad()
        total = 0.0
        for i in range(micro):
            inputs, loss = micro_step(model, g, shape, classes)
            tensors |= {f"{n}.{step * micro + i}": t for n, t in inputs.items()}
            loss = loss / micro
            loss.backward()
            total += loss.item()
        if step == 0:
            gradients = {f"grad.{n}": p.grad.clone() for n, p in trained.items()}
        if "clip" in run:
            torch.nn.utils.clip_grad_norm_(trained.values(), run["clip"])
        for group in optimizer.param_groups:
            group["lr"] = rates[step]
        optimizer.step()
        losses.append(total)
    if run.get("full"):
        learned = saved(model)
        kept = {n: p.detach().clone() for n, p in trained.items()}
        with torch.no_grad():
            for n, p in trained.items():
                p.copy_(gradients[f"grad.{n}"])
        gradients = {f"grad.{n}": p for n, p in saved(model).items() if "running_" not in n}
        assert len(gradients) == len(kept)
        return tensors | gradients | {"loss": torch.tensor(losses)} | {f"param.{n}": p for n, p in learned.items()}, rates
    tensors |= gradients
    tensors["loss"] = torch.tensor(losses)
    tensors |= {f"param.{n}": p.detach().clone() for n, p in trained.items()}
    return tensors, rates


def main():
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    for name, make in MODELS.items():
        if sys.argv[1:] and name not in sys.argv[1:]:
            continue
        model, shape, classes = make()
        redraw(model, generator(f"learn {name}"))
        settle(model, shape, generator(f"settle {name}"))
        model.train()
        model.save_pretrained(HERE / "learn" / name)
        for run, options in RUNS[name].items():
            tensors, rates = train(model, shape, classes, f"{name} {run}", options)
            metadata = {"source": f"torch {torch.__version__.split('+')[0]}, transformers {transformers.__version__}, peft {peft.__version__}", "options": options, "rates": rates}
            write(HERE / "learn" / name / f"{run}.safetensors", tensors, metadata)


if __name__ == "__main__":
    main()
