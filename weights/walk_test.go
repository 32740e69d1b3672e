package weights

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestWalkGoesTheWayOfBind(t *testing.T) {
	n := newNet()
	var paths []string
	require.NoError(t, Walk(n, func(path string, m Module) {
		assert.NotNil(t, m)
		paths = append(paths, path)
	}))
	assert.Equal(t, []string{
		"cls_token", "blocks.0.attn.qkv", "blocks.0.fc", "blocks.1.attn.qkv", "blocks.1.fc", "pair.1", "head", "pooler",
	}, paths)
	assert.Error(t, Walk(net{}, nil))
	assert.Error(t, Walk(&struct{ A linear }{}, nil))
}
