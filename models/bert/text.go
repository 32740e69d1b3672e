package bert

import (
	"fmt"

	"saccade/gpu"
	"saccade/models/internal/transformer"
	"saccade/ops"
)

// TextConfig is what the size of a text's layers depends on.
type TextConfig struct {
	Layer  transformer.LayerConfig
	Depth  int // layers
	Vocab  int // token ids
	Length int // rows of the table of positions
	Types  int // token types; 0: they are not told apart
}

// Text is the embeddings and layers of a text's encoder or decoder.
type Text struct {
	Tokens    ops.Embedding       `w:"tokens"`
	Positions ops.Embedding       `w:"positions"`
	Types     *ops.Embedding      `w:"types"` // or nil
	Norm      ops.LayerNorm       `w:"norm"`
	Layers    []transformer.Layer `w:"layers"`
}

// NewText makes the layers that a configuration describes.
func NewText(b *ops.Builder, c TextConfig) *Text {
	t := &Text{
		Tokens: b.Embedding(c.Vocab, c.Layer.Width), Positions: b.Embedding(c.Length, c.Layer.Width),
		Norm: b.LayerNorm(c.Layer.Width, c.Layer.Eps), Layers: transformer.NewLayers(b, c.Layer, c.Depth),
	}
	if c.Types > 0 {
		types := b.Embedding(c.Types, c.Layer.Width)
		t.Types = &types
	}
	return t
}

// Forward is the states [R, T, D] of ids with their positions and, where they are told
// apart, types, all u32 [R, T].
func (t *Text) Forward(r *gpu.Recorder, prefix string, ids, positions, types *gpu.Tensor, s transformer.Sight) *gpu.Tensor {
	x := ops.Add(r, t.Tokens.Forward(r, ids, nil), t.Positions.Forward(r, positions, nil), 1)
	if t.Types != nil {
		x = ops.Add(r, x, t.Types.Forward(r, types, nil), 1)
	}
	x = t.Norm.Forward(r, x)
	r.Tap(prefix+"embeddings", x)
	return transformer.Run(r, prefix, t.Layers, x, s)
}

// Remember is what the cross-attentions of all layers read of x [N, S, C].
func (t *Text) Remember(r *gpu.Recorder, x *gpu.Tensor) []*gpu.Tensor {
	memory := make([]*gpu.Tensor, len(t.Layers))
	for i := range t.Layers {
		memory[i] = t.Layers[i].Remember(r, x)
	}
	return memory
}

// check refuses what no layers can be made of.
func (c TextConfig) check() error {
	for name, v := range map[string]int{
		"hidden_size": c.Layer.Width, "intermediate_size": c.Layer.MLP, "num_hidden_layers": c.Depth, "num_attention_heads": c.Layer.Heads,
		"vocab_size": c.Vocab, "max_position_embeddings": c.Length,
	} {
		if v < 1 || v > 1<<22 {
			return fmt.Errorf("config.json: %s is %d; it must be positive", name, v)
		}
	}
	if c.Layer.Width%c.Layer.Heads != 0 {
		return fmt.Errorf("config.json: hidden_size %d is not a multiple of its %d attention heads", c.Layer.Width, c.Layer.Heads)
	}
	if c.Types < 0 || c.Types > 1<<22 {
		return fmt.Errorf("config.json: type_vocab_size is %d; it must be positive", c.Types)
	}
	return nil
}
