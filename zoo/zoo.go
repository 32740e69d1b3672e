// Package zoo embeds the small trained models that make the program useful
// without any download. README.md beside it is their model card, and the
// Python scripts are what trained them.
//
// It holds files only: package models loads them as it loads any folder, from what
// a program gives it as Options.Embedded. A program holds those models alone whose
// functions it calls.
package zoo

import (
	"embed"
	"errors"
	"io/fs"
)

//go:embed vit/config.json vit/preprocessor_config.json vit/model.safetensors
var vit embed.FS

//go:embed resnet/config.json resnet/preprocessor_config.json resnet/model.safetensors
var resnet embed.FS

//go:embed clip/config.json clip/preprocessor_config.json clip/tokenizer.json clip/tokenizer_config.json clip/model.safetensors
var clip embed.FS

//go:embed sd/model_index.json sd/scheduler/scheduler_config.json sd/tokenizer/tokenizer.json sd/tokenizer/tokenizer_config.json
//go:embed sd/text_encoder/config.json sd/text_encoder/model.safetensors
//go:embed sd/unet/config.json sd/unet/diffusion_pytorch_model.safetensors
//go:embed sd/vae/config.json sd/vae/diffusion_pytorch_model.safetensors
var sd embed.FS

//go:embed control/config.json control/diffusion_pytorch_model.safetensors
var control embed.FS

//go:embed gan/model.safetensors
var gan embed.FS

//go:embed blip/config.json blip/generation_config.json blip/preprocessor_config.json blip/tokenizer.json blip/tokenizer_config.json blip/vocab.txt
//go:embed blip/model.safetensors
var blip embed.FS

//go:embed blip_vqa/config.json blip_vqa/generation_config.json blip_vqa/preprocessor_config.json blip_vqa/tokenizer.json blip_vqa/tokenizer_config.json blip_vqa/vocab.txt
//go:embed blip_vqa/model.safetensors.index.json blip_vqa/question.safetensors
var question embed.FS

//go:embed sam/config.json sam/preprocessor_config.json sam/model.safetensors
var sam embed.FS

//go:embed upscale/model.safetensors
var upscale embed.FS

//go:embed ocr_det/config.json ocr_det/preprocessor_config.json ocr_det/model.safetensors
//go:embed ocr_rec/config.json ocr_rec/preprocessor_config.json ocr_rec/model.safetensors
var ocr embed.FS

//go:embed yolos/config.json yolos/preprocessor_config.json yolos/model.safetensors
var yolos embed.FS

//go:embed u2net/preprocessor_config.json u2net/model.safetensors
var u2net embed.FS

//go:embed ast/config.json ast/preprocessor_config.json ast/model.safetensors
var ast embed.FS

// ViT is a vision transformer for the ten classes of CIFAR-10, in
// transformers' layout, in the folder vit.
func ViT() fs.FS { return vit }

// ResNet is a residual network for the ten classes of CIFAR-10, with
// torchvision's names, in the folder resnet.
func ResNet() fs.FS { return resnet }

// CLIP compares 64×64 images of named things, emoji above all, with short
// English texts, in transformers' layout, in the folder clip.
func CLIP() fs.FS { return clip }

// SD draws 64×64 images of prompts in the manner of emoji: a latent diffusion
// model in diffusers' layout, in the folder sd.
func SD() fs.FS { return sd }

// Control steers SD by edges, white lines over black, in diffusers' layout
// (ControlNetModel), in the folder control.
func Control() fs.FS { return control }

// GAN draws 64×64 images of faces from noise, as emoji have them: StyleGAN2, with the names
// of the files g_ema, in the folder gan.
func GAN() fs.FS { return gan }

// BLIP says what a 64×64 image of named things, or of one of CIFAR-10's classes,
// shows, in transformers' layout (BlipForConditionalGeneration), in the folder blip.
func BLIP() fs.FS { return blip }

// BLIPVQA answers questions about such images, in transformers' layout
// (BlipForQuestionAnswering), in the folder blip_vqa. All weights but the question
// encoder's are BLIP's.
func BLIPVQA() fs.FS { return folders{question, shared{}} }

// SAM cuts drawings out of images of 256×256 by clicks and boxes, in transformers' layout
// (SamModel), in the folder sam.
func SAM() fs.FS { return sam }

// Upscale makes drawings 4 times as large, with the names of SRVGGNetCompact, in the
// folder upscale.
func Upscale() fs.FS { return upscale }

// OCR finds lines of text and reads ASCII and the 2,350 syllables of KS X 1001, in
// transformers' layouts (PPOCRV6SmallDetForObjectDetection and
// PPOCRV6SmallRecForTextRecognition), in the folders ocr_det and ocr_rec.
func OCR() fs.FS { return ocr }

// YOLOS finds twenty kinds of drawings in images, in transformers' layout
// (YolosForObjectDetection), in the folder yolos.
func YOLOS() fs.FS { return yolos }

// U2Net cuts drawings out of what they lie over, with the names of U²-Net's authors, in the
// folder u2net.
func U2Net() fs.FS { return u2net }

// AST tells spoken digits and commands, English and Korean, in transformers' layout
// (ASTForAudioClassification), in the folder ast.
func AST() fs.FS { return ast }

// All is all of them, a folder each.
func All() fs.FS {
	return folders{vit, resnet, clip, sd, control, gan, blip, BLIPVQA(), sam, upscale, yolos, u2net, ocr, ast}
}

// shared is the file of blip_vqa that is a link on disk, which a program cannot
// embed.
type shared struct{}

// Open implements [fs.FS].
func (shared) Open(name string) (fs.File, error) {
	if name == "blip_vqa/rest.safetensors" {
		return blip.Open("blip/model.safetensors")
	}
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}

// folders are file systems whose folders have different names.
type folders []fs.FS

// Open implements [fs.FS].
func (all folders) Open(name string) (fs.File, error) {
	for _, fsys := range all {
		f, err := fsys.Open(name)
		if !errors.Is(err, fs.ErrNotExist) {
			return f, err
		}
	}
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}
