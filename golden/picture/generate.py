"""Goldens of the package picture: decoding, resampling and pre-processing.

Run by hand, with the versions of golden/requirements.txt:

    python golden/picture/generate.py

It draws its own pictures and writes, beside itself,
    given/  (read) picture files that Pillow can't write; see given_files
    src/    picture files
    want/   what the references make of them: PNG (8-bit RGB), or *.f32.gz
            (gzip of little-endian float32, [3 H W])
    cases.json  which belongs to which, with the settings
Nothing in it is random. The references are Pillow, transformers, timm and
torchvision, and of edges OpenCV.
"""

import gzip
import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import torch
import torchvision
import transformers
from PIL import Image
from timm.data import create_transform, resolve_data_config
from timm.data.transforms import ResizeKeepRatio
from transformers.models.auto.image_processing_auto import get_image_processor_class_from_name

from decoding import (
    HERE, SRC, WANT, cases, decode_bmp, decode_damaged_jpeg, decode_damaged_png, decode_jpeg, decode_orientation,
    decode_others, decode_png, decode_tiff, draw, given_files, save_png,
)  # fmt: skip


def source(name, m):
    save_png(SRC / name, m)
    return m


FILTERS = ["nearest", "lanczos", "bilinear", "bicubic", "box", "hamming"]


def resize():
    large = source("large.png", draw(467, 321))
    small = source("small.png", draw(37, 23))
    jobs = [("large.png", large, 64, 44), ("large.png", large, 64, 321), ("small.png", small, 111, 69), ("small.png", small, 25, 61), ("small.png", small, 40, 9)]
    for name, m, w, h in jobs:  # the last in the other order of passes, as height shrinks most
        for i, f in enumerate(FILTERS):
            if name == "large.png" and h == 321 and f != "bicubic":
                continue
            want = f"{Path(name).stem}_{w}x{h}_{f}.png"
            save_png(WANT / want, m.resize((w, h), i))
            cases["resize"].append({"src": name, "w": w, "h": h, "filter": f, "want": want})


def canny():
    for name, low, high in (("large.png", 100, 200), ("small.png", 100, 200), ("small.png", 30, 60), ("420_3x5.jpg", 10, 20)):
        edges = cv2.Canny(np.asarray(Image.open(SRC / name).convert("RGB")), low, high)
        want = f"{Path(name).stem}_canny_{low}_{high}.png"
        save_png(WANT / want, Image.fromarray(edges).convert("RGB"))
        cases["canny"].append({"src": name, "low": low, "high": high, "want": want})


def process_case(name, kind, src, config, got, **more):
    a = np.ascontiguousarray(got, dtype="<f4")
    assert a.ndim == 3 and a.shape[0] == 3, a.shape
    path = f"{name}.f32.gz"
    (WANT / path).write_bytes(gzip.compress(a.tobytes(), 9, mtime=0))
    cases["process"].append({"name": name, "kind": kind, "src": src, "config": config, "shape": a.shape, "want": path, **more})


def hf(class_name, config, m):
    """The default back end's result: torchvision's, which resizes tensors."""
    cls = get_image_processor_class_from_name(class_name)
    return np.asarray(cls.from_dict(config)(m, return_tensors="np")["pixel_values"][0])


IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}


