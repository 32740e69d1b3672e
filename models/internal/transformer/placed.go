package transformer

import (
	"math"

	"saccade/gpu"
	"saccade/ops"
)

// Placed is attention whose queries and keys have positions, which values have not
// (Carion et al. 2020, "End-to-End Object Detection with Transformers").
type Placed struct {
	Q    ops.Linear `w:"q"`
	K    ops.Linear `w:"k"`
	V    ops.Linear `w:"v"`
	Proj ops.Linear `w:"proj"`
}

// NewPlaced makes one of a width and a number of heads.
func NewPlaced(b *ops.Builder, width, heads int) Placed {
	linear := func() ops.Linear { return b.Linear(width, width, true, ops.Grouped{Out: heads}) }
	return Placed{Q: linear(), K: linear(), V: linear(), Proj: b.Linear(width, width, true, ops.Grouped{In: heads})}
}

// Forward is residual + attention of q [N, T, D] to keys k and values v [N, S, D]; q and k
// have their positions added.
func (p *Placed) Forward(r *gpu.Recorder, q, k, v *gpu.Tensor, mask ops.Mask, residual *gpu.Tensor) *gpu.Tensor {
	a := ops.CrossAttention(r, p.Q.Forward(r, q), p.K.Forward(r, k), p.V.Forward(r, v), mask)
	return p.Proj.Forward(r, a, ops.Residual(residual))
}

// PlacedLayer is a post-norm layer of such attention: to itself, to a memory, perceptron.
type PlacedLayer struct {
	Self      Placed         `w:"attn"`
	Norm1     ops.LayerNorm  `w:"norm1"`
	Cross     *Placed        `w:"cross"`      // or nil
	CrossNorm *ops.LayerNorm `w:"cross_norm"` // or nil
	FC1       ops.Linear     `w:"mlp.fc1"`
	FC2       ops.Linear     `w:"mlp.fc2"`
	Norm2     ops.LayerNorm  `w:"norm2"`

	act ops.Activation
}

// NewPlacedLayers makes layers; of c Width, Heads, MLP, Act, Eps and, whether it is zero,
// Cross count.
func NewPlacedLayers(b *ops.Builder, c LayerConfig, depth int) []PlacedLayer {
	layers := make([]PlacedLayer, depth)
	for i := range layers {
		layers[i] = PlacedLayer{
			Self: NewPlaced(b, c.Width, c.Heads), Norm1: b.LayerNorm(c.Width, c.Eps), act: c.Act,
			FC1: b.Linear(c.Width, c.MLP, true), FC2: b.Linear(c.MLP, c.Width, true), Norm2: b.LayerNorm(c.Width, c.Eps),
		}
		if c.Cross > 0 {
			cross, norm := NewPlaced(b, c.Width, c.Heads), b.LayerNorm(c.Width, c.Eps)
			layers[i].Cross, layers[i].CrossNorm = &cross, &norm
		}
	}
	return layers
}

// Memory is what layers look at beside their own tokens.
type Memory struct {
	Keys, Values *gpu.Tensor // [N, S, D], keys with their positions added
	Mask         ops.Mask
}

// Forward is the layer on x [N, T, D], to which place adds positions. self masks its own
// tokens.
func (l *PlacedLayer) Forward(r *gpu.Recorder, x *gpu.Tensor, place func(*gpu.Tensor) *gpu.Tensor, self ops.Mask, memory *Memory) *gpu.Tensor {
	placed := place(x)
	x = l.Norm1.Forward(r, l.Self.Forward(r, placed, placed, x, self, x))
	if l.Cross != nil {
		x = l.CrossNorm.Forward(r, l.Cross.Forward(r, place(x), memory.Keys, memory.Values, memory.Mask, x))
	}
	return l.Norm2.Forward(r, l.FC2.Forward(r, l.FC1.Forward(r, x, ops.Then(l.act)), ops.Residual(x)))
}

// Sines are the sine and cosine of v in width channels by turns, with wavelengths from 2π
// to temperature·2π.
func Sines(v float64, width int, temperature float64) []float32 {
	out := make([]float32, width)
	for i := range out {
		angle := v / math.Pow(temperature, float64(i/2*2)/float64(width))
		if out[i] = float32(math.Sin(angle)); i%2 == 1 {
			out[i] = float32(math.Cos(angle))
		}
	}
	return out
}
