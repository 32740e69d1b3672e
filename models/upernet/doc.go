// Package upernet is UPerNet (Xiao et al. 2018, "Unified Perceptual Parsing for Scene
// Understanding"): a backbone, whose deepest map is pooled at several sizes and joined with the
// others from the top down, with the checkpoints of transformers.
//
// upernet.go is the network, backbone.go its backbones, checkpoint.go how a checkpoint tells its
// sizes.
package upernet
