package resnet

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/models/internal/checkpoint"
	"saccade/models/internal/modeltest"
	"saccade/ops"
)

// alternatives are other values of the keys of transformers' and timm's classes.
var alternatives = map[string]string{
	"num_channels": `1`, "embedding_size": `7`, "hidden_sizes": `[4, 8, 12, 16]`, "depths": `[1, 1, 1, 1]`, "layer_type": `"basic"`, "hidden_act": `"silu"`,
	"downsample_in_first_stage": `true`, "downsample_in_bottleneck": `true`, "problem_type": `"regression"`, "id2label": `{"0": "a", "1": "b"}`,
	"block": `"Bottle2neck"`, "output_stride": `16`, "global_pool": `"max"`, "stem_type": `"deep"`, "replace_stem_pool": `true`, "block_reduce_first": `2`,
	"down_kernel_size": `3`, "avg_down": `true`, "act_layer": `"silu"`, "norm_layer": `"groupnorm"`, "aa_layer": `"avg"`, "block_args": `{"attn_layer": "se"}`,
}

// Every key of the classes has an effect, is inert or is refused.
func TestEveryKey(t *testing.T) {
	transformers := tensors{"embedder.embedder.convolution.weight": {4, 3, 7, 7}, "classifier.1.weight": {2, 6}}.source(t)
	modeltest.EveryKey(t, signatures, "ResNetConfig", alternatives, checkpoint.CommonInert, func(config []byte) (any, error) {
		c, _, err := Describe(transformers, config)
		return c, err
	})
	headless := append([]string{"_out_features", "_out_indices", "id2label", "problem_type"}, checkpoint.CommonInert...)
	modeltest.EveryKey(t, signatures, "RTDetrResNetConfig", alternatives, headless, func(config []byte) (any, error) {
		c, _, err := RTDetrConfig(config)
		return c, err
	})
	modeltest.EveryKey(t, signatures, "ResNet", alternatives, timmInert, func(config []byte) (any, error) {
		c, _, err := Describe(basic().source(t), []byte(`{"architecture": "resnet18", "model_args": `+string(config)+`}`))
		return c, err
	})
}

// transformers' hidden_act is not that within blocks.
func TestInnerActivation(t *testing.T) {
	src := tensors{"embedder.embedder.convolution.weight": {4, 3, 7, 7}}.source(t)
	c, _, err := Describe(src, []byte(`{"hidden_act": "silu"}`))
	require.NoError(t, err)
	assert.Equal(t, ops.SiLU, c.Act)
	assert.Equal(t, ops.ReLU, c.Inner)
}

// A head in a sequence, as people put there for fine-tuning, is read, and said; two
// layers are not guessed at.
func TestReplacedHead(t *testing.T) {
	s := basic()
	delete(s, "fc.weight")
	s["fc.1.weight"] = []int{9, 6}
	c, src, err := Describe(s.source(t), nil)
	require.NoError(t, err)
	assert.Equal(t, 9, c.Classes)
	assert.Contains(t, c.Notes[0], "the head is fc.1, in place of fc")
	assert.True(t, checkpoint.Has(src, "head.weight"))
	s["fc.3.weight"] = []int{5, 9}
	c, _, err = Describe(s.source(t), nil)
	require.NoError(t, err)
	assert.Zero(t, c.Classes) // and fc.1 and fc.3 are unknown when the layers are bound
	assert.Empty(t, c.Notes)
}
