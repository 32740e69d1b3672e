// Package ops holds the operations of which models are made: each checks its
// shapes, chooses a variant of its kernel for the adapter, and records one
// dispatch or a few, together with its twin, the same computation in plain Go
// in f64, by which any recorded program can be verified on any adapter.
//
// One operation has one name: ops/layernorm.go, shaders/layernorm.wgsl, the
// registry entry "layernorm" ([Cases]) and the bench line are the same thing.
//
// Activations are [..., C] with the innermost dimension padded to a multiple
// of eight (see [gpu.Tensor]); PyTorch's layouts exist only in constants as
// checkpoints have them and in what [Pack] and a convolution of an input take.
//
// A convolution is a matmul of pixels where its filter is 1×1, Winograd's where
// it is 3×3 with stride 1 and saves enough, a kernel of its own where every
// channel has its own filter, and else an implicit matmul; of an input, it is a
// matmul of unfolded windows. Of a magnified map it reads the map itself. The weight is laid out for the one that a
// recording chose, with the batch norm folded in.
//
// Matmuls, convolutions and attention can be computed in several ways, of which the
// tables have one for each class of adapters and shape; [gpu.Tuner] may find another
// (docs/tuning.md).
//
// What exceeds an adapter's largest binding is done in windows, with a dispatch
// each: rows of an activation, items of a batch, or rows of a picture with those
// of the input that they depend on; panels of a weight. A whole tensor must fit
// one buffer.
//
// Layers that own parameters ([Linear], [LayerNorm], …) are made by a
// [Builder], which binds them to a checkpoint and holds their memory.
//
// The package knows no model, opens no file and never waits for the GPU.
package ops
