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
// A 1×1 convolution is a matmul over pixels. A 3×3 convolution of stride 1 is
// Winograd's where that saves enough, a depthwise one has a kernel of its own, and all
// others are implicit matmuls; the first convolution of an input is a matmul of
// unfolded windows. After an upsampling, a convolution reads the smaller feature map
// and computes the upsampled values as it goes. The weight is laid out for the variant
// that a recording chose, with the batch norm folded in.
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
// Where a recording has a tape, operations say their adjoints ([gpu.Op]), of which
// [gpu.Recorder.Backward] makes a backward pass on the same recording, verified like all
// else. Activations are not fused to other operations then, since their adjoints need
// what they take. The gradient by the input of a linear layer or a convolution is another
// of those by a second copy of the weight, transposed: all ways of a matmul serve it, at the
// rate of the forward pass, for as much memory again; with [gpu.Tape]'s Compact the copy is made
// when it is needed, among the activations. What is trained is a state in f32
// ([Adapter], [Trained]); sums have a fixed order and there are no atomics, so that a
// gradient is the same to the bit from run to run.
//
// The package knows no model, opens no file and never waits for the GPU.
package ops
