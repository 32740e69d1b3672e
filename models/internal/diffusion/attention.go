package diffusion

import (
	"saccade/gpu"
	"saccade/ops"
)

// Attention is what may follow a residual block. prompt is nil where there is none.
type Attention interface {
	Forward(r *gpu.Recorder, x *gpu.Tensor, prompt *Prompt) *gpu.Tensor
}

// Prompt is what blocks see beside the map.
type Prompt struct {
	Text   *gpu.Tensor   // an activation [N, T, D]
	Images []*gpu.Tensor // tokens of images (IP-Adapter), each an activation [N, T, D]
	Video  Video         // whose frames' maps stand one after the other
}

// SelfAttention is attention among tokens, or pixels, whatever their arrangement.
type SelfAttention struct {
	QKV ops.Linear `w:"qkv"`
	Out ops.Linear `w:"to_out"`

	heads int
}

// NewSelfAttention makes attention of heads equal parts of width; bias says
// whether the checkpoint has biases of q, k and v.
func NewSelfAttention(b *ops.Builder, width, heads int, bias bool) SelfAttention {
	return SelfAttention{
		QKV:   b.Linear(width, 3*width, bias, ops.Grouped{Out: 3 * heads}),
		Out:   b.Linear(width, width, true, ops.Grouped{In: heads}),
		heads: heads,
	}
}

// Forward is the attention of x [N, …, C], and residual added.
func (a *SelfAttention) Forward(r *gpu.Recorder, x, residual *gpu.Tensor) *gpu.Tensor {
	h := ops.Attention(r, a.QKV.Forward(r, x), a.heads, ops.Mask{})
	return a.Out.Forward(r, h, ops.Residual(residual))
}

// PixelAttention is self-attention among the pixels of a map, behind a norm.
type PixelAttention struct {
	Norm ops.GroupNorm `w:"group_norm"`
	SelfAttention
}

// NewPixelAttention makes attention of heads equal parts of width.
func NewPixelAttention(b *ops.Builder, c Config, width, heads int) *PixelAttention {
	return &PixelAttention{Norm: b.GroupNorm(c.Groups, width, c.Eps), SelfAttention: NewSelfAttention(b, width, heads, true)}
}

// Forward is x + attention(norm(x)). x: [N, H, W, C].
func (a *PixelAttention) Forward(r *gpu.Recorder, x *gpu.Tensor, _ *Prompt) *gpu.Tensor {
	return a.SelfAttention.Forward(r, a.Norm.Forward(r, x, ops.Identity), x)
}
