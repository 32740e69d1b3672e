package ops

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/gpu"
)

// The judge tells a row that is not the nearest, one that is there twice, and a wrong order,
// and takes either of two that are as near.
func TestNearestJudge(t *testing.T) {
	x, bank := []float32{0, 0}, []float32{3, 4, 1, 0, 0, 1, 6, 8}
	c := nearestCall{x: &gpu.Tensor{Shape: []int{1, 2}}, bank: &gpu.Tensor{Shape: []int{4, 2}}, k: 2, by: Distance}
	for _, right := range [][]float32{{1, 1, 1, 2}, {1, 2, 1, 1}} {
		got, want, err := c.judge([][]float32{x, bank}, right)
		require.NoError(t, err)
		assert.Equal(t, []float32{1, 1}, got)
		assert.Equal(t, []float64{1, 1}, want)
	}
	for _, wrong := range []struct {
		out  []float32
		want string
	}{
		{[]float32{1, 1, 25, 0}, "row 2 is nearer than choice 1"},
		{[]float32{25, 0, 1, 1}, "choice 1 is row 1, which is nearer than the one before"},
		{[]float32{1, 1, 1, 1}, "or one that was chosen before"},
		{[]float32{1, 1, 1, 4}, "choice 1 is row 4 of 4"},
	} {
		_, _, err := c.judge([][]float32{x, bank}, wrong.out)
		assert.ErrorContains(t, err, wrong.want)
	}
	c.by = Product
	_, want, err := c.judge([][]float32{{1, 1}, bank}, []float32{14, 3, 7, 0})
	require.NoError(t, err)
	assert.Equal(t, []float64{14, 7}, want)
}
