package unet

import (
	"slices"
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
	c, err = Parse([]byte(refiner))
	require.NoError(t, err)
	assert.Equal(t, 2_259_526_660, parameters(t, c))
	c, err = Parse([]byte(ssd))
	require.NoError(t, err)
	assert.Equal(t, 1_331_334_404, parameters(t, c))
	c, err = Parse([]byte(`{"_class_name": "UNet3DConditionModel", "sample_size": 32}`)) // ModelScope's
	require.NoError(t, err)
	assert.Equal(t, 1_411_233_860, parameters(t, c))
	assert.Equal(t, Attention{Kind: CrossAttention, Heads: 20, Depths: []int{1, 1}}, c.Down[2].Attention)
}

// refiner is stabilityai/stable-diffusion-xl-refiner-1.0's configuration.
const refiner = `{"_class_name": "UNet2DConditionModel", "addition_embed_type": "text_time", "addition_time_embed_dim": 256, "attention_head_dim": [6, 12, 24, 24],
	"block_out_channels": [384, 768, 1536, 1536], "cross_attention_dim": 1280, "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
	"projection_class_embeddings_input_dim": 2560, "sample_size": 128, "transformer_layers_per_block": 4,
	"up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"], "use_linear_projection": true}`

// ssd is segmind/SSD-1B's configuration.
const ssd = `{"_class_name": "UNet2DConditionModel", "addition_embed_type": "text_time", "addition_time_embed_dim": 256, "attention_head_dim": [5, 10, 20],
	"block_out_channels": [320, 640, 1280], "cross_attention_dim": 2048, "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
	"mid_block_type": "UNetMidBlock2D", "projection_class_embeddings_input_dim": 2816, "sample_size": 128,
	"transformer_layers_per_block": [1, [2, 2], [4, 4]], "reverse_transformer_layers_per_block": [[4, 4, 10], [2, 1, 1], 1],
	"up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"], "use_linear_projection": true}`

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
	assert.Equal(t, Attention{Kind: CrossAttention, Heads: 8, Depths: []int{1, 1}}, c.Down[2].Attention)
	assert.Equal(t, Attention{}, c.Up[0].Attention)
	assert.Equal(t, 3, c.Up[0].Blocks)
	assert.Equal(t, 1280, c.Block.Time)

	c, err = Standard("unet_ddpm_cifar10")
	require.NoError(t, err)
	assert.Equal(t, Attention{Kind: PixelAttention, Heads: 1}, c.Middle.Attention) // attention_head_dim is null
	assert.Zero(t, c.DownPadding)
	assert.False(t, c.CosFirst)

	c, err = Parse([]byte(`{"_class_name": "UNet2DModel"}`))
	require.NoError(t, err)
	assert.Equal(t, 56, c.Down[1].Attention.Heads) // of 8 each
}

