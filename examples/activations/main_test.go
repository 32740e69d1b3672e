package main

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/gpu"
	"saccade/gpu/gputest"
	"saccade/weights"
)

func TestDump(t *testing.T) {
	dev := gputest.Open(t, gpu.Options{})
	file := filepath.Join(t.TempDir(), "layers.safetensors")
	require.NoError(t, dump(t.Context(), dev, "../../zoo/pictures/cat.jpg", file))
	c, err := weights.Open(file)
	require.NoError(t, err)
	defer c.Close()
	for name, shape := range map[string][]int{"embeddings": {1, 65, 192}, "layer.5": {1, 65, 192}, "attentions.0": {1, 3, 65, 65}, "last_hidden_state": {1, 65, 192}, "logits": {1, 10}} {
		x, ok := c.Tensor(name)
		require.True(t, ok, name)
		assert.Equal(t, shape, x.Shape)
	}
}
