"""Goldens of Segment Anything: transformers' SamModel, and the authors' Sam."""

import copy
import json
import shutil

import torch
import transformers
from PIL import Image
from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer

from generate_io import generator, halves
from generate_models import redraw
from generate_texts import cast_all, finish, long, tapped

VISION = dict(hidden_size=42, output_channels=24, num_hidden_layers=2, num_attention_heads=3, image_size=28, patch_size=4, window_size=4, global_attn_indexes=[1], num_pos_feats=12, mlp_dim=37)
PROMPT = dict(hidden_size=24, image_size=28, patch_size=4)
DECODER = dict(hidden_size=24, mlp_dim=20, num_attention_heads=4, iou_head_hidden_dim=18)


def calm(model, g):
    """Parameters drawn anew; residual branches of a fifth, Fourier features of about a turn."""
    redraw(model, g)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if name.endswith(("attn.proj.weight", "lin2.weight", "out_proj.weight")):
                p.mul_(0.4)
            if "rel_pos" in name:
                p.mul_(0.6)
            if "gaussian_matrix" in name or "positional_embedding" in name:
                p.copy_(torch.randn(p.shape, generator=g))
            p.copy_(p.half())  # so that files of halves are exact
    return model


def prompts(g, n, sets, points, boxes, side, multimask=None):
    """Inputs of prompts: points with labels of all kinds, boxes, both or none."""
    inputs = {}
    if points:
        inputs["input_points"] = torch.rand(n, sets, points, 2, generator=g) * (side - 1)
        labels = torch.randint(0, 2, (n, sets, points), generator=g, dtype=torch.int32)
        if points > 1:
            labels[0, 0, -1] = -10
            labels[-1, -1, 0] = 0
        inputs["input_labels"] = labels
    if boxes:
        first = torch.rand(n, sets, 2, generator=g) * side / 2
        inputs["input_boxes"] = torch.cat([first, first + 3 + torch.rand(n, sets, 2, generator=g) * side / 3], -1)
    if multimask is not None:
        inputs["multimask_output"] = torch.tensor([multimask], dtype=torch.int32)
    return inputs


