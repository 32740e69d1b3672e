package sam

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/gpu"
	"saccade/gpu/gputest"
	"saccade/models/internal/modeltest"
	"saccade/models/nn"
	"saccade/ops"
)

// firstShapes are the tensors by which a checkpoint of transformers is known.
var firstShapes = map[string][]int{"vision_encoder.patch_embed.projection.weight": {4, 3, 4, 4}, "prompt_encoder.not_a_point_embed.weight": {1, 4}}

// firstAlternatives are other values of the keys of SamModel's classes.
var firstAlternatives = map[string]string{
	"vision_config": `{"hidden_size": 96}`, "prompt_encoder_config": `{"num_point_embeddings": 5}`, "mask_decoder_config": `{"mlp_dim": 96}`,
	"hidden_size": `96`, "output_channels": `128`, "num_hidden_layers": `3`, "num_attention_heads": `4`, "num_channels": `1`, "image_size": `512`, "patch_size": `8`,
	"hidden_act": `"silu"`, "layer_norm_eps": `0.1`, "qkv_bias": `false`, "mlp_ratio": `2`, "mlp_dim": `96`, "use_abs_pos": `false`, "use_rel_pos": `false`,
	"window_size": `7`, "global_attn_indexes": `[1]`, "num_pos_feats": `64`, "num_point_embeddings": `5`,
	"attention_downsample_rate": `4`, "num_multimask_outputs": `2`, "iou_head_depth": `4`, "iou_head_hidden_dim": `96`,
}

// Every key of SamModel's configs has an effect, is inert or is refused by its name.
func TestEveryKeyOfFirst(t *testing.T) {
	src := zeros(t, firstShapes)
	read := func(config string) (any, error) {
		c, _, err := Describe(src, []byte(config))
		return c, err
	}
	modeltest.EveryKey(t, signatures, "SamConfig", firstAlternatives, inert, func(config []byte) (any, error) { return read(string(config)) })
	for class, part := range map[string]string{"SamVisionConfig": "vision_config", "SamMaskDecoderConfig": "mask_decoder_config", "SamPromptEncoderConfig": "prompt_encoder_config"} {
		inert := inert
		if part == "prompt_encoder_config" { // of masks as prompts
			inert = append([]string{"hidden_act", "layer_norm_eps"}, inert...)
		}
		modeltest.EveryKey(t, signatures, class, firstAlternatives, inert, func(config []byte) (any, error) { return read(fmt.Sprintf(`{%q: %s}`, part, config)) })
	}
}

// What no network can be made of, or the classes make otherwise, is refused.
func TestFirstRefuses(t *testing.T) {
	src := zeros(t, firstShapes)
	for config, want := range map[string]string{
		`{"model_type": "sam2"}`:                                       "sam",
		`{"vision_config": {"image_size": [64, 32]}}`:                  "expected squares",
		`{"vision_config": {"image_size": 512}}`:                       "expected maps of one size",
		`{"mask_decoder_config": {"hidden_size": 128}}`:                "expected equal",
		`{"vision_config": {"hidden_act": "mish"}}`:                    "hidden_act",
		`{"mask_decoder_config": {"num_attention_heads": "many"}}`:     "mask_decoder_config",
		`{"vision_config": {"global_attn_indexes": [1], "xyz": null}}`: "",
	} {
		_, _, err := Describe(src, []byte(config))
		if want == "" {
			assert.NoError(t, err, config)
			continue
		}
		assert.ErrorContains(t, err, want, config)
	}
	_, _, err := Describe(src, nil)
	assert.ErrorContains(t, err, "no config.json")
	for want, change := range map[string]func(c *Config){
		"hidden_size of 768 does not make its 5": func(c *Config) { c.Vision.Heads = 5 },
		"gives 128 channels":                     func(c *Config) { c.Vision.Out = 128 },
		"Fourier features":                       func(c *Config) { c.Points = 64 },
		"iou_head_depth is 1":                    func(c *Config) { c.Decoder.ScoreDepth = 1 },
		"expected a multiple of 8":               func(c *Config) { c.Decoder.Width = 252 },
		"layer_norm_eps is 0":                    func(c *Config) { c.Vision.Eps = 0 },
	} {
		c := Base()
		change(&c)
		_, err := New(nil, c)
		assert.ErrorContains(t, err, want)
	}
}

// The published sizes: the parameters of SamModel but for those of masks as prompts, and the
// embedding of padding, which has none there.
func TestFirstSizes(t *testing.T) {
	dev := gputest.Open(t, gpu.Options{})
	for want, c := range map[int]Config{93731044: Base(), 9719100: Slim()} {
		m, err := New(ops.NewBuilder(dev, gpu.F16), c)
		require.NoError(t, err)
		assert.Equal(t, want+c.Decoder.Width, modeltest.Parameters(t, m))
	}
}

// Prompts that do not fit are refused by their names.
func TestPromptsRefused(t *testing.T) {
	array := func(v []float32, shape ...int) nn.Array { return nn.Array{Shape: shape, Data: v} }
	maps := array(make([]float32, 4), 1, 1, 2, 2)
	for want, in := range map[string]map[string]nn.Array{
		"input_labels without input_points": {inputLabels: array([]float32{1}, 1, 1, 1)},
		"has a 2":                           {inputPoints: array([]float32{1, 2}, 1, 1, 1, 2), inputLabels: array([]float32{2}, 1, 1, 1)},
		"multimask_output is 3":             {inputPoints: array([]float32{1, 2}, 1, 1, 1, 2), multimask: array([]float32{3}, 1)},
		"expected one of them":              {inputPoints: array([]float32{1, 2}, 1, 1, 1, 2), nn.PixelValues: maps},
	} {
		in[embeddings] = maps
		_, err := Base().readPrompts(in)
		assert.ErrorContains(t, err, want)
	}
}
