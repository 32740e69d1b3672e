"""What the scripts of the peers have in common: architectures and matmuls with
random parameters, the comparison with PyTorch, and how they are asked.

A script gives main() a Peer. It is called by people,

    python cmd/bench/peers/ncnn_vulkan.py resnet18 clip_vit_b_32
    python cmd/bench/peers/ncnn_vulkan.py -precision f16 -r 10 vgg16 matmul-512x768x768

and prints one line of JSON for each model and precision,
    {"peer", "model", "adapter", "precision", "ms_min", "ms_mean"}
with errors on stderr and bench's exit codes (0 fine, 1 failure, 2 usage, 3 no
adapter, 4 an output that is wrong); or by bench -peers with -serve, and answers
each line of its input with one line of JSON:

    load resnet18   {"peer", "adapter", "precisions"}, warm and compared
    run f16         {"ms"} of one pass
    anything wrong  {"error"}
"""

import argparse
import json
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

import numpy as np

WARMUP = 2  # passes that are not timed: the first compiles, the second allocates


class Failure(Exception):
    """What a user is told in one line."""

    code = 1


class NoAdapter(Failure):
    code = 3


class Wrong(Failure):
    code = 4


@dataclass
class Peer:
    name: str  # with its version
    adapter: Callable[[], str]
    precisions: list[str]  # of stored weights and activations
    # The error (relative, L2) that an output may have, and why it is allowed.
    tolerance: float
    # load(model, precision) gives a pass from the inputs to its time in ms and the
    # output, the inputs, and PyTorch's output.
    load: Callable[[str, str], tuple[Callable[..., tuple[float, np.ndarray]], list[np.ndarray], np.ndarray]]


def main(peer: Peer) -> int:
    p = argparse.ArgumentParser(description=f"Times architectures in {peer.name}, to stand beside bench.")
    p.add_argument("models", nargs="*", metavar="MODEL", help=f"a torchvision architecture, {', '.join(OTHERS)}, or matmul-MxNxK")
    p.add_argument("-precision", default=",".join(peer.precisions), help="of stored weights and activations, with commas between them (default %(default)s)")
    p.add_argument("-r", dest="repetitions", type=int, default=5, metavar="N", help="repetitions after warming up (default 5)")
    p.add_argument("-serve", action="store_true", help="answer requests on stdin: for bench -peers")
    args = p.parse_args()
    if args.serve:
        return serve(peer)
    precisions = args.precision.split(",")
    if unknown := set(precisions) - set(peer.precisions):
        p.error(f"-precision {', '.join(unknown)}: expected of {', '.join(peer.precisions)}")
    if args.repetitions < 1 or not args.models:
        p.error("expected at least one MODEL and one repetition")
    code = 0
    for name in args.models:
        for precision in precisions:
            try:
                print(json.dumps(measure(peer, name, precision, args.repetitions)), flush=True)
            except Failure as e:
                print(f"{peer.name}: {name} {precision}: {e}", file=sys.stderr)
                code = e.code
    return code


def measure(peer: Peer, name: str, precision: str, repetitions: int) -> dict:
    run = warm(peer, name, precision)
    took = [run() for _ in range(repetitions)]
    return {"peer": peer.name, "model": name, "adapter": peer.adapter(), "precision": precision, "ms_min": min(took), "ms_mean": sum(took) / len(took)}


def warm(peer: Peer, name: str, precision: str) -> Callable[[], float]:
    """Loads a model and runs it until it is warm. Gives what takes one pass, tells
    its time from the upload to the read-back in ms, and compares its output."""
    forward, inputs, want = peer.load(name, precision)

    def run() -> float:
        took, y = forward(*inputs)
        error = float(np.linalg.norm(np.ravel(y) - want.ravel()) / np.linalg.norm(want))
        if not error <= peer.tolerance:  # NaN, too
            raise Wrong(f"the output is {error:.1e} from PyTorch's, expected at most {peer.tolerance}")
        return took

    for _ in range(WARMUP):
        run()
    return run


