package dfine

import (
	"math"

	"saccade/gpu"
	"saccade/models/internal/hybrid"
	"saccade/ops"
)

// ELAN fuses maps: half of what a convolution makes goes through two rows of blocks, and all
// stand beside each other in the end (GELAN of Wang et al. 2024, "YOLOv9"). Its own
// convolutions have SiLU, whatever the config says.
type ELAN struct {
	Conv1 ops.Conv2d     `w:"conv1"`
	CSP1  *hybrid.CSPRep `w:"csp1"`
	Conv2 ops.Conv2d     `w:"conv2"`
	CSP2  *hybrid.CSPRep `w:"csp2"`
	Conv3 ops.Conv2d     `w:"conv3"`
	Conv4 ops.Conv2d     `w:"conv4"`

	width int
}

// inner is the width of the rows of blocks.
func (c Config) inner() int { return int(math.Floor(c.Expansion * float64(c.Width) / 2)) }

func newELAN(b *ops.Builder, c Config) *ELAN {
	width, inner := c.Width, c.inner()
	conv := func(in, out, kernel int) ops.Conv2d {
		return hybrid.Convolution(b, c.Config, in, out, kernel, 1, 1)
	}
	return &ELAN{
		Conv1: conv(2*width, 2*width, 1), CSP1: hybrid.NewCSPRep(b, c.Config, width, inner, inner, c.Blocks), Conv2: conv(inner, inner, 3),
		CSP2: hybrid.NewCSPRep(b, c.Config, inner, inner, inner, c.Blocks), Conv3: conv(inner, inner, 3), Conv4: conv(2*width+2*inner, width, 1), width: width,
	}
}

// Forward is the layer on x [N, H, W, 2·D].
func (l *ELAN) Forward(r *gpu.Recorder, x *gpu.Tensor) *gpu.Tensor {
	act := ops.Then(ops.SiLU)
	x = l.Conv1.Forward(r, x, act)
	first := l.Conv2.Forward(r, l.CSP1.Forward(r, ops.Part(r, x, l.width, l.width)), act)
	second := l.Conv3.Forward(r, l.CSP2.Forward(r, first), act)
	return l.Conv4.Forward(r, ops.Concat(r, x, first, second), act)
}

// Halving is a pointwise and a depthwise convolution with a stride.
type Halving struct {
	Conv1 ops.Conv2d `w:"conv1"`
	Conv2 ops.Conv2d `w:"conv2"`
}

func newHalving(b *ops.Builder, c Config) *Halving {
	return &Halving{hybrid.Convolution(b, c.Config, c.Width, c.Width, 1, 1, 1), hybrid.Convolution(b, c.Config, c.Width, c.Width, 3, 2, c.Width)}
}

// Forward is the layer on x [N, H, W, C].
func (h *Halving) Forward(r *gpu.Recorder, x *gpu.Tensor) *gpu.Tensor {
	return h.Conv2.Forward(r, h.Conv1.Forward(r, x))
}
