package depth

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"saccade/models/internal/modeltest"
	"saccade/weights"
)

// alternatives are other values of the keys of transformers' configs.
var alternatives = map[string]string{
	"backbone_config": `{"model_type": "dinov2", "hidden_size": 384, "num_attention_heads": 6, "reshape_hidden_states": false, "out_indices": [1, 2, 3, 4]}`,
	"patch_size":      `[16, 8]`, "reassemble_hidden_size": `96`, "reassemble_factors": `[2, 2, 1, 0.25]`, "neck_hidden_sizes": `[8, 8, 8, 8]`, "fusion_hidden_size": `96`,
	"head_in_index": `1`, "head_hidden_size": `7`, "depth_estimation_type": `"metric"`, "max_depth": `80`,
	"hidden_size": `96`, "num_hidden_layers": `13`, "num_attention_heads": `6`, "intermediate_size": `99`, "hidden_act": `"relu"`, "layer_norm_eps": `0.1`, "image_size": `64`,
	"num_channels": `1`, "is_hybrid": `true`, "qkv_bias": `false`, "backbone_out_indices": `[0, 1, 2, 3]`, "readout_type": `"add"`, "use_batch_norm_in_fusion_residual": `true`,
	"use_bias_in_fusion_residual": `false`, "add_projection": `true`,
}

// Every key of the classes has an effect, is inert or is refused.
func TestEveryKey(t *testing.T) {
	read := func(describe func(weights.Source, []byte) (Config, weights.Source, error)) func(config []byte) (any, error) {
		return func(config []byte) (any, error) {
			c, _, err := describe(&weights.Checkpoint{}, config)
			return c, err
		}
	}
	modeltest.EveryKey(t, signatures, "DepthAnythingConfig", alternatives, inert, read(DescribeAnything))
	modeltest.EveryKey(t, signatures, "DPTConfig", alternatives, append([]string{"neck_ignore_stages"}, inert...), read(DescribeDPT)) // those of hybrid ones alone
}

// What no network is made of is refused by name.
func TestRefuses(t *testing.T) {
	for config, want := range map[string]string{
		`{"backbone_config": {"model_type": "swinv2"}}`:                                                           `"swinv2"`,
		`{"reassemble_factors": [4, 2, 1, 1.5]}`:                                                                  "reassemble_factors are [4 2 1 1.5]",
		`{"reassemble_factors": [4, 2, 1, 0]}`:                                                                    "reassemble_factors are [4 2 1 0]",
		`{"backbone_config": {"model_type": "dinov2", "out_features": ["stem"]}}`:                                 "reshape_hidden_states is true",
		`{"backbone_config": {"model_type": "dinov2", "reshape_hidden_states": false, "out_features": ["stem"]}}`: `out_features has "stem"`,
		`{"depth_estimation_type": "inverse"}`:                                                                    `depth_estimation_type is "inverse"`,
		`{"head_in_index": 0}`:                                                                                    "head_in_index is 0",
	} {
		_, _, err := DescribeAnything(&weights.Checkpoint{}, []byte(config))
		assert.ErrorContains(t, err, want, config)
	}
}
