package swin

import (
	"fmt"

	"saccade/gpu"
	"saccade/models/internal/windows"
	"saccade/ops"
)

// Model is a Swin Transformer.
type Model struct {
	Config

	Patch     ops.Conv2d     `w:"patch"`
	PatchNorm ops.LayerNorm  `w:"patch_norm"`
	Stages    []Stage        `w:"stages"`
	Norm      *ops.LayerNorm `w:"norm"` // nil in a backbone
	Head      *ops.Linear    `w:"head"` // nil without classes

	b     *ops.Builder
	plans *windows.Plans
	pairs map[mapSize][4]*gpu.Tensor // what a merging takes
}

// Stage is blocks of one width, behind the merging of patches.
type Stage struct {
	Merge  *Merge  `w:"merge"` // nil in the first
	Blocks []Block `w:"blocks"`
}

// Merge makes one token of 2×2.
type Merge struct {
	Norm      ops.LayerNorm `w:"norm"` // before the reduction, in V2 behind it
	Reduction ops.Linear    `w:"reduction"`
}

// Block is attention within windows, then a perceptron.
type Block struct {
	Norm1 ops.LayerNorm `w:"norm1"` // before the attention, in V2 behind it
	QKV   *ops.Linear   `w:"qkv"`   // nil in V2, whose attention compares directions:
	Q     *ops.Linear   `w:"q"`
	K     *ops.Linear   `w:"k"`
	V     *ops.Linear   `w:"v"`
	Bias  Bias          `w:"bias"`
	Proj  ops.Linear    `w:"proj"`
	Norm2 ops.LayerNorm `w:"norm2"` // as the first
	FC1   ops.Linear    `w:"fc1"`
	FC2   ops.Linear    `w:"fc2"`

	heads int
	act   ops.Activation
}

// New makes the layers that a configuration describes.
func New(b *ops.Builder, c Config) (*Model, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	m := &Model{Config: c, b: b, plans: windows.NewPlans(b), pairs: map[mapSize][4]*gpu.Tensor{}}
	patch := ops.Conv{In: c.Channels, Out: c.Width, Kernel: c.Patch, Stride: c.Patch, Bias: true}
	if c.PadPatches {
		patch.Pad = ops.Padding{Bottom: c.Patch[0] - 1, Right: c.Patch[1] - 1}
	}
	m.Patch, m.PatchNorm = b.Conv2d(patch), b.LayerNorm(c.Width, edgeEps)
	in := c.Width
	for i, s := range c.Stages {
		var stage Stage
		if i > 0 {
			normed := 4 * in
			if c.V2 {
				normed = s.Width
			}
			stage.Merge = &Merge{Norm: b.LayerNorm(normed, edgeEps), Reduction: b.Linear(4*in, s.Width, false)}
		}
		for range s.Depth {
			stage.Blocks = append(stage.Blocks, newBlock(b, c, s))
		}
		m.Stages, in = append(m.Stages, stage), s.Width
	}
	if !c.Backbone {
		norm := b.LayerNorm(in, c.Eps)
		m.Norm = &norm
	}
	if c.Classes > 0 {
		l := b.Linear(in, c.Classes, true)
		m.Head = &l
	}
	return m, nil
}

func newBlock(b *ops.Builder, c Config, s StageConfig) Block {
	block := Block{
		Norm1: b.LayerNorm(s.Width, c.Eps),
		Bias:  newBias(b, c, s),
		Proj:  b.Linear(s.Width, s.Width, true, ops.Grouped{In: s.Heads}),
		Norm2: b.LayerNorm(s.Width, c.Eps),
		FC1:   b.Linear(s.Width, s.Inner, true),
		FC2:   b.Linear(s.Inner, s.Width, true),
		heads: s.Heads, act: c.Act,
	}
	if !c.V2 {
		qkv := b.Linear(s.Width, 3*s.Width, c.QKVBias, ops.Grouped{Out: 3 * s.Heads})
		block.QKV = &qkv
		return block
	}
	for _, l := range []struct {
		layer **ops.Linear
		bias  bool
	}{{&block.Q, c.QKVBias}, {&block.K, false}, {&block.V, c.QKVBias}} {
		made := b.Linear(s.Width, s.Width, l.bias, ops.Grouped{Out: s.Heads})
		*l.layer = &made
	}
	return block
}

// Forward records the network on images [N, C, H, W]. Its outputs are logits
// [N, classes] where there are classes, else last_hidden_state [N, T, D], the last tokens,
// and their mean, pooler_output [N, D]. A classifier's features [N, D, h, w], of which the
// head takes the mean, can be asked for.
func (m *Model) Forward(r *gpu.Recorder, pixels *gpu.Tensor) {
	x := m.Encode(r, m.Patch.Forward(r, pixels))
	pooled := ops.Mean(r, x, 0, x.Shape[1]*x.Shape[2]) // [N D]
	if m.Head == nil {
		r.Output("last_hidden_state", ops.Rows(r, x, m.tokens(x.Shape)))
		r.Output("pooler_output", pooled)
		return
	}
	r.TapNCHW("features", x)
	r.Tap("pooled", pooled)
	r.Output("logits", m.Head.Forward(r, pooled))
}

