package vae

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/gpu"
	"saccade/models/internal/modeltest"
	"saccade/ops"
)

// The published autoencoders have as many parameters as diffusers says.
func TestParameters(t *testing.T) {
	c, err := Standard("sd15_vae_decode")
	require.NoError(t, err)
	assert.Equal(t, 8, c.Reduction())
	m, err := New(ops.NewBuilder(nil, gpu.F16), c)
	require.NoError(t, err)
	assert.Equal(t, 83_653_863, modeltest.Parameters(t, m))

	tiny, err := ParseTiny([]byte(`{"_class_name": "AutoencoderTiny"}`)) // madebyollin/taesd
	require.NoError(t, err)
	small, err := NewTiny(ops.NewBuilder(nil, gpu.F16), tiny)
	require.NoError(t, err)
	assert.Equal(t, 2_445_063, modeltest.Parameters(t, small))
}

// What is not supported is refused by its name.
func TestRefuse(t *testing.T) {
	for config, want := range map[string]string{
		`{"_class_name": "AsymmetricAutoencoderKL"}`:                                         `_class_name is "AsymmetricAutoencoderKL", which is not supported; AutoencoderKL or AutoencoderTiny is`,
		`{"_class_name": "AutoencoderKL", "down_block_types": ["AttnDownEncoderBlock2D"]}`:   "DownEncoderBlock2D is",
		`{"_class_name": "AutoencoderKL", "up_block_types": ["AttnUpDecoderBlock2D"]}`:       "UpDecoderBlock2D is",
		`{"_class_name": "AutoencoderKL", "block_out_channels": [64, 64]}`:                   "2 block_out_channels, 1 down_block_types",
		`{"_class_name": "AutoencoderKL", "norm_num_groups": 5}`:                             "norm_num_groups 5 equal groups",
		`{"_class_name": "AutoencoderKL", "latent_channels": 0}`:                             "latent_channels is 0",
		`{"_class_name": "AutoencoderTiny", "upsample_fn": "bilinear"}`:                      `upsample_fn is "bilinear"`,
		`{"_class_name": "AutoencoderTiny", "encoder_block_out_channels": [64, 64, 64, 32]}`: "all equal",
		`{"_class_name": "AutoencoderTiny", "upsampling_scaling_factor": 4}`:                 "upsampling_scaling_factor is 4",
		`{"_class_name": "AutoencoderKL", "layers_per_block": 30011}`:                        "layers_per_block is 30011; expected 1 to 100",
		`{"_class_name": "AutoencoderKL", "latent_channels": 4611686018427387904}`:           "latent_channels is 4611686018427387904; expected 1 to",
		`{"_class_name": "AutoencoderKL", "latents_mean": [1, 2], "latents_std": [1, 2]}`:    "latents_mean has 2 values and latents_std 2; expected 4",
		`{"_class_name": "AutoencoderKL", "sample_size": [64, -1]}`:                          "sample_size is [64 -1]; expected sides of at most",
		`{"_class_name": "AutoencoderKL", "scaling_factor": 0}`:                              "scaling_factor is 0",
		`{"_class_name": "AutoencoderTiny", "num_decoder_blocks": [3, 3, 3, 30011]}`:         "is 30011; expected 1 to 100",
		`{`: "config.json is no JSON",
	} {
		_, err := build([]byte(config))
		assert.ErrorContains(t, err, want, config)
	}
}

// build makes the network of a configuration.
func build(config []byte) (any, error) {
	b := ops.NewBuilder(nil, gpu.F16)
	if IsTiny(config) {
		c, err := ParseTiny(config)
		if err != nil {
			return nil, err
		}
		return NewTiny(b, c)
	}
	c, err := Parse(config)
	if err != nil {
		return nil, err
	}
	return New(b, c)
}

// alternatives are values other than the default of the keys of both classes; see
// models/unet.
var alternatives = map[string]string{
	"in_channels": `1`, "out_channels": `1`, "down_block_types": `["AttnDownEncoderBlock2D"]`, "up_block_types": `["AttnUpDecoderBlock2D"]`,
	"block_out_channels": `[32]`, "layers_per_block": `2`, "act_fn": `"gelu"`, "latent_channels": `8`, "norm_num_groups": `16`, "sample_size": `64`,
	"scaling_factor": `0.5`, "latents_mean": `[1, 2, 3, 4], "latents_std": [1, 1, 1, 2]`, "latents_std": `[1, 1, 1, 2], "latents_mean": [1, 2, 3, 4]`,
	"use_quant_conv": `false`, "use_post_quant_conv": `false`, "mid_block_add_attention": `false`,
	"encoder_block_out_channels": `[32, 32, 32, 32]`, "decoder_block_out_channels": `[32, 32, 32, 32]`, "upsample_fn": `"bilinear"`,
	"upsampling_scaling_factor": `4`, "num_encoder_blocks": `[1, 1, 1, 1]`, "num_decoder_blocks": `[1, 1, 1, 1]`,
	"force_upcast": `false`, "latent_magnitude": `4`, "latent_shift": `0.1`, "shift_factor": `0.1`,
}

func TestEveryKey(t *testing.T) {
	all, err := signatures()
	require.NoError(t, err)
	require.Len(t, all, 2)
	parse := func(class, config string) (any, error) {
		if class == "AutoencoderTiny" {
			return ParseTiny([]byte(config))
		}
		return Parse([]byte(config))
	}
	for class, keys := range all {
		plain, err := parse(class, `{"_class_name": "`+class+`"}`)
		require.NoError(t, err)
		for key := range keys {
			require.Contains(t, alternatives, key, "%s has a key that no test knows", class)
			c, err := parse(class, `{"_class_name": "`+class+`", "`+key+`": `+alternatives[key]+`}`)
			switch {
			case slices.Contains(inert, key):
				require.NoError(t, err, "%s %s", class, key)
				assert.Equal(t, plain, c, "%s %s", class, key)
			case err != nil:
				assert.ErrorContains(t, err, key, class)
			default:
				assert.NotEqual(t, plain, c, "%s %s has an effect or is refused", class, key)
			}
		}
	}
}

// Latents of pipelines and back, plain and as SDXL's pipelines have them.
func TestScaling(t *testing.T) {
	s := Scaling{Scale: 0.5, Mean: []float64{1, -2}, Std: []float64{2, 4}}
	latents := []float32{3, 5, 6, -2, 1, 1, 0, 2} // two items of two channels of two values
	assert.Equal(t, []float32{0.5, 1, 1, 0, 0, 0, 0.25, 0.5}, s.Encoded(latents, 2, true))
	assert.Equal(t, latents, s.Decodable(s.Encoded(latents, 2, true), 2, true))
	assert.Equal(t, []float32{1.5, 2.5, 3, -1, 0.5, 0.5, 0, 1}, s.Encoded(latents, 2, false))
	assert.Equal(t, latents, s.Decodable(s.Encoded(latents, 2, false), 2, false))
}
