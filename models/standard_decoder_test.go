package models_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/gpu"
	"saccade/gpu/gputest"
	"saccade/models"
	"saccade/models/internal/llama"
	"saccade/ops"
)

// A decoder without a checkpoint reads, goes on from what it read as often as is asked,
// and is right.
func TestStandardDecoder(t *testing.T) {
	small := llama.Config{Width: 24, Depth: 2, Heads: 3, KeyHeads: 1, Head: 8, MLP: 20, Act: ops.SiLU, Eps: 1e-5, Theta: 100, Vocab: 50, Context: 40}
	models.AddStandardDecoder("small", small.Layers, 7, 5)
	d := gputest.Open(t, gpu.Options{})
	x, err := models.NewStandardDecoder(d, "small", gpu.F32, 2, 1)
	require.NoError(t, err)
	defer x.Close()
	assert.False(t, x.Sees)
	texts, err := x.Read(t.Context())
	require.NoError(t, err)
	require.Len(t, texts, 2)
	assert.Len(t, texts[0], 8)
	var made int64
	for i := range 3 {
		require.NoError(t, x.GoOn(t.Context(), texts))
		if i > 0 {
			assert.Equal(t, made, int64(d.Stats().Created), "nothing is made again")
		}
		made = int64(d.Stats().Created)
	}
	require.NoError(t, x.Write(t.Context()))
	checks, err := x.Verify(t.Context())
	require.NoError(t, err)
	require.NotEmpty(t, checks)
	for _, c := range checks {
		assert.NoError(t, c.Err)
	}
	read, err := x.Profile(t.Context(), 7)
	require.NoError(t, err)
	both, err := x.Profile(t.Context(), 7, 8)
	require.NoError(t, err)
	assert.Len(t, both, 2*len(read))
	weights, plan, err := x.Memory()
	require.NoError(t, err)
	assert.Positive(t, weights)
	assert.Positive(t, plan.Caches)

	_, err = models.NewStandardDecoder(d, "large", gpu.F32, 1, 1)
	assert.ErrorContains(t, err, "smollm_135m_decode")
}
