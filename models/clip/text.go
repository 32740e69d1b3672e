package clip

import (
	"slices"

	"saccade/gpu"
	"saccade/models/internal/transformer"
	"saccade/ops"
)

// Text is the text tower: a transformer over tokens, causal in CLIP.
type Text struct {
	TextConfig

	Tokens     ops.Embedding       `w:"tokens"`
	Positions  *ops.Parameter      `w:"positions"`
	Blocks     []transformer.Block `w:"blocks"`
	Norm       ops.LayerNorm       `w:"norm"`
	Projection *ops.Linear         `w:"projection"` // nil in a text encoder without one

	b      *ops.Builder
	tables map[int]*ops.Table // the first positions, by their number
}

// NewText makes a text tower.
func NewText(b *ops.Builder, c TextConfig) (*Text, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	t := &Text{TextConfig: c, b: b, tables: map[int]*ops.Table{},
		Tokens:    b.Embedding(c.Vocab, c.Block.Width),
		Positions: &ops.Parameter{Shape: []int{c.Length, c.Block.Width}},
		Blocks:    transformer.Blocks(b, c.Block, c.Depth),
		Norm:      b.LayerNorm(c.Block.Width, c.Block.Eps),
	}
	if c.Projection > 0 {
		l := b.Linear(c.Block.Width, c.Projection, c.ProjectionBias)
		t.Projection = &l
	}
	return t, nil
}

// Hidden gives the hidden state [N, T, D] after the first blocks of them on token
// ids [N, T], of which lengths [N] are no padding (nil: all), without the final
// norm: diffusion models take the last but one. All of them is [Text.Depth].
func (t *Text) Hidden(r *gpu.Recorder, ids, lengths *gpu.Tensor, blocks int) *gpu.Tensor {
	x := t.Tokens.Forward(r, ids, t.table(ids.Shape[1])) // [N T D]
	r.Tap("text.embeddings", x)
	return transformer.Encode(r, "text.", t.Blocks[:blocks], x, lengths, transformer.None)
}

// Embed is the projection [N, P] of the token at [N, 1] of each text, whose hidden
// states x [N, T, D] have gone through the first blocks of them: SDXL's pooled prompt.
func (t *Text) Embed(r *gpu.Recorder, x, at *gpu.Tensor, blocks int) *gpu.Tensor {
	x = transformer.Encode(r, "text.rest.", t.Blocks[blocks:], x, nil, transformer.None)
	return t.Projection.Forward(r, t.Norm.Forward(r, ops.Take(r, x, at)))
}

// ForwardText records the tower on token ids [N, T], of which lengths [N] are no
// padding (nil: all); the token that is pooled of each text is named by at [N], as
// [Text.Pooled] gives it. A tower of a dual encoder has the output text_embeds [N, D], of unit length; one on its own
// last_hidden_state [N, T, D] and pooler_output [N, D], and text_embeds as they
// are where it has a projection.
func (t *Text) ForwardText(r *gpu.Recorder, ids, at, lengths *gpu.Tensor) {
	x := t.Hidden(r, ids, lengths, t.Depth)
	if !t.Alone {
		pooled := t.Norm.Forward(r, ops.Take(r, x, at)) // [N D]
		r.Tap("text.pooled", pooled)
		embed(r, "text_embeds", t.Projection.Forward(r, pooled))
		return
	}
	x = t.Norm.Forward(r, x)
	r.Output("last_hidden_state", x)
	pooled := ops.Take(r, x, at)
	if t.Projection != nil {
		r.Output("text_embeds", t.Projection.Forward(r, pooled))
		return
	}
	r.Output("pooler_output", pooled)
}

// Pooled is the place of the token that a text is pooled at: the first end token,
// the greatest id in checkpoints whose config names the end 2, and the last token
// in SigLIP.
func (t *Text) Pooled(ids []uint32) int {
	switch {
	case !t.Block.Causal:
		return len(ids) - 1
	case t.End == legacyEnd:
		return slices.Index(ids, slices.Max(ids))
	}
	return max(0, slices.Index(ids, uint32(t.End)))
}

// Context is the most tokens of a text.
func (t *Text) Context() int { return t.Length }

// Vocabulary is the number of token ids.
func (t *Text) Vocabulary() int { return t.Vocab }

// Fixed says that a text's embedding depends on its padding, which must be that
// of the training: up to the context.
func (t *Text) Fixed() bool { return !t.Block.Causal }

// table is the embeddings of the first n positions.
func (t *Text) table(n int) *ops.Table {
	if table, ok := t.tables[n]; ok {
		return table
	}
	table := t.b.Table("positions", n, t.Block.Width)
	t.tables[n] = table
	t.b.Later(func() error { return table.Upload(t.Positions.Values[:n*t.Block.Width]) })
	return table
}
