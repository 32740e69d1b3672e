package unet

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/gpu"
	"saccade/models/internal/modeltest"
	"saccade/ops"
	"saccade/weights"
)

// parameters counts what a network of that configuration binds.
func parameters(t *testing.T, c Config) int {
	t.Helper()
	m, err := New(ops.NewBuilder(nil, gpu.F16), c)
	require.NoError(t, err)
	return modeltest.Parameters(t, m)
}

// The published networks have as many parameters as diffusers says.
func TestParameters(t *testing.T) {
	want := map[string]int{"unet_ddpm_cifar10": 35_746_307, "sd15_unet": 859_520_964}
	for _, name := range StandardNames() {
		c, err := Standard(name)
		require.NoError(t, err)
		assert.Equal(t, want[name], parameters(t, c), name)
	}
	_, err := Standard("unet")
	assert.ErrorContains(t, err, "there are [unet_ddpm_cifar10 sd15_unet]")
	c, err := Parse([]byte(sdxl))
	require.NoError(t, err)
	assert.Equal(t, 2_567_463_684, parameters(t, c))
}

// sdxl is stabilityai/stable-diffusion-xl-base-1.0's configuration.
const sdxl = `{"_class_name": "UNet2DConditionModel", "addition_embed_type": "text_time", "addition_time_embed_dim": 256, "attention_head_dim": [5, 10, 20],
	"block_out_channels": [320, 640, 1280], "cross_attention_dim": 2048, "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
	"projection_class_embeddings_input_dim": 2816, "sample_size": 128, "transformer_layers_per_block": [1, 2, 10],
	"up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"], "use_linear_projection": true}`

// Absent keys have the library's defaults; what is there is read as it reads it.
func TestParse(t *testing.T) {
	c, err := Standard("sd15_unet")
	require.NoError(t, err)
	assert.Equal(t, []int{320, 640, 1280, 1280}, c.Widths())
	assert.Equal(t, Attention{Kind: CrossAttention, Heads: 8, Depth: 1}, c.Down[2].Attention)
	assert.Equal(t, Attention{}, c.Up[0].Attention)
	assert.Equal(t, 3, c.Up[0].Blocks)
	assert.Equal(t, 1280, c.Block.Time)

	c, err = Standard("unet_ddpm_cifar10")
	require.NoError(t, err)
	assert.Equal(t, Attention{Kind: PixelAttention, Heads: 1}, c.Middle) // attention_head_dim is null
	assert.Zero(t, c.DownPadding)
	assert.False(t, c.CosFirst)

	c, err = Parse([]byte(`{"_class_name": "UNet2DModel"}`))
	require.NoError(t, err)
	assert.Equal(t, 56, c.Down[1].Attention.Heads) // of 8 each
}

// What is not supported is refused by its name.
func TestRefuse(t *testing.T) {
	for config, want := range map[string]string{
		`{"_class_name": "UNet1DModel"}`: `_class_name is "UNet1DModel", which is not supported; UNet2DModel or UNet2DConditionModel is`,
		`{}`:                             `_class_name is ""`,
		`{"_class_name": "UNet2DModel", "down_block_types": ["SkipDownBlock2D", "DownBlock2D", "DownBlock2D", "DownBlock2D"]}`: `down_block_types: config.json: a block is "SkipDownBlock2D", which is not supported; AttnDownBlock2D or DownBlock2D is`,
		`{"_class_name": "UNet2DConditionModel", "mid_block_type": "UNetMidBlock2DSimpleCrossAttn"}`:                           "UNetMidBlock2DCrossAttn is",
		`{"_class_name": "UNet2DConditionModel", "only_cross_attention": [true, true, true, false]}`:                           "config.json has only_cross_attention",
		`{"_class_name": "UNet2DConditionModel", "encoder_hid_dim": 4096}`:                                                     "config.json has encoder_hid_dim",
		`{"_class_name": "UNet2DConditionModel", "attention_head_dim": [5, 10]}`:                                               "attention_head_dim has 2 values",
		`{"_class_name": "UNet2DConditionModel", "attention_head_dim": 7}`:                                                     "do not make 7 attention heads",
		`{"_class_name": "UNet2DConditionModel", "addition_embed_type": "image"}`:                                              `addition_embed_type is "image"`,
		`{"_class_name": "UNet2DConditionModel", "class_embed_type": "identity"}`:                                              `class_embed_type is "identity"`,
		`{"_class_name": "UNet2DModel", "time_embedding_type": "fourier"}`:                                                     `time_embedding_type is "fourier"`,
		`{"_class_name": "UNet2DModel", "resnet_time_scale_shift": "scale_shift"}`:                                             `resnet_time_scale_shift is "scale_shift"`,
		`{"_class_name": "UNet2DModel", "norm_num_groups": 5}`:                                                                 "norm_num_groups 5 equal groups",
		`{"_class_name": "UNet2DModel", "block_out_channels": [32]}`:                                                           "1 block_out_channels, 4 down_block_types",
		`{"_class_name": "UNet2DModel", "act_fn": "mish"}`:                                                                     "act_fn",
		`{"_class_name": "UNet2DModel", "layers_per_block": "two"}`:                                                            "neither a number nor a list",
		`{`: "config.json",
	} {
		c, err := Parse([]byte(config))
		if err == nil {
			_, err = New(ops.NewBuilder(nil, gpu.F16), c)
		}
		assert.ErrorContains(t, err, want, config)
	}
}

func TestDescribe(t *testing.T) {
	_, _, err := Describe(empty{}, nil)
	require.Error(t, err)
	assert.True(t, strings.Contains(err.Error(), "time_embedding.linear_1.weight"), err)
}

// empty is a checkpoint without tensors.
type empty struct{}

func (empty) Names() []string                       { return nil }
func (empty) Tensor(string) (*weights.Tensor, bool) { return nil, false }
