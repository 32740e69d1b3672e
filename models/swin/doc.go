// Package swin is the Swin Transformer (Liu et al. 2021, "Swin Transformer: Hierarchical
// Vision Transformer using Shifted Windows") and its second version (Liu et al. 2022,
// "Swin Transformer V2: Scaling Up Capacity and Resolution"), with the checkpoints of
// transformers, torchvision and timm.
//
// swin.go is the network, windows.go the gathers that make windows of maps, bias.go what
// attention adds by relative positions, config.go the network's sizes, checkpoint.go,
// transformers.go and timm.go where a checkpoint's sizes come from, and names.go the
// libraries' names of the parameters. Loading files, preprocessing and labels are package
// models' business.
package swin
