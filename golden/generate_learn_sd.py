#!/usr/bin/env python3
"""Makes goldens of trainings of a pipeline's UNet by diffusers and PEFT:
golden/learn_sd/<case>.safetensors has batches (latents.N, noise.N, timestep.N,
input_ids.N), the adapters that training began with (init.NAME), the losses, the gradients
of the last step (grad.NAME) and what was learned (param.NAME), of a pipeline of
golden/pipelines.

    python golden/generate_learn_sd.py
"""

from pathlib import Path

import diffusers
import peft
import torch

from generate_io import generator, write

HERE = Path(__file__).resolve().parent
CASES = {"sd1_tiny": (torch.optim.AdamW, dict(lr=0.001)), "sd2_tiny": (torch.optim.SGD, dict(lr=0.05))}
STEPS = 5


def case(name, optimizer, options):
    g = generator(f"learn {name}")
    pipe = diffusers.StableDiffusionPipeline.from_pretrained(HERE / "pipelines" / name, safety_checker=None, torch_dtype=torch.float32)
    unet, text = pipe.unet, pipe.text_encoder.eval()
    unet.requires_grad_(False)
    unet.add_adapter(peft.LoraConfig(r=2, lora_alpha=3, target_modules=["to_q", "to_k", "to_v", "to_out.0"]))
    unet.train()
    trained = {"base_model.model." + n.replace(".default.", "."): p for n, p in unet.named_parameters() if p.requires_grad}
    with torch.no_grad():
        for p in trained.values():
            p.copy_(torch.randn(p.shape, generator=g) * p.shape[1] ** -0.5)
    tensors = {f"init.{n}": p.detach().clone() for n, p in trained.items()}
    schedule = diffusers.DDPMScheduler.from_config(pipe.scheduler.config)
    step, losses = optimizer(trained.values(), **options), []
    for i in range(STEPS):
        latents, noise = torch.randn(2, 4, 6, 4, generator=g), torch.randn(2, 4, 6, 4, generator=g)
        t, ids = torch.randint(1000, (2,), generator=g), torch.randint(text.config.vocab_size - 2, (2, text.config.max_position_embeddings), generator=g)
        ids[:, -1] = text.config.eos_token_id
        tensors |= {f"latents.{i}": latents, f"noise.{i}": noise, f"timestep.{i}": t.int(), f"input_ids.{i}": ids.int()}
        target = noise if schedule.config.prediction_type == "epsilon" else schedule.get_velocity(latents, noise, t)
        with torch.no_grad():
            states = text(ids)[0]
        loss = torch.nn.functional.mse_loss(unet(schedule.add_noise(latents, noise, t), t, states).sample, target)
        step.zero_grad()
        loss.backward()
        step.step()
        losses.append(loss.item())
    tensors |= {f"grad.{n}": p.grad for n, p in trained.items()} | {"loss": torch.tensor(losses)}
    tensors |= {f"param.{n}": p.detach() for n, p in trained.items()}
    write(HERE / "learn_sd" / f"{name}.safetensors", tensors, {"source": f"diffusers {diffusers.__version__}, peft {peft.__version__}, torch {torch.__version__.split('+')[0]}", "prediction": schedule.config.prediction_type})


