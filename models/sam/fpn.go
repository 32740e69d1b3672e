package sam

import (
	"fmt"
	"slices"

	"saccade/gpu"
	"saccade/ops"
)

// FPNConfig is what the size of the pyramid depends on.
type FPNConfig struct {
	Widths  []int // of the stages' maps, the finest first
	Width   int   // of the levels
	TopDown []int // levels that the next coarser one is added to
}

// FPN is SAM 2's feature pyramid, with what the mask decoder makes of the two finest
// levels of a picture, and what stands for the memory that a still picture has not.
type FPN struct {
	FPNConfig

	Lateral  []ops.Conv2d   `w:"convs"`     // of the coarsest map first
	Fine0    ops.Conv2d     `w:"conv_s0"`   // of the finest level
	Fine1    ops.Conv2d     `w:"conv_s1"`   // of the next
	NoMemory *ops.Parameter `w:"no_memory"` // [1, 1, D], added to the third

	b       *ops.Builder
	none    *ops.Table
	doubled map[[3]int]*gpu.Tensor // indexes by N, H and W
}

// levels is how many of the finest maps the mask decoder takes.
const levels = 3

// check refuses what no pyramid can be made of.
func (c FPNConfig) check() error {
	if len(c.Widths) < levels || c.Width < 8 || c.Width > 1<<16 || c.Width%8 != 0 {
		return fmt.Errorf("the pyramid has %d levels of width %d; expected %d at least and a width that divides by 8", len(c.Widths), c.Width, levels)
	}
	return nil
}

func newFPN(b *ops.Builder, c FPNConfig) FPN {
	pointwise := func(in, out int) ops.Conv2d {
		return b.Conv2d(ops.Conv{In: in, Out: out, Kernel: ops.Square(1), Bias: true})
	}
	p := FPN{FPNConfig: c, b: b, Fine0: pointwise(c.Width, c.Width/8), Fine1: pointwise(c.Width, c.Width/4),
		NoMemory: &ops.Parameter{Shape: []int{1, 1, c.Width}}, doubled: map[[3]int]*gpu.Tensor{}}
	for _, width := range slices.Backward(c.Widths) {
		p.Lateral = append(p.Lateral, pointwise(width, c.Width))
	}
	return p
}

// forward gives the maps that the mask decoder takes, of a quarter of the width at most
// but for the last, from those of the stages [N, h, w, C]; the finest is the first in both.
func (p *FPN) forward(r *gpu.Recorder, maps []*gpu.Tensor) []*gpu.Tensor {
	var level *gpu.Tensor
	of := make([]*gpu.Tensor, levels)
	for i := len(maps) - 1; i >= 0; i-- {
		if i >= levels && !slices.Contains(p.TopDown, i-1) {
			continue // nothing that is taken depends on it
		}
		var coarser []ops.Epilogue
		if level != nil && slices.Contains(p.TopDown, i) {
			coarser = append(coarser, ops.Residual(ops.Rows(r, level, p.double(level.Shape))))
		}
		level = p.Lateral[len(maps)-1-i].Forward(r, maps[i], coarser...)
		if i < levels {
			of[i] = level
		}
	}
	if p.none == nil {
		p.none = p.b.Table("no_memory", 1, p.Width)
		p.b.Later(func() error { return p.none.Upload(p.NoMemory.Values) })
	}
	of[2] = ops.AddTable(r, of[2], p.none)
	of[0], of[1] = p.Fine0.Forward(r, of[0]), p.Fine1.Forward(r, of[1])
	return of
}

// double is the index of the rows of maps [N, H, W, C] that are twice as high and wide,
// by the nearest of their pixels.
func (p *FPN) double(shape []int) *gpu.Tensor {
	size := [3]int{shape[0], shape[1], shape[2]}
	if at, ok := p.doubled[size]; ok {
		return at
	}
	n, h, w := size[0], size[1], size[2]
	index := make([]uint32, 0, n*4*h*w)
	for i := range n * 4 * h * w {
		y, x := i/(2*w)%(2*h), i%(2*w)
		index = append(index, uint32((i/(4*h*w)*h+y/2)*w+x/2))
	}
	at := p.b.Index("doubled", index, n, 2*h, 2*w)
	p.doubled[size] = at
	return at
}
