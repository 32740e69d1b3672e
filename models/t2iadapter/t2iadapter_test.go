package t2iadapter

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/weights"
)

func TestStrangeConfigs(t *testing.T) {
	const folder = "../../golden/pipelines/t2i_tiny/light/"
	config, err := os.ReadFile(folder + "config.json")
	require.NoError(t, err)
	src, err := weights.Open(folder + "diffusion_pytorch_model.safetensors")
	require.NoError(t, err)
	defer src.Close()
	require.True(t, Is(src))
	c, _, err := Describe(src, config)
	require.NoError(t, err)
	assert.Equal(t, Config{In: 1, Widths: []int{8, 16, 16}, Blocks: 2, Shrink: 8, Light: true}, c)
	for change, want := range map[[2]string]string{
		{`"light_adapter"`, `"heavy_adapter"`}:                     `adapter_type is "heavy_adapter"`,
		{`"downscale_factor": 8`, `"downscale_factor": 0`}:         "downscale_factor is 0; expected 1 to 64",
		{`"downscale_factor": 8`, `"downscale_factor": 4`}:         "tensor body.0.in_conv.weight has shape [2 64 1 1]; expected [C 16 K K]",
		{`"num_res_blocks": 2`, `"num_res_blocks": 2147483647`}:    "num_res_blocks is 2147483647",
		{`"in_channels": 1`, `"in_channels": 4611686018427387904`}: "in_channels is 4611686018427387904",
	} {
		require.Contains(t, string(config), change[0])
		_, _, err := Describe(src, []byte(strings.Replace(string(config), change[0], change[1], 1)))
		assert.ErrorContains(t, err, want, change[1])
	}
	_, _, err = Describe(src, nil)
	assert.ErrorContains(t, err, "there is no config.json")
}