def clocked(forward: Callable[..., np.ndarray]) -> Callable[..., tuple[float, np.ndarray]]:
    """A pass with its time in ms."""

    def run(*inputs):
        began = time.perf_counter()
        y = forward(*inputs)
        return (time.perf_counter() - began) * 1e3, y

    return run


def serve(peer: Peer) -> int:
    """Answers on what was stdout; what libraries print there goes to stderr."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    loaded: dict[str, Callable[[], float]] = {}
    for line in sys.stdin:
        verb, _, what = line.strip().partition(" ")
        try:
            if verb == "load":
                loaded.clear()
                loaded.update({p: warm(peer, what, p) for p in peer.precisions})
                answer = {"peer": peer.name, "adapter": peer.adapter(), "precisions": peer.precisions}
            elif verb == "run" and what in loaded:
                answer = {"ms": loaded[what]()}
            else:
                answer = {"error": f"unknown request {line.strip()!r}"}
        except Exception as e:  # whatever a runtime throws is told, not fatal
            told = str(e) if isinstance(e, Failure) else f"{type(e).__name__}: {e}"
            answer = {"error": told.strip().split("\n")[0]}
        print(json.dumps(answer), file=answers, flush=True)
    return 0


def exported(peer: str, name: str, export: Callable[[str, Path], None]) -> Path:
    """The folder of a peer with a model as export(name, folder) put it there, once,
    in $XDG_CACHE_HOME/saccade/peers (~/.cache by default)."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "saccade" / "peers"
    folder = cache / peer / name
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as work:
            export(name, Path(work))
            keep = Path(work) / "keep"
            os.rename(keep, folder)  # whole or not at all
    return folder


def save_reference(folder: Path, inputs, y) -> None:
    """Writes an example's tensors, for reference()."""
    np.savez(folder / "reference.npz", *(x.numpy() for x in inputs), y=y.numpy())


def reference(folder: Path) -> tuple[list[np.ndarray], np.ndarray]:
    """The inputs and PyTorch's output."""
    with np.load(folder / "reference.npz") as saved:
        return [saved[f"arr_{i}"] for i in range(len(saved.files) - 1)], saved["y"]


def example(name: str):
    """A network with random parameters, its inputs as tensors, and the output for
    them."""
    import torch

    if name.startswith("train_"):
        raise Failure(f"{name}: no step of a training is written for this runtime")
    model, inputs = matmul(name) if name.startswith("matmul-") else architecture(name)
    model.eval()
    random = torch.Generator().manual_seed(1)
    redraw(model, random)
    inputs = [x if isinstance(x, torch.Tensor) else torch.randn(x, generator=random) for x in inputs]
    with torch.no_grad():
        return model, inputs, model(*inputs)


def step(name: str):
    """train_vit_b_lora: the parameters of transformers' ViT-B/16 and of adapters of rank 8 beside its queries and values
    (by their layers' names, .lora_A and .lora_B), all arrays; names of what is trained, the adapters and the head; a
    picture and its label; and PyTorch's gradients of the cross-entropy, one after the other."""
    import torch
    import transformers

    if name != "train_vit_b_lora":
        raise Failure(f"{name}: of trainings alone, of which train_vit_b_lora is known")
    model = transformers.ViTForImageClassification(transformers.ViTConfig(num_labels=1000)).eval()
    random = torch.Generator().manual_seed(1)
    redraw(model, random)
    weights = {k: p.detach() for k, p in model.named_parameters()}
    layers = [k.removesuffix(".weight") for k in weights if k.endswith(("q_proj.weight", "v_proj.weight"))]
    for layer in layers:
        weights[layer + ".lora_A"] = torch.randn(8, 768, generator=random) / 768**0.5
        weights[layer + ".lora_B"] = torch.randn(768, 8, generator=random) / 8**0.5
    trained = [k for k in weights if "lora" in k or k.startswith("classifier")]
    for k in trained:
        weights[k].requires_grad_()
    merged = {layer + ".weight": weights[layer + ".weight"] + weights[layer + ".lora_B"] @ weights[layer + ".lora_A"] for layer in layers}
    picture, label = torch.randn(1, 3, 224, 224, generator=random), torch.tensor([3])
    logits = torch.func.functional_call(model, {k: v for k, v in weights.items() if "lora" not in k} | merged, picture).logits
    gradients = torch.autograd.grad(torch.nn.functional.cross_entropy(logits, label), [weights[k] for k in trained])
    arrays = {k: v.detach().numpy() for k, v in weights.items()}
    return arrays, trained, [picture.numpy(), label.numpy()], torch.cat([g.flatten() for g in gradients]).numpy()


