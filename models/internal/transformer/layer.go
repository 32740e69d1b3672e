package transformer

import (
	"fmt"

	"saccade/gpu"
	"saccade/ops"
)

// LayerConfig is what the layers of a text's encoder or decoder depend on.
type LayerConfig struct {
	Width    int // of a token
	Heads    int
	KeyHeads int // of keys and values, each for as many heads of queries; 0: Heads
	MLP      int // hidden width of the perceptron
	Act      ops.Activation
	Eps      float64 // of the layer norms
	Post     bool    // norms stand behind the residuals (BERT, BART), else before (GPT-2, Whisper)
	Cross    int     // width of what the cross-attention reads; 0: there is none
}

// Layer is a layer of a text's encoder or decoder (Vaswani et al. 2017): self-attention,
// cross-attention to what was read before, perceptron, each with a residual and a norm.
type Layer struct {
	QKV   ops.Linear    `w:"attn.qkv"`
	Proj  ops.Linear    `w:"attn.proj"`
	Norm1 ops.LayerNorm `w:"norm1"`
	Cross *Cross        `w:"cross"` // or nil
	FC1   ops.Linear    `w:"mlp.fc1"`
	FC2   ops.Linear    `w:"mlp.fc2"`
	Norm2 ops.LayerNorm `w:"norm2"`

	heads int
	act   ops.Activation
	post  bool
}

// Cross is the cross-attention of a layer.
type Cross struct {
	Q    ops.Linear    `w:"q"`
	KV   ops.Linear    `w:"kv"`
	Proj ops.Linear    `w:"proj"`
	Norm ops.LayerNorm `w:"norm"`
}

// NewLayers makes depth layers of one configuration.
func NewLayers(b *ops.Builder, c LayerConfig, depth int) []Layer {
	layers := make([]Layer, depth)
	for i := range layers {
		layers[i] = newLayer(b, c)
	}
	return layers
}

func newLayer(b *ops.Builder, c LayerConfig) Layer {
	keys := c.KeyHeads
	if keys == 0 {
		keys = c.Heads
	}
	groups := c.Heads + 2*keys
	l := Layer{
		QKV:   b.Linear(c.Width, c.Width/c.Heads*groups, true, ops.Grouped{Out: groups}),
		Proj:  b.Linear(c.Width, c.Width, true, ops.Grouped{In: c.Heads}),
		Norm1: b.LayerNorm(c.Width, c.Eps),
		FC1:   b.Linear(c.Width, c.MLP, true),
		FC2:   b.Linear(c.MLP, c.Width, true),
		Norm2: b.LayerNorm(c.Width, c.Eps),
		heads: c.Heads, act: c.Act, post: c.Post,
	}
	if c.Cross > 0 {
		l.Cross = &Cross{
			Q:    b.Linear(c.Width, c.Width, true, ops.Grouped{Out: c.Heads}),
			KV:   b.Linear(c.Cross, 2*c.Width, true, ops.Grouped{Out: 2 * c.Heads}),
			Proj: b.Linear(c.Width, c.Width, true, ops.Grouped{In: c.Heads}),
			Norm: b.LayerNorm(c.Width, c.Eps),
		}
	}
	return l
}

// Sight is what tokens see beside themselves.
type Sight struct {
	// Mask is for the other tokens. With a cache it is the cache's own.
	Mask  ops.Mask
	Cache *ops.Cache // the keys and values of earlier tokens, or nil
	// Memory is each layer's keys and values [N, S, 2·D] of what was read before, as
	// [Layer.Remember] makes them. Nil: there is no cross-attention.
	Memory []*gpu.Tensor
}

// Remember is the keys and values of the layer's cross-attention of x [N, S, C]:
// [N, S, 2·D], keys first.
func (l *Layer) Remember(r *gpu.Recorder, x *gpu.Tensor) *gpu.Tensor {
	return l.Cross.KV.Forward(r, x)
}

// Run puts x [R, T, D] through the layers. The output of each is the intermediate
// layer.i below prefix; attentions.i [R, heads, T, T] without a cache, and
// cross_attentions.i [R, heads, T, S] can be asked for.
func Run(r *gpu.Recorder, prefix string, layers []Layer, x *gpu.Tensor, s Sight) *gpu.Tensor {
	for i := range layers {
		r.Enter(fmt.Sprintf("%slayers.%d", prefix, i))
		x = layers[i].forward(r, prefix, i, x, s)
		r.Leave()
		r.Tap(fmt.Sprintf("%slayer.%d", prefix, i), x)
	}
	return x
}

func (l *Layer) forward(r *gpu.Recorder, prefix string, i int, x *gpu.Tensor, s Sight) *gpu.Tensor {
	x = l.step(r, &l.Norm1, x, func(y *gpu.Tensor, residual ops.Epilogue) *gpu.Tensor {
		return l.Proj.Forward(r, l.attend(r, prefix, i, l.QKV.Forward(r, y), s), residual)
	})
	if l.Cross != nil && s.Memory != nil {
		x = l.step(r, &l.Cross.Norm, x, func(y *gpu.Tensor, residual ops.Epilogue) *gpu.Tensor {
			return l.Cross.Proj.Forward(r, l.look(r, prefix, i, l.Cross.Q.Forward(r, y), s), residual)
		})
	}
	return l.step(r, &l.Norm2, x, func(y *gpu.Tensor, residual ops.Epilogue) *gpu.Tensor {
		return l.FC2.Forward(r, l.FC1.Forward(r, y, ops.Then(l.act)), residual)
	})
}

// step is f with a residual and the norm where the layer has it.
func (l *Layer) step(r *gpu.Recorder, norm *ops.LayerNorm, x *gpu.Tensor, f func(*gpu.Tensor, ops.Epilogue) *gpu.Tensor) *gpu.Tensor {
	if l.post {
		return norm.Forward(r, f(x, ops.Residual(x)))
	}
	return f(norm.Forward(r, x), ops.Residual(x))
}

// attend is the self-attention of a fused qkv.
func (l *Layer) attend(r *gpu.Recorder, prefix string, i int, qkv *gpu.Tensor, s Sight) *gpu.Tensor {
	if s.Cache != nil {
		return s.Cache.Attention(r, i, qkv, l.heads)
	}
	if name := fmt.Sprintf("%sattentions.%d", prefix, i); r.Wants(name) {
		r.Tap(name, ops.AttentionProbs(r, qkv, l.heads, s.Mask))
	}
	return ops.Attention(r, qkv, l.heads, s.Mask)
}

// look is the cross-attention of q.
func (l *Layer) look(r *gpu.Recorder, prefix string, i int, q *gpu.Tensor, s Sight) *gpu.Tensor {
	if name := fmt.Sprintf("%scross_attentions.%d", prefix, i); r.Wants(name) {
		r.Tap(name, ops.KeyValueAttentionProbs(r, q, l.heads, s.Memory[i], ops.Mask{}))
	}
	return ops.KeyValueAttention(r, q, l.heads, s.Memory[i], ops.Mask{})
}
