package hgnet

import (
	"fmt"

	"saccade/gpu"
	"saccade/ops"
)

// Config is what the network's size depends on.
type Config struct {
	Channels int // of images
	Stem     [2]int
	Strides  [5][2]int // of the stem's convolutions
	Stages   []Stage
	Act      ops.Activation // of the stem; elsewhere it is ReLU
	// Affines are the scale and the shift behind the activation of each convolution that has
	// one, by the convolution's path; nil: none has any (use_learnable_affine_block).
	Affines map[string]Affine
}

// Stage is the blocks of one resolution.
type Stage struct {
	In, Mid, Out int
	Blocks       int
	Layers       int // of a block
	Kernel       int
	Light        bool   // layers are separable convolutions
	Halves       bool   // a depthwise convolution with a stride stands before the blocks
	Stride       [2]int // of that
}

// Affine is scale·x + shift.
type Affine struct{ Scale, Shift float64 }

// eps of all batch norms: PyTorch's default.
const eps = 1e-5

// Model is the network without a head.
type Model struct {
	Config

	Stem1  Conv        `w:"stem1"`
	Stem2a Conv        `w:"stem2a"`
	Stem2b Conv        `w:"stem2b"`
	Stem3  Conv        `w:"stem3"`
	Stem4  Conv        `w:"stem4"`
	Stages []StageConv `w:"stages"`

	b      *ops.Builder
	padded map[[3]int]*gpu.Tensor // indices by a map's size
}

// Conv is a convolution with a batch norm, an activation and maybe scale and shift.
type Conv struct {
	Conv ops.Conv2d `w:"conv"`

	act    ops.Activation
	affine *Affine
}

// StageConv is the layers of a stage.
type StageConv struct {
	Down   *Conv   `w:"down"` // or nil
	Blocks []Block `w:"blocks"`
}

// Block puts its input and what each layer makes of the one before beside each other and
// gathers them in two convolutions.
type Block struct {
	Layers  []Layer `w:"layers"`
	Squeeze Conv    `w:"squeeze"`
	Excite  Conv    `w:"excite"`

	residual bool
}

// Layer is a convolution, or of a light block a pointwise and a depthwise one.
type Layer struct {
	Point *Conv `w:"point"` // or nil
	Conv  Conv  `w:"conv"`
}

// New makes the layers that a configuration describes.
func New(b *ops.Builder, c Config) (*Model, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	m := &Model{Config: c, b: b, padded: map[[3]int]*gpu.Tensor{}}
	k := maker{b: b, c: c}
	mid, out := c.Stem[0], c.Stem[1]
	stem := func(i, in, out, kernel int, pad ops.Padding) ops.Conv {
		return ops.Conv{In: in, Out: out, Kernel: ops.Square(kernel), Stride: c.Strides[i], Pad: pad}
	}
	below := ops.Padding{Bottom: 1, Right: 1}
	m.Stem1 = k.conv("stem1", stem(0, c.Channels, mid, 3, ops.Pad(1)), c.Act)
	m.Stem2a = k.conv("stem2a", stem(1, mid, mid/2, 2, below), c.Act)
	m.Stem2b = k.conv("stem2b", stem(2, mid/2, mid, 2, below), c.Act)
	m.Stem3 = k.conv("stem3", stem(3, 2*mid, mid, 3, ops.Pad(1)), c.Act)
	m.Stem4 = k.conv("stem4", stem(4, mid, out, 1, ops.Padding{}), c.Act)
	for i, s := range c.Stages {
		m.Stages = append(m.Stages, k.stage(fmt.Sprintf("stages.%d", i), s))
	}
	return m, k.err
}

// maker makes convolutions and keeps the first error.
type maker struct {
	b   *ops.Builder
	c   Config
	err error
}

// conv makes the convolution of a path; without an activation it has no scale and shift.
func (k *maker) conv(path string, c ops.Conv, act ops.Activation) Conv {
	c.Norm = eps
	conv := Conv{Conv: k.b.Conv2d(c), act: act}
	if k.c.Affines != nil && act != ops.Identity {
		a, ok := k.c.Affines[path]
		if !ok && k.err == nil {
			k.err = fmt.Errorf("the checkpoint has no scale and shift (lab) of the convolution %s", path)
		}
		conv.affine = &a
	}
	return conv
}

func (k *maker) stage(path string, s Stage) StageConv {
	var stage StageConv
	if s.Halves {
		c := k.conv(path+".down", ops.Conv{In: s.In, Out: s.In, Kernel: ops.Square(3), Stride: s.Stride, Pad: ops.Pad(1), Groups: s.In}, ops.Identity)
		stage.Down = &c
	}
	for i := range s.Blocks {
		in := s.Out
		if i == 0 {
			in = s.In
		}
		stage.Blocks = append(stage.Blocks, k.block(fmt.Sprintf("%s.blocks.%d", path, i), s, in))
		stage.Blocks[i].residual = i > 0
	}
	return stage
}

func (k *maker) block(path string, s Stage, in int) Block {
	point := func(path string, in, out int, act ops.Activation) Conv {
		return k.conv(path, ops.Conv{In: in, Out: out, Kernel: ops.Square(1)}, act)
	}
	var b Block
	wide := in
	for i := range s.Layers {
		var l Layer
		path := fmt.Sprintf("%s.layers.%d", path, i)
		spatial := ops.Conv{In: in, Out: s.Mid, Kernel: ops.Square(s.Kernel), Pad: ops.Pad((s.Kernel - 1) / 2)}
		if s.Light {
			p := point(path+".point", in, s.Mid, ops.Identity)
			l.Point, spatial.In, spatial.Groups = &p, s.Mid, s.Mid
		}
		l.Conv = k.conv(path+".conv", spatial, ops.ReLU)
		b.Layers = append(b.Layers, l)
		in, wide = s.Mid, wide+s.Mid
	}
	b.Squeeze = point(path+".squeeze", wide, s.Out/2, ops.ReLU)
	b.Excite = point(path+".excite", s.Out/2, s.Out, ops.ReLU)
	return b
}

