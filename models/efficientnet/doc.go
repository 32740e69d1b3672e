// Package efficientnet is EfficientNet-B0 to B7 (Tan and Le 2019,
// "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks"),
// EfficientNet-Lite0 to 4 and EfficientNetV2-S, M and L (Tan and Le 2021,
// "EfficientNetV2: Smaller Models and Faster Training"), with the checkpoints of
// torchvision, transformers, timm and efficientnet_pytorch.
//
// efficientnet.go is the network, config.go its sizes, standard.go the papers'
// tables, checkpoint.go where a checkpoint's sizes come from, and names.go the
// libraries' names of the parameters. Loading files, preprocessing and labels
// are package models' business.
package efficientnet
