// Package deformable is Deformable DETR (Zhu et al. 2020, "Deformable DETR: Deformable
// Transformers for End-to-End Object Detection"), with its iterative refinement of boxes and its
// two stages, with the checkpoints of transformers.
//
// deformable.go is the network, proposals.go the choice of queries among the encoder's pixels,
// checkpoint.go how a checkpoint tells its sizes; its decoder's layers are in
// models/internal/hybrid. It is not RT-DETR, whose encoder is another: package rtdetr.
package deformable
