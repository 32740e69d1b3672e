package clip

import (
	"fmt"
	"slices"

	"saccade/gpu"
	"saccade/models/internal/transformer"
	"saccade/models/nn"
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

	b       *ops.Builder
	tables  map[int]*ops.Table // the first positions, by their number
	learned *learned           // embeddings of tokens that are trained, or nil
}

// learned are embeddings of tokens that are trained, a state [R, D].
type learned struct {
	rows *gpu.Tensor
	// index [N, T] tells which of them stands for a token, NoRow: none; nil: those whose ids
	// begin at first.
	index *gpu.Tensor
	first int
}

// embed is the embeddings of token ids [N, T] with those of their positions: [N, T, D].
func (t *Text) embed(r *gpu.Recorder, ids *gpu.Tensor) *gpu.Tensor {
	table := t.table(ids.Shape[1])
	x := (*gpu.Tensor)(nil)
	if l := t.learned; l == nil {
		x = t.Tokens.Forward(r, ids, table)
	} else {
		index := l.index
		if index == nil {
			index = ids
		}
		x = ops.AddTable(r, ops.LearnedRows(r, t.Tokens.Forward(r, ids, nil), l.rows, index, l.first), table)
	}
	r.Tap("text.embeddings", x)
	return x
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

// Forward records the tower on token ids [N, T], of which lengths [N, 1] are no
// padding (nil: all); the token that is pooled of each text is named by at [N, 1]. A
// tower of a dual encoder gives text_embeds [N, D], of unit length; one on its own
// last_hidden_state [N, T, D] and pooler_output [N, D], or with a projection
// text_embeds as they are.
//
// The states after the first i blocks, hidden_states.i [N, T, D], can be asked for,
// as they are or as hidden_states.i.normed behind the final norm: what diffusion
// models take. Blocks behind all that is asked for are not recorded.
func (t *Text) Forward(r *gpu.Recorder, ids, at, lengths *gpu.Tensor) {
	x := t.embed(r, ids) // [N T D]
	for i := range t.Blocks {
		if t.show(r, i, x); r.Satisfied() {
			return
		}
		x = transformer.Step(r, "text.", t.Blocks, i, x, lengths)
	}
	if t.show(r, t.Depth, x); r.Satisfied() {
		return
	}
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

// Embed records the tower on token ids as Forward does, up to the embeddings [N, D], which
// are not of unit length.
func (t *Text) Embed(r *gpu.Recorder, ids, at, lengths *gpu.Tensor) *gpu.Tensor {
	x := t.embed(r, ids) // [N T D]
	x = transformer.Encode(r, "text.", t.Blocks, x, lengths)
	return t.Projection.Forward(r, t.Norm.Forward(r, ops.Take(r, x, at)))
}

// show names the state x after the first i blocks.
func (t *Text) show(r *gpu.Recorder, i int, x *gpu.Tensor) {
	name := HiddenState(i, false)
	r.Tap(name, x)
	if normed := HiddenState(i, true); r.Wants(normed) {
		r.Tap(normed, t.Norm.Forward(r, x))
	}
}

// HiddenState is the name of the state after the first i blocks, behind the final
// norm if that is wanted.
func HiddenState(i int, normed bool) string {
	if normed {
		return fmt.Sprintf("hidden_states.%d.normed", i)
	}
	return fmt.Sprintf("hidden_states.%d", i)
}

// PooledAt are the tokens [N, 1] at which texts of ids [N, T] are pooled: of each the
// first end token, the greatest id in checkpoints whose config names the end 2, and
// the last token in SigLIP.
func (t *Text) PooledAt(in map[string]nn.Array) (nn.Array, error) {
	ids := in[nn.InputIDs]
	n, tokens := ids.Shape[0], ids.Shape[1]
	at := nn.Array{Shape: []int{n, 1}}
	for row := range slices.Chunk(ids.Data, tokens) {
		place := max(0, slices.Index(row, float32(t.End)))
		switch {
		case !t.Block.Causal:
			place = tokens - 1
		case t.End == LegacyEnd:
			place = slices.Index(row, slices.Max(row))
		}
		at.Data = append(at.Data, float32(place))
	}
	return at, nil
}

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
