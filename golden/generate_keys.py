#!/usr/bin/env python3
"""Writes the keys that configs of transformers' and timm's networks and of
transformers' image processors have, with their defaults: signatures.json in the
packages of the networks and for picture's tests, and the arguments of timm's named
architectures: timm.json in models/vit, resnet, convnext and swin.

    python golden/generate_keys.py

The keys are the arguments of the constructors, by class. Go reads absent keys from
them, and its tests go through all of them, so that a key that a new version has is
noticed. What is no JSON is written as its name, as SiLU or LayerNorm(eps=1e-05).
"""

import functools
import inspect
import json
import sys
from pathlib import Path

import timm
import transformers
from timm.models._registry import _deprecated_models
from timm.models import convnext, deit, efficientnet, mobilenetv3, resnet, swin_transformer, swin_transformer_v2, vgg, vision_transformer

ROOT = Path(__file__).resolve().parent.parent
NETWORKS = {
    "vit": [
        transformers.ViTConfig,
        transformers.DeiTConfig,
        transformers.Dinov2Config,
        transformers.Dinov2WithRegistersConfig,
        vision_transformer.VisionTransformer,
    ],
    "clip": [
        transformers.CLIPConfig,
        transformers.CLIPTextConfig,
        transformers.CLIPVisionConfig,
        transformers.SiglipConfig,
        transformers.SiglipTextConfig,
        transformers.SiglipVisionConfig,
    ],
    "bert": [transformers.BertConfig, transformers.RobertaConfig, transformers.XLMRobertaConfig, transformers.CamembertConfig, transformers.DistilBertConfig],
    "blip": [transformers.BlipConfig, transformers.BlipTextConfig, transformers.BlipVisionConfig],
    "internal/llama": [transformers.LlamaConfig],
    "smolvlm": [transformers.Idefics3Config, transformers.Idefics3VisionConfig, transformers.SmolVLMConfig, transformers.SmolVLMVisionConfig],
    "ast": [transformers.ASTConfig, transformers.ASTFeatureExtractor],
    "clap": [transformers.ClapConfig, transformers.ClapTextConfig, transformers.ClapAudioConfig, transformers.ClapFeatureExtractor],
    "whisper": [transformers.WhisperConfig, transformers.WhisperFeatureExtractor],
    "trocr": [transformers.VisionEncoderDecoderConfig, transformers.TrOCRConfig],
    "ppocr": [transformers.PPLCNetV3Config, transformers.PPLCNetV4Config, transformers.PPOCRV5MobileDetConfig, transformers.PPOCRV5ServerDetConfig, transformers.PPOCRV6SmallDetConfig, transformers.PPOCRV6MediumDetConfig, transformers.PPOCRV5MobileRecConfig, transformers.PPOCRV5ServerRecConfig, transformers.PPOCRV6SmallRecConfig, transformers.PPOCRV6TinyRecConfig],
    "resnet": [transformers.ResNetConfig, transformers.RTDetrResNetConfig, resnet.ResNet],
    "efficientnet": [transformers.EfficientNetConfig, efficientnet.EfficientNet],
    "vgg": [vgg.VGG],
    "swin": [transformers.SwinConfig, transformers.Swinv2Config, swin_transformer.SwinTransformer, swin_transformer_v2.SwinTransformerV2],
    "convnext": [transformers.ConvNextConfig, transformers.ConvNextV2Config, convnext.ConvNeXt],
    "sam": [transformers.SamConfig, transformers.SamVisionConfig, transformers.SamPromptEncoderConfig, transformers.SamMaskDecoderConfig]
    + [getattr(transformers, f"Sam2{part}Config") for part in ("HieraDet", "Vision", "PromptEncoder", "MaskDecoder")],
    "detr": [transformers.DetrConfig],
    "deformable": [transformers.DeformableDetrConfig],
    "yolos": [transformers.YolosConfig],
    "hgnet": [transformers.HGNetV2Config],
    "rtdetr": [transformers.RTDetrConfig, transformers.RTDetrV2Config],
    "dfine": [transformers.DFineConfig],
    "segformer": [transformers.SegformerConfig],
    "upernet": [transformers.UperNetConfig],
    "depth": [transformers.DepthAnythingConfig, transformers.DPTConfig],
    "owl": [
        transformers.OwlViTConfig,
        transformers.OwlViTTextConfig,
        transformers.OwlViTVisionConfig,
        transformers.Owlv2Config,
        transformers.Owlv2TextConfig,
        transformers.Owlv2VisionConfig,
    ],
    "mobilenet": [transformers.MobileNetV2Config, efficientnet.EfficientNet, mobilenetv3.MobileNetV3],
}
PROCESSORS = "Beit Bit Blip ChineseCLIP CLIP ConvNext DeiT Detr DINOv3ViT DPT EfficientNet Idefics3 Levit MobileNetV1 MobileNetV2 OwlViT Owlv2 PoolFormer Pvt RTDetr Sam Sam2 Segformer Siglip SmolVLM ViT Yolos".split()
ARCHITECTURES = {
    "vit": [vision_transformer.VisionTransformer, deit.VisionTransformerDistilled],
    "resnet": [resnet.ResNet],
    "convnext": [convnext.ConvNeXt],
    "swin": [swin_transformer.SwinTransformer, swin_transformer_v2.SwinTransformerV2],
}
# Of these the table has what timm's weights without a tag want of pictures, too.
PICTURES = ["convnext", "swin"]