def matmul(name: str):
    """A layer that maps M rows of K to N: x·Wᵀ + b."""
    import torch

    try:
        m, n, k = (int(size) for size in name.removeprefix("matmul-").split("x"))
        return torch.nn.Linear(k, n), [(m, k)]
    except (ValueError, RuntimeError):
        raise Failure(f"{name}: expected sizes MxNxK, such as matmul-512x768x768") from None


# The architectures that are not torchvision's.
OTHERS = ("vit_ti_16", "clip_vit_b_32", "dinov2_s_14", "sam_b_encode", "slimsam_encode", "minilm_128", "e5_small_128", "ppocr_page", "yolos_tiny", "rtdetr_r18", "depth_anything_s",
          "segformer_b0", "unet_ddpm_cifar10", "sd15_unet")


def architecture(name: str):
    """A network of that name, to one tensor, with the library's random parameters;
    and its inputs: shapes of what is drawn, and tensors."""
    import torch
    import torchvision

    picture = [(1, 3, 224, 224)]
    if name == "vit_ti_16":
        return torchvision.models.VisionTransformer(image_size=224, patch_size=16, num_layers=12, num_heads=3, hidden_dim=192, mlp_dim=768), picture
    if name not in OTHERS:
        try:
            return torchvision.models.get_model(name, weights=None), picture
        except ValueError as e:
            raise Failure(f"{e}; python -c 'import torchvision; print(torchvision.models.list_models())' prints the names") from None

    class Output(torch.nn.Module):  # one field of what transformers and diffusers return
        def __init__(self, model, field):
            super().__init__()
            self.model, self.field = model, field

        def forward(self, *inputs):
            return self.model(*inputs)[self.field]

    class Sentence(torch.nn.Module):  # the mean of a text's states, of unit length; ids are floats, as all runtimes are given
        def __init__(self, model):
            super().__init__()
            self.model = model

        def forward(self, ids):
            return torch.nn.functional.normalize(self.model(ids.long()).last_hidden_state.mean(1), dim=1)

    timestep = torch.tensor([37.0])
    if name == "unet_ddpm_cifar10":
        import diffusers

        return Output(diffusers.UNet2DModel(**DDPM_CIFAR10), "sample"), [(1, 3, 32, 32), timestep]
    if name == "sd15_unet":
        import diffusers

        return Output(diffusers.UNet2DConditionModel(sample_size=64, cross_attention_dim=768), "sample"), [(1, 4, 64, 64), timestep, (1, 77, 768)]
    import transformers

    if name == "clip_vit_b_32":
        return Output(transformers.CLIPVisionModelWithProjection(transformers.CLIPVisionConfig()), "image_embeds"), picture
    if name in ("minilm_128", "e5_small_128"):
        layers, words = (6, 30522) if name == "minilm_128" else (12, 250037)
        config = transformers.BertConfig(vocab_size=words, hidden_size=384, num_hidden_layers=layers, num_attention_heads=12, intermediate_size=1536)
        ids = torch.randint(words, (1, 128), generator=torch.Generator().manual_seed(2))
        return Sentence(transformers.BertModel(config, add_pooling_layer=False)), [ids.float()]
    if name == "ppocr_page":
        return Output(transformers.PPOCRV5MobileDetForObjectDetection(transformers.PPOCRV5MobileDetConfig()), "last_hidden_state"), [(1, 3, 640, 960)]
    if name in ("sam_b_encode", "slimsam_encode"):
        size = {"hidden_size": 168, "mlp_dim": 696} if name == "slimsam_encode" else {}
        return Output(transformers.SamVisionModel(transformers.SamVisionConfig(**size)), "last_hidden_state"), [(1, 3, 1024, 1024)]
    if name == "yolos_tiny":
        config = transformers.YolosConfig(hidden_size=192, num_attention_heads=3, intermediate_size=768, image_size=[512, 864], use_mid_position_embeddings=False, num_labels=91)
        return Output(transformers.YolosForObjectDetection(config), "logits"), [(1, 3, 512, 864)]
    if name == "rtdetr_r18":
        backbone = transformers.RTDetrResNetConfig(layer_type="basic", depths=[2, 2, 2, 2], hidden_sizes=[64, 128, 256, 512], out_features=["stage2", "stage3", "stage4"])
        config = transformers.RTDetrConfig(backbone_config=backbone, encoder_in_channels=[128, 256, 512], hidden_expansion=0.5, decoder_layers=3, anchor_image_size=[640, 640], num_labels=80)
        return Output(transformers.RTDetrForObjectDetection(config), "logits"), [(1, 3, 640, 640)]
    if name == "depth_anything_s":
        backbone = transformers.Dinov2Config(hidden_size=384, num_attention_heads=6, image_size=518, patch_size=14, out_indices=[3, 6, 9, 12], apply_layernorm=True, reshape_hidden_states=False)
        config = transformers.DepthAnythingConfig(backbone_config=backbone, reassemble_hidden_size=384, neck_hidden_sizes=[48, 96, 192, 384], fusion_hidden_size=64)
        return Output(transformers.DepthAnythingForDepthEstimation(config), "predicted_depth"), [(1, 3, 518, 518)]
    if name == "segformer_b0":
        return Output(transformers.SegformerForSemanticSegmentation(transformers.SegformerConfig(num_labels=150)), "logits"), [(1, 3, 512, 512)]
    config = transformers.Dinov2Config(hidden_size=384, num_attention_heads=6, image_size=518, patch_size=14)
    return Output(transformers.Dinov2Model(config), "pooler_output"), picture