// What is not supported is refused by its name.
func TestRefuse(t *testing.T) {
	for config, want := range map[string]string{
		`{"_class_name": "UNet1DModel"}`: `_class_name is "UNet1DModel", which is not supported; UNet2DConditionModel or UNet2DModel or UNet3DConditionModel is`,
		`{}`:                             `_class_name is "", which is not supported; UNet2DConditionModel or UNet2DModel or UNet3DConditionModel is`,
		`{"_class_name": "UNet3DConditionModel", "attention_head_dim": [64, 64, 64, 64]}`:                                                                "attention_head_dim has 4 values; a UNet3DConditionModel takes one",
		`{"_class_name": "UNet3DConditionModel", "attention_head_dim": 48}`:                                                                              "320 channels do not make attention heads of 48",
		`{"_class_name": "UNet3DConditionModel", "attention_head_dim": 0}`:                                                                               "attention_head_dim is 0; expected 1 to 1024",
		`{"_class_name": "UNet3DConditionModel", "layers_per_block": [2, 2, 2, 2]}`:                                                                      "layers_per_block has 4 values",
		`{"_class_name": "UNet3DConditionModel", "mid_block_scale_factor": 2}`:                                                                           "config.json has mid_block_scale_factor",
		`{"_class_name": "UNet3DConditionModel", "norm_num_groups": null}`:                                                                               "config.json has norm_num_groups: null",
		`{"_class_name": "UNet3DConditionModel", "down_block_types": ["CrossAttnDownBlockSpatioTemporal", "DownBlock3D", "DownBlock3D", "DownBlock3D"]}`: `a block is "CrossAttnDownBlockSpatioTemporal"`,
		`{"_class_name": "UNet2DModel", "down_block_types": ["SkipDownBlock2D", "DownBlock2D", "DownBlock2D", "DownBlock2D"]}`:                           `down_block_types: config.json: a block is "SkipDownBlock2D", which is not supported; AttnDownBlock2D or DownBlock2D is`,
		`{"_class_name": "UNet2DConditionModel", "mid_block_type": "UNetMidBlock2DSimpleCrossAttn"}`:                                                     "UNetMidBlock2DCrossAttn or UNetMidBlock2D is",
		`{"_class_name": "UNet2DConditionModel", "only_cross_attention": [true, true, true, false]}`:                                                     "config.json has only_cross_attention",
		`{"_class_name": "UNet2DConditionModel", "encoder_hid_dim": 4096}`:                                                                               "config.json has encoder_hid_dim",
		`{"_class_name": "UNet2DConditionModel", "attention_head_dim": [5, 10]}`:                                                                         "attention_head_dim has 2 values",
		`{"_class_name": "UNet2DConditionModel", "attention_head_dim": 7}`:                                                                               "do not make 7 attention heads",
		`{"_class_name": "UNet2DConditionModel", "addition_embed_type": "image"}`:                                                                        `addition_embed_type is "image"`,
		`{"_class_name": "UNet2DConditionModel", "class_embed_type": "identity"}`:                                                                        `class_embed_type is "identity"`,
		`{"_class_name": "UNet2DModel", "time_embedding_type": "fourier"}`:                                                                               `time_embedding_type is "fourier"`,
		`{"_class_name": "UNet2DModel", "resnet_time_scale_shift": "scale_shift"}`:                                                                       `resnet_time_scale_shift is "scale_shift"`,
		`{"_class_name": "UNet2DModel", "norm_num_groups": 5}`:                                                                                           "norm_num_groups 5 equal groups",
		`{"_class_name": "UNet2DModel", "block_out_channels": [32]}`:                                                                                     "1 block_out_channels, 4 down_block_types",
		`{"_class_name": "UNet2DModel", "act_fn": "mish"}`:                                                                                               "act_fn",
		`{"_class_name": "UNet2DModel", "layers_per_block": "two"}`:                                                                                      `layers_per_block is "two"; expected a whole number or a list of them`,
		`{"_class_name": "UNet2DModel", "layers_per_block": 30011}`:                                                                                      "config.json: layers_per_block is 30011; expected 1 to 100",
		`{"_class_name": "UNet2DModel", "layers_per_block": 4611686018427387904}`:                                                                        "layers_per_block is 4611686018427387904; expected 1 to 100",
		`{"_class_name": "UNet2DModel", "block_out_channels": [4611686018427387904, 1, 1, 1]}`:                                                           "block_out_channels is 4611686018427387904",
		`{"_class_name": "UNet2DConditionModel", "transformer_layers_per_block": 4611686018427387904}`:                                                   "transformer_layers_per_block is 4611686018427387904; expected 1 to 100",
		`{"_class_name": "UNet2DConditionModel", "transformer_layers_per_block": [1, [2, 2], 1, 1]}`:                                                     "beside which reverse_transformer_layers_per_block must say",
		`{"_class_name": "UNet2DConditionModel", "transformer_layers_per_block": [1, [2, [2]], 1, 1]}`:                                                   "expected a whole number, or a list of them and of lists",
		`{"_class_name": "UNet2DConditionModel", "reverse_transformer_layers_per_block": [1, 2]}`:                                                        "reverse_transformer_layers_per_block has 2 values, expected one or one for each of the 4",
		`{"_class_name": "UNet2DConditionModel", "num_attention_heads": 8}`:                                                                              "config.json has num_attention_heads",
		`{"_class_name": "UNet2DModel", "sample_size": 4611686018427387904}`:                                                                             "sample_size is [4611686018427387904 4611686018427387904]; expected sides of at most 65536",
		`{"_class_name": "UNet2DModel", "downsample_padding": 2}`:                                                                                        "downsample_padding is 2; 0 and 1",
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

// Segmind's networks tell the depth of each block, and those of the way up apart.
func TestDepths(t *testing.T) {
	c, err := Parse([]byte(ssd))
	require.NoError(t, err)
	assert.Equal(t, []int{4, 4}, c.Down[2].Attention.Depths)
	assert.Equal(t, []int{4, 4, 10}, c.Up[0].Attention.Depths)
	assert.Equal(t, []int{2, 1, 1}, c.Up[1].Attention.Depths)
	assert.Equal(t, Middle{Blocks: 1}, c.Middle)
	c, err = Parse([]byte(`{"_class_name": "UNet2DConditionModel", "mid_block_type": null}`))
	require.NoError(t, err)
	assert.Zero(t, c.Middle)
}

// alternatives are values other than the default of the keys of all classes, with
// others that make them count. Each changes the network or is refused by its name,
// but for those that are known to change nothing: a key that a new version of
// diffusers has fails here.
var alternatives = map[string]string{
	"sample_size": `32`, "in_channels": `9`, "out_channels": `7`, "center_input_sample": `true`, "flip_sin_to_cos": `false`, "freq_shift": `1`,
	"down_block_types": `["DownBlock2D", "DownBlock2D", "DownBlock2D", "DownBlock2D"]`,
	"up_block_types":   `["UpBlock2D", "UpBlock2D", "UpBlock2D", "UpBlock2D"]`,
	"mid_block_type":   `null`, "only_cross_attention": `true`, "block_out_channels": `[64, 64, 64, 64]`, "layers_per_block": `1`, "downsample_padding": `0`,
	"mid_block_scale_factor": `2`, "act_fn": `"gelu"`, "norm_num_groups": `16`, "norm_eps": `1e-6`, "cross_attention_dim": `768`, "transformer_layers_per_block": `2`,
	"reverse_transformer_layers_per_block": `[2, 2, 2, 2]`, "encoder_hid_dim": `3`, "encoder_hid_dim_type": `"text_proj"`, "attention_head_dim": `4`,
	"num_attention_heads": `4`, "dual_cross_attention": `true`, "class_embed_type": `"timestep"`, "addition_embed_type": `"text"`, "num_class_embeds": `10`,
	"resnet_time_scale_shift": `"scale_shift"`, "resnet_skip_time_act": `true`, "resnet_out_scale_factor": `2`, "time_embedding_type": `"fourier"`,
	"time_embedding_dim": `100`, "time_embedding_act_fn": `"silu"`, "timestep_post_act": `"silu"`, "time_cond_proj_dim": `8`, "conv_in_kernel": `5`, "conv_out_kernel": `5`,
	"attention_type": `"gated"`, "class_embeddings_concat": `true`, "mid_block_only_cross_attention": `true`, "cross_attention_norm": `"layer_norm"`,
	"downsample_type": `"resnet"`, "upsample_type": `"resnet"`, "attn_norm_num_groups": `8`, "add_attention": `false`,
	"addition_time_embed_dim":               `8, "addition_embed_type": "text_time", "projection_class_embeddings_input_dim": 20`,
	"projection_class_embeddings_input_dim": `12, "class_embed_type": "projection"`,
	"dropout":                               `0.1`, "upcast_attention": `true`, "use_linear_projection": `true`, "num_train_timesteps": `1000`, "addition_embed_type_num_heads": `32`,
}

func TestEveryKey(t *testing.T) {
	all, err := signatures()
	require.NoError(t, err)
	require.Len(t, all, 3)
	for class, keys := range all {
		plain, err := Parse([]byte(`{"_class_name": "` + class + `"}`))
		require.NoError(t, err)
		for key := range keys {
			require.Contains(t, alternatives, key, "%s has a key that no test knows", class)
			c, err := Parse([]byte(`{"_class_name": "` + class + `", "` + key + `": ` + alternatives[key] + `}`))
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
