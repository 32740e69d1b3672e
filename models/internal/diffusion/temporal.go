package diffusion

import (
	"saccade/gpu"
	"saccade/ops"
)

// TemporalConv is four convolutions over three frames of a pixel each, behind norms over the
// whole video (TemporalConvLayer; Wang et al. 2023, "ModelScope").
type TemporalConv struct {
	Norm1 ops.GroupNorm `w:"conv1.0"`
	Conv1 ops.Conv2d    `w:"conv1.2"`
	Norm2 ops.GroupNorm `w:"conv2.0"`
	Conv2 ops.Conv2d    `w:"conv2.3"`
	Norm3 ops.GroupNorm `w:"conv3.0"`
	Conv3 ops.Conv2d    `w:"conv3.3"`
	Norm4 ops.GroupNorm `w:"conv4.0"`
	Conv4 ops.Conv2d    `w:"conv4.3"`
}

// temporalEps is that of the norms, torch's default.
const temporalEps = 1e-5

// NewTemporalConv makes them for maps of width channels.
func NewTemporalConv(b *ops.Builder, groups, width int) TemporalConv {
	norm := func() ops.GroupNorm { return b.GroupNorm(groups, width, temporalEps) }
	conv := func() ops.Conv2d {
		return b.Conv2d(ops.Conv{In: width, Out: width, Kernel: [2]int{3, 1}, Pad: ops.Padding{Top: 1, Bottom: 1}, Bias: true})
	}
	return TemporalConv{Norm1: norm(), Conv1: conv(), Norm2: norm(), Conv2: conv(), Norm3: norm(), Conv3: conv(), Norm4: norm(), Conv4: conv()}
}

// Forward is x + f(x) of the maps x [N·frames, H, W, C] of N videos.
func (t *TemporalConv) Forward(r *gpu.Recorder, x *gpu.Tensor, frames int) *gpu.Tensor {
	h := t.Conv1.ForwardFrames(r, t.Norm1.ForwardFrames(r, x, frames, ops.SiLU), frames)
	h = t.Conv2.ForwardFrames(r, t.Norm2.ForwardFrames(r, h, frames, ops.SiLU), frames)
	h = t.Conv3.ForwardFrames(r, t.Norm3.ForwardFrames(r, h, frames, ops.SiLU), frames)
	return t.Conv4.ForwardFrames(r, t.Norm4.ForwardFrames(r, h, frames, ops.SiLU), frames, ops.Residual(x))
}
