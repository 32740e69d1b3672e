package trocr

import (
	"saccade/models/internal/transformer"
	"saccade/models/vit"
	"saccade/ops"
)

// StandardNames are the names of [Standard].
func StandardNames() []string { return []string{"trocr_small", "trocr_base"} }

// Standard are the sizes of Li et al. (table 1) as they were published for transformers,
// of images of 384×384.
func Standard(name string) (Config, bool) {
	switch name {
	case "trocr_small":
		return Config{
			Encoder: published(384, 6, true),
			Decoder: DecoderConfig{
				Layer: transformer.LayerConfig{Width: 256, Heads: 8, MLP: 1024, Act: ops.ReLU, Eps: eps, Post: true, Cross: 384},
				Depth: 6, Vocab: 64044, Length: 512, Norm: true, Tied: true, Start: 2, End: []int{2}, Pad: 1,
			},
		}, true
	case "trocr_base":
		return Config{
			Encoder: published(768, 12, false),
			Decoder: DecoderConfig{
				Layer: transformer.LayerConfig{Width: 1024, Heads: 16, MLP: 4096, Act: ops.GELU, Eps: eps, Post: true, Cross: 768},
				Depth: 12, Vocab: 50265, Length: 512, Norm: true, Tied: true, Start: 2, End: []int{2}, Pad: 1,
			},
		}, true
	}
	return Config{}, false
}

// published is an encoder of twelve blocks and patches of 16×16, small ones with a
// distillation token, the others without biases of queries, keys and values.
func published(width, heads int, distilled bool) vit.Config {
	c := vit.Config{
		Image: [2]int{384, 384}, Patch: [2]int{16, 16}, Channels: 3, Width: width, Depth: 12, Heads: heads, MLP: 4 * width,
		Act: ops.GELU, Eps: 1e-12, QKVBias: distilled, Distilled: distilled, Placed: 1,
	}
	if distilled {
		c.Placed = 2
	}
	return c
}
