package unet

import (
	"fmt"

	"saccade/gpu"
	"saccade/models/internal/diffusion"
	"saccade/ops"
)

// Transformer is blocks over the pixels of a map, which see the prompt
// (Transformer2DModel). A projection is a matrix, which checkpoints hold as one
// or as a 1×1 convolution.
type Transformer struct {
	Norm    ops.GroupNorm      `w:"norm"`
	ProjIn  ops.Linear         `w:"proj_in"`
	Blocks  []TransformerBlock `w:"transformer_blocks"`
	ProjOut ops.Linear         `w:"proj_out"`
}

// TransformerBlock is attention among pixels, attention to the prompt, and a
// gated perceptron, each behind a norm (BasicTransformerBlock).
type TransformerBlock struct {
	Norm1 ops.LayerNorm           `w:"norm1"`
	Self  diffusion.SelfAttention `w:"attn1"`
	Norm2 ops.LayerNorm           `w:"norm2"`
	Cross Cross                   `w:"attn2"`
	Norm3 ops.LayerNorm           `w:"norm3"`
	FC1   ops.Linear              `w:"ff.net.0.proj"`
	FC2   ops.Linear              `w:"ff.net.2"`
}

// Cross is attention of pixels to the prompt.
type Cross struct {
	Q   ops.Linear `w:"to_q"`
	K   ops.Linear `w:"to_k"`
	V   ops.Linear `w:"to_v"`
	Out ops.Linear `w:"to_out"`

	Images []ImageAttention `w:"images"` // of each IP-Adapter
}

// The epsilons of diffusers' Transformer2DModel.
const (
	transformerEps = 1e-6 // of its group norm
	blockEps       = 1e-5 // of the layer norms
)

func newTransformer(b *ops.Builder, c Config, width, heads, depth int) *Transformer {
	t := &Transformer{
		Norm:   b.GroupNorm(c.Block.Groups, width, transformerEps),
		ProjIn: b.Linear(width, width, true), ProjOut: b.Linear(width, width, true),
	}
	for range depth {
		t.Blocks = append(t.Blocks, TransformerBlock{
			Norm1: b.LayerNorm(width, blockEps),
			Self:  diffusion.NewSelfAttention(b, width, heads, false),
			Norm2: b.LayerNorm(width, blockEps),
			Cross: newCross(b, c, width, heads),
			Norm3: b.LayerNorm(width, blockEps),
			FC1:   b.Linear(width, 8*width, true, ops.Grouped{Out: 2}),
			FC2:   b.Linear(4*width, width, true),
		})
	}
	return t
}

func newCross(b *ops.Builder, c Config, width, heads int) Cross {
	seen := func() ops.Linear { return b.Linear(c.Context, width, false, ops.Grouped{Out: heads}) }
	x := Cross{Q: b.Linear(width, width, false, ops.Grouped{Out: heads}), K: seen(), V: seen(), Out: b.Linear(width, width, true, ops.Grouped{In: heads})}
	for _, weight := range c.Images {
		x.Images = append(x.Images, ImageAttention{K: seen(), V: seen(), weight: weight})
	}
	return x
}

// Forward is x + blocks(x). x: [N, H, W, C].
func (t *Transformer) Forward(r *gpu.Recorder, x *gpu.Tensor, prompt *diffusion.Prompt) *gpu.Tensor {
	h := t.ProjIn.Forward(r, t.Norm.Forward(r, x, ops.Identity))
	for i := range t.Blocks {
		r.Enter(fmt.Sprintf("transformer_blocks.%d", i))
		h = t.Blocks[i].Forward(r, h, prompt)
		r.Leave()
	}
	return t.ProjOut.Forward(r, h, ops.Residual(x))
}

// Forward is the block on pixels x [N, H, W, C].
func (b *TransformerBlock) Forward(r *gpu.Recorder, x *gpu.Tensor, prompt *diffusion.Prompt) *gpu.Tensor {
	x = b.Self.Forward(r, b.Norm1.Forward(r, x), x)
	x = b.Cross.Forward(r, b.Norm2.Forward(r, x), prompt, x)
	h := ops.GLU(r, b.FC1.Forward(r, b.Norm3.Forward(r, x)), ops.GELU, ops.GateSecond) // [N H W 4C]
	return b.FC2.Forward(r, h, ops.Residual(x))
}

// CrossAttentions begins the names of the attention probabilities
// [N, heads, H·W, T] of every layer to the prompt, which can be asked for.
const CrossAttentions = "cross_attentions"

// Forward is the attention of x [N, H, W, C] to the prompt, and residual added.
func (c *Cross) Forward(r *gpu.Recorder, x *gpu.Tensor, prompt *diffusion.Prompt, residual *gpu.Tensor) *gpu.Tensor {
	q, k := c.Q.Forward(r, x), c.K.Forward(r, prompt.Text)
	if name := CrossAttentions + "." + r.Label("attn2"); r.Wants(name) {
		r.Tap(name, ops.CrossAttentionProbs(r, q, k, ops.Mask{}))
	}
	h := ops.CrossAttention(r, q, k, c.V.Forward(r, prompt.Text), ops.Mask{})
	for i := range c.Images {
		h = c.Images[i].add(r, h, q, prompt.Images[i])
	}
	return c.Out.Forward(r, h, ops.Residual(residual))
}

// ImageAttention is attention of the same queries to tokens of an image (Ye et al. 2023,
// "IP-Adapter"), which is added by its weight.
type ImageAttention struct {
	K ops.Linear `w:"to_k"`
	V ops.Linear `w:"to_v"`

	weight float64
}

// add is h and the attention of q to tokens [N, T, Context].
func (a *ImageAttention) add(r *gpu.Recorder, h, q, tokens *gpu.Tensor) *gpu.Tensor {
	return ops.AddScaled(r, h, ops.CrossAttention(r, q, a.K.Forward(r, tokens), a.V.Forward(r, tokens), ops.Mask{}), a.weight)
}
