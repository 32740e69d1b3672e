package ppocr

import (
	"fmt"

	"saccade/gpu"
	"saccade/models/hgnet"
	"saccade/ops"
)

// BackboneConfig is what the size of a PP-LCNet depends on, or a PP-HGNetV2.
type BackboneConfig struct {
	HG         *hgnet.Config // or nil; then what follows counts, of which else Outputs alone does
	V4         bool
	Stem       []int // channels: of V3 of the one convolution, of V4 of its input, middle and output
	StemStride []int
	SmallStem  bool // of V4: two convolutions
	Stages     [][]LayerConfig
	Act        ops.Activation
	Reduction  int // of channels, within squeeze and excitation
	Outputs    []int
}

// LayerConfig is one separable convolution.
type LayerConfig struct {
	Kernel, In, Out int
	Stride          [2]int
	// Plain says that the stride was written as the number 1, Halves that it was as 2:
	// the reference compares it with these.
	Plain, Halves bool
	Squeeze       bool
	// Deep and Point are the scale and shift behind V3's two activations.
	Deep, Point Affine
}

// same says that the layer keeps the size and the channels.
func (l LayerConfig) same() bool { return l.Plain && l.In == l.Out }

// Affine is a scale and a shift.
type Affine struct{ Scale, Shift float64 }

// Channels are those of the stages that are asked for.
func (c BackboneConfig) Channels() (all []int) {
	for _, i := range c.Outputs {
		switch {
		case c.HG != nil:
			all = append(all, c.HG.Width(i))
		case i == 0:
			all = append(all, c.Stem[len(c.Stem)-1])
		default:
			stage := c.Stages[i-1]
			all = append(all, stage[len(stage)-1].Out)
		}
	}
	return all
}

// Backbone is a PP-LCNet, or HG.
type Backbone struct {
	BackboneConfig

	HG     *hgnet.Model `w:"hgnet"` // or nil
	Stem   Stem         `w:"stem"`
	Stages []Stage      `w:"stages"`
}

// Stem is the first convolutions: Conv1 alone in V3, Conv1 and Conv2 in V4's small one, all
// but Conv2 in its large one.
type Stem struct {
	Conv1  *ops.Conv2d `w:"conv1"`
	Conv2  *ops.Conv2d `w:"conv2"`
	Conv2a *ops.Conv2d `w:"conv2a"`
	Conv2b *ops.Conv2d `w:"conv2b"`
	Conv3  *ops.Conv2d `w:"conv3"`
	Conv4  *ops.Conv2d `w:"conv4"`
}

// Stage is the layers of one resolution.
type Stage struct {
	Layers []Layer `w:"layers"`
}

// Layer is a separable convolution: of V3 Depthwise and Pointwise, whose branches are folded
// into one; of V4 Depthwise, Expand and Project.
type Layer struct {
	LayerConfig

	Depthwise *ops.Conv2d   `w:"depthwise"`
	Squeeze   *SqueezeGates `w:"squeeze"` // or nil
	Pointwise *ops.Conv2d   `w:"pointwise"`
	Expand    *ops.Conv2d   `w:"expand"`
	Project   *ops.Conv2d   `w:"project"`

	act ops.Activation
}

// SqueezeGates are squeeze and excitation (Hu et al. 2017): gates of the channels by their
// means.
type SqueezeGates struct {
	Reduce ops.Conv2d `w:"reduce"`
	Expand ops.Conv2d `w:"expand"`

	gate ops.Activation
}

const batchNorm = 1e-5 // eps

func newBackbone(b *ops.Builder, c BackboneConfig) (m *Backbone, err error) {
	m = &Backbone{BackboneConfig: c}
	if c.HG != nil {
		m.HG, err = hgnet.New(b, *c.HG)
		return m, err
	}
	m.Stem = newStem(b, c)
	for _, layers := range c.Stages {
		var s Stage
		for _, l := range layers {
			s.Layers = append(s.Layers, newLayer(b, c, l))
		}
		m.Stages = append(m.Stages, s)
	}
	return m, nil
}

// normed is a convolution with a batch norm.
func normed(b *ops.Builder, in, out int, kernel, stride [2]int, pad ops.Padding, groups int) *ops.Conv2d {
	c := b.Conv2d(ops.Conv{In: in, Out: out, Kernel: kernel, Stride: stride, Pad: pad, Groups: groups, Norm: batchNorm})
	return &c
}

func newStem(b *ops.Builder, c BackboneConfig) Stem {
	spatial := func(in, out, stride int) *ops.Conv2d {
		return normed(b, in, out, ops.Square(3), ops.Square(stride), ops.Pad(1), 1)
	}
	if !c.V4 {
		return Stem{Conv1: spatial(3, c.Stem[0], c.StemStride[0])}
	}
	in, mid, out := c.Stem[0], c.Stem[1], c.Stem[2]
	if c.SmallStem {
		return Stem{Conv1: spatial(in, mid, 2), Conv2: spatial(mid, out, 2)}
	}
	pair := func(in, out, stride int) *ops.Conv2d { // beyond the right and the bottom are zeros
		return normed(b, in, out, ops.Square(2), ops.Square(stride), ops.Padding{Bottom: 1, Right: 1}, 1)
	}
	return Stem{
		Conv1: spatial(in, mid, c.StemStride[0]), Conv2a: pair(mid, mid/2, c.StemStride[1]), Conv2b: pair(mid/2, mid, c.StemStride[2]),
		Conv3: spatial(2*mid, mid, c.StemStride[3]), Conv4: normed(b, mid, out, ops.Square(1), ops.Square(c.StemStride[4]), ops.Padding{}, 1),
	}
}

