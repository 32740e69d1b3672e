package llama

import (
	"fmt"
	"math"

	"saccade/gpu"
	"saccade/models/nn"
	"saccade/ops"
)

// Config is what the size of a model depends on.
type Config struct {
	Width    int // of a token
	Depth    int // layers
	Heads    int
	KeyHeads int // of keys and values, each for as many heads of queries
	Head     int // width of a head
	MLP      int // hidden width of the perceptron
	Act      ops.Activation
	Eps      float64 // of the norms
	Theta    float64 // base of the rotary angles
	Vocab    int     // token ids
	Context  int     // positions
	QKVBias  bool    // the attention's projections have biases
	MLPBias  bool    // so do the perceptron's
}

// Model is a Llama.
type Model struct {
	Config

	Tokens ops.Embedding `w:"tokens"`
	Layers []Layer       `w:"layers"`
	Norm   ops.RMSNorm   `w:"norm"`
	Head   ops.Linear    `w:"head"`

	angles *ops.Table
}

// Layer is a layer of it.
type Layer struct {
	Norm1 ops.RMSNorm `w:"norm1"`
	QKV   ops.Linear  `w:"attn.qkv"`
	Proj  ops.Linear  `w:"attn.proj"`
	Norm2 ops.RMSNorm `w:"norm2"`
	FC1   ops.Linear  `w:"mlp.fc1"` // gate, then what it gates
	FC2   ops.Linear  `w:"mlp.fc2"`
}

// New makes the layers that a configuration describes.
func New(b *ops.Builder, c Config) (*Model, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	m := &Model{
		Config: c, Tokens: b.Embedding(c.Vocab, c.Width), Layers: make([]Layer, c.Depth),
		Norm: b.RMSNorm(c.Width, c.Eps), Head: b.Linear(c.Width, c.Vocab, false),
		angles: b.Table("rotary", c.Context, c.Head),
	}
	groups := c.Heads + 2*c.KeyHeads
	for i := range m.Layers {
		m.Layers[i] = Layer{
			Norm1: b.RMSNorm(c.Width, c.Eps),
			QKV:   b.Linear(c.Width, groups*c.Head, c.QKVBias, ops.Grouped{Out: groups}),
			Proj:  b.Linear(c.Heads*c.Head, c.Width, c.QKVBias, ops.Grouped{In: c.Heads}),
			Norm2: b.RMSNorm(c.Width, c.Eps),
			FC1:   b.Linear(c.Width, 2*c.MLP, c.MLPBias, ops.Grouped{Out: 2}),
			FC2:   b.Linear(c.MLP, c.Width, c.MLPBias),
		}
	}
	b.Later(func() error { return m.angles.Upload(c.angles()) })
	return m, nil
}

// angles are the cosines of all positions' angles and then the sines, [Context, Head], as
// transformers computes them: the angles in f32.
func (c Config) angles() []float32 {
	pairs := c.Head / 2
	table := make([]float32, c.Context*c.Head)
	for i := range pairs {
		inverse := 1 / float32(math.Pow(float64(float32(c.Theta)), float64(float32(2*i)/float32(c.Head))))
		for at := range c.Context {
			sin, cos := math.Sincos(float64(float32(at) * inverse))
			table[at*c.Head+i], table[at*c.Head+pairs+i] = float32(cos), float32(sin)
		}
	}
	return table
}

// Embed is the embeddings of ids, u32 [R, T]: [R, T, D].
func (m *Model) Embed(r *gpu.Recorder, ids *gpu.Tensor) *gpu.Tensor {
	return m.Tokens.Forward(r, ids, nil)
}

// States puts embeddings x [R, T, D] of a step through the layers and the last norm.
// Below prefix each layer's output is the intermediate layer.i, that of the norm norm.
func (m *Model) States(r *gpu.Recorder, prefix string, x *gpu.Tensor, s nn.Step) *gpu.Tensor {
	for i := range m.Layers {
		r.Enter(fmt.Sprintf("%slayers.%d", prefix, i))
		x = m.layer(r, i, x, s)
		r.Leave()
		r.Tap(fmt.Sprintf("%slayer.%d", prefix, i), x)
	}
	x = m.Norm.Forward(r, x)
	r.Tap(prefix+"norm", x)
	return x
}

// layer is x + attention(norm(x)), then x + mlp(norm(x)).
func (m *Model) layer(r *gpu.Recorder, i int, x *gpu.Tensor, s nn.Step) *gpu.Tensor {
	l := &m.Layers[i]
	qkv := l.QKV.Forward(r, l.Norm1.Forward(r, x))                                 // [R T D+2·K]
	qkv = ops.Rotate(r, qkv, m.Heads+m.KeyHeads, m.angles, s.Positions)            // q and k
	x = l.Proj.Forward(r, m.attend(r, i, qkv, s), ops.Residual(x))                 // [R T D]
	h := ops.GLU(r, l.FC1.Forward(r, l.Norm2.Forward(r, x)), m.Act, ops.GateFirst) // [R T MLP]
	return l.FC2.Forward(r, h, ops.Residual(x))
}

func (m *Model) attend(r *gpu.Recorder, i int, qkv *gpu.Tensor, s nn.Step) *gpu.Tensor {
	if s.Cache != nil {
		return s.Cache.Attention(r, i, qkv, m.Heads)
	}
	return ops.Attention(r, qkv, m.Heads, ops.Mask{Causal: true, Lengths: s.Lengths})
}

// Logits are those of states x [R, T, D]: f32 [R, T, Vocab].
func (m *Model) Logits(r *gpu.Recorder, x *gpu.Tensor) *gpu.Tensor {
	return m.Head.Forward(r, x, ops.Floats())
}

// Caches are the sizes of what the attentions keep of a token.
func (c Config) Caches() nn.Caches {
	return nn.Caches{Layers: c.Depth, Heads: c.KeyHeads, Width: c.KeyHeads * c.Head}
}
