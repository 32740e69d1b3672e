package transformer

import (
	"saccade/gpu"
	"saccade/ops"
)

// AttentionPool is the head of SigLIP and of timm's global_pool "map": a learned
// query attends to all tokens, then a perceptron (Lee et al. 2018, "Set Transformer").
type AttentionPool struct {
	Probe *ops.Parameter `w:"probe"`
	Q     ops.Linear     `w:"attn.q"`
	K     ops.Linear     `w:"attn.k"`
	V     ops.Linear     `w:"attn.v"`
	Proj  ops.Linear     `w:"attn.proj"`
	Norm  ops.LayerNorm  `w:"norm"`
	FC1   ops.Linear     `w:"mlp.fc1"`
	FC2   ops.Linear     `w:"mlp.fc2"`

	b     *ops.Builder
	act   ops.Activation
	table *ops.Table // the probe, once it was asked for
}

// NewAttentionPool makes the pool of a configuration's width, heads, perceptron
// and activation.
func NewAttentionPool(b *ops.Builder, c Config) *AttentionPool {
	heads := ops.Grouped{Out: c.Heads}
	return &AttentionPool{
		Probe: &ops.Parameter{Shape: []int{1, 1, c.Width}},
		Q:     b.Linear(c.Width, c.Width, true, heads), K: b.Linear(c.Width, c.Width, true, heads), V: b.Linear(c.Width, c.Width, true, heads),
		Proj: b.Linear(c.Width, c.Width, true, ops.Grouped{In: c.Heads}),
		Norm: b.LayerNorm(c.Width, c.Eps), FC1: b.Linear(c.Width, c.MLP, true), FC2: b.Linear(c.MLP, c.Width, true),
		b: b, act: c.Act,
	}
}

// Forward pools x [N, T, D] into [N, D].
func (p *AttentionPool) Forward(r *gpu.Recorder, x *gpu.Tensor) *gpu.Tensor {
	if p.table == nil {
		p.table = p.b.Table("probe", 1, p.Q.In)
		p.b.Later(func() error { return p.table.Upload(p.Probe.Values) })
	}
	q := p.Q.Forward(r, p.table.Repeat(r, x.Shape[0])) // [N 1 D]
	a := p.Proj.Forward(r, ops.CrossAttention(r, q, p.K.Forward(r, x), p.V.Forward(r, x), ops.Mask{}))
	h := p.FC1.Forward(r, p.Norm.Forward(r, a), ops.Then(p.act))
	return ops.Mean(r, p.FC2.Forward(r, h, ops.Residual(a)), 0, 1)
}
