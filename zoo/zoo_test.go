package zoo_test

import (
	"io/fs"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/weights"
	"saccade/zoo"
)

func TestBLIPVQAHasTheWeightsOfBLIP(t *testing.T) {
	want, err := fs.ReadFile(zoo.BLIP(), "blip/model.safetensors")
	require.NoError(t, err)
	got, err := fs.ReadFile(zoo.BLIPVQA(), "blip_vqa/rest.safetensors")
	require.NoError(t, err)
	assert.Equal(t, want, got)

	index, err := fs.ReadFile(zoo.BLIPVQA(), "blip_vqa/model.safetensors.index.json")
	require.NoError(t, err)
	shards, err := weights.Shards(index)
	require.NoError(t, err)
	for _, shard := range shards {
		_, err := fs.Stat(zoo.All(), "blip_vqa/"+shard)
		assert.NoError(t, err)
	}
}
