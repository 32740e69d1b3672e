package diffusion

import (
	"fmt"

	"saccade/gpu"
	"saccade/ops"
)

// Stage is the blocks at one size of the map: of the way down, of the middle, or
// of the way up.
type Stage struct {
	Blocks     []Block        `w:"resnets"`
	Temporal   []TemporalConv `w:"temp_convs"`     // what follows each block of a network of videos, else none
	Attentions []Attention    `w:"attentions"`     // what follows the first blocks: all, one in the middle, none
	Motion     []*Motion      `w:"motion_modules"` // what follows those, of a video: all, one in the middle, none
	Down       *ops.Conv2d    `w:"down"`           // at the end, to half the size, or nil
	Up         *ops.Conv2d    `w:"up"`             // at the end, of the map upsampled, or nil
}

// NewMiddle makes the stage in the middle: two blocks of width with attention
// between them, if any.
func NewMiddle(b *ops.Builder, c Config, width int, a Attention) *Stage {
	s := &Stage{Blocks: []Block{NewBlock(b, c, width, width), NewBlock(b, c, width, width)}}
	if a != nil {
		s.Attentions = []Attention{a}
	}
	return s
}

// AddDown ends a stage with a convolution of stride 2. padding is diffusers'
// downsample_padding, where 0 means zeros at the bottom and the right alone.
func (s *Stage) AddDown(b *ops.Builder, width, padding int) {
	pad := ops.Pad(padding)
	if padding == 0 {
		pad = ops.Padding{Bottom: 1, Right: 1}
	}
	conv := b.Conv2d(ops.Conv{In: width, Out: width, Kernel: ops.Square(3), Stride: ops.Square(2), Pad: pad, Bias: true})
	s.Down = &conv
}

// AddUp ends a stage with a convolution of the map at twice the size, exact as
// [ops.Conv] has it.
func (s *Stage) AddUp(b *ops.Builder, width int, exact bool) {
	spec := Conv3(width, width)
	spec.Exact = exact
	conv := b.Conv2d(spec)
	s.Up = &conv
}

// Step is block i with what follows it. x: [N, H, W, C]; name is the stage's, for taps.
func (s *Stage) Step(r *gpu.Recorder, name string, i int, x, time *gpu.Tensor, prompt *Prompt) *gpu.Tensor {
	return r.Segment(x, func(x *gpu.Tensor) *gpu.Tensor {
		x = s.Blocks[i].Forward(r, x, time)
		r.TapNCHW(fmt.Sprintf("%s.resnets.%d", name, i), x)
		if i < len(s.Temporal) {
			x = s.Temporal[i].Forward(r, x, prompt.Video.Frames)
			r.TapNCHW(fmt.Sprintf("%s.temp_convs.%d", name, i), x)
		}
		if i < len(s.Attentions) {
			r.Enter(fmt.Sprintf("%s.attentions.%d", name, i))
			x = s.Attentions[i].Forward(r, x, prompt)
			r.Leave()
			r.TapNCHW(fmt.Sprintf("%s.attentions.%d", name, i), x)
		}
		if i < len(s.Motion) {
			r.Enter(fmt.Sprintf("%s.motion_modules.%d", name, i))
			x = s.Motion[i].Forward(r, x, prompt.Video)
			r.Leave()
			r.TapNCHW(fmt.Sprintf("%s.motion_modules.%d", name, i), x)
		}
		return x
	})
}

// Forward is all blocks of a stage without skips, and its end.
func (s *Stage) Forward(r *gpu.Recorder, name string, x, time *gpu.Tensor, prompt *Prompt) *gpu.Tensor {
	for i := range s.Blocks {
		x = s.Step(r, name, i, x, time, prompt)
	}
	switch {
	case s.Down != nil:
		x = s.Down.Forward(r, x)
		r.TapNCHW(name+".down", x)
	case s.Up != nil:
		x = s.Up.ForwardUpsampled(r, x, [2]int{2 * x.Shape[1], 2 * x.Shape[2]})
		r.TapNCHW(name+".up", x)
	}
	return x
}
