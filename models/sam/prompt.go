package sam

import (
	"saccade/gpu"
	"saccade/ops"
)

// Prompt is the prompt encoder. Masks as prompts are not taken.
type Prompt struct {
	Fourier ops.Fourier    `w:"fourier"` // of points, and of the places of a map
	Kinds   ops.Embedding  `w:"kinds"`   // what is added, by the kind of a point
	NoMask  *ops.Parameter `w:"no_mask"`
}

// The kinds of points, rows of the table of [Prompt].
const (
	outside = iota // a point that is not in the mask (label 0)
	inside         // one that is (label 1)
	topLeft        // a corner of a box
	bottomRight
	noPoint // stands at the end of points without a box (label −1)
	padding // fills up sets of points (label −10); zeros
	kinds
)

func newPrompt(b *ops.Builder, features, width int) Prompt {
	return Prompt{Fourier: b.Fourier(features), Kinds: b.Embedding(kinds, width), NoMask: &ops.Parameter{Shape: []int{1, width}}}
}

// prompts are the points of R sets, as the device has them.
type prompts struct {
	points *gpu.Tensor // f32 [R, T, 2], in 0 to 1
	kinds  *gpu.Tensor // u32 [R, T]
	places *gpu.Tensor // u32 [R, T]: each point's own number among all, beyond them of one that has no place
}

// forward embeds the points: [R, T, D].
func (p *Prompt) forward(r *gpu.Recorder, in *prompts) *gpu.Tensor {
	x := ops.Rows(r, p.Fourier.Forward(r, in.points), in.places)
	return ops.Add(r, x, p.Kinds.Forward(r, in.kinds, nil), 1)
}
