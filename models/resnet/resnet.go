package resnet

import (
	"fmt"

	"saccade/gpu"
	"saccade/ops"
)

// Model is a residual network.
type Model struct {
	Config

	DeepStem []ops.Conv2d `w:"deep_stem"` // before the stem, or none
	Stem     ops.Conv2d   `w:"stem"`
	Stages   [][]Block    `w:"stages"`
	Head     *ops.Linear  `w:"head"` // nil without classes
}

// Block is a residual block: convolutions with batch norms, beside a shortcut.
type Block struct {
	Conv1    ops.Conv2d  `w:"conv1"`
	Conv2    ops.Conv2d  `w:"conv2"`
	Conv3    *ops.Conv2d `w:"conv3"`    // of a bottleneck, or nil
	Shortcut *ops.Conv2d `w:"shortcut"` // nil: the input itself

	act, inner ops.Activation
	pools      bool // the shortcut takes means of 2×2 pixels first
}

// New makes the layers that a configuration describes.
func New(b *ops.Builder, c Config) (*Model, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	m := &Model{Config: c}
	stem := ops.Conv{In: c.Channels, Out: c.Stem, Kernel: ops.Square(7), Stride: ops.Square(2), Pad: ops.Pad(3), Norm: eps, Momentum: momentum}
	if c.Small {
		stem.Kernel, stem.Stride, stem.Pad = ops.Square(3), ops.Square(1), ops.Pad(1)
	}
	if c.Deep != nil {
		in := c.Channels
		for i, out := range c.Deep {
			m.DeepStem = append(m.DeepStem, b.Conv2d(ops.Conv{In: in, Out: out, Kernel: ops.Square(3), Stride: ops.Square(2 - i), Pad: ops.Pad(1), Norm: eps, Momentum: momentum}))
			in = out
		}
		stem.In, stem.Kernel, stem.Stride, stem.Pad = in, ops.Square(3), ops.Square(1), ops.Pad(1)
	}
	m.Stem = b.Conv2d(stem)
	for s, stage := range c.Stages {
		blocks := make([]Block, stage.Depth)
		for i := range blocks {
			blocks[i] = newBlock(b, c, s, i)
		}
		m.Stages = append(m.Stages, blocks)
	}
	if c.Classes > 0 {
		head := b.Linear(c.width(len(c.Stages)-1), c.Classes, true)
		m.Head = &head
	}
	return m, nil
}

// newBlock makes block i of stage s.
func newBlock(b *ops.Builder, c Config, s, i int) Block {
	in, stage, stride := c.width(s), c.Stages[s], 1
	if i == 0 {
		in, stride = c.width(s-1), stage.Stride
	}
	point := func(in, out, stride int) ops.Conv {
		return ops.Conv{In: in, Out: out, Kernel: ops.Square(1), Stride: ops.Square(stride), Norm: eps, Momentum: momentum}
	}
	spatial := func(in, out, stride, groups int) ops.Conv {
		return ops.Conv{In: in, Out: out, Kernel: ops.Square(3), Stride: ops.Square(stride), Pad: ops.Pad(1), Groups: groups, Norm: eps, Momentum: momentum}
	}
	block := Block{act: c.Act, inner: c.Inner}
	switch {
	case !c.Bottleneck:
		block.Conv1 = b.Conv2d(spatial(in, stage.Inner, stride, 1))
		block.Conv2 = b.Conv2d(spatial(stage.Inner, stage.Out, 1, 1))
	default:
		first, second := 1, stride
		if c.StrideFirst {
			first, second = stride, 1
		}
		block.Conv1 = b.Conv2d(point(in, stage.Inner, first))
		block.Conv2 = b.Conv2d(spatial(stage.Inner, stage.Inner, second, c.Groups))
		last := b.Conv2d(point(stage.Inner, stage.Out, 1))
		block.Conv3 = &last
	}
	if i == 0 && (c.Projects || c.projects(s)) {
		block.pools = c.AvgDown && stride > 1 && (c.Bottleneck || !c.Projects || in != stage.Out)
		if block.pools {
			stride = 1
		}
		projection := point(in, stage.Out, stride)
		if c.Identity {
			projection.Norm, projection.Fixed = 0, true
		}
		shortcut := b.Conv2d(projection)
		block.Shortcut = &shortcut
	}
	return block
}

// Forward records the network on images [N, C, H, W]. Its output is logits
// [N, classes] where there are classes, else last_hidden_state [N, D, h, w] and
// its mean, pooler_output [N, D, 1, 1]. A classifier's features [N, D, h, w], whose
// mean the head takes, can be asked for.
func (m *Model) Forward(r *gpu.Recorder, pixels *gpu.Tensor) {
	maps := m.Maps(r, pixels)
	x := maps[len(maps)-1]
	if m.Head == nil {
		r.OutputNCHW("last_hidden_state", x)
		r.OutputNCHW("pooler_output", ops.AdaptiveAvgPool(r, x, 1, 1))
		return
	}
	r.TapNCHW("features", x)
	pooled := ops.Mean(r, x, 0, x.Shape[1]*x.Shape[2]) // [N D]
	r.Tap("pooled", pooled)
	r.Output("logits", m.Head.Forward(r, pooled))
}

// Maps records the network on images [N, C, H, W] up to what the stem and each stage gives,
// [N, h, w, C].
func (m *Model) Maps(r *gpu.Recorder, pixels *gpu.Tensor) []*gpu.Tensor {
	x := pixels
	for i := range m.DeepStem {
		x = m.DeepStem[i].Forward(r, x, ops.Then(m.Act))
	}
	x = m.Stem.Forward(r, x, ops.Then(m.Act)) // [N h w stem]
	if !m.Small {
		x = ops.MaxPool(r, x, ops.Pool{Kernel: ops.Square(3), Stride: ops.Square(2), Pad: ops.Square(1)})
	}
	r.TapNCHW("stem", x)
	maps := []*gpu.Tensor{x}
	layer := 0
	for _, stage := range m.Stages {
		for i := range stage {
			x = stage[i].Forward(r, x)
			r.TapNCHW(fmt.Sprintf("layer.%d", layer), x)
			layer++
		}
		maps = append(maps, x)
	}
	return maps
}

// Forward is act(f(x) + shortcut(x)), where f is the convolutions with
// the inner activation between them. x: [N, H, W, C].
func (b *Block) Forward(r *gpu.Recorder, x *gpu.Tensor) *gpu.Tensor {
	shortcut := x
	if b.pools {
		shortcut = ops.AvgPool(r, x, ops.Pool{Kernel: ops.Square(2), Stride: ops.Square(2), Ceil: true, ExcludePad: true})
	}
	if b.Shortcut != nil {
		shortcut = b.Shortcut.Forward(r, shortcut)
	}
	x = b.Conv1.Forward(r, x, ops.Then(b.inner))
	last := &b.Conv2
	if b.Conv3 != nil {
		x, last = b.Conv2.Forward(r, x, ops.Then(b.inner)), b.Conv3
	}
	return last.Forward(r, x, ops.Residual(shortcut), ops.Then(b.act))
}
