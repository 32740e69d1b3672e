package alexnet

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/weights"
)

func source(t *testing.T, shapes map[string][]int) weights.Source {
	t.Helper()
	var all []*weights.Tensor
	for name, shape := range shapes {
		n := 1
		for _, d := range shape {
			n *= d
		}
		x, err := weights.FromFloat32s(name, make([]float32, n), shape...)
		require.NoError(t, err)
		all = append(all, x)
	}
	return weights.With(&weights.Checkpoint{}, all...)
}

func TestDescribe(t *testing.T) {
	shapes := map[string][]int{
		"features.0.weight": {2, 3, 11, 11}, "features.3.weight": {3, 2, 5, 5}, "features.6.weight": {4, 3, 3, 3},
		"features.8.weight": {5, 4, 3, 3}, "features.10.weight": {6, 5, 3, 3},
		"classifier.1.weight": {8, 6 * 36}, "classifier.4.weight": {7, 8}, "classifier.6.weight": {9, 7},
	}
	c, src, err := Describe(source(t, shapes))
	require.NoError(t, err)
	assert.Equal(t, [5]int{2, 3, 4, 5, 6}, c.Widths)
	assert.Equal(t, 6, c.Classifier.Side)
	assert.Equal(t, 9, c.Classifier.Classes)
	_, ok := src.Tensor("conv5.weight")
	assert.True(t, ok)

	delete(shapes, "features.8.weight")
	_, _, err = Describe(source(t, shapes))
	assert.ErrorContains(t, err, "no convolution features.8.weight")
	shapes["features.0.weight"] = []int{2, 3, 3, 3}
	_, _, err = Describe(source(t, shapes))
	assert.ErrorContains(t, err, "looks like a VGG (-model vgg)")
}
