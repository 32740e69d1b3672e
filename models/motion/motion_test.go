package motion

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/models/unet"
	"saccade/weights"
)

const pipelines = "../../golden/pipelines/"

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(pipelines + path)
	require.NoError(t, err)
	return data
}

func adapter(t *testing.T) (*weights.Checkpoint, unet.Config) {
	t.Helper()
	c, err := unet.Parse(read(t, "sd1_tiny/unet/config.json"))
	require.NoError(t, err)
	src, err := weights.Open(pipelines + "motion_tiny/v2/diffusion_pytorch_model.safetensors")
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, src.Close()) })
	return src, c
}

// Files of the authors have other names and no config.json.
func TestOriginal(t *testing.T) {
	src, c := adapter(t)
	want, wanted, err := Describe(src, read(t, "motion_tiny/v2/config.json"), c)
	require.NoError(t, err)
	names := strings.NewReplacer(".transformer_blocks.0.attn1", ".transformer_blocks.0.attention_blocks.0", ".transformer_blocks.0.attn2", ".transformer_blocks.0.attention_blocks.1",
		".transformer_blocks.0.norm1", ".transformer_blocks.0.norms.0", ".transformer_blocks.0.norm2", ".transformer_blocks.0.norms.1", ".transformer_blocks.0.norm3", ".transformer_blocks.0.ff_norm")
	var all []*weights.Tensor
	for _, name := range src.Names() {
		tensor, _ := src.Tensor(name)
		at := strings.Index(name, "motion_modules.") + len("motion_modules.0")
		tensor.Name = "module." + name[:at] + ".temporal_transformer" + names.Replace(name[at:])
		if strings.HasSuffix(name, "pos_embed.pe") {
			for _, k := range []string{"0", "1"} {
				other := *tensor
				other.Name = strings.Replace(tensor.Name, "pos_embed.pe", "attention_blocks."+k+".pos_encoder.pe", 1)
				all = append(all, &other)
			}
			continue
		}
		all = append(all, tensor)
	}
	got, shown, err := Describe(weights.With(nothing{}, all...), nil, c)
	require.NoError(t, err)
	want.Motion.Heads, got.Motion.Heads = 0, 0 // which their files do not tell: 8, as all that were published
	assert.Equal(t, want, got)
	sorted := func(names []string) []string { slices.Sort(names); return names }
	assert.Equal(t, sorted(wanted.Names()), sorted(shown.Names()))
}

type nothing struct{}

func (nothing) Names() []string                       { return nil }
func (nothing) Tensor(string) (*weights.Tensor, bool) { return nil, false }

func TestStrangeConfigs(t *testing.T) {
	src, c := adapter(t)
	plain := string(read(t, "motion_tiny/v2/config.json"))
	for change, want := range map[[2]string]string{
		{`"motion_num_attention_heads": 4`, `"motion_num_attention_heads": 3`}:                   "motion_num_attention_heads is 3, which does not divide 8 channels",
		{`"motion_max_seq_length": 7`, `"motion_max_seq_length": 4611686018427387904`}:           "motion_max_seq_length is 4611686018427387904; expected 1 to 4096",
		{`"motion_layers_per_block": 1`, `"motion_layers_per_block": 2`}:                         "level 0 of it has 2 modules and the UNet's 1 blocks",
		{`"conv_in_channels": null`, `"conv_in_channels": 9`}:                                    "conv_in_channels 9, as those of PIA",
		{`"motion_transformer_layers_per_block": 1`, `"motion_transformer_layers_per_block": 0`}: "motion_transformer_layers_per_block is 0; expected 1",
		{`"motion_mid_block_layers_per_block": 1`, `"motion_mid_block_layers_per_block": 2`}:     "motion_mid_block_layers_per_block is 2",
	} {
		require.Contains(t, plain, change[0])
		_, _, err := Describe(src, []byte(strings.Replace(plain, change[0], change[1], 1)), c)
		assert.ErrorContains(t, err, want, change[1])
	}
	_, _, err := Describe(src, nil, c)
	assert.ErrorContains(t, err, "there is no config.json")
}
