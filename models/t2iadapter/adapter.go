package t2iadapter

import (
	"fmt"

	"saccade/gpu"
	"saccade/models/nn"
	"saccade/ops"
)

// Config is what an adapter's size depends on.
type Config struct {
	In     int // channels of the hints
	Widths []int
	Blocks int // residual blocks at each size
	Shrink int // pixels of a block's side that are taken as one
	Light  bool
	XL     bool
}

// halves says that the maps before feature i are halved.
func (c Config) halves(i int) bool {
	if c.XL {
		return i == 2
	}
	return i > 0
}

// Hints is the name of the input, [N, In, H, W] in [0, 1], and Feature that of the outputs.
const Hints = "hint"

// Feature is the name of output i.
func Feature(i int) string { return fmt.Sprintf("features.%d", i) }

// Adapter is the network.
type Adapter struct {
	Config
	ConvIn *ops.Conv2d `w:"conv_in"` // but of a light one
	Body   []Block     `w:"body"`
}

// Block is residual blocks behind a convolution to their width, and of a light adapter one from it.
type Block struct {
	In     *ops.Conv2d `w:"in_conv"`
	Blocks []Residual  `w:"resnets"`
	Out    *ops.Conv2d `w:"out_conv"`
}

// Residual is two convolutions beside their input.
type Residual struct {
	Block1 ops.Conv2d `w:"block1"`
	Block2 ops.Conv2d `w:"block2"`
}

func newAdapter(b *ops.Builder, c Config) *Adapter {
	conv := func(in, out, side int) *ops.Conv2d {
		v := b.Conv2d(ops.Conv{In: in, Out: out, Kernel: ops.Square(side), Pad: ops.Pad(side / 2), Bias: true})
		return &v
	}
	// The first convolution is of blocks of pixels (pixel_unshuffle), here as one of the pixels
	// themselves.
	first := func(out, side int) *ops.Conv2d {
		v := b.Conv2d(ops.Conv{In: c.In, Out: out, Kernel: ops.Square(side * c.Shrink), Stride: ops.Square(c.Shrink), Pad: ops.Pad(side / 2 * c.Shrink), Bias: true})
		return &v
	}
	m := &Adapter{Config: c}
	width := c.Widths[0]
	if !c.Light {
		m.ConvIn = first(width, 3)
	}
	for i, out := range c.Widths {
		var x Block
		inner, second := out, 1
		switch {
		case c.Light:
			if inner, second = out/4, 3; i == 0 {
				x.In = first(inner, 1)
			} else {
				x.In = conv(width, inner, 1)
			}
			x.Out = conv(inner, out, 1)
		case out != width:
			x.In = conv(width, out, 1)
		}
		for range c.Blocks {
			x.Blocks = append(x.Blocks, Residual{Block1: *conv(inner, inner, 3), Block2: *conv(inner, inner, second)})
		}
		m.Body = append(m.Body, x)
		width = out
	}
	return m
}

// Forward records the features of hints [N, In, H, W], maps from the largest to the smallest.
func (m *Adapter) Forward(r *gpu.Recorder, hints *gpu.Tensor) (features []*gpu.Tensor) {
	x := hints
	if m.ConvIn != nil {
		x = m.ConvIn.Forward(r, x)
	}
	for i := range m.Body {
		b := &m.Body[i]
		r.Enter(fmt.Sprintf("body.%d", i))
		if m.halves(i) {
			x = ops.AvgPool(r, x, ops.Pool{Kernel: ops.Square(2), Stride: ops.Square(2), Ceil: true})
		}
		if b.In != nil {
			x = b.In.Forward(r, x)
		}
		for j := range b.Blocks {
			h := b.Blocks[j].Block1.Forward(r, x, ops.Then(ops.ReLU))
			x = b.Blocks[j].Block2.Forward(r, h, ops.Residual(x))
		}
		if b.Out != nil {
			x = b.Out.Forward(r, x)
		}
		r.Leave()
		features = append(features, x)
	}
	return features
}

// Layers makes the network.
func (c Config) Layers(b *ops.Builder) (*nn.Layers, error) {
	m := newAdapter(b, c)
	return &nn.Layers{Parameters: m, Networks: []*nn.Network{{
		Inputs: []nn.Input{{Name: Hints, Dims: nn.Dims("N", c.In, "H", "W")}},
		Usual:  map[string]int{"H": 64 * c.Shrink, "W": 64 * c.Shrink},
		Check: func(s map[string]int) error {
			if s["H"]%c.Shrink != 0 || s["W"]%c.Shrink != 0 {
				return fmt.Errorf("%s: found %dx%d (height x width); expected multiples of %d", Hints, s["H"], s["W"], c.Shrink)
			}
			return nil
		},
		Record: func(r *gpu.Recorder, in map[string]*gpu.Tensor) {
			for i, x := range m.Forward(r, in[Hints]) {
				r.OutputNCHW(Feature(i), x)
			}
		},
	}}}, nil
}
