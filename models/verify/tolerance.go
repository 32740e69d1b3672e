package verify

import (
	"fmt"

	"saccade/golden"
	"saccade/gpu"
)

// deepF32 is for what follows each other in f32 without a norm between: the layers
// of convolutional networks, and the evaluations of a pipeline. Seen: up to 3.8e-11.
var deepF32 = golden.Tolerance{NMSE: 1e-10, MaxAbs: 5e-5, Why: "many layers without a norm, or several evaluations, follow each other"}

// f32 is what goldens of these families may differ by in f32; of others, golden.F32.
var f32 = map[string]golden.Tolerance{
	"resnet": deepF32, "vgg": deepF32, "alexnet": deepF32, "efficientnet": deepF32, "sd": deepF32, "video": deepF32, "ddpm": deepF32,
	"detect": deepF32, "cutout": deepF32, // of some detectors the first half is a ResNet
}

// cnnF16 is for convolutional networks: nothing brings their activations back
// to one scale as a transformer's norms do, so that the roundings of all layers
// add up, and where a rounding tips a ReLU it stays in the sum. Seen: up to
// 4.1e-5.
var cnnF16 = golden.Tolerance{NMSE: 1e-4, MaxAbs: 2e-2, Why: "the roundings of all layers add up, as no norm rescales the activations"}

// efficientnetF16 is wider still: some fifty layers, every other of few products a
// sum. PyTorch in float32 with weights and activations rounded to halves as here
// is off by 1.3e-4 where 1.8e-4 are seen, in the last block of efficientnet_lite.
var efficientnetF16 = golden.Tolerance{NMSE: 3e-4, MaxAbs: 2e-2, Why: "fifty layers of few products a sum; PyTorch with the same roundings is as far off"}

// pipelineF16 is for whole runs: several evaluations follow each other, each of whose
// roundings, about 1e-5, the next take over. Seen: up to 6.7e-5.
var pipelineF16 = golden.Tolerance{NMSE: 2e-4, MaxAbs: 5e-2, Why: "several evaluations of a network follow each other"}

// masksF16 is for masks: each value is a product of few channels whose terms cancel.
// torch.float16 is off by up to 8e-5, and no case may be off by more than twice its.
var masksF16 = golden.Tolerance{NMSE: 1e-4, MaxAbs: 3e-2, Why: "masks are products of few channels, whose terms cancel"}

// f16 is what goldens of a family may differ by in halves.
var f16 = map[string]golden.Tolerance{
	"vit": golden.F16, "dino": golden.F16, "dinov2": golden.F16, "clip": golden.F16, "siglip": golden.F16, "text_encoder": golden.F16, "text": golden.F16, "blip": golden.F16, "smolvlm": golden.F16, "trocr": golden.F16, "whisper": golden.F16, "sound": golden.F16,
	"resnet": cnnF16, "vgg": cnnF16, "alexnet": cnnF16, "squeezenet": cnnF16, "ocr": golden.F16, "ocr_det": cnnF16, "ocr_rec": cnnF16, "efficientnet": efficientnetF16,
	"mobilenetv2": cnnF16, "mobilenetv3": cnnF16, "convnext": golden.F16, "convnextv2": golden.F16, "swin": golden.F16, "swinv2": golden.F16,
	"sam": masksF16, "detect": cnnF16, "find": golden.F16, "depth": golden.F16, "segment": golden.F16, "cutout": cnnF16, "upscale": cnnF16, "gan": golden.F16, "anomaly": cnnF16,
	"unet": golden.F16, "controlnet": golden.F16, "vae": golden.F16, "sd": pipelineF16, "video": pipelineF16, "ddpm": pipelineF16,
}

// Tolerance is what goldens of a family may differ by. A family without one is an error.
func Tolerance(family string, precision gpu.DType) (golden.Tolerance, error) {
	t, ok := f16[family]
	switch {
	case !ok:
		return golden.Tolerance{}, fmt.Errorf("tolerance of family %s: there is none; add it to package verify's table", family)
	case precision == gpu.F16:
		return t, nil
	}
	if deep, ok := f32[family]; ok {
		return deep, nil
	}
	return golden.F32, nil
}