def text_tower(name):
    """LoRA of the UNet and of the text tower together, as diffusers' --train_text_encoder does it."""
    g = generator(f"learn text {name}")
    pipe = diffusers.StableDiffusionPipeline.from_pretrained(HERE / "pipelines" / name, safety_checker=None, torch_dtype=torch.float32)
    unet, text = pipe.unet, pipe.text_encoder
    unet.requires_grad_(False)
    text.requires_grad_(False)
    unet.add_adapter(peft.LoraConfig(r=2, lora_alpha=3, target_modules=["to_v"]))
    text.add_adapter(peft.LoraConfig(r=2, lora_alpha=3, target_modules=["q_proj", "v_proj", "out_proj", "fc1"]))
    unet.train()
    text.train()
    trained = {"base_model.model.unet." + n.replace(".default.", "."): p for n, p in unet.named_parameters() if p.requires_grad}
    trained |= {"base_model.model.text_encoder." + n.replace(".default.", "."): p for n, p in text.named_parameters() if p.requires_grad}
    with torch.no_grad():
        for p in trained.values():
            p.copy_(torch.randn(p.shape, generator=g) * p.shape[1] ** -0.5)
    tensors = {f"init.{n}": p.detach().clone() for n, p in trained.items()}
    schedule = diffusers.DDPMScheduler.from_config(pipe.scheduler.config)
    step, losses = torch.optim.AdamW(trained.values(), lr=0.01), []
    for i in range(STEPS):
        latents, noise = torch.randn(2, 4, 6, 4, generator=g), torch.randn(2, 4, 6, 4, generator=g)
        t, ids = torch.randint(1000, (2,), generator=g), torch.randint(text.config.vocab_size - 2, (2, text.config.max_position_embeddings), generator=g)
        ids[:, -1] = text.config.eos_token_id
        tensors |= {f"latents.{i}": latents, f"noise.{i}": noise, f"timestep.{i}": t.int(), f"input_ids.{i}": ids.int()}
        loss = torch.nn.functional.mse_loss(unet(schedule.add_noise(latents, noise, t), t, text(ids)[0]).sample, noise)
        step.zero_grad()
        loss.backward()
        step.step()
        losses.append(loss.item())
    tensors |= {f"grad.{n}": p.grad for n, p in trained.items()} | {"loss": torch.tensor(losses)}
    tensors |= {f"param.{n}": p.detach() for n, p in trained.items()}
    write(HERE / "learn_sd" / f"{name}_text.safetensors", tensors, {"source": f"diffusers {diffusers.__version__}, peft {peft.__version__}, torch {torch.__version__.split('+')[0]}"})


def token(name, word="<bird>"):
    """Textual inversion as diffusers' examples do it: of the table of tokens one row moves."""
    g = generator(f"learn token {name}")
    pipe = diffusers.StableDiffusionPipeline.from_pretrained(HERE / "pipelines" / name, safety_checker=None, torch_dtype=torch.float32)
    unet, text = pipe.unet.eval(), pipe.text_encoder.eval()
    unet.requires_grad_(False)
    text.requires_grad_(False)
    assert pipe.tokenizer.add_tokens(word) == 1
    new = pipe.tokenizer.convert_tokens_to_ids(word)
    text.resize_token_embeddings(len(pipe.tokenizer), mean_resizing=False)
    table = text.get_input_embeddings().weight.requires_grad_(True)
    with torch.no_grad():
        table[new] = torch.randn(table.shape[1], generator=g) * 0.5
    kept = table.detach().clone()
    tensors = {f"init.{word}": kept[new : new + 1]}
    schedule = diffusers.DDPMScheduler.from_config(pipe.scheduler.config)
    step, losses = torch.optim.AdamW([table], lr=0.01), []
    for i in range(STEPS):
        latents, noise = torch.randn(2, 4, 6, 4, generator=g), torch.randn(2, 4, 6, 4, generator=g)
        t = torch.randint(1000, (2,), generator=g)
        ids = torch.randint(text.config.vocab_size - 3, (2, text.config.max_position_embeddings), generator=g)
        ids[0, 2], ids[1, 1], ids[1, 4], ids[:, -1] = new, new, new, text.config.eos_token_id
        tensors |= {f"latents.{i}": latents, f"noise.{i}": noise, f"timestep.{i}": t.int(), f"input_ids.{i}": ids.int()}
        loss = torch.nn.functional.mse_loss(unet(schedule.add_noise(latents, noise, t), t, text(ids)[0]).sample, noise)
        step.zero_grad()
        loss.backward()
        step.step()
        gradient = table.grad[new : new + 1].clone()
        with torch.no_grad():
            table[:new], table[new + 1 :] = kept[:new], kept[new + 1 :]
        losses.append(loss.item())
    tensors |= {f"grad.{word}": gradient, "loss": torch.tensor(losses), f"param.{word}": table.detach()[new : new + 1].clone()}
    write(HERE / "learn_sd" / f"{name}_token.safetensors", tensors, {"source": f"diffusers {diffusers.__version__}, torch {torch.__version__.split('+')[0]}", "token": word})


if __name__ == "__main__":
    torch.set_num_threads(1)
    token("sd1_tiny")
    text_tower("sd1_tiny")
    for name, (optimizer, options) in CASES.items():
        case(name, optimizer, options)