def process_transformers():
    files = {"wide.png": source("wide.png", draw(219, 146)), "tall.png": source("tall.png", draw(97, 150)), "tiny.png": source("tiny.png", draw(20, 15))}
    for name, class_name, src, config in [
        ("vit_default", "ViTImageProcessor", "tall.png", {}),
        ("vit", "ViTImageProcessor", "wide.png", {"size": {"height": 48, "width": 64}}),
        ("vit_int", "ViTImageProcessor", "tall.png", {"size": 56, "resample": 3, "do_normalize": False}),
        ("vit_raw", "ViTImageProcessor", "wide.png", {"size": 40, "do_rescale": False, "do_normalize": False}),
        ("vit_no_resize", "ViTImageProcessor", "tiny.png", {"do_resize": False, **IMAGENET}),
        ("deit", "DeiTImageProcessor", "wide.png", {"size": 73, "crop_size": 56, **IMAGENET}),
        ("deit_pad", "DeiTImageProcessor", "wide.png", {"size": {"height": 31, "width": 73}, "crop_size": {"height": 40, "width": 56}}),
        ("clip", "CLIPImageProcessor", "wide.png", {"size": 56, "crop_size": 56, "do_convert_rgb": True}),
        ("clip_tall", "CLIPImageProcessor", "tall.png", {"size": {"shortest_edge": 48}, "crop_size": {"height": 48, "width": 48}}),
        ("clip_pad", "CLIPImageProcessor", "tiny.png", {"do_resize": False, "crop_size": 27}),
        ("detr_tall", "DetrImageProcessorPil", "tall.png", {"size": {"shortest_edge": 60, "longest_edge": 85}}),
        ("detr_wide", "DetrImageProcessorPil", "wide.png", {"size": 50, "max_size": 300}),
        ("yolos", "YolosImageProcessorPil", "wide.png", {"size": {"shortest_edge": 52, "longest_edge": 70}}),
        ("rt_detr", "RTDetrImageProcessorPil", "tall.png", {"size": {"height": 32, "width": 48}}),
        ("depth_anything", "DPTImageProcessorPil", "wide.png", {"size": {"height": 56, "width": 56}, "keep_aspect_ratio": True, "ensure_multiple_of": 14, **IMAGENET}),
        ("depth_anything_tall", "DPTImageProcessorPil", "tall.png", {"size": {"height": 56, "width": 56}, "keep_aspect_ratio": True, "ensure_multiple_of": 14, **IMAGENET}),
        ("dpt", "DPTImageProcessorPil", "tall.png", {"size": 50, "ensure_multiple_of": 16}),
        ("segformer", "SegformerImageProcessorPil", "tall.png", {"size": {"height": 40, "width": 32}, "do_reduce_labels": True}),
        ("owlvit", "OwlViTImageProcessorPil", "wide.png", {"size": 48}),
        ("owlv2", "Owlv2ImageProcessorPil", "wide.png", {"size": {"height": 40, "width": 40}}),
        ("owlv2_tall", "Owlv2ImageProcessorPil", "tall.png", {"size": {"height": 60, "width": 50}, "do_normalize": False}),
        ("owlv2_grown", "Owlv2ImageProcessorPil", "tiny.png", {"size": {"height": 33, "width": 33}}),
        ("siglip", "SiglipImageProcessor", "tall.png", {"size": {"height": 48, "width": 48}}),
        ("dinov2", "BitImageProcessor", "wide.png", {"size": {"shortest_edge": 65}, "crop_size": {"height": 56, "width": 56}, **IMAGENET}),
        ("convnext", "ConvNextImageProcessor", "wide.png", {"size": {"shortest_edge": 56}, "crop_pct": 0.875, **IMAGENET}),
        ("convnext_pct", "ConvNextImageProcessor", "tall.png", {"size": {"shortest_edge": 56}, "crop_pct": 0.95, "resample": 2}),
        ("efficientnet", "EfficientNetImageProcessor", "wide.png", {"size": {"height": 61, "width": 61}, "do_center_crop": True, "crop_size": 52}),
        ("efficientnet_offset", "EfficientNetImageProcessor", "wide.png", {"size": 48, "rescale_factor": 1 / 127.5, "rescale_offset": True, "do_normalize": False, "include_top": False}),
        ("levit", "LevitImageProcessor", "wide.png", {"size": {"shortest_edge": 56}, "crop_size": 56}),
        ("poolformer", "PoolFormerImageProcessor", "tall.png", {"size": {"shortest_edge": 56}, "crop_size": 56, "crop_pct": 0.9}),
        ("mobilenet", "MobileNetV2ImageProcessor", "wide.png", {"size": {"shortest_edge": 64}, "crop_size": {"height": 56, "width": 56}}),
        ("dinov3", "DINOv3ViTImageProcessor", "wide.png", {"size": 48}),
        ("sam", "SamImageProcessorPil", "wide.png", {"size": {"longest_edge": 65}, "pad_size": {"height": 65, "width": 65}}),
        ("sam_tall", "SamImageProcessorPil", "tall.png", {"size": {"longest_edge": 56}, "pad_size": {"height": 56, "width": 64}, "resample": 3}),
        ("sam_grown", "SamImageProcessorPil", "tiny.png", {"size": {"longest_edge": 57}, "pad_size": {"height": 57, "width": 57}, "do_normalize": False}),
        ("sam2", "Sam2ImageProcessor", "tall.png", {"size": {"height": 61, "width": 48}}),
        ("sam_unpadded", "SamImageProcessorPil", "wide.png", {"size": {"longest_edge": 48}, "do_pad": False}),
    ]:
        m = files[src]
        config = {"image_processor_type": class_name, **config}
        got = hf(class_name, config, m)
        process_case(name, "transformers", src, config, got)
    # ConvNeXt stretches from 384 on: too large to keep, so the middle rows of one.
    got = hf("ConvNextImageProcessor", {}, files["tiny.png"])
    process_case("convnext_384", "transformers", "tiny.png", {"image_processor_type": "ConvNextFeatureExtractor"}, got[:, 190:194], rows=[190, 194])
    return files


