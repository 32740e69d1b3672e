// Package convnext is ConvNeXt (Liu et al. 2022, "A ConvNet for the 2020s") and ConvNeXt V2
// (Woo et al. 2023, "ConvNeXt V2: Co-designing and Scaling ConvNets with Masked
// Autoencoders"), with the checkpoints of transformers and timm, and torchvision's.
//
// convnext.go is the network, config.go its sizes, family.go what can be loaded,
// checkpoint.go and timm.go where a checkpoint's sizes come from, and names.go the
// libraries' names of the parameters. Loading files, preprocessing and labels are package
// models' business.
package convnext
