package vae

import (
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
		`{`: "config.json",
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