def process_tiles(files):
    """By the classes' Pillow variants. The tiles are put beneath each other."""
    for name, class_name, src, config in [
        ("tiles", "SmolVLMImageProcessorPil", "wide.png", {"size": {"longest_edge": 71}, "max_image_size": {"longest_edge": 32}}),
        ("tiles_tall", "Idefics3ImageProcessorPil", "tall.png", {"size": {"longest_edge": 83}, "max_image_size": {"longest_edge": 40}, "image_mean": [0.4, 0.5, 0.6], "image_std": [0.2, 0.3, 0.4]}),
        ("tiles_larger", "SmolVLMImageProcessorPil", "tiny.png", {"size": {"longest_edge": 64}, "max_image_size": {"longest_edge": 33}}),
        ("tiles_none", "SmolVLMImageProcessorPil", "wide.png", {"size": {"longest_edge": 64}, "max_image_size": {"longest_edge": 33}, "do_image_splitting": False}),
        ("tiles_small", "SmolVLMImageProcessorPil", "tall.png", {"size": {"longest_edge": 29}, "max_image_size": {"longest_edge": 40}, "do_normalize": False}),
        ("tiles_unresized", "SmolVLMImageProcessorPil", "tiny.png", {"do_resize": False, "max_image_size": {"longest_edge": 14}, "resample": 3}),
        ("tiles_size", "SmolVLMImageProcessorPil", "tall.png", {"size": {"height": 50, "width": 31}, "max_image_size": {"longest_edge": 28}}),
    ]:
        cls = getattr(transformers, class_name)
        out = cls.from_dict(config)([files[src]], return_tensors="np", return_row_col_info=True)
        a = np.concatenate(list(out["pixel_values"][0]), axis=1)
        grid = [out["rows"][0][0], out["cols"][0][0]]
        process_case(name, "tiles", src, config | {"image_processor_type": class_name}, a, grid=grid)
    most = transformers.SmolVLMImageProcessorPil(size={"longest_edge": 2048}, max_image_size={"longest_edge": 512})
    for w, h in [(1, 1), (100, 100), (640, 480), (480, 640), (4000, 3), (3, 4000), (2049, 513), (1023, 1025), (333, 1000), (5000, 4999), (1536, 1024)]:
        out = most([Image.new("RGB", (w, h))], return_tensors="np", return_row_col_info=True)
        cases["grids"].append({"in": [h, w], "out": [out["rows"][0][0], out["cols"][0][0]]})


