// Package resnet is the residual network: ResNet (He et al. 2015, "Deep
// Residual Learning for Image Recognition") for ImageNet and CIFAR, Wide ResNet
// (Zagoruyko and Komodakis 2016) and ResNeXt (Xie et al. 2016), with the
// checkpoints of torchvision, transformers and timm, and those for CIFAR with
// the names of Idelbayev's pytorch_resnet_cifar10.
//
// resnet.go is the network, config.go its sizes, checkpoint.go and timm.go
// where they come from, names.go the libraries' names of the parameters, identity.go the
// shortcuts without parameters. Loading files, preprocessing and labels are
// package models' business.
package resnet
