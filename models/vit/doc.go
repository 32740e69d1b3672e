// Package vit is the vision transformer: ViT (Dosovitskiy et al. 2020, "An
// Image is Worth 16x16 Words") and DeiT (Touvron et al. 2020), with the
// checkpoints of transformers, timm and torchvision.
//
// vit.go is the network, config.go its sizes and where they come from,
// names.go the three libraries' names of the parameters. Loading files,
// preprocessing and labels are package models' business.
package vit
