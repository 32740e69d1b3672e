package efficientnet

import (
	"testing"

	"github.com/stretchr/testify/require"

	"saccade/models/internal/inverted"
	"saccade/models/internal/modeltest"
	"saccade/weights"
)

// alternatives are other values of the keys of transformers' and timm's classes.
var alternatives = map[string]string{
	"num_channels": `1`, "image_size": `64`, "width_coefficient": `1`, "depth_coefficient": `1`, "depth_divisor": `64`, "kernel_sizes": `[3]`, "in_channels": `[8]`,
	"out_channels": `[8]`, "depthwise_padding": `[2]`, "strides": `[1]`, "num_block_repeats": `[1]`, "expand_ratios": `[1]`, "squeeze_expansion_ratio": `0.5`,
	"hidden_act": `"relu"`, "hidden_dim": `100`, "pooling_type": `"max"`, "batch_norm_eps": `0.1`, "problem_type": `"regression"`, "id2label": `{"0": "a", "1": "b"}`,
	"block_args": `[1]`, "stem_kernel_size": `5`, "output_stride": `16`, "pad_type": `"same"`, "act_layer": `"relu"`, "norm_layer": `"groupnorm"`,
	"aa_layer": `"avg"`, "se_layer": `"eca"`, "global_pool": `"max"`,
}

// Every key of both classes has an effect, is inert or is refused.
func TestEveryKey(t *testing.T) {
	source := func(shapes map[string][]int) weights.Source {
		var all []*weights.Tensor
		for name, shape := range shapes {
			n := 1
			for _, d := range shape {
				n *= d
			}
			x, err := weights.FromFloat32s(name, make([]float32, n), shape...)
			require.NoError(t, err)
			all = append(all, x)
		}
		return weights.With(&weights.Checkpoint{}, all...)
	}
	transformers := source(map[string][]int{"encoder.blocks.0.x": {1}, "classifier.weight": {2, 4}})
	modeltest.EveryKey(t, signatures, "EfficientNetConfig", alternatives, transformersInert, func(config []byte) (any, error) {
		c, _, err := Describe(transformers, config, "efficientnet")
		return c, err
	})
	timm := source(map[string][]int{"conv_stem.weight": {8, 3, 3, 3}, "blocks.0.0.conv_dw.weight": {8, 1, 3, 3}, "classifier.weight": {5, 20}})
	modeltest.EveryKey(t, signatures, "EfficientNet", alternatives, inverted.TimmInert, func(config []byte) (any, error) {
		c, _, err := Describe(timm, []byte(`{"architecture": "efficientnet_b0", "model_args": `+string(config)+`}`), "efficientnet")
		return c, err
	})
}
