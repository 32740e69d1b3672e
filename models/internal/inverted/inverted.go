package inverted

import (
	"fmt"

	"saccade/gpu"
	"saccade/ops"
)

// Model is a network of inverted residual blocks.
type Model struct {
	Config

	Stem       ops.Conv2d  `w:"conv_stem"`
	Blocks     [][]Block   `w:"blocks"` // by stage
	Last       ops.Conv2d  `w:"conv_head"`
	Hidden     *ops.Linear `w:"hidden"`     // between the pooling and the classifier, or nil
	Classifier *ops.Linear `w:"classifier"` // nil without classes
}

// Block is an inverted residual (MBConv), or a FusedMBConv, whose Expand is as large as
// the kernel and which has no Depthwise.
type Block struct {
	Expand    *ops.Conv2d    `w:"expand"`    // nil in an MBConv that does not expand
	Depthwise *ops.Conv2d    `w:"depthwise"` // nil in a FusedMBConv
	SE        *SqueezeExcite `w:"se"`        // or nil
	Project   *ops.Conv2d    `w:"project"`   // nil in a FusedMBConv that does not expand

	act  ops.Activation
	skip bool
}

// SqueezeExcite is squeeze-and-excitation (Hu et al. 2017): a gate for each
// channel from the means of all, by two layers.
type SqueezeExcite struct {
	Reduce ops.Conv2d `w:"reduce"`
	Expand ops.Conv2d `w:"expand"`

	act, gate ops.Activation // of the first and of the second
}

// New makes the layers that a configuration describes.
func New(b *ops.Builder, c Config) (*Model, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	m := &Model{Config: c, Blocks: make([][]Block, len(c.Stages))}
	m.Stem = b.Conv2d(ops.Conv{In: c.Channels, Out: c.Stem, Kernel: ops.Square(3), Stride: ops.Square(2), Pad: c.Pad.zeros(3, 2), Norm: c.Eps, Momentum: c.Momentum})
	in := c.Stem
	for s, stage := range c.Stages {
		for _, size := range stage {
			m.Blocks[s] = append(m.Blocks[s], newBlock(b, c, size, in, c.activation(s)))
			in = size.Out
		}
	}
	m.Last = b.Conv2d(ops.Conv{In: in, Out: c.Features, Kernel: ops.Square(1), Norm: c.Eps, Momentum: c.Momentum})
	in = c.Features
	if c.Hidden > 0 {
		l := b.Linear(in, c.Hidden, true)
		m.Hidden, in = &l, c.Hidden
	}
	if c.Classes > 0 {
		l := b.Linear(in, c.Classes, true)
		m.Classifier = &l
	}
	return m, nil
}

func newBlock(b *ops.Builder, c Config, size BlockConfig, in int, act ops.Activation) Block {
	conv := func(x ops.Conv) *ops.Conv2d { y := b.Conv2d(x); return &y }
	pointwise := func(in, out int) *ops.Conv2d {
		return conv(ops.Conv{In: in, Out: out, Kernel: ops.Square(1), Norm: c.Eps, Momentum: c.Momentum})
	}
	spatial := ops.Conv{In: in, Out: size.Expanded, Kernel: ops.Square(size.Kernel), Stride: ops.Square(size.Stride), Dilation: ops.Square(size.Dilation), Pad: size.zeros(), Norm: c.Eps, Momentum: c.Momentum}
	block := Block{act: act, skip: size.Skip}
	if size.Fused {
		block.Expand = conv(spatial)
	} else {
		if size.Expand {
			block.Expand = pointwise(in, size.Expanded)
		}
		spatial.In, spatial.Groups = size.Expanded, size.Expanded
		block.Depthwise = conv(spatial)
	}
	if size.Squeeze > 0 {
		block.SE = &SqueezeExcite{
			Reduce: b.Conv2d(ops.Conv{In: size.Expanded, Out: size.Squeeze, Kernel: ops.Square(1), Bias: true}),
			Expand: b.Conv2d(ops.Conv{In: size.Squeeze, Out: size.Expanded, Kernel: ops.Square(1), Bias: true}),
			act:    c.SqueezeAct, gate: c.Gate,
		}
	}
	if !size.Fused || size.Expand {
		block.Project = pointwise(size.Expanded, size.Out)
	}
	return block
}