func newLayer(b *ops.Builder, c BackboneConfig, l LayerConfig) Layer {
	conv := func(x ops.Conv) *ops.Conv2d { y := b.Conv2d(x); return &y }
	layer := Layer{LayerConfig: l, act: c.Act}
	deep := ops.Conv{In: l.In, Out: l.In, Kernel: ops.Square(l.Kernel), Stride: l.Stride, Pad: ops.Pad(l.Kernel / 2), Groups: l.In, Bias: true}
	if l.Squeeze {
		layer.Squeeze = newGates(b, l.In, c.Reduction, ops.HardSigmoid)
	}
	if c.V4 {
		if !l.same() {
			deep.Bias, deep.Norm = false, batchNorm
		}
		layer.Expand = normed(b, l.In, 2*l.In, ops.Square(1), ops.Square(1), ops.Padding{}, 1)
		layer.Project = normed(b, 2*l.In, l.Out, ops.Square(1), ops.Square(1), ops.Padding{}, 1)
	} else {
		layer.Pointwise = conv(ops.Conv{In: l.In, Out: l.Out, Kernel: ops.Square(1), Bias: true})
	}
	layer.Depthwise = conv(deep)
	return layer
}

func newGates(b *ops.Builder, channels, reduction int, gate ops.Activation) *SqueezeGates {
	pointwise := func(in, out int) ops.Conv2d {
		return b.Conv2d(ops.Conv{In: in, Out: out, Kernel: ops.Square(1), Bias: true})
	}
	return &SqueezeGates{Reduce: pointwise(channels, channels/reduction), Expand: pointwise(channels/reduction, channels), gate: gate}
}

// gates are those of x [N, H, W, C]: [N, 1, 1, C].
func (s *SqueezeGates) gates(r *gpu.Recorder, x *gpu.Tensor) *gpu.Tensor {
	return s.Expand.Forward(r, s.Reduce.Forward(r, ops.AdaptiveAvgPool(r, x, 1, 1), ops.Then(ops.ReLU)), ops.Then(s.gate))
}

// forward gives the maps of the stages that are asked for, [N, H, W, C] each.
func (m *Backbone) forward(r *gpu.Recorder, pixels *gpu.Tensor) []*gpu.Tensor {
	if m.HG != nil {
		return m.wanted(m.HG.Maps(r, pixels))
	}
	all := []*gpu.Tensor{m.stem(r, pixels)}
	r.TapNCHW("stem", all[0])
	for i := range m.Stages {
		x := all[i]
		for j := range m.Stages[i].Layers {
			r.Enter(fmt.Sprintf("stages.%d.%d", i, j))
			x = m.Stages[i].Layers[j].forward(r, x)
			r.Leave()
		}
		r.TapNCHW(fmt.Sprintf("layer.%d", i), x)
		all = append(all, x)
	}
	return m.wanted(all)
}

func (m *Backbone) wanted(all []*gpu.Tensor) (maps []*gpu.Tensor) {
	for _, i := range m.Outputs {
		maps = append(maps, all[i])
	}
	return maps
}

func (m *Backbone) stem(r *gpu.Recorder, pixels *gpu.Tensor) *gpu.Tensor {
	s, act := &m.Stem, ops.Then(m.Act)
	switch {
	case s.Conv2 != nil:
		return s.Conv2.Forward(r, s.Conv1.Forward(r, pixels, ops.Then(ops.GELU)))
	case s.Conv4 == nil:
		return s.Conv1.Forward(r, pixels)
	}
	x := s.Conv1.Forward(r, pixels, act)
	narrow := s.Conv2b.Forward(r, s.Conv2a.Forward(r, x, act), act)
	x = ops.Concat(r, ops.MaxPool(r, x, ops.Pool{Kernel: ops.Square(2), Stride: ops.Square(1), Over: true}), narrow)
	return s.Conv4.Forward(r, s.Conv3.Forward(r, x, act), act)
}

func (l *Layer) forward(r *gpu.Recorder, x *gpu.Tensor) *gpu.Tensor {
	if l.Expand != nil {
		return l.forwardV4(r, x)
	}
	if l.Halves {
		x = l.Depthwise.Forward(r, x)
	} else {
		x = l.Depthwise.Forward(r, x, ops.Then(l.act))
	}
	if l.Squeeze != nil {
		if !l.Halves {
			x = ops.Affine(r, x, l.Deep.Scale, l.Deep.Shift)
		}
		x = ops.Scale(r, x, l.Squeeze.gates(r, x))
	}
	return ops.Affine(r, l.Pointwise.Forward(r, x, ops.Then(l.act)), l.Point.Scale, l.Point.Shift)
}

func (l *Layer) forwardV4(r *gpu.Recorder, x *gpu.Tensor) *gpu.Tensor {
	x = l.Depthwise.Forward(r, x)
	if l.Squeeze != nil {
		x = ops.Scale(r, x, l.Squeeze.gates(r, x))
	}
	hidden := l.Expand.Forward(r, x, ops.Then(ops.GELU))
	if l.same() {
		return l.Project.Forward(r, hidden, ops.Residual(x))
	}
	return l.Project.Forward(r, hidden)
}
