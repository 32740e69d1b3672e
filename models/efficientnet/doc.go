// Package efficientnet is EfficientNet-B0 to B7 (Tan and Le 2019,
// "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks"),
// EfficientNet-Lite0 to 4 and EfficientNetV2-S, M and L (Tan and Le 2021,
// "EfficientNetV2: Smaller Models and Faster Training"), with the checkpoints of
// torchvision, transformers, timm and efficientnet_pytorch.
//
// standard.go has the papers' tables, checkpoint.go where a checkpoint's sizes come
// from, and names.go the libraries' names of the parameters; the network itself is
// package inverted's. Loading files, preprocessing and labels are package models'
// business.
package efficientnet
