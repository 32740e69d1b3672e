package vit

import (
	"saccade/gpu"
	"saccade/models/internal/transformer"
	"saccade/ops"
)

// Model is a vision transformer.
type Model struct {
	Config

	ClassToken   *ops.Parameter      `w:"cls_token"`
	DistillToken *ops.Parameter      `w:"dist_token"` // DeiT's, or nil
	Positions    *ops.Parameter      `w:"pos_embed"`
	PatchEmbed   ops.Conv2d          `w:"patch_embed.proj"`
	Blocks       []transformer.Block `w:"blocks"`
	Norm         *ops.LayerNorm      `w:"norm"`      // of all tokens; nil with average pooling
	PooledNorm   *ops.LayerNorm      `w:"fc_norm"`   // of the average, or nil
	Head         *ops.Linear         `w:"head"`      // nil without classes
	DistillHead  *ops.Linear         `w:"head_dist"` // DeiT's with teacher, or nil
	Pooler       *ops.Linear         `w:"pooler"`    // ViTModel's, or nil

	b      *ops.Builder
	tables map[[2]int]*ops.Table // the sequence's constant part by patch grid
}

// New makes the layers that a configuration describes.
func New(b *ops.Builder, c Config) (*Model, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	m := &Model{Config: c, b: b, tables: map[[2]int]*ops.Table{}}
	m.ClassToken = &ops.Parameter{Shape: []int{1, 1, c.Width}}
	if c.Distilled {
		m.DistillToken = &ops.Parameter{Shape: []int{1, 1, c.Width}}
	}
	grid := c.grid(c.Image)
	m.Positions = &ops.Parameter{Shape: []int{1, c.prefix() + grid[0]*grid[1], c.Width}}
	m.PatchEmbed = b.Conv2d(ops.Conv{In: c.Channels, Out: c.Width, Kernel: c.Patch, Stride: c.Patch, Bias: true})
	m.Blocks = transformer.Blocks(b, transformer.Config{Width: c.Width, Heads: c.Heads, MLP: c.MLP, Act: c.Act, Eps: c.Eps, QKVBias: c.QKVBias}, c.Depth)
	norm := b.LayerNorm(c.Width, c.Eps)
	if c.AveragePool {
		m.PooledNorm = &norm
	} else {
		m.Norm = &norm
	}
	linear := func(out int) *ops.Linear { l := b.Linear(c.Width, out, true); return &l }
	if c.Classes > 0 {
		m.Head = linear(c.Classes)
	}
	if c.DistillHead {
		m.DistillHead = linear(c.Classes)
	}
	if c.Pooler > 0 {
		m.Pooler = linear(c.Pooler)
	}
	return m, nil
}

// Forward records the network on pictures [N, C, H, W]. Its outputs are logits
// [N, classes] where there are classes (and cls_logits and distillation_logits
// of DeiT with its teacher's head, whose mean logits is), else
// last_hidden_state [N, T, D] and, with a pooler, pooler_output [N, P].
// attentions adds attentions.i [N, heads, T, T] of every layer.
func (m *Model) Forward(r *gpu.Recorder, pixels *gpu.Tensor, attentions bool) {
	x := ops.Tokens(r, m.PatchEmbed.Forward(r, pixels), m.table(pixels.Shape[2], pixels.Shape[3])) // [N T D]
	r.Tap("embeddings", x)
	x = transformer.Encode(r, "", m.Blocks, x, attentions)
	if m.Norm != nil {
		x = m.Norm.Forward(r, x)
		r.Tap("norm", x)
	}
	m.output(r, x)
}

// output pools the tokens x [N, T, D] and records the heads.
func (m *Model) output(r *gpu.Recorder, x *gpu.Tensor) {
	if m.Head == nil {
		r.Output("last_hidden_state", x)
		if m.Pooler != nil {
			r.Output("pooler_output", m.Pooler.Forward(r, ops.Mean(r, x, 0, 1), ops.Then(m.PoolerAct)))
		}
		return
	}
	var pooled *gpu.Tensor
	if m.AveragePool {
		pooled = m.PooledNorm.Forward(r, ops.Mean(r, x, m.prefix(), x.Shape[1]))
		r.Tap("pooled", pooled)
	} else {
		pooled = ops.Mean(r, x, 0, 1)
	}
	logits := m.Head.Forward(r, pooled)
	if m.DistillHead != nil {
		teacher := m.DistillHead.Forward(r, ops.Mean(r, x, 1, 2))
		r.Output("cls_logits", logits)
		r.Output("distillation_logits", teacher)
		logits = ops.Add(r, logits, teacher, 0.5)
	}
	r.Output("logits", logits)
}

// table is the constant part of the sequence for a picture size: the class
// and distillation tokens with their positions, and the patches' positions.
func (m *Model) table(h, w int) *ops.Table {
	grid := m.grid([2]int{h, w})
	if t, ok := m.tables[grid]; ok {
		return t
	}
	t := m.b.Table("pos_embed", m.prefix()+grid[0]*grid[1], m.Width)
	m.tables[grid] = t
	m.b.Later(func() error { return t.Upload(m.tableValues(grid)) })
	return t
}

// tableValues are the table's rows for a patch grid. The parameters must be loaded.
func (m *Model) tableValues(grid [2]int) []float32 {
	prefix := m.prefix() * m.Width
	values := append([]float32{}, m.Positions.Values[:prefix]...)
	for i, v := range m.ClassToken.Values {
		values[i] += v
	}
	if m.DistillToken != nil {
		for i, v := range m.DistillToken.Values {
			values[m.Width+i] += v
		}
	}
	return append(values, ops.InterpolatePositions(m.Positions.Values[prefix:], m.Width, m.grid(m.Image), grid, m.Antialias)...)
}
