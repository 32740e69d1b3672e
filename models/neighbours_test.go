package models

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// The votes of a few examples, by hand.
func TestNeighbours(t *testing.T) {
	n, err := NewNeighbours([]string{"dog", "cat", "dog"}, [][]float32{{2, 0}, {0, 3}, {0.6, 0.8}})
	require.NoError(t, err)
	assert.Equal(t, []string{"cat", "dog"}, n.labels)
	p := n.Classify([]float32{0, 5})
	cat, dog := math.Exp(1/0.07), 1+math.Exp(0.8/0.07)
	require.Len(t, p, 2)
	assert.Equal(t, "cat", p[0].Label)
	assert.Equal(t, 0, p[0].Index)
	assert.InDelta(t, cat/(cat+dog), p[0].Score, 1e-6) // unit vectors are float32
	assert.InDelta(t, dog/(cat+dog), p[1].Score, 1e-6)
	assert.InDelta(t, 0.8, p[1].Logit, 1e-6)
	assert.Empty(t, n.Classify([]float32{1, 2, 3}))
}

// Only the nearest twenty vote: many far examples of another label weigh nothing.
func TestNeighboursOfTwenty(t *testing.T) {
	var labels []string
	var vectors [][]float32
	for i := range 500 {
		label, v := "far", []float32{0.99, 0.1411, 0}
		if i%25 == 0 { // 20 of them
			label, v = "near", []float32{1, 0, 0}
		}
		labels, vectors = append(labels, label), append(vectors, v)
	}
	n, err := NewNeighbours(labels, vectors)
	require.NoError(t, err)
	p := n.Classify([]float32{1, 0, 0})
	assert.Equal(t, "near", p[0].Label)
	assert.InDelta(t, 1, p[0].Score, 1e-12)
	assert.Zero(t, p[1].Score)
}

func TestNeighboursRefuses(t *testing.T) {
	for want, c := range map[string]struct {
		labels  []string
		vectors [][]float32
	}{
		"0 labels of 0 vectors":                      {nil, nil},
		"2 labels of 1 vectors":                      {[]string{"a", "b"}, [][]float32{{1}}},
		"example 1 has 1 values, the first has 2":    {[]string{"a", "b"}, [][]float32{{1, 2}, {1}}},
		"example 1 (b) is all zeros or not finite":   {[]string{"a", "b"}, [][]float32{{1, 2}, {0, 0}}},
		"example 0 (nan) is all zeros or not finite": {[]string{"nan"}, [][]float32{{float32(math.NaN())}}},
	} {
		_, err := NewNeighbours(c.labels, c.vectors)
		assert.ErrorContains(t, err, want)
	}
}

// An example's own label wins where no other example points the same way; scores
// are shares, in order, and do not depend on any vector's length.
func TestNeighboursProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		count := rapid.IntRange(1, 40).Draw(t, "examples")
		var labels []string
		var vectors [][]float32
		for range count {
			labels = append(labels, rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "label"))
			vectors = append(vectors, rapid.SliceOfN(rapid.Float32Range(0.1, 1), 6, 6).Draw(t, "vector"))
		}
		n, err := NewNeighbours(labels, vectors)
		require.NoError(t, err)
		v := rapid.SliceOfN(rapid.Float32Range(0.1, 1), 6, 6).Draw(t, "query")
		longer := make([]float32, len(v))
		for i := range v {
			longer[i] = 4 * v[i]
		}
		p := n.Classify(v)
		assert.Equal(t, p, n.Classify(longer))
		var sum float64
		for i := range p {
			sum += p[i].Score
			assert.True(t, i == 0 || p[i-1].Score >= p[i].Score)
		}
		assert.InDelta(t, 1, sum, 1e-12)
	})
}