def sam(root, name, vision=None, prompt=None, decoder=None, n=2, sets=2, points=2, boxes=False, multimask=None, lacking=()):
    g = generator(name)
    vision, prompt, decoder = VISION | (vision or {}), PROMPT | (prompt or {}), DECODER | (decoder or {})
    c = transformers.SamConfig(vision_config=vision, prompt_encoder_config=prompt, mask_decoder_config=decoder)
    c._attn_implementation = "eager"
    model = calm(transformers.SamModel(c), g)
    model.tie_weights()
    folder = root / name
    shutil.rmtree(folder, ignore_errors=True)
    copy.deepcopy(model).half().save_pretrained(folder)
    if lacking:  # the class's defaults
        config = json.loads((folder / "config.json").read_text())
        for part, key in lacking:
            del config[part][key]
        (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    side = vision["image_size"]
    inputs = {"pixel_values": torch.randn(n, vision.get("num_channels", 3), side, side, generator=g)} | prompts(g, n, sets, points, boxes, side, multimask)
    taps = {f"layer.{i}": (layer, 0) for i, layer in enumerate(model.vision_encoder.layers)}
    taps |= {"image_embeddings": (model.vision_encoder.neck, 0)}

    def call(model, given):
        given = dict(given)
        if "multimask_output" in given:
            given["multimask_output"] = bool(given["multimask_output"].item())
        return model(**given)

    out, layers = tapped(taps, lambda: call(model, long(inputs)))
    embeddings = layers.pop("image_embeddings")
    got = {"image_embeddings": embeddings, "pred_masks": out.pred_masks, "iou_scores": out.iou_scores}

    def half(model, cast):
        given = cast_all(cast, inputs)
        for k in ("input_points", "input_boxes"):
            if k in given:
                given[k] = inputs[k]
        with torch.no_grad():
            seen = {}
            hook = model.vision_encoder.neck.register_forward_hook(lambda m, x, y: seen.update(y=y))
            out = call(model, given)
            hook.remove()
        return seen["y"], out.pred_masks, out.iou_scores

    finish(root, name, "sam", transformers.SamModel, inputs, layers, got, halves(model, half, got))


def authors(root, name, n=2, sets=1, points=3, boxes=True):
    """The authors' Sam: a state_dict by torch.save, run picture by picture as their predictor does."""
    g = generator(name)
    side, patch, width, out = 36, 4, 24, 16
    model = Sam(
        image_encoder=ImageEncoderViT(depth=3, embed_dim=width, img_size=side, mlp_ratio=2, norm_layer=lambda d: torch.nn.LayerNorm(d, eps=1e-6), num_heads=3, patch_size=patch, qkv_bias=True, use_rel_pos=True, global_attn_indexes=[1], window_size=5, out_chans=out),
        prompt_encoder=PromptEncoder(embed_dim=out, image_embedding_size=(side // patch,) * 2, input_image_size=(side, side), mask_in_chans=16),
        mask_decoder=MaskDecoder(num_multimask_outputs=3, transformer=TwoWayTransformer(depth=2, embedding_dim=out, mlp_dim=48, num_heads=8), transformer_dim=out, iou_head_depth=3, iou_head_hidden_dim=40),
    )
    calm(model, g)
    with torch.no_grad():
        model.prompt_encoder.pe_layer.positional_encoding_gaussian_matrix.copy_(torch.randn(2, out // 2, generator=g).half())
    model.eval()
    folder = root / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    torch.save({k: v.half() for k, v in model.state_dict().items()}, folder / "model.pth")
    inputs = {"pixel_values": torch.randn(n, 3, side, side, generator=g)} | prompts(g, n, sets, points, boxes, side)
    inputs["input_labels"] = inputs["input_labels"].clamp(min=0)

    prompt_encoder = copy.deepcopy(model.prompt_encoder)  # which halves can't run

    def run(model, cast):
        maps, masks, scores = [], [], []
        for i in range(n):
            image = model.image_encoder(cast(inputs["pixel_values"][i : i + 1]))
            sparse, dense = prompt_encoder(points=(inputs["input_points"][i], inputs["input_labels"][i]), boxes=inputs["input_boxes"][i] if boxes else None, masks=None)
            low, iou = model.mask_decoder(image_embeddings=image, image_pe=cast(prompt_encoder.get_dense_pe()), sparse_prompt_embeddings=cast(sparse), dense_prompt_embeddings=cast(dense), multimask_output=True)
            maps.append(image), masks.append(low), scores.append(iou)
        return torch.cat(maps), torch.stack(masks), torch.stack(scores)

    with torch.no_grad():
        maps, masks, scores = run(model, lambda t: t)
    got = {"image_embeddings": maps, "pred_masks": masks, "iou_scores": scores}
    exact = halves(model, run, got)
    finish(root, name, "sam", Sam, inputs, {}, got, exact, architecture="sam")


def runs(mask):
    """The lengths of runs of a mask, column by column from the left, those that are off first."""
    flat = mask.T.flatten().tolist()
    out, last = [0], False
    for on in flat:
        if on != last:
            out.append(0)
            last = on
        out[-1] += 1
    return out


WIDE_AND_TALL = [
    ("wide.png", [[20, 9]], [1], None),
    ("tall.png", [[11, 70], [30, 20]], [1, 0], None),
    ("wide.png", None, None, [5, 3, 61, 40]),
    ("tall.png", [[22, 33]], [1], [3, 9, 41, 80]),
    ("tiny.png", [[0, 0]], [1], None),
]
THINGS = [
    ("things.png", [[60, 60]], [1], None),
    ("things.png", [[190, 70], [60, 60]], [1, 0], None),
    ("things.png", None, None, [130, 20, 240, 130]),
    ("horse.png", [[200, 160]], [1], None),
]


def pictures(root):
    """sam_points from pictures to masks of their size, by SamProcessor: golden/sam/pictures.json."""
    masked(root / "sam_points", root.parent / "picture" / "src", WIDE_AND_TALL, root.parent / "sam" / "pictures.json", 1e-4)


def zoo_sam(root, zoo):
    """The trained model of zoo/sam on pictures of zoo/pictures, likewise: golden/sam/zoo.json. Its logits go to some 20."""
    masked(zoo / "sam", zoo / "pictures", THINGS, root.parent / "sam" / "zoo.json", 1e-3)


def masked(folder, pictures, prompts, path, tipped):
    """What a folder's model makes of prompts on pictures; rounding may tip pixels with logits below tipped."""
    model = transformers.SamModel.from_pretrained(folder, dtype=torch.float32)
    side = model.config.vision_config.image_size
    processor = transformers.SamProcessor(transformers.SamImageProcessorPil(size={"longest_edge": side}, pad_size={"height": side, "width": side}))
    cases = []
    for name, points, labels, box in prompts:
        image = Image.open(pictures / name).convert("RGB")
        given = {"input_points": [[points]], "input_labels": [[labels]]} if points else {}
        given |= {"input_boxes": [[box]]} if box else {}
        inputs = processor(image, return_tensors="pt", **given)
        sizes = inputs.pop("original_sizes"), inputs.pop("reshaped_input_sizes")
        inputs = {k: v.float() if v.is_floating_point() else v for k, v in inputs.items()}
        with torch.no_grad():
            out = model(**inputs)
        masks = processor.post_process_masks(out.pred_masks, *sizes, binarize=False)[0][0]
        close = [int((m.abs() < tipped).sum()) for m in masks]
        cases.append({"picture": name, "points": points, "labels": labels, "box": box, "scores": out.iou_scores[0, 0].tolist(), "close": close, "runs": [runs(m > 0) for m in masks]})
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(cases) + "\n")


MODELS = {
    "sam_points": lambda root: sam(root, "sam_points"),
    "sam_boxes": lambda root: sam(root, "sam_boxes", dict(window_size=3, global_attn_indexes=[0]), points=0, boxes=True, multimask=0),
    "sam_both": lambda root: sam(root, "sam_both", dict(hidden_size=45, num_attention_heads=5, image_size=32), dict(image_size=32), n=2, sets=3, points=3, boxes=True, multimask=1),
    "sam_none": lambda root: sam(root, "sam_none", dict(qkv_bias=False, use_abs_pos=False, use_rel_pos=False, hidden_act="relu", num_channels=4, window_size=0, image_size=32), dict(image_size=32), decoder=dict(hidden_act="gelu", num_multimask_outputs=2, iou_head_depth=4, num_hidden_layers=1, num_attention_heads=3, attention_downsample_rate=4), points=0),
    "sam_defaults": lambda root: sam(root, "sam_defaults", dict(hidden_size=28, num_attention_heads=2, mlp_dim=None, window_size=14, image_size=24, global_attn_indexes=[2, 5, 8, 11], patch_size=2, num_hidden_layers=3, output_channels=16, num_pos_feats=8), dict(image_size=24, patch_size=2, hidden_size=16), dict(num_attention_heads=8, hidden_size=16), n=1, sets=3, points=1,
        lacking=[("vision_config", k) for k in ("hidden_act", "layer_norm_eps", "qkv_bias", "mlp_ratio", "mlp_dim", "use_abs_pos", "use_rel_pos", "window_size", "global_attn_indexes", "num_channels", "model_type")]
        + [("prompt_encoder_config", k) for k in ("num_point_embeddings", "mask_input_channels", "hidden_act", "layer_norm_eps", "model_type")]
        + [("mask_decoder_config", k) for k in ("hidden_act", "num_hidden_layers", "num_attention_heads", "attention_downsample_rate", "num_multimask_outputs", "iou_head_depth", "layer_norm_eps", "model_type")],
    ),
    "sam_authors": lambda root: authors(root, "sam_authors"),
    "sam_authors_points": lambda root: authors(root, "sam_authors_points", boxes=False, points=2),
    "sam_pictures": pictures,  # of sam_points
}  # fmt: skip
