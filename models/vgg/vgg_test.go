package vgg

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"saccade/weights"
)

// zeros adds a tensor of zeros.
func zeros(t require.TestingT, all *[]*weights.Tensor, name string, shape ...int) {
	n := 1
	for _, d := range shape {
		n *= d
	}
	x, err := weights.FromFloat32s(name, make([]float32, n), shape...)
	require.NoError(t, err)
	*all = append(*all, x)
}

// torchvision is a checkpoint with torchvision's numbers of layers.
func torchvision(t require.TestingT, stages [][]int, norm bool) weights.Source {
	var all []*weights.Tensor
	n, in := 0, 3
	for _, stage := range stages {
		for _, width := range stage {
			zeros(t, &all, fmt.Sprintf("features.%d.weight", n), width, in, 3, 3)
			in, n = width, n+2
			if norm {
				zeros(t, &all, fmt.Sprintf("features.%d.weight", n-1), width)
				zeros(t, &all, fmt.Sprintf("features.%d.running_mean", n-1), width)
				n++
			}
		}
		n++
	}
	zeros(t, &all, "classifier.0.weight", 6, 49*in)
	zeros(t, &all, "classifier.3.weight", 5, 6)
	zeros(t, &all, "classifier.6.weight", 4, 5)
	return weights.With(&weights.Checkpoint{}, all...)
}

// Where the poolings stand follows from the numbers.
func TestDescribeFindsPoolings(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		stages := rapid.SliceOfN(rapid.SliceOfN(rapid.IntRange(1, 4), 1, 4), 1, 5).Draw(t, "stages")
		norm := rapid.Bool().Draw(t, "norm")
		c, src, err := Describe(torchvision(t, stages, norm), nil)
		require.NoError(t, err)
		assert.Equal(t, stages, c.Stages)
		assert.Equal(t, norm, c.Norm)
		assert.Equal(t, 7, c.Classifier.Side)
		assert.Equal(t, [2]int{6, 5}, c.Classifier.Hidden)
		assert.Equal(t, 4, c.Classifier.Classes)
		s := len(stages) - 1
		_, ok := src.Tensor(fmt.Sprintf("stages.%d.%d.weight", s, len(stages[s])-1))
		assert.True(t, ok)
		_, ok = src.Tensor("stages.0.0.norm.running_mean")
		assert.Equal(t, norm, ok)
	})
}

func TestDescribeRefuses(t *testing.T) {
	describe := func(change func(all *[]*weights.Tensor)) error {
		var all []*weights.Tensor
		zeros(t, &all, "features.0.weight", 4, 3, 3, 3)
		zeros(t, &all, "classifier.0.weight", 6, 49*4)
		zeros(t, &all, "classifier.3.weight", 5, 6)
		change(&all)
		_, _, err := Describe(weights.With(&weights.Checkpoint{}, all...), nil)
		return err
	}
	assert.ErrorContains(t, describe(func(*[]*weights.Tensor) {}), "no weight classifier.6.weight")
	assert.ErrorContains(t, describe(func(all *[]*weights.Tensor) { zeros(t, all, "features.4.weight", 4, 4, 3, 3) }), "features.4.weight is a convolution; after the one before it, it should be number 2, or 3")
	assert.ErrorContains(t, describe(func(all *[]*weights.Tensor) { zeros(t, all, "classifier.0.weight", 6, 50*4) }), "makes no square map")
	assert.ErrorContains(t, describe(func(all *[]*weights.Tensor) { zeros(t, all, "features.0.weight", 4, 3, 11, 11) }), "looks like an AlexNet (-model alexnet)")
	assert.ErrorContains(t, describe(func(all *[]*weights.Tensor) { (*all)[0].Name = "layer1.0.conv1.weight" }), "looks like a ResNet")
}

func TestStandard(t *testing.T) {
	for _, name := range StandardNames() {
		c, ok := Standard(name)
		require.True(t, ok, name)
		layers := 3
		for _, s := range c.Stages {
			layers += len(s)
		}
		assert.Contains(t, name, fmt.Sprint(layers))
		assert.Len(t, c.Stages, 5)
		assert.Equal(t, 255, c.largest())
	}
	_, ok := Standard("vgg")
	assert.False(t, ok)
}