def plain(value):
    """A value as JSON."""
    if isinstance(value, functools.partial):
        arguments = ", ".join(f"{k}={plain(v)}" for k, v in value.keywords.items())
        return f"{plain(value.func)}({arguments[:40]})"
    if value is inspect.Parameter.empty:
        return None
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if hasattr(value, "__name__"):
        return value.__name__
    if value is None or isinstance(value, (bool, int, float, str)):
        return getattr(value, "value", value)
    return type(value).__name__


def write(path, content):
    path.write_text(content + "\n")
    print(path)


def lines(table):
    """JSON with a line for each entry."""
    return "{\n" + ",\n".join(f"\t{json.dumps(k)}: {json.dumps(v)}" for k, v in sorted(table.items())) + "\n}"


def signatures():
    for package, classes in NETWORKS.items():
        table = {}
        for c in classes:
            parameters = inspect.signature(c.__init__).parameters
            table[c.__name__] = {k: plain(p.default) for k, p in parameters.items() if k != "self"}
        write(ROOT / "models" / package / "signatures.json", json.dumps(table, indent="\t"))
    table = {}
    for name in PROCESSORS:
        c = getattr(transformers, name + "ImageProcessor")
        table[name] = {k: plain(getattr(c, k, None)) for k in c.valid_kwargs.__annotations__}
    c = timm.models.PretrainedCfg
    table[c.__name__] = {k: plain(p.default) for k, p in inspect.signature(c).parameters.items()}
    write(ROOT / "picture" / "testdata" / "signatures.json", json.dumps(table, indent="\t"))


class Built(BaseException):
    """What an entry point of timm builds, in place of building it."""


def building(model_cls, variant, pretrained, **kwargs):
    raise Built(model_cls, kwargs)


def architectures():
    for name, module in list(sys.modules.items()):
        if name.startswith("timm.models.") and hasattr(module, "build_model_with_cfg"):
            module.build_model_with_cfg = building
    for package, classes in ARCHITECTURES.items():
        table = {}
        for architecture in timm.list_models():
            try:
                timm.model_entrypoint(architecture)()
            except Built as b:
                c, kwargs = b.args
                if c not in classes:
                    continue
                known = {**inspect.signature(classes[0].__init__).parameters, **inspect.signature(c.__init__).parameters}
                table[architecture] = {k: plain(v) for k, v in kwargs.items() if k in known and v is not None}
                if kwargs.get("pruned"):
                    table[architecture]["pruned"] = True
                if package in PICTURES:
                    cfg = timm.get_pretrained_cfg(architecture)
                    table[architecture]["pretrained_cfg"] = {
                        k: plain(getattr(cfg, k)) for k in ("input_size", "crop_pct", "crop_mode", "interpolation", "mean", "std", "fixed_input_size")
                    }
                if c != classes[0]:
                    table[architecture]["class"] = c.__name__
        for old, new in _deprecated_models.items():
            if new.split(".")[0] in table:
                table.setdefault(old, table[new.split(".")[0]])
        write(ROOT / "models" / package / "timm.json", lines(table))


if __name__ == "__main__":
    signatures()
    architectures()
