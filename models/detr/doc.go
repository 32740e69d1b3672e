// Package detr is DETR (Carion et al. 2020, "End-to-End Object Detection with
// Transformers"): a ResNet, and a transformer whose queries each find an object, with the
// checkpoints of transformers.
//
// detr.go is the network, mask.go what it makes of pictures that are filled up,
// checkpoint.go how a checkpoint tells its sizes.
package detr
