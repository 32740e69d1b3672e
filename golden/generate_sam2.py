"""Goldens of SAM 2 of transformers, and of MobileSAM: timm's TinyViT before the decoder of
transformers' SAM, under the authors' names."""

import json
import re
import shutil
from collections import OrderedDict

import timm
import torch
import transformers
from PIL import Image
from timm.models.tiny_vit import TinyVit
from torch import nn

from generate_cnns import calibrate
from generate_defaults import strike
from generate_io import generator, halves, write
from generate_models import redraw
from generate_sam import runs
from generate_texts import tapped

IMAGE = 64  # maps of 16, 8, 4 and 2
WIDTH = 24


def hiera(**more):
    backbone = dict(
        model_type="sam2_hiera_det_model", hidden_size=5, embed_dim_per_stage=[5, 10, 12, 15], num_attention_heads_per_stage=[1, 2, 4, 3], blocks_per_stage=[1, 2, 3, 2],
        window_size_per_stage=[8, 4, 6, 3], global_attention_blocks=[4, 7], mlp_ratio=2.1, window_positional_embedding_background_size=[5, 6],
    )  # fmt: skip
    return backbone | more


def config(backbone, vision, prompts, decoder, cls=transformers.Sam2Config, **more):
    size, width = prompts.get("image_size", IMAGE), prompts.get("hidden_size", WIDTH)
    vision = dict(
        backbone_config=backbone, backbone_channel_list=backbone["embed_dim_per_stage"][::-1], backbone_feature_sizes=[[size // n] * 2 for n in (4, 8, 16)], fpn_hidden_size=width
    ) | vision  # fmt: skip
    prompts = dict(hidden_size=width, image_size=size, patch_size=16) | prompts
    decoder = dict(hidden_size=width, mlp_dim=29, num_attention_heads=4, iou_head_hidden_dim=13) | decoder
    return cls(vision_config=vision, prompt_encoder_config=prompts, mask_decoder_config=decoder, **more)


def points(g, n, prompts, count, size):
    """Points all over the picture, of both labels; the last of the first is padding."""
    labels = torch.randint(0, 2, (n, prompts, count), generator=g, dtype=torch.int32)
    labels[0, 0, 0] = 1
    return {"input_points": torch.rand(n, prompts, count, 2, generator=g) * size, "input_labels": labels}


def boxes(g, n, prompts, size):
    corners = torch.rand(n, prompts, 2, 2, generator=g) * size
    return {"input_boxes": torch.cat([corners.amin(2), corners.amax(2)], dim=-1)}


def sharpen(model, g):
    """Residual networks: see golden.md. Positions of points spread over some turns."""
    with torch.no_grad():
        for name, p in model.named_parameters():
            if re.search(r"blocks\.\d+\.(mlp\.proj_out|attn\.proj)\.weight", name):
                p *= 0.5
        model.prompt_encoder.point_embed.weight *= 3
        frequencies = torch.randn(2, model.config.prompt_encoder_config.hidden_size // 2, generator=g)
        model.shared_image_embedding.positional_embedding.copy_(frequencies)
        model.prompt_encoder.shared_embedding.positional_embedding.copy_(frequencies)


def long(inputs):
    return {k: v if v.is_floating_point() else v.long() for k, v in inputs.items()}


def fields(out):
    return (out.pred_masks, out.iou_scores, out.object_score_logits, *out.image_embeddings)


OUTPUTS = ["pred_masks", "iou_scores", "object_score_logits", *(f"image_embeddings.{i}" for i in range(3))]


def threshold(model, run):
    """A bias of the single mask with which it has pixels of both signs, and what stability
    some prompts' have and others' lack."""
    d, seen = model.mask_decoder, {}
    scores, bias = d._get_stability_scores, d.output_hypernetworks_mlps[0].proj_out.bias
    d._get_stability_scores = lambda masks: seen.setdefault("scores", scores(masks))
    with torch.no_grad():
        for _ in range(40):
            seen.clear()
            run()
            s = seen["scores"].flatten().sort().values
            gap, i = (s[1:] - s[:-1]).max(0)
            if s[0] > 0.2 and gap > 0.06:
                break
            bias += 0.05
    del d._get_stability_scores
    assert gap > 0.06, s
    d.dynamic_multimask_stability_thresh = round((s[i] + gap / 2).item(), 4)
    return d.dynamic_multimask_stability_thresh


def case(root, name, c, n, prompts, multimask=True, saved=None, stable=False):
    """saved is what the folder is of, where it is not the model itself. With stable the
    threshold is such that some single masks are stable and others are not."""
    g = generator(name)
    model = redraw(transformers.Sam2Model(c), g).eval()
    sharpen(model, g)
    model.half()
    size = c.prompt_encoder_config.image_size
    inputs = {"pixel_values": torch.randn(n, 3, size, size, generator=g)} | prompts(g, n, size)
    call = lambda m, given: m(**given, multimask_output=multimask)  # noqa: E731
    if stable:
        c.mask_decoder_config.dynamic_multimask_stability_thresh = threshold(model.float(), lambda: call(model, long(inputs)))
        model.half()
    folder = root / name
    shutil.rmtree(folder, ignore_errors=True)
    whole = saved(model, g).half() if saved else model
    whole.save_pretrained(folder)
    model.float()
    encoder = model.vision_encoder.backbone
    taps = {f"layer.{i}": (block, 0) for i, block in enumerate(encoder.blocks)}
    first = {}
    hook = encoder.blocks[0].register_forward_pre_hook(lambda m, x: first.update(stem=x[0].detach().clone()))
    out, layers = tapped(taps, lambda: call(model, long(inputs)))
    hook.remove()
    got = dict(zip(OUTPUTS, fields(out), strict=True))
    half = lambda m, cast: fields(call(m, {k: cast(v) if k == "pixel_values" else v for k, v in long(inputs).items()}))  # noqa: E731
    exact = {} if stable else halves(model, half, got)  # where halves choose another mask there is nothing to compare
    exact = {k: v for k, v in exact.items() if got[k].numel() > 1}  # how far one number is off is luck
    if not multimask:
        inputs["multimask_output"] = torch.zeros(1, dtype=torch.int32)
    finish(folder, f"transformers {transformers.__version__} Sam2Model", type(whole).__name__, inputs, first | layers, got, exact)


def finish(folder, source, architecture, inputs, layers, outputs, exact):
    metadata = {
        "model": "sam",
        "source": f"{source}; torch {torch.__version__.split('+')[0]}",
        "architecture": architecture,
        "inputs": list(inputs),
        "layers": list(layers),
        "outputs": list(outputs),
        "halves": exact,
    }
    write(folder / "golden.safetensors", inputs | layers | outputs, metadata)


def sam2(root):
    """Windows that maps do not fill, pooling in windows and over a whole map; two points to
    each of three prompts; heads of 5 and 3 columns, of 6 and 3 in the decoder."""
    case(root, "sam2", config(hiera(), {}, {}, {}), 2, lambda g, n, size: points(g, n, 3, 2, size))


def sam2_top_down(root):
    """All levels take the next; patches that do not overlap, another activation and eps,
    attention in a quarter of the width, two masks of three; points and boxes, one mask
    whatever its stability."""
    backbone = hiera(patch_kernel_size=[4, 4], patch_padding=[0, 0], hidden_act="relu", layer_norm_eps=1e-3, global_attention_blocks=[])
    decoder = dict(attention_downsample_rate=4, num_attention_heads=2, iou_head_depth=2, dynamic_multimask_via_stability=False, num_multimask_outputs=2)
    c = config(backbone, dict(fpn_top_down_levels=[0, 1, 2, 3]), dict(layer_norm_eps=1e-3), decoder)
    case(root, "sam2_top_down", c, 2, lambda g, n, size: points(g, n, 4, 1, size) | boxes(g, n, 4, size), multimask=False)


def sam2_stable(root):
    """One mask each of boxes, some of them the best of the others for want of stability."""
    decoder = dict(dynamic_multimask_stability_delta=0.03)
    case(root, "sam2_stable", config(hiera(), {}, {}, decoder), 2, lambda g, n, size: boxes(g, n, 4, size), multimask=False, stable=True)


def sam2_defaults(root):
    """No word of what the classes have of their own; no prompt."""
    backbone = dict(model_type="sam2_hiera_det_model", hidden_size=8, embed_dim_per_stage=[8, 10, 12, 16])
    name = "sam2_defaults"
    c = config(backbone, {}, dict(hidden_size=32), dict(num_attention_heads=8))
    case(root, name, c, 1, lambda g, n, size: {})
    path = root / name / "config.json"
    full = json.loads(path.read_text())
    short = {"model_type": "sam2"}
    keep = {
        "vision_config": ["backbone_channel_list", "backbone_feature_sizes", "fpn_hidden_size"],
        "prompt_encoder_config": ["image_size", "hidden_size"],
        "mask_decoder_config": ["hidden_size", "mlp_dim", "iou_head_hidden_dim"],
    }
    for part, keys in keep.items():
        short[part] = {k: full[part][k] for k in keys}
    short["vision_config"]["backbone_config"] = {k: full["vision_config"]["backbone_config"][k] for k in ("model_type", "hidden_size", "embed_dim_per_stage")}
    path.write_text(json.dumps(short, indent=2) + "\n")
    read = transformers.Sam2Config.from_pretrained(path.parent).to_dict()
    for part in keep:
        theirs = {k: v for k, v in full[part].items() if k in read[part] and not isinstance(v, dict)}
        assert {k: read[part][k] for k in theirs} == theirs, part


def sam2_video(root):
    """A checkpoint of Sam2VideoModel, whose memory a still picture has no use for."""

    def saved(model, g):
        v = config(
            hiera(), {}, {}, {}, transformers.Sam2VideoConfig, image_size=IMAGE, memory_attention_hidden_size=WIDTH, memory_attention_num_layers=1, memory_attention_feed_forward_hidden_size=7,
            memory_encoder_hidden_size=WIDTH, memory_encoder_output_channels=8, mask_downsampler_embed_dim=16, mask_downsampler_total_stride=4, memory_fuser_num_layers=1, memory_fuser_embed_dim=WIDTH, memory_fuser_intermediate_dim=9,
            memory_attention_rope_feat_sizes=[4, 4],
        )  # fmt: skip
        video = redraw(transformers.Sam2VideoModel(v), g)
        missing = video.load_state_dict(model.state_dict(), strict=False)
        assert not missing.unexpected_keys, missing
        return video

    case(root, "sam2_video", config(hiera(), {}, {}, {}), 1, lambda g, n, size: points(g, n, 3, 3, size), saved=saved)


class Norm2d(nn.LayerNorm):
    """Over the channels of [N, C, H, W]."""

    def forward(self, x):
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class TinyViTEncoder(nn.Module):
    """The body of timm's, whose last merging keeps the size, and SAM's neck."""

    def __init__(self, width, **sizes):
        super().__init__()
        self.body = TinyVit(**sizes)
        self.body.head = nn.Identity()
        self.body.stages[-1].downsample.conv2.conv.stride = (1, 1)
        conv = lambda i, kernel: nn.Conv2d(i, width, kernel, padding=kernel // 2, bias=False)  # noqa: E731
        self.neck = nn.Sequential(conv(sizes["embed_dims"][-1], 1), Norm2d(width, 1e-6), conv(width, 3), Norm2d(width, 1e-6))

    def forward(self, x):
        return self.neck(self.body.stages(self.body.patch_embed(x)))


# timm's names and transformers', as the authors have them.
NAMES = [
    (r"body\.patch_embed\.conv(\d)\.", lambda m: f"image_encoder.patch_embed.seq.{2 * int(m[1]) - 2}."),
    (r"body\.stages\.(\d+)\.downsample\.", lambda m: f"image_encoder.layers.{int(m[1]) - 1}.downsample."),
    (r"body\.stages\.", "image_encoder.layers."),
    (r"^neck\.", "image_encoder.neck."),
    (r"(image_encoder.*)\.conv\.(?=weight)", r"\1.c."),
    (r"^(prompt_encoder|mask_decoder)", r"\1"),
    (r"prompt_encoder\.shared_embedding\.positional_embedding", "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"),
    (r"mask_embed\.conv(\d)", lambda m: f"mask_downscaling.{3 * int(m[1]) - 3}"),
    (r"mask_embed\.layer_norm(\d)", lambda m: f"mask_downscaling.{3 * int(m[1]) - 2}"),
    (r"point_embed\.(\d)", r"point_embeddings.\1"),
    (r"layer_norm_final_attn", "norm_final_attn"),
    (r"layer_norm(\d)", r"norm\1"),
    (r"upscale_conv1", "output_upscaling.0"),
    (r"upscale_layer_norm", "output_upscaling.1"),
    (r"upscale_conv2", "output_upscaling.3"),
    (r"proj_in", "layers.0"),
    (r"(mlps\.\d+|prediction_head)\.layers\.0\.(?!.*layers)", r"\1.layers.0."),
]


def authors(name):
    middle = re.search(r"(mlps\.\d+|head)\.layers\.(\d+)\.", name)
    if middle:
        return name.replace(middle[0], f"{middle[1]}.layers.{int(middle[2]) + 1}.")
    for pattern, to in NAMES:
        name = re.sub(pattern, to, name)
    return name


def authors_state(model, encoder, depth):
    state = OrderedDict()
    for name, value in [*model.state_dict().items(), *encoder.state_dict().items()]:
        if name.startswith(("vision_encoder.", "shared_image_embedding.")):
            continue
        name = authors(name)
        state[re.sub(r"((?:mlps\.\d+|prediction_head))\.proj_out", rf"\1.layers.{depth - 1}", name)] = value.clone()
    return state


def mobilesam(root):
    """Stages of 10 to 15 columns in heads of 5, 6 and 3; windows of 5, 6 and 2 on maps of 6, 3
    and 3, which do not fill them; the head of classes that the authors' file keeps."""
    name, width, size = "mobilesam", 32, 48
    g = generator(name)
    encoder = TinyViTEncoder(width, embed_dims=(6, 10, 12, 15), depths=(2, 1, 2, 1), num_heads=(1, 2, 2, 5), window_sizes=(7, 5, 6, 2), mlp_ratio=2.5, mbconv_expand_ratio=2.3)
    redraw(encoder, g)
    with torch.no_grad():
        for key, p in encoder.named_parameters():
            if key.endswith("attention_biases"):
                p.copy_(torch.randn(p.shape, generator=g))
    blocks = [block for stage in encoder.body.stages for block in stage.blocks]
    calibrate(encoder, g, (size, size), blocks[:2])
    prompts = dict(hidden_size=width, image_size=size, patch_size=16, image_embedding_size=size // 16)
    decoder = dict(hidden_size=width, mlp_dim=29, num_attention_heads=8, iou_head_hidden_dim=13, layer_norm_eps=1e-5)
    vision = dict(hidden_size=8, num_hidden_layers=1, num_attention_heads=1, image_size=size, output_channels=width, mlp_dim=8, global_attn_indexes=[0], num_pos_feats=width // 2)
    c = transformers.SamConfig(vision_config=vision, prompt_encoder_config=prompts, mask_decoder_config=decoder)
    model = redraw(transformers.SamModel(c), g, gain=0.7).eval()
    with torch.no_grad():
        frequencies = torch.randn(2, width // 2, generator=g)
        model.shared_image_embedding.positional_embedding.copy_(frequencies)
        model.prompt_encoder.shared_embedding.positional_embedding.copy_(frequencies)
    folder = root / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    model.half().float(), encoder.half().float()
    state = authors_state(model, encoder, c.mask_decoder_config.iou_head_depth)
    for key, shape in {"norm_head.weight": (15,), "norm_head.bias": (15,), "head.weight": (3, 15), "head.bias": (3,)}.items():
        state["image_encoder." + key] = torch.randn(shape, generator=g)
    state = OrderedDict((k, v.half() if v.is_floating_point() else v) for k, v in state.items())
    torch.save(state, folder / "model.pt", _use_new_zipfile_serialization=False)  # which is smaller
    inputs = {"pixel_values": torch.randn(2, 3, size, size, generator=g)} | points(g, 2, 2, 2, size)
    places = {"stem": (encoder.body.patch_embed, 0)} | {f"layer.{i}": (block, 0) for i, block in enumerate(blocks)}

    def run(model, encoder, given, pixels):
        embeddings = encoder(pixels)
        out = model(**given, image_embeddings=embeddings)
        return out.pred_masks, out.iou_scores, embeddings

    prompts = {k: v for k, v in long(inputs).items() if k != "pixel_values"}
    out, layers = tapped(places, lambda: run(model, encoder, prompts, inputs["pixel_values"]))
    layers = {k: v.permute(0, 2, 3, 1) if k in ("stem", "layer.0", "layer.1") else v for k, v in layers.items()}
    got = dict(zip(["pred_masks", "iou_scores", "image_embeddings"], out, strict=True))
    both = nn.ModuleDict({"model": model, "encoder": encoder})
    exact = halves(both, lambda m, cast: run(m["model"], m["encoder"], prompts, cast(inputs["pixel_values"])), got)
    source = f"timm {timm.__version__} TinyVit; transformers {transformers.__version__} SamModel"
    finish(folder, source, "sam", inputs, layers, got, exact)


def pictures(root):
    """sam2 from pictures to masks of their size, by Sam2Processor: golden/sam/pictures2.json."""
    model = transformers.Sam2Model.from_pretrained(root / "sam2", dtype=torch.float32)
    processor = transformers.Sam2Processor(transformers.Sam2ImageProcessor(size={"height": IMAGE, "width": IMAGE}))
    cases = []
    for name, places, labels, box in (
        ("wide.png", [[20, 9]], [1], None),
        ("tall.png", [[11, 70], [30, 20]], [1, 0], None),
        ("wide.png", None, None, [5, 3, 61, 40]),
        ("tall.png", [[22, 33]], [1], [3, 9, 41, 80]),
    ):
        image = Image.open(root.parent / "picture" / "src" / name).convert("RGB")
        given = {"input_points": [[places]], "input_labels": [[labels]]} if places else {}
        given |= {"input_boxes": [[box]]} if box else {}
        inputs = processor(image, return_tensors="pt", **given)
        size = inputs.pop("original_sizes")
        with torch.no_grad():
            out = model(**{k: v.float() if v.is_floating_point() else v for k, v in inputs.items()})
        masks = processor.post_process_masks(out.pred_masks, size, binarize=False)[0][0]
        close = [int((m.abs() < 1e-4).sum()) for m in masks]  # pixels that rounding may tip
        cases.append({"picture": name, "points": places, "labels": labels, "box": box, "scores": out.iou_scores[0, 0].tolist(), "close": close, "runs": [runs(m > 0) for m in masks]})
    (root.parent / "sam" / "pictures2.json").write_text(json.dumps(cases) + "\n")


MODELS = {f.__name__: f for f in (sam2, sam2_top_down, sam2_stable, sam2_defaults, sam2_video, mobilesam)} | {"sam2_pictures": pictures}  # of sam2