def process_timm(files):
    for name, src, config in [
        ("timm_center", "wide.png", {"input_size": [3, 56, 56], "interpolation": "bicubic", "crop_pct": 0.9, "crop_mode": "center", "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}),
        ("timm_oblong", "tall.png", {"input_size": [3, 40, 64], "interpolation": "bilinear", "crop_pct": 0.95}),
        ("timm_squash", "tall.png", {"input_size": [3, 48, 48], "interpolation": "bicubic", "crop_pct": 1.0, "crop_mode": "squash"}),
        ("timm_border", "wide.png", {"input_size": [3, 48, 48], "interpolation": "bicubic", "crop_pct": 1.0, "crop_mode": "border"}),
        ("timm_odd", "wide.png", {"input_size": [3, 53, 53], "interpolation": "bicubic", "crop_pct": 0.875}),
        ("timm_lanczos", "tall.png", {"input_size": [3, 48, 48], "interpolation": "lanczos", "crop_pct": 0.8}),
    ]:
        t = create_transform(**resolve_data_config(pretrained_cfg=config))
        process_case(name, "timm", src, config, t(files[src]).numpy())


def process_torchvision(files):
    from torchvision.transforms._presets import ImageClassification

    for name, src, resize, crop, interpolation in [
        ("torchvision", "wide.png", 64, 56, "bilinear"),
        ("torchvision_bicubic", "tall.png", 59, 56, "bicubic"),
        ("torchvision_pad", "tiny.png", 20, 31, "bilinear"),
    ]:
        t = ImageClassification(crop_size=crop, resize_size=resize, interpolation=torchvision.transforms.InterpolationMode(interpolation))
        process_case(name, "torchvision", src, {"resize": resize, "crop": crop, "interpolation": interpolation}, t(files[src]).numpy())


def defaults():
    for name in ["Beit", "Bit", "Blip", "ChineseCLIP", "CLIP", "ConvNext", "DeiT", "Detr", "DINOv3ViT", "DPT", "EfficientNet", "Levit", "MobileNetV1", "MobileNetV2", "OwlViT", "Owlv2", "PoolFormer", "Pvt", "RTDetr", "Sam", "Sam2", "Segformer", "Siglip", "ViT", "Yolos"]:
        c = get_image_processor_class_from_name(name + "ImageProcessor")
        keys = ["do_resize", "size", "resample", "default_to_square", "do_center_crop", "crop_size", "crop_pct", "do_rescale", "rescale_factor", "rescale_offset", "do_normalize", "include_top", "image_mean", "image_std"]
        if name == "Sam":
            keys += ["do_pad", "pad_size"]
        cases["defaults"][name] = {k: getattr(c, k, None) for k in keys}
        cases["defaults"][name]["resample"] = int(c.resample)


def sizes():
    """Sizes after each resize rule, for pictures of all shapes."""
    from torchvision.transforms.functional import _compute_resized_output_size as shortest

    from transformers.image_transforms import get_size_with_aspect_ratio
    from transformers.image_utils import get_image_size_for_max_height_width
    from transformers.models.dpt.image_processing_dpt import get_resize_output_image_size
    from transformers.models.yolos.image_processing_pil_yolos import get_size_with_aspect_ratio_yolos

    ours = {
        "bounded": lambda size, h, w: get_size_with_aspect_ratio(size, h, w),
        "yolos": lambda size, h, w: get_size_with_aspect_ratio_yolos(size, h, w),
        "within": lambda size, h, w: get_image_size_for_max_height_width(size, h, w),
        "closest": lambda size, h, w: [(s := get_resize_output_image_size(torch.zeros(*size), (h, w), True, 14)).height, s.width],
    }
    pictures = [(1, 1), (1, 500), (500, 1), (3, 7), (224, 224), (333, 500), (500, 333), (640, 427), (1023, 767), (4000, 2999), (97, 150), (129, 257)]
    for w, h in pictures:
        m = Image.new("L", (w, h))
        for rule, th, tw in [("shortest", 224, 224), ("shortest", 256, 256), ("cover", 192, 256), ("cover", 301, 77), ("fit", 224, 224), ("fit", 100, 333), ("bounded", 800, 1333), ("bounded", 480, 800), ("yolos", 512, 1333), ("within", 640, 480), ("closest", 518, 518), ("closest", 384, 672)]:
            if rule in ours:
                out = ours[rule]((h, w), th, tw)
            elif rule == "shortest":
                out = shortest((h, w), [th])
            else:
                out = ResizeKeepRatio.get_params(m, (th, tw), float(rule == "fit"))
            if min(out) > 0:
                cases["sizes"].append({"rule": rule, "target": [th, tw], "in": [h, w], "out": out})


def main():
    for d in (SRC, WANT):
        shutil.rmtree(d, ignore_errors=True)
        d.mkdir()
    decode_png()
    decode_jpeg()
    decode_damaged_jpeg()
    decode_others()
    decode_bmp()
    decode_tiff()
    decode_orientation()
    decode_damaged_png()
    given_files()
    resize()
    canny()
    files = process_transformers()
    process_tiles(files)
    process_timm(files)
    process_torchvision(files)
    defaults()
    sizes()
    lines = []
    for key, value in cases.items():
        if isinstance(value, list):
            lines.append(f"{json.dumps(key)}: [\n  " + ",\n  ".join(json.dumps(v) for v in value) + "\n]")
        else:
            lines.append(f"{json.dumps(key)}: {json.dumps(value)}")
    (HERE / "cases.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
    total = sum(f.stat().st_size for f in HERE.rglob("*") if f.is_file())
    print(f"{total / 2**20:.2f} MiB")


if __name__ == "__main__":
    main()