// Encode records the stages on patches [N, h, w, C], up to the last norm: [N, h', w', D].
func (m *Model) Encode(r *gpu.Recorder, patches *gpu.Tensor) *gpu.Tensor {
	maps := m.stages(r, patches)
	return m.Norm.Forward(r, maps[len(maps)-1])
}

// Maps records the network on images [N, C, H, W] up to what the patches and each stage give,
// [N, h, w, D]: those of a backbone.
func (m *Model) Maps(r *gpu.Recorder, pixels *gpu.Tensor) []*gpu.Tensor {
	return m.stages(r, m.Patch.Forward(r, pixels))
}

func (m *Model) stages(r *gpu.Recorder, patches *gpu.Tensor) []*gpu.Tensor {
	x := m.PatchNorm.Forward(r, patches)
	r.Tap("stem", x)
	maps, layer := []*gpu.Tensor{x}, 0
	for s := range m.Stages {
		stage := &m.Stages[s]
		if stage.Merge != nil {
			x = m.merge(r, stage.Merge, x)
		}
		for i := range stage.Blocks {
			r.Enter(fmt.Sprintf("stages.%d.blocks.%d", s, i))
			x = m.block(r, &stage.Blocks[i], x, m.Config.Stages[s].Window, m.plan(x.Shape, m.Config.Stages[s], i))
			r.Leave()
			r.Tap(fmt.Sprintf("layer.%d", layer), x)
			layer++
		}
		maps = append(maps, x)
	}
	return maps
}

// block is x + attention within the windows of a plan, then + perceptron; norms stand
// before both, in V2 behind them. x: [N, H, W, C].
func (m *Model) block(r *gpu.Recorder, b *Block, x *gpu.Tensor, window [2]int, p *windows.Plan) *gpu.Tensor {
	if m.V2 {
		y := b.Proj.Forward(r, m.attention(r, b, x, window, p))
		x = ops.Add(r, x, b.Norm1.Forward(r, y), 1)
		y = b.FC2.Forward(r, b.FC1.Forward(r, x, ops.Then(b.act)))
		return ops.Add(r, x, b.Norm2.Forward(r, y), 1)
	}
	x = b.Proj.Forward(r, m.attention(r, b, b.Norm1.Forward(r, x), window, p), ops.Residual(x))
	y := b.FC1.Forward(r, b.Norm2.Forward(r, x), ops.Then(b.act))
	return b.FC2.Forward(r, y, ops.Residual(x))
}

// attention is that of x [N, H, W, C] within windows, with the heads as groups. Scores of
// other regions get −100, as in the authors' code; transformers' V2 adds it twice, which
// shows where such a score is above all others of its query by 85 and more.
func (m *Model) attention(r *gpu.Recorder, b *Block, x *gpu.Tensor, window [2]int, p *windows.Plan) *gpu.Tensor {
	w := ops.Rows(r, x, p.Into) // [N·windows T C]
	options := []ops.AttentionOption{ops.Bias(b.Bias.table(window))}
	if p.Regions != nil {
		options = append(options, ops.Regions(p.Regions))
	}
	if b.QKV != nil {
		w = ops.Attention(r, b.QKV.Forward(r, w), b.heads, ops.Mask{}, options...)
	} else {
		q, k := b.Bias.gains()
		options = append(options, ops.AttentionScale(1))
		w = ops.CrossAttention(r, ops.NormalizeHeads(r, b.Q.Forward(r, w), q), ops.NormalizeHeads(r, b.K.Forward(r, w), k), b.V.Forward(r, w), ops.Mask{}, options...)
	}
	return ops.Rows(r, w, p.Back)
}

// merge makes one token of the 2×2 of x [N, H, W, C]; beyond the edge they are zeros.
func (m *Model) merge(r *gpu.Recorder, l *Merge, x *gpu.Tensor) *gpu.Tensor {
	at := m.quarters(x.Shape)
	left := ops.Concat(r, ops.Rows(r, x, at[0]), ops.Rows(r, x, at[1]))
	right := ops.Concat(r, ops.Rows(r, x, at[2]), ops.Rows(r, x, at[3]))
	x = ops.Concat(r, left, right) // [N H/2 W/2 4·C]
	if m.V2 {
		return l.Norm.Forward(r, l.Reduction.Forward(r, x))
	}
	return l.Reduction.Forward(r, l.Norm.Forward(r, x))
}
