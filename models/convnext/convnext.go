package convnext

import (
	"fmt"

	"saccade/gpu"
	"saccade/ops"
)

// Model is a ConvNeXt.
type Model struct {
	Config

	Stem     []ops.Conv2d   `w:"stem"`
	StemNorm ops.LayerNorm  `w:"stem_norm"`
	Stages   []Stage        `w:"stages"`
	Norm     *ops.LayerNorm `w:"norm"`   // of the pooled features, or with NormFirst of the map; nil in a backbone
	Hidden   *ops.Linear    `w:"hidden"` // or nil
	Head     *ops.Linear    `w:"head"`   // nil without classes
}

// Stage is blocks of one width, behind what makes the map smaller.
type Stage struct {
	Down   *Downsample `w:"down"` // or nil
	Blocks []Block     `w:"blocks"`
}

// Downsample is a norm and a convolution whose windows do not overlap.
type Downsample struct {
	Norm ops.LayerNorm `w:"norm"`
	Conv ops.Conv2d    `w:"conv"`
}

// Block is a depthwise convolution, then a perceptron for each pixel. Its layer scale is
// folded into the perceptron's second layer.
type Block struct {
	Depthwise ops.Conv2d    `w:"depthwise"`
	Norm      ops.LayerNorm `w:"norm"`
	FC1       ops.Linear    `w:"fc1"`
	GRN       *ops.GRN      `w:"grn"` // V2's, or nil
	FC2       ops.Linear    `w:"fc2"`

	act ops.Activation
}

// New makes the layers that a configuration describes.
func New(b *ops.Builder, c Config) (*Model, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	m := &Model{Config: c}
	in := c.Channels
	for _, s := range c.Stem {
		conv := ops.Conv{In: in, Out: s.Width, Kernel: ops.Square(s.Kernel), Stride: ops.Square(s.Stride), Bias: c.ConvBias}
		if s.Kernel > s.Stride {
			conv.Pad = ops.Pad(s.Kernel / 2)
		}
		m.Stem, in = append(m.Stem, b.Conv2d(conv)), s.Width
	}
	m.StemNorm = b.LayerNorm(in, c.Eps)
	for _, s := range c.Stages {
		m.Stages = append(m.Stages, newStage(b, c, s, in))
		in = s.Width
	}
	if !c.Backbone {
		norm := b.LayerNorm(in, c.HeadEps)
		m.Norm = &norm
	}
	if c.Hidden > 0 {
		l := b.Linear(in, c.Hidden, true)
		m.Hidden, in = &l, c.Hidden
	}
	if c.Classes > 0 {
		l := b.Linear(in, c.Classes, true)
		m.Head = &l
	}
	return m, nil
}

func newStage(b *ops.Builder, c Config, s StageConfig, in int) Stage {
	var stage Stage
	if s.Down > 0 {
		stage.Down = &Downsample{
			Norm: b.LayerNorm(in, c.Eps),
			Conv: b.Conv2d(ops.Conv{In: in, Out: s.Width, Kernel: ops.Square(s.Down), Stride: ops.Square(s.Down), Bias: c.ConvBias}),
		}
	}
	for range s.Depth {
		block := Block{
			Depthwise: b.Conv2d(ops.Conv{In: s.Width, Out: s.Width, Kernel: ops.Square(s.Kernel), Pad: ops.Pad(s.Kernel / 2), Groups: s.Width, Bias: c.ConvBias}),
			Norm:      b.LayerNorm(s.Width, c.Eps),
			FC1:       b.Linear(s.Width, s.Inner, true),
			FC2:       b.Linear(s.Inner, s.Width, true),
			act:       c.Act,
		}
		if c.GRN {
			grn := b.GRN(s.Inner)
			block.GRN = &grn
		}
		stage.Blocks = append(stage.Blocks, block)
	}
	return stage
}

// Forward records the network on images [N, C, H, W]. Its outputs are logits
// [N, classes] where there are classes, else last_hidden_state [N, D, h, w], the last
// map, and pooler_output [N, D]. A classifier's features [N, D, h, w], of which the head
// takes the mean, can be asked for.
func (m *Model) Forward(r *gpu.Recorder, pixels *gpu.Tensor) {
	maps := m.Maps(r, pixels)
	m.head(r, maps[len(maps)-1])
}

// Maps records the network on images up to what the stem and each stage give, [N, h, w, C].
func (m *Model) Maps(r *gpu.Recorder, pixels *gpu.Tensor) []*gpu.Tensor {
	x := pixels
	for i := range m.Stem {
		if i > 0 && m.StemAct {
			x = ops.Apply(r, x, m.Act)
		}
		x = m.Stem[i].Forward(r, x)
	}
	x = m.StemNorm.Forward(r, x) // [N h w C]
	r.TapNCHW("stem", x)
	maps, layer := []*gpu.Tensor{x}, 0
	for s := range m.Stages {
		stage := &m.Stages[s]
		if stage.Down != nil {
			x = stage.Down.Conv.Forward(r, stage.Down.Norm.Forward(r, x))
		}
		for i := range stage.Blocks {
			r.Enter(fmt.Sprintf("stages.%d.blocks.%d", s, i))
			x = stage.Blocks[i].Forward(r, x)
			r.Leave()
			r.TapNCHW(fmt.Sprintf("layer.%d", layer), x)
			layer++
		}
		maps = append(maps, x)
	}
	return maps
}

// head pools the last map x [N, h, w, D].
func (m *Model) head(r *gpu.Recorder, x *gpu.Tensor) {
	pixels := x.Shape[1] * x.Shape[2]
	if m.NormFirst {
		x = m.Norm.Forward(r, x)
	}
	pooled := ops.Mean(r, x, 0, pixels) // [N D]
	if !m.NormFirst {
		pooled = m.Norm.Forward(r, pooled)
	}
	if m.Hidden != nil {
		pooled = m.Hidden.Forward(r, pooled, ops.Then(ops.GELU))
	}
	if m.Head == nil {
		r.OutputNCHW("last_hidden_state", x)
		r.Output("pooler_output", pooled)
		return
	}
	r.TapNCHW("features", x)
	r.Tap("pooled", pooled)
	r.Output("logits", m.Head.Forward(r, pooled))
}

// Forward is x + perceptron(norm(depthwise(x))). x: [N, H, W, C].
func (b *Block) Forward(r *gpu.Recorder, x *gpu.Tensor) *gpu.Tensor {
	y := b.Norm.Forward(r, b.Depthwise.Forward(r, x))
	y = b.FC1.Forward(r, y, ops.Then(b.act)) // [N H W inner]
	if b.GRN != nil {
		y = b.GRN.Forward(r, y)
	}
	return b.FC2.Forward(r, y, ops.Residual(x))
}
