// Package clip is the dual encoders of pictures and texts: CLIP (Radford et al.
// 2021) and SigLIP (Zhai et al. 2023), with the checkpoints of transformers.
//
// vision.go is the picture tower, text.go the text tower, which diffusion models
// hold on its own, clip.go the two with what compares them, config.go their sizes,
// checkpoint.go and names.go what files say. Turning texts into token ids is
// package tokenizer's business.
package clip
