package blip

import (
	"saccade/models/bert"
	"saccade/models/internal/transformer"
	"saccade/models/nn"
	"saccade/models/vit"
	"saccade/ops"
)

// Base makes the layers of the published captioner of base size.
func Base(b *ops.Builder) (*nn.Layers, error) {
	return Config{
		Task: Caption,
		Vision: vit.Config{
			Image: [2]int{384, 384}, Patch: [2]int{16, 16}, Channels: 3, Width: 768, Depth: 12, Heads: 12, MLP: 3072, Act: ops.GELU, Eps: 1e-5, QKVBias: true, Placed: 1,
		},
		Text: TextConfig{
			TextConfig: bert.TextConfig{
				Layer: transformer.LayerConfig{Width: 768, Heads: 12, MLP: 3072, Act: ops.GELU, Eps: 1e-12, Post: true, Cross: 768},
				Depth: 12, Vocab: 30524, Length: 512,
			},
			Start: 30522, End: 102, Pad: 0,
		},
	}.layers(b)
}
