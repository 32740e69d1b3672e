package ipadapter

import (
	"saccade/gpu"
	"saccade/models/nn"
	"saccade/ops"
)

// Config is what a projection's size depends on.
type Config struct {
	Plus    bool // of patches
	In      int  // values of the embedding, or of a patch
	Tokens  int
	Context int // values of a token

	Hidden, Heads, Inner, Depth int // of plus: width, attention heads and layers
}

// The names of the inputs: image_embeds [N, In] as the image tower gives them, or its states
// before the last block [N, T, In]. Tokens is the output, [N, Tokens, Context].
const (
	Embeds = "image_embeds"
	States = "hidden_states"
	Tokens = "ip_tokens"
)

// headWidth is that of plus adapters' attention, and projectedTokens how many tokens others have,
// which is told by no tensor.
const (
	headWidth       = 64
	projectedTokens = 4
	normEps         = 1e-5
)

// Linear makes tokens of an embedding (ImageProjection).
type Linear struct {
	Proj ops.Linear    `w:"proj"`
	Norm ops.LayerNorm `w:"norm"`

	b      *ops.Builder
	tokens int
}

// Forward is the tokens of x [N, In].
func (l *Linear) Forward(r *gpu.Recorder, x *gpu.Tensor) *gpu.Tensor {
	n := x.Shape[0]
	y := l.Proj.Forward(r, x)                                                                 // [N tokens·context] in groups
	rows := ops.DepthToSpace(r, ops.Rows(r, y, l.b.Span(n, 1, 0, 1, 1)), [2]int{l.tokens, 1}) // [N tokens 1 context]
	return l.Norm.Forward(r, ops.Rows(r, rows, l.b.Span(n, l.tokens, 0, l.tokens)))
}

// Resampler makes tokens of learned queries that attend to patches (IPAdapterPlusImageProjection).
type Resampler struct {
	Latents *ops.Parameter `w:"latents"` // [1, tokens, hidden]
	ProjIn  ops.Linear     `w:"proj_in"`
	Layers  []Layer        `w:"layers"`
	ProjOut ops.Linear     `w:"proj_out"`
	NormOut ops.LayerNorm  `w:"norm_out"`

	b      *ops.Builder
	tokens int
	table  *ops.Table // the queries
}

// Layer is attention of the queries to patches and themselves, and a perceptron.
type Layer struct {
	NormX ops.LayerNorm `w:"0.norm1"`
	NormL ops.LayerNorm `w:"0.norm2"`
	Q     ops.Linear    `w:"0.to_q"`
	K     ops.Linear    `w:"0.to_k"`
	V     ops.Linear    `w:"0.to_v"`
	Out   ops.Linear    `w:"0.to_out"`
	Norm  ops.LayerNorm `w:"1.0"`
	FC1   ops.Linear    `w:"1.1"`
	FC2   ops.Linear    `w:"1.3"`
}

func newResampler(b *ops.Builder, c Config) *Resampler {
	m := &Resampler{Latents: &ops.Parameter{Shape: []int{1, c.Tokens, c.Hidden}}, ProjIn: b.Linear(c.In, c.Hidden, true), ProjOut: b.Linear(c.Hidden, c.Context, true), NormOut: b.LayerNorm(c.Context, normEps),
		b: b, tokens: c.Tokens, table: b.Table("latents", c.Tokens, c.Hidden)}
	b.Later(func() error { return m.table.Upload(m.Latents.Values) })
	heads := ops.Grouped{Out: c.Heads}
	norm := func() ops.LayerNorm { return b.LayerNorm(c.Hidden, normEps) }
	for range c.Depth {
		width := c.Heads * headWidth
		m.Layers = append(m.Layers, Layer{NormX: norm(), NormL: norm(), Q: b.Linear(c.Hidden, width, false, heads), K: b.Linear(c.Hidden, width, false, heads), V: b.Linear(c.Hidden, width, false, heads),
			Out: b.Linear(width, c.Hidden, false, ops.Grouped{In: c.Heads}), Norm: norm(), FC1: b.Linear(c.Hidden, c.Inner, false), FC2: b.Linear(c.Inner, c.Hidden, false)})
	}
	return m
}

// Forward is the tokens of patches x [N, T, In].
func (m *Resampler) Forward(r *gpu.Recorder, x *gpu.Tensor) *gpu.Tensor {
	x = m.ProjIn.Forward(r, x)
	latents := m.table.Repeat(r, x.Shape[0])
	for i := range m.Layers {
		l := &m.Layers[i]
		normed := l.NormL.Forward(r, latents)
		seen := m.below(r, l.NormX.Forward(r, x), normed)
		h := ops.CrossAttention(r, l.Q.Forward(r, normed), l.K.Forward(r, seen), l.V.Forward(r, seen), ops.Mask{})
		latents = l.Out.Forward(r, h, ops.Residual(latents))
		latents = l.FC2.Forward(r, l.FC1.Forward(r, l.Norm.Forward(r, latents), ops.Then(ops.GELU)), ops.Residual(latents))
	}
	return m.NormOut.Forward(r, m.ProjOut.Forward(r, latents))
}

// below puts the rows of latents [N, tokens, C] below those of x [N, T, C], for each item.
func (m *Resampler) below(r *gpu.Recorder, x, latents *gpu.Tensor) *gpu.Tensor {
	n, t := x.Shape[0], x.Shape[1]
	rows := t + m.tokens
	upper, lower := make([]uint32, 0, n*rows), make([]uint32, 0, n*rows)
	for item := range n {
		for i := range rows {
			if i < t {
				upper, lower = append(upper, uint32(item*t+i)), append(lower, ops.NoRow)
			} else {
				upper, lower = append(upper, ops.NoRow), append(lower, uint32(item*m.tokens+i-t))
			}
		}
	}
	under := ops.Rows(r, latents, m.b.Index("lower rows", lower, n, rows))
	return ops.RowsOver(r, under, x, m.b.Index("upper rows", upper, n, rows))
}

// Layers makes the network.
func (c Config) Layers(b *ops.Builder) (*nn.Layers, error) {
	if !c.Plus {
		m := &Linear{Proj: b.Linear(c.In, c.Tokens*c.Context, true, ops.Grouped{Out: c.Tokens}), Norm: b.LayerNorm(c.Context, normEps), b: b, tokens: c.Tokens}
		return &nn.Layers{Parameters: m, Networks: []*nn.Network{{
			Inputs: []nn.Input{{Name: Embeds, Dims: nn.Dims("N", c.In)}},
			Record: func(r *gpu.Recorder, in map[string]*gpu.Tensor) {
				r.Output(Tokens, m.Forward(r, ops.Pack(r, in[Embeds], 1)))
			},
		}}}, nil
	}
	m := newResampler(b, c)
	return &nn.Layers{Parameters: m, Networks: []*nn.Network{{
		Inputs: []nn.Input{{Name: States, Dims: nn.Dims("N", "T", c.In)}},
		Usual:  map[string]int{"T": 257},
		Record: func(r *gpu.Recorder, in map[string]*gpu.Tensor) {
			r.Output(Tokens, m.Forward(r, ops.Pack(r, in[States], 1)))
		},
	}}}, nil
}
