package vgg

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/models/internal/modeltest"
)

// Every argument of timm's class is refused where it is another, or inert.
func TestEveryKey(t *testing.T) {
	alternatives := map[string]string{"output_stride": `16`, "act_layer": `"silu"`, "conv_layer": `"StdConv2d"`, "norm_layer": `"groupnorm"`, "global_pool": `"max"`}
	src := torchvision(t, [][]int{{2}, {3}}, false)
	modeltest.EveryKey(t, signatures, "VGG", alternatives, timmInert, func(config []byte) (any, error) {
		c, _, err := Describe(src, []byte(`{"architecture": "vgg11", "model_args": `+string(config)+`}`))
		return c, err
	})
	c, _, err := Describe(src, []byte(`{"architecture": "vgg11", "label_names": ["a", "b", "c", "d"]}`))
	require.NoError(t, err)
	assert.Equal(t, []string{"a", "b", "c", "d"}, c.Labels)
}
