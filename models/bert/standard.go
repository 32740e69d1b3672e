package bert

import (
	"maps"
	"slices"

	"saccade/models/internal/transformer"
	"saccade/models/nn"
	"saccade/ops"
)

// published are sizes of published encoders, each for texts of 128 tokens.
var published = map[string]Config{
	// all-MiniLM-L6-v2
	"minilm_128": {TextConfig: TextConfig{Layer: layer(384), Depth: 6, Vocab: 30522, Length: 512, Types: 2}},
	// multilingual-e5-small
	"e5_small_128": {TextConfig: TextConfig{Layer: layer(384), Depth: 12, Vocab: 250037, Length: 512, Types: 2}},
}

func layer(width int) transformer.LayerConfig {
	return transformer.LayerConfig{Width: width, Heads: 12, MLP: 4 * width, Act: ops.GELU, Eps: 1e-12, Post: true}
}

func standardNames() []string { return slices.Sorted(maps.Keys(published)) }

func standard(name string) (nn.Make, error) {
	return func(b *ops.Builder) (*nn.Layers, error) {
		return layersOf(b, published[name], Reading{Pooling: MeanPooling, Steps: []StepConfig{{Normalize: true}}, Most: 128})
	}, nil
}
