// Package vit is the vision transformer: ViT (Dosovitskiy et al. 2020, "An
// Image is Worth 16x16 Words"), DeiT (Touvron et al. 2020), DINO (Caron et al.
// 2021) and DINOv2 (Oquab et al. 2023; with registers, Darcet et al. 2023), with
// the checkpoints of transformers, timm, torchvision and DINO's authors.
//
// vit.go is the network, config.go its sizes, checkpoint.go, dinov2.go and timm.go
// how checkpoints tell them, names.go the libraries' names of the parameters.
// signatures.json and timm.json are what transformers' and timm's classes take and
// timm's architectures give them. Loading files, preprocessing and labels are package
// models' business.
package vit
