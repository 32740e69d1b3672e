// Package inverted is networks of inverted residual blocks (Sandler et al. 2018,
// "MobileNetV2: Inverted Residuals and Linear Bottlenecks"), which MobileNetV2 and V3
// and the EfficientNets are.
//
// inverted.go is the network, config.go its sizes, tensors.go and names.go what
// checkpoints share in sizes and names, timm.go timm's checkpoints, whose classes for
// these networks have the same blocks. The papers' tables, and what only one family
// has, are the business of packages mobilenet and efficientnet.
package inverted
