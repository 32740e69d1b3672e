package hybrid

import (
	"saccade/gpu"
	"saccade/models/internal/transformer"
	"saccade/ops"
)

// Deformable is deformable attention of queries to maps (Zhu et al. 2020, "Deformable DETR").
type Deformable struct {
	Offsets ops.Linear `w:"offsets"`
	Weights ops.Linear `w:"weights"`
	Value   ops.Linear `w:"value"`
	Proj    ops.Linear `w:"proj"`

	how ops.Deformation
}

// NewDeformable makes one that looks at so many points of all maps.
func NewDeformable(b *ops.Builder, width, heads, points int, how ops.Deformation) Deformable {
	return Deformable{
		Offsets: b.Linear(width, 2*points*heads, true), Weights: b.Linear(width, points*heads, true),
		Value: b.Linear(width, width, true, ops.Grouped{Out: heads}), Proj: b.Linear(width, width, true, ops.Grouped{In: heads}), how: how,
	}
}

// Forward is residual + the attention of queries x [N, Q, D] with their positions to tokens
// [N, S, D] of maps; places are the queries' boxes or points, or nil for the maps' own pixels.
func (d *Deformable) Forward(r *gpu.Recorder, x, tokens, places *gpu.Tensor, levels *ops.Levels, residual *gpu.Tensor) *gpu.Tensor {
	seen := ops.DeformableAttention(r, d.Value.Forward(r, tokens), places, d.Offsets.Forward(r, x, ops.Floats()), d.Weights.Forward(r, x, ops.Floats()), levels, d.how)
	return d.Proj.Forward(r, seen, ops.Residual(residual))
}

// DecoderLayer is a layer of the decoder: attention among the queries, deformable attention to
// the maps, perceptron.
type DecoderLayer struct {
	Self      transformer.Placed `w:"attn"`
	Norm1     ops.LayerNorm      `w:"norm1"`
	Cross     Deformable         `w:"cross"`
	CrossNorm ops.LayerNorm      `w:"cross_norm"`
	FC1       ops.Linear         `w:"mlp.fc1"`
	FC2       ops.Linear         `w:"mlp.fc2"`
	Norm2     ops.LayerNorm      `w:"norm2"`

	act ops.Activation
}

// NewDecoderLayer makes one; of d Width, Heads, MLP, Act and Eps count.
func NewDecoderLayer(b *ops.Builder, d transformer.LayerConfig, points int, how ops.Deformation) DecoderLayer {
	return DecoderLayer{
		Self: transformer.NewPlaced(b, d.Width, d.Heads), Norm1: b.LayerNorm(d.Width, d.Eps), Cross: NewDeformable(b, d.Width, d.Heads, points, how),
		CrossNorm: b.LayerNorm(d.Width, d.Eps), FC1: b.Linear(d.Width, d.MLP, true), FC2: b.Linear(d.MLP, d.Width, true), Norm2: b.LayerNorm(d.Width, d.Eps), act: d.Act,
	}
}

// Forward is the layer on queries x [N, Q, D], to which place adds their positions.
func (l *DecoderLayer) Forward(r *gpu.Recorder, x *gpu.Tensor, place func(*gpu.Tensor) *gpu.Tensor, tokens, places *gpu.Tensor, levels *ops.Levels) *gpu.Tensor {
	placed := place(x)
	x = l.Norm1.Forward(r, l.Self.Forward(r, placed, placed, x, ops.Mask{}, x))
	x = l.CrossNorm.Forward(r, l.Cross.Forward(r, place(x), tokens, places, levels, x))
	return l.Norm2.Forward(r, l.FC2.Forward(r, l.FC1.Forward(r, x, ops.Then(l.act)), ops.Residual(x)))
}
