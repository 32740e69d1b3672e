// Package ipadapter makes tokens of an image, which a UNet sees beside those of its prompt
// (Ye et al. 2023, "IP-Adapter"): by a linear layer of the image's embedding, or ("plus") by
// queries that attend to its patches. The attention to them is the UNet's own.
package ipadapter