// meanHead is the layer over the mean of the features: nil without classes, and
// where it is over their maximum or another layer.
func (m *Model) meanHead() *ops.Linear {
	if m.MaxPool || m.Hidden != nil {
		return nil
	}
	return m.Classifier
}

// Forward records the network on images [N, C, H, W]. Its outputs are logits
// [N, classes] where there are classes, else last_hidden_state, the last map of
// features, and pooler_output, what a classifier would take [N, D]. A classifier's features [N, D, h, w],
// which the head pools, can be asked for.
func (m *Model) Forward(r *gpu.Recorder, pixels *gpu.Tensor) {
	x := m.Stem.Forward(r, pixels, ops.Then(m.Act)) // [N H/2 W/2 C]
	r.TapNCHW("stem", x)
	layer := 0
	for s := range m.Blocks {
		for i := range m.Blocks[s] {
			r.Enter(fmt.Sprintf("blocks.%d.%d", s, i))
			x = m.Blocks[s][i].Forward(r, x)
			r.Leave()
			r.TapNCHW(fmt.Sprintf("layer.%d", layer), x)
			layer++
		}
	}
	x = m.Last.Forward(r, x, ops.Then(m.Act)) // [N H/32 W/32 features]
	pooled := m.pool(r, x)
	if m.Hidden != nil {
		pooled = m.Hidden.Forward(r, pooled, ops.Then(m.Act)) // [N hidden]
	}
	if m.Classifier == nil {
		r.OutputNCHW("last_hidden_state", x)
		r.Output("pooler_output", pooled)
		return
	}
	r.TapNCHW("features", x)
	r.Tap("pooled", pooled)
	r.Output("logits", m.Classifier.Forward(r, pooled))
}

// pool is the mean or the maximum of a picture x [N, H, W, C]: [N, C].
func (m *Model) pool(r *gpu.Recorder, x *gpu.Tensor) *gpu.Tensor {
	h, w := x.Shape[1], x.Shape[2]
	if m.MaxPool {
		return ops.Flatten(r, ops.MaxPool(r, x, ops.Pool{Kernel: [2]int{h, w}}))
	}
	return ops.Mean(r, x, 0, h*w)
}

// Forward is x + project(gate(depthwise(expand(x)))), of which a block may lack
// parts. x: [N, H, W, C].
func (b *Block) Forward(r *gpu.Recorder, x *gpu.Tensor) *gpu.Tensor {
	var skip []ops.Epilogue
	if b.skip {
		skip = []ops.Epilogue{ops.Residual(x)}
	}
	if b.Project == nil {
		return b.Expand.Forward(r, x, append([]ops.Epilogue{ops.Then(b.act)}, skip...)...)
	}
	if b.Expand != nil {
		x = b.Expand.Forward(r, x, ops.Then(b.act))
	}
	if b.Depthwise != nil {
		x = b.Depthwise.Forward(r, x, ops.Then(b.act))
	}
	if b.SE != nil {
		x = b.SE.Forward(r, x)
	}
	return b.Project.Forward(r, x, skip...)
}

// Forward multiplies x [N, H, W, C] with its gates [N, 1, 1, C].
func (s *SqueezeExcite) Forward(r *gpu.Recorder, x *gpu.Tensor) *gpu.Tensor {
	squeezed := s.Reduce.Forward(r, ops.AdaptiveAvgPool(r, x, 1, 1), ops.Then(s.act)) // [N 1 1 squeeze]
	return ops.Scale(r, x, s.Expand.Forward(r, squeezed, ops.Then(s.gate)))
}