# google/ddpm-cifar10-32's config.json, but for what is the library's default.
DDPM_CIFAR10 = {
    "sample_size": 32,
    "block_out_channels": (128, 256, 256, 256),
    "down_block_types": ("DownBlock2D", "AttnDownBlock2D", "DownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "UpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
    "attention_head_dim": None,
    "downsample_padding": 0,
    "flip_sin_to_cos": False,
    "freq_shift": 1,
    "norm_eps": 1e-6,
}


def redraw(model, random) -> None:
    """Draws all parameters and running statistics anew. Some default ones give
    outputs of 0 or 1e-14, with which every result would agree."""
    import torch

    def normal(t):
        return torch.randn(t.shape, generator=random)

    with torch.no_grad():
        for name, t in [*model.named_parameters(), *model.named_buffers()]:
            if t.dim() > 1:
                t.copy_(normal(t) / t[0].numel() ** 0.5)  # variance 1/fan-in
            elif name.endswith("running_var"):
                t.copy_(1 + 0.1 * normal(t).abs())
            elif name.endswith(("weight", "scale")):  # of a normalisation, behind an activation
                t.copy_(1 + 0.1 * normal(t))
            elif t.is_floating_point():
                t.copy_(0.1 * normal(t))


def cpu() -> str:
    """The CPU by its name, where the system tells."""
    name = "CPU"
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                name = line.partition(":")[2].strip()
                break
    except OSError:
        pass
    return f"{name}, {os.cpu_count()} threads"