func (c *Conv) forward(r *gpu.Recorder, x *gpu.Tensor) *gpu.Tensor {
	if x = c.Conv.Forward(r, x, ops.Then(c.act)); c.affine != nil {
		x = ops.Affine(r, x, c.affine.Scale, c.affine.Shift)
	}
	return x
}

// Maps records the network on images [N, C, H, W] up to what the stem and each stage gives,
// [N, h, w, C].
func (m *Model) Maps(r *gpu.Recorder, pixels *gpu.Tensor) []*gpu.Tensor {
	x := m.stem(r, pixels)
	r.TapNCHW("stem", x)
	maps := []*gpu.Tensor{x}
	for i := range m.Stages {
		r.Enter(fmt.Sprintf("stages.%d", i))
		if d := m.Stages[i].Down; d != nil {
			x = d.forward(r, x)
		}
		for j := range m.Stages[i].Blocks {
			x = m.Stages[i].Blocks[j].forward(r, x)
		}
		r.Leave()
		r.TapNCHW(fmt.Sprintf("stages.%d", i), x)
		maps = append(maps, x)
	}
	return maps
}

func (m *Model) stem(r *gpu.Recorder, pixels *gpu.Tensor) *gpu.Tensor {
	x := m.Stem1.forward(r, pixels)
	narrow := m.Stem2b.forward(r, m.Stem2a.forward(r, x))
	// The zeros below and to the right take part in the maximum.
	pooled := ops.MaxPool(r, m.pad(r, x), ops.Pool{Kernel: ops.Square(2), Stride: ops.Square(1)})
	return m.Stem4.forward(r, m.Stem3.forward(r, ops.Concat(r, pooled, narrow)))
}

// pad puts a row and a column of zeros behind those of x [N, H, W, C].
func (m *Model) pad(r *gpu.Recorder, x *gpu.Tensor) *gpu.Tensor {
	n, h, w := x.Shape[0], x.Shape[1], x.Shape[2]
	index, ok := m.padded[[3]int{n, h, w}]
	if !ok {
		var rows []uint32
		for y := range n * (h + 1) {
			for column := range w + 1 {
				row := uint32(ops.NoRow)
				if y%(h+1) < h && column < w {
					row = uint32((y/(h+1)*h+y%(h+1))*w + column)
				}
				rows = append(rows, row)
			}
		}
		index = m.b.Index("padded", rows, n, h+1, w+1)
		m.padded[[3]int{n, h, w}] = index
	}
	return ops.Rows(r, x, index)
}

func (b *Block) forward(r *gpu.Recorder, x *gpu.Tensor) *gpu.Tensor {
	all, y := []*gpu.Tensor{x}, x
	for i := range b.Layers {
		if p := b.Layers[i].Point; p != nil {
			y = p.forward(r, y)
		}
		y = b.Layers[i].Conv.forward(r, y)
		all = append(all, y)
	}
	y = b.Excite.forward(r, b.Squeeze.forward(r, ops.Concat(r, all...)))
	if b.residual {
		y = ops.Add(r, y, x, 1)
	}
	return y
}

// check refuses what no network can be made of.
func (c Config) check() error {
	sizes := map[string]int{"num_channels": c.Channels, "stem_channels[1]": c.Stem[0] / 2, "stem_channels[2]": c.Stem[1], "number of stages": len(c.Stages)}
	for i, s := range c.Strides {
		sizes[fmt.Sprintf("stem_strides[%d]", i)] = min(s[0], s[1])
	}
	for i, s := range c.Stages {
		for name, v := range map[string]int{"stage_in_channels": s.In, "stage_mid_channels": s.Mid, "stage_out_channels, halved,": s.Out / 2, "stage_num_blocks": s.Blocks,
			"stage_numb_of_layers": s.Layers, "stage_kernel_size": s.Kernel, "stage_downsample_strides": min(s.Stride[0], s.Stride[1])} {
			sizes[fmt.Sprintf("%s of stage %d", name, i)] = v
		}
		if before := c.Width(i); before != s.In {
			return fmt.Errorf("the backbone's stage %d takes %d channels (stage_in_channels) and gets %d", i, s.In, before)
		}
		if s.Kernel%2 == 0 {
			return fmt.Errorf("the backbone's stage_kernel_size of stage %d is %d; odd ones are supported", i, s.Kernel)
		}
	}
	for name, v := range sizes {
		if v < 1 || v > 1<<14 {
			return fmt.Errorf("the backbone's %s is %d; expected 1 to %d", name, v, 1<<14)
		}
	}
	return nil
}

// Width is the channels of a map of [Model.Maps].
func (c Config) Width(i int) int {
	if i == 0 {
		return c.Stem[1]
	}
	return c.Stages[i-1].Out
}

// MapSize is the height (axis 0) or width (axis 1) of a map of [Model.Maps] for images of n
// pixels.
func (c Config) MapSize(i, axis, n int) int {
	over := func(n, stride int) int { return (n + stride - 1) / stride }
	for _, s := range c.Strides {
		n = over(n, s[axis])
	}
	for _, s := range c.Stages[:i] {
		if s.Halves {
			n = over(n, s.Stride[axis])
		}
	}
	return n
}
