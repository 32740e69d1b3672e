package vit

import (
	"fmt"

	"saccade/gpu"
	"saccade/ops"
)

// Model is a vision transformer.
type Model struct {
	Config

	ClassToken   *ops.Parameter `w:"cls_token"`
	DistillToken *ops.Parameter `w:"dist_token"` // DeiT's, or nil
	Positions    *ops.Parameter `w:"pos_embed"`
	PatchEmbed   ops.Conv2d     `w:"patch_embed.proj"`
	Blocks       []Block        `w:"blocks"`
	Norm         *ops.LayerNorm `w:"norm"`      // of all tokens; nil with average pooling
	PooledNorm   *ops.LayerNorm `w:"fc_norm"`   // of the average, or nil
	Head         *ops.Linear    `w:"head"`      // nil without classes
	DistillHead  *ops.Linear    `w:"head_dist"` // DeiT's with teacher, or nil
	Pooler       *ops.Linear    `w:"pooler"`    // ViTModel's, or nil

	b      *ops.Builder
	tables map[[2]int]*ops.Table // the sequence's constant part by patch grid
}

// Block is a pre-norm transformer block.
type Block struct {
	Norm1 ops.LayerNorm `w:"norm1"`
	QKV   ops.Linear    `w:"attn.qkv"`
	Proj  ops.Linear    `w:"attn.proj"`
	Norm2 ops.LayerNorm `w:"norm2"`
	FC1   ops.Linear    `w:"mlp.fc1"`
	FC2   ops.Linear    `w:"mlp.fc2"`

	heads int
	act   ops.Activation
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
	m.Blocks = make([]Block, c.Depth)
	for i := range m.Blocks {
		m.Blocks[i] = newBlock(b, c)
	}
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

func newBlock(b *ops.Builder, c Config) Block {
	return Block{
		Norm1: b.LayerNorm(c.Width, c.Eps),
		QKV:   b.Linear(c.Width, 3*c.Width, c.QKVBias, ops.Grouped{Out: 3 * c.Heads}),
		Proj:  b.Linear(c.Width, c.Width, true, ops.Grouped{In: c.Heads}),
		Norm2: b.LayerNorm(c.Width, c.Eps),
		FC1:   b.Linear(c.Width, c.MLP, true),
		FC2:   b.Linear(c.MLP, c.Width, true),
		heads: c.Heads, act: c.Act,
	}
}

// Forward records the network on pictures [N, C, H, W]. Its outputs are logits
// [N, classes] where there are classes (and cls_logits and distillation_logits
// of DeiT with its teacher's head, whose mean logits is), else
// last_hidden_state [N, T, D] and, with a pooler, pooler_output [N, P].
// attentions adds attentions.i [N, heads, T, T] of every layer.
func (m *Model) Forward(r *gpu.Recorder, pixels *gpu.Tensor, attentions bool) {
	x := ops.Tokens(r, m.PatchEmbed.Forward(r, pixels), m.table(pixels.Shape[2], pixels.Shape[3])) // [N T D]
	r.Tap("embeddings", x)
	for i := range m.Blocks {
		r.Enter(fmt.Sprintf("blocks.%d", i))
		var probs *gpu.Tensor
		if x, probs = m.Blocks[i].Forward(r, x, attentions); attentions {
			r.Output(fmt.Sprintf("attentions.%d", i), probs)
		}
		r.Leave()
		r.Tap(fmt.Sprintf("layer.%d", i), x)
	}
	if m.Norm != nil {
		x = m.Norm.Forward(r, x)
		r.Tap("norm", x)
	}
	m.output(r, x)
}

// Forward is x + attention(norm(x)), then x + mlp(norm(x)). x: [N, T, D].
// probs, if asked for, are the attention's, [N, heads, T, T].
func (b *Block) Forward(r *gpu.Recorder, x *gpu.Tensor, withProbs bool) (out, probs *gpu.Tensor) {
	qkv := b.QKV.Forward(r, b.Norm1.Forward(r, x)) // [N T 3·D]
	if withProbs {
		probs = ops.AttentionProbs(r, qkv, b.heads)
	}
	x = b.Proj.Forward(r, ops.Attention(r, qkv, b.heads), ops.Residual(x)) // [N T D]
	h := b.FC1.Forward(r, b.Norm2.Forward(r, x), ops.Then(b.act))          // [N T MLP]
	return b.FC2.Forward(r, h, ops.Residual(x)), probs
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
