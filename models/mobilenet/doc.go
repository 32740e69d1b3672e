// Package mobilenet is MobileNetV2 (Sandler et al. 2018, "MobileNetV2: Inverted Residuals
// and Linear Bottlenecks") and MobileNetV3 (Howard et al. 2019, "Searching for
// MobileNetV3"), with the checkpoints of torchvision and timm, and V2's of transformers.
//
// family.go lists what can be loaded, standard.go has the papers' tables, checkpoint.go
// and transformers.go where a checkpoint's sizes come from, and names.go the libraries'
// names of the parameters; the network itself is package inverted's. Loading files,
// preprocessing and labels are package models' business.
package mobilenet
