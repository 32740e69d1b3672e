// Package transformer is the pre-norm transformer block (Vaswani et al. 2017,
// with the norms first as in Xiong et al. 2020) that the vision transformers
// and the text towers are made of. It knows no checkpoint's names but its own,
// which are timm's.
package transformer

import (
	"fmt"
	"slices"

	"saccade/gpu"
	"saccade/ops"
)

// Config is what a block's layers depend on.
type Config struct {
	Width   int // of a token
	Heads   int
	MLP     int // hidden width of the perceptron
	Act     ops.Activation
	Eps     float64 // of the layer norms
	QKVBias bool
	Gated   bool // the perceptron is a gated linear unit, gate first (SwiGLU)
	Causal  bool // a token sees none after it
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
	gated bool
	mask  ops.Mask
}

// Blocks makes depth blocks of one configuration.
func Blocks(b *ops.Builder, c Config, depth int) []Block {
	blocks := make([]Block, depth)
	for i := range blocks {
		blocks[i] = newBlock(b, c)
	}
	return blocks
}

func newBlock(b *ops.Builder, c Config) Block {
	halves := 1
	if c.Gated {
		halves = 2
	}
	return Block{
		Norm1: b.LayerNorm(c.Width, c.Eps),
		QKV:   b.Linear(c.Width, 3*c.Width, c.QKVBias, ops.Grouped{Out: 3 * c.Heads}),
		Proj:  b.Linear(c.Width, c.Width, true, ops.Grouped{In: c.Heads}),
		Norm2: b.LayerNorm(c.Width, c.Eps),
		FC1:   b.Linear(c.Width, halves*c.MLP, true, ops.Grouped{Out: halves}),
		FC2:   b.Linear(c.MLP, c.Width, true),
		heads: c.Heads, act: c.Act, gated: c.Gated, mask: ops.Mask{Causal: c.Causal},
	}
}

// Forward is x + attention(norm(x)), then x + mlp(norm(x)). x: [N, T, D]; lengths
// are as [ops.Mask] has them, nil without padding. probs, if asked for, are the
// attention's, [N, heads, T, T].
func (b *Block) Forward(r *gpu.Recorder, x, lengths *gpu.Tensor, withProbs bool) (out, probs *gpu.Tensor) {
	mask := b.mask
	mask.Lengths = lengths
	qkv := b.QKV.Forward(r, b.Norm1.Forward(r, x)) // [N T 3·D]
	if withProbs {
		probs = ops.AttentionProbs(r, qkv, b.heads, mask)
	}
	x = b.Proj.Forward(r, ops.Attention(r, qkv, b.heads, mask), ops.Residual(x)) // [N T D]
	return b.FC2.Forward(r, b.hidden(r, b.Norm2.Forward(r, x)), ops.Residual(x)), probs
}

// hidden is the perceptron's hidden layer of x [N, T, D]: [N, T, MLP].
func (b *Block) hidden(r *gpu.Recorder, x *gpu.Tensor) *gpu.Tensor {
	if b.gated {
		return ops.GLU(r, b.FC1.Forward(r, x), b.act, ops.GateFirst)
	}
	return b.FC1.Forward(r, x, ops.Then(b.act))
}

// Encode puts x [N, T, D] through the blocks in order; lengths are as in
// [Block.Forward]. Below prefix each one's output is the intermediate layer.i, and
// its attention probabilities [N, heads, T, T] are attentions.i, the last one's
// last_attention too.
func Encode(r *gpu.Recorder, prefix string, blocks []Block, x, lengths *gpu.Tensor) *gpu.Tensor {
	for i := range blocks {
		x = Step(r, prefix, blocks, i, x, lengths)
	}
	return x
}

// Step is block i of [Encode].
func Step(r *gpu.Recorder, prefix string, blocks []Block, i int, x, lengths *gpu.Tensor) *gpu.Tensor {
	names := []string{fmt.Sprintf("%sattentions.%d", prefix, i)}
	if i == len(blocks)-1 {
		names = append(names, prefix+"last_attention")
	}
	r.Enter(fmt.Sprintf("%sblocks.%d", prefix, i))
	wants := slices.ContainsFunc(names, r.Wants)
	var probs *gpu.Tensor
	x = r.Segment(x, func(x *gpu.Tensor) (y *gpu.Tensor) {
		y, probs = blocks[i].Forward(r, x, lengths, wants)
		return y
	})
	r.Leave()
	if probs != nil {
		for _, name := range names {
			r.Tap(name, probs)
		}
	}
	r.Tap(fmt.Sprintf("%slayer.%d", prefix, i), x)
	return x
}
