// Package squeezenet is SqueezeNet (Iandola et al. 2016, "SqueezeNet: AlexNet-level
// accuracy with 50x fewer parameters and <0.5MB model size"), with torchvision's
// checkpoints.
//
// squeezenet.go is the network, family.go its sizes and where they come from. Loading
// files, preprocessing and labels are package models' business.
package squeezenet

import (
	"fmt"

	"saccade/gpu"
	"saccade/ops"
)

// Config is what the network's size depends on.
type Config struct {
	Channels   int
	Stem       int // channels after the first convolution
	StemKernel int // side of its filter
	Stages     [][]Widths
	Classes    int
}

// Widths are the channels of a fire module's three convolutions.
type Widths struct{ Squeeze, Expand1x1, Expand3x3 int }

// Model is a SqueezeNet.
type Model struct {
	Config

	Stem       ops.Conv2d `w:"stem"`
	Stages     [][]Fire   `w:"stages"` // each behind a max pooling
	Classifier ops.Conv2d `w:"classifier"`
}

// Fire is the fire module: a squeeze to few channels, then filters of both sizes side
// by side.
type Fire struct {
	Squeeze   ops.Conv2d `w:"squeeze"`
	Expand1x1 ops.Conv2d `w:"expand1x1"`
	Expand3x3 ops.Conv2d `w:"expand3x3"`
}

// New makes the layers that a configuration describes.
func New(b *ops.Builder, c Config) *Model {
	conv := func(in, out, kernel, stride, pad int) ops.Conv2d {
		return b.Conv2d(ops.Conv{In: in, Out: out, Kernel: ops.Square(kernel), Stride: ops.Square(stride), Pad: ops.Pad(pad), Bias: true})
	}
	m := &Model{Config: c, Stem: conv(c.Channels, c.Stem, c.StemKernel, 2, 0)}
	in := c.Stem
	for _, widths := range c.Stages {
		var stage []Fire
		for _, w := range widths {
			stage = append(stage, Fire{
				Squeeze:   conv(in, w.Squeeze, 1, 1, 0),
				Expand1x1: conv(w.Squeeze, w.Expand1x1, 1, 1, 0),
				Expand3x3: conv(w.Squeeze, w.Expand3x3, 3, 1, 1),
			})
			in = w.Expand1x1 + w.Expand3x3
		}
		m.Stages = append(m.Stages, stage)
	}
	m.Classifier = conv(in, c.Classes, 1, 1, 0)
	return m
}

// relu is the activation behind every convolution, the classifier's too.
var relu = ops.Then(ops.ReLU)

// Forward records the network on images [N, C, H, W]; its output is logits
// [N, classes], the means of the last map.
func (m *Model) Forward(r *gpu.Recorder, pixels *gpu.Tensor) {
	x := m.Stem.Forward(r, pixels, relu)
	layer := 0
	for _, stage := range m.Stages {
		x = ops.MaxPool(r, x, ops.Pool{Kernel: ops.Square(3), Stride: ops.Square(2), Ceil: true})
		for i := range stage {
			x = stage[i].Forward(r, x)
			r.TapNCHW(fmt.Sprintf("layer.%d", layer), x)
			layer++
		}
	}
	x = m.Classifier.Forward(r, x, relu) // [N h w classes]
	r.Output("logits", ops.Mean(r, x, 0, x.Shape[1]*x.Shape[2]))
}

// Forward is both expansions of the squeezed map x [N, H, W, C], side by side.
func (f *Fire) Forward(r *gpu.Recorder, x *gpu.Tensor) *gpu.Tensor {
	x = f.Squeeze.Forward(r, x, relu)
	return ops.Concat(r, f.Expand1x1.Forward(r, x, relu), f.Expand3x3.Forward(r, x, relu))
}
