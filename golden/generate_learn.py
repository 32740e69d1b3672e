"""Goldens of trainings: golden/learn/<model>/, a checkpoint as its library saves it, and
beside it <run>.safetensors of each run by PyTorch and PEFT: the values that training began
with ("init.NAME"), the micro-batches ("pixel_values.N", "labels.N"), the gradients of the
first step before clipping ("grad.NAME"), the losses of the steps ("loss") and what was
learned ("param.NAME"). What was trained, and how, stands in the metadata.

    python golden/generate_learn.py
"""

import copy
from pathlib import Path

import diffusers
import peft
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


def dinov2():
    config = transformers.Dinov2Config(hidden_size=18, num_hidden_layers=2, num_attention_heads=3, mlp_ratio=2, image_size=12, patch_size=4, num_labels=4)
    return transformers.Dinov2ForImageClassification(config), (3, 12, 12), 4


MODELS = {"vit": vit, "clip": clip, "dinov2": dinov2, "unet": unet}

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
        "head_momentum": dict(lora=None, head=True, optimizer="sgd", lr=0.05, momentum=0.8, dampening=0.3, accumulate=3),
    },
    "clip": {
        "adamw": dict(lora=dict(r=2, lora_alpha=2, target_modules=["q_proj", "v_proj", "out_proj"]), head=True, optimizer="adamw", lr=0.002, clip=1.0),
    },
    "dinov2": {
        "adamw": dict(lora=dict(r=2, lora_alpha=2, target_modules=["q_proj", "v_proj", "fc1"]), head=True, optimizer="adamw", lr=0.002),
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
    if classes:
        x, labels = torch.randn(4, *shape, generator=g), torch.randint(classes, (4,), generator=g)
        return {"pixel_values": x, "labels": labels.int()}, model(pixel_values=x, labels=labels).loss
    x, noise = torch.randn(2, *shape, generator=g), torch.randn(2, *shape, generator=g)
    t, context = torch.tensor([3.0, 741.0]), torch.randn(2, 5, 11, generator=g)
    weights = torch.tensor([1.0, 0.625])  # of min-SNR
    estimate = model(x, t, context).sample
    loss = (((estimate - noise) ** 2).mean((1, 2, 3)) * weights).mean()
    return {"sample": x, "timestep": t, "encoder_hidden_states": context, "target": noise, "weights": weights}, loss


def train(model, shape, classes, name, run):
    g = generator(f"learn {name}")
    model = copy.deepcopy(model)
    if run["lora"]:
        config = peft.LoraConfig(modules_to_save=["classifier"] if run["head"] else None, **run["lora"])
        model = peft.get_peft_model(model, config)
    else:
        for n, p in model.named_parameters():
            p.requires_grad_(n.startswith("classifier."))
    trained = {short(n): p for n, p in model.named_parameters() if p.requires_grad}
    with torch.no_grad():  # of PEFT's own start, B is zero, and so would be A's gradient
        for n, p in trained.items():
            if "lora_" in n:
                p.copy_(torch.randn(p.shape, generator=g) * p.shape[1] ** -0.5)
    tensors = {f"init.{n}": p.detach().clone() for n, p in trained.items()}
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
    tensors |= gradients
    tensors["loss"] = torch.tensor(losses)
    tensors |= {f"param.{n}": p.detach().clone() for n, p in trained.items()}
    return tensors, rates


def main():
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    for name, make in MODELS.items():
        model, shape, classes = make()
        redraw(model, generator(f"learn {name}")).train()
        model.save_pretrained(HERE / "learn" / name)
        for run, options in RUNS[name].items():
            tensors, rates = train(model, shape, classes, f"{name} {run}", options)
            metadata = {"source": f"torch {torch.__version__.split('+')[0]}, transformers {transformers.__version__}, peft {peft.__version__}", "options": options, "rates": rates}
            write(HERE / "learn" / name / f"{run}.safetensors", tensors, metadata)


if __name__ == "__main__":
    main()
