// Package zoo embeds the small trained models that make the program useful
// without any download. README.md beside it is their model card, and the
// Python scripts are what trained them.
//
// It holds files only: package models loads them as it loads any folder.
package zoo

import (
	"embed"
	"io/fs"
)

//go:embed vit/config.json vit/preprocessor_config.json vit/model.safetensors
//go:embed resnet/config.json resnet/preprocessor_config.json resnet/model.safetensors
//go:embed clip/config.json clip/preprocessor_config.json clip/tokenizer.json clip/tokenizer_config.json clip/model.safetensors
//go:embed sd/model_index.json sd/scheduler/scheduler_config.json sd/tokenizer/tokenizer.json sd/tokenizer/tokenizer_config.json
//go:embed sd/text_encoder/config.json sd/text_encoder/model.safetensors
//go:embed sd/unet/config.json sd/unet/diffusion_pytorch_model.safetensors
//go:embed sd/vae/config.json sd/vae/diffusion_pytorch_model.safetensors
var files embed.FS

// ViT is a vision transformer for the ten classes of CIFAR-10, in
// transformers' layout.
func ViT() fs.FS { return sub("vit") }

// ResNet is a residual network for the ten classes of CIFAR-10, with
// torchvision's names.
func ResNet() fs.FS { return sub("resnet") }

// CLIP compares 64×64 pictures of named things, emoji above all, with short
// English texts, in transformers' layout.
func CLIP() fs.FS { return sub("clip") }

// SD draws 64×64 pictures of prompts in the manner of emoji: a latent diffusion
// model in diffusers' layout.
func SD() fs.FS { return sub("sd") }

// sub is a folder of the embedded files, whose names are fixed above.
func sub(folder string) fs.FS {
	fsys, err := fs.Sub(files, folder)
	if err != nil { // only a malformed name can fail
		return nil
	}
	return fsys
}
