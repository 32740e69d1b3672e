package weights

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestWith(t *testing.T) {
	a, err := FromFloat32s("a", []float32{1, 2}, 2)
	require.NoError(t, err)
	b, err := FromFloat32s("b", []float32{3}, 1)
	require.NoError(t, err)
	b2, err := FromFloat32s("b", []float32{4}, 1)
	require.NoError(t, err)
	src := With(With(&Checkpoint{}, a, b), b2)
	assert.Equal(t, []string{"a", "b"}, src.Names())
	got, ok := src.Tensor("b")
	require.True(t, ok)
	assert.Equal(t, b2.Data, got.Data)
	got, ok = src.Tensor("a")
	require.True(t, ok)
	assert.Equal(t, a.Data, got.Data)
	_, ok = src.Tensor("c")
	assert.False(t, ok)
}

// A pixel's channel stands where it did, in the new order.
func TestPixelsFirst(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		small := rapid.IntRange(1, 5)
		out, channels, h, w := small.Draw(t, "out"), small.Draw(t, "channels"), small.Draw(t, "h"), small.Draw(t, "w")
		values := make([]float32, out*channels*h*w)
		for i := range values {
			values[i] = float32(i)
		}
		shape := []int{out, channels * h * w}
		if rapid.Bool().Draw(t, "four") {
			shape = []int{out, channels, h, w}
		}
		tensor, err := FromFloat32s("fc.weight", values, shape...)
		require.NoError(t, err)
		other, err := FromFloat32s("other.weight", values, shape...)
		require.NoError(t, err)
		src := Rename(PixelsFirst(With(&Checkpoint{}, tensor, other), h*w, "fc.weight"), []Rule{{"fc.*", "head.*"}})

		got, ok := src.Tensor("head.weight")
		require.True(t, ok)
		require.Equal(t, []int{out, h * w * channels}, got.Shape)
		moved := make([]float32, got.Len())
		require.NoError(t, got.Float32s(moved))
		for o := range out {
			for c := range channels {
				for p := range h * w {
					require.Equal(t, values[(o*channels+c)*h*w+p], moved[(o*h*w+p)*channels+c])
				}
			}
		}
		same, ok := src.Tensor("other.weight")
		require.True(t, ok)
		assert.Equal(t, shape, same.Shape)
		assert.Equal(t, other.Data, same.Data)
	})
}

func TestPixelsFirstLeavesOtherShapes(t *testing.T) {
	tensor, err := FromFloat32s("fc.weight", make([]float32, 10), 2, 5)
	require.NoError(t, err)
	got, ok := PixelsFirst(With(&Checkpoint{}, tensor), 4, "fc.weight").Tensor("fc.weight")
	require.True(t, ok)
	assert.Equal(t, []int{2, 5}, got.Shape)
}
