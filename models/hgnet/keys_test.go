package hgnet

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/models/internal/modeltest"
	"saccade/ops"
	"saccade/weights"
)

// alternatives are other values of the keys of transformers' class.
var alternatives = map[string]string{
	"num_channels": `1`, "embedding_size": `32`, "depths": `[1, 1, 1]`, "hidden_sizes": `[1, 2, 3, 4]`, "hidden_act": `"silu"`, "stem_channels": `[3, 16, 48]`, "stem_strides": `[2, [1, 2], 1, 2, 1]`,
	"stage_in_channels": `[48, 128, 512, 512]`, "stage_mid_channels": `[48, 96, 192, 1]`, "stage_out_channels": `[64, 512, 1024, 2048]`, "stage_num_blocks": `[1, 1, 1, 1]`,
	"stage_downsample": `[true, true, true, true]`, "stage_downsample_strides": `[2, 2, 2, [2, 1]]`, "stage_light_block": `[true, true, true, true]`, "stage_kernel_size": `[3, 3, 3, 3]`,
	"stage_numb_of_layers": `[1, 1, 1, 1]`, "use_learnable_affine_block": `true`,
}

// Every key of the class has an effect, is inert or is refused.
func TestEveryKey(t *testing.T) {
	inert := append([]string{"_out_features", "_out_indices", "id2label", "problem_type"}, inert...)
	modeltest.EveryKey(t, signatures, "HGNetV2Config", alternatives, inert, func(config []byte) (any, error) {
		c, maps, err := Describe(&weights.Checkpoint{}, "backbone", config)
		if string(config) == `{"embedding_size": 32}` { // of the stem's map
			_, _, err = Describe(&weights.Checkpoint{}, "backbone", []byte(`{"embedding_size": 32, "out_features": ["stem"]}`))
		}
		return []any{c, maps}, err
	})
}

// The scales and shifts of a checkpoint stand under the names of the layers, and none may be
// missing.
func TestAffines(t *testing.T) {
	var all []*weights.Tensor
	for name, v := range map[string]float32{
		"b.embedder.stem2a.lab.scale": 2, "b.embedder.stem2a.lab.bias": 3, "b.embedder.stem2a.convolution.weight": 1,
		"b.encoder.stages.1.blocks.0.layers.2.conv2.lab.scale": 4, "b.encoder.stages.1.blocks.0.layers.2.conv2.lab.bias": 5, "b.encoder.stages.1.blocks.0.layers.2.conv2.convolution.weight": 1,
	} {
		x, err := weights.FromFloat32s(name, []float32{v}, 1)
		require.NoError(t, err)
		all = append(all, x)
	}
	c, _, err := Describe(weights.With(&weights.Checkpoint{}, all...), "b", []byte(`{"use_learnable_affine_block": true}`))
	require.NoError(t, err)
	assert.Equal(t, map[string]Affine{"stem2a": {2, 3}, "stages.1.blocks.0.layers.2.conv": {4, 5}}, c.Affines)
	k := maker{b: ops.NewBuilder(nil, 0), c: c}
	k.conv("stem3", ops.Conv{In: 1, Out: 1, Kernel: ops.Square(1)}, ops.ReLU)
	assert.ErrorContains(t, k.err, "no scale and shift (lab) of the convolution stem3")
}
