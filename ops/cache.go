package ops

import (
	"saccade/gpu"
)

// Cache is what the self-attentions of a decoder keep of earlier tokens. A recording
// with one can be run at every length: the time follows the length, not the room.
type Cache struct {
	// States are the keys and values, a layer each: [R, room, 2·K], whose groups are the
	// heads of the keys, then those of the values.
	States  []*gpu.Tensor
	At      *gpu.Tensor // u32 [1]: how many tokens are there
	Lengths *gpu.Tensor // u32 [R]: those and the new ones
}

// Attention appends the keys and values of a fused qkv [R, T, D+2·K] to the states of a
// layer, and is the causal attention of its queries to all tokens that are there then.
func (c *Cache) Attention(r *gpu.Recorder, layer int, qkv *gpu.Tensor, heads int, options ...AttentionOption) *gpu.Tensor {
	state := c.States[layer]
	Append(r, state, qkv, c.At)
	return KeyValueAttention(r, qkv, heads, state, Mask{Causal: true, Tail: true, Lengths: c.Lengths}, options...)
}
