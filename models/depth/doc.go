// Package depth is networks that tell how far away each pixel is: DPT (Ranftl et al. 2021,
// "Vision Transformers for Dense Prediction") and Depth Anything (Yang et al. 2024, V1 and
// V2, relative and metric), with the checkpoints of transformers.
//
// depth.go is the network, checkpoint.go how a checkpoint tells its sizes, family.go the
// family depth.
package depth
