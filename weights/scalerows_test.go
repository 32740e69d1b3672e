package weights

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var scales = []Rule{
	{"**.scale.gamma", "**.fc.weight"},
	{"**.scale.gamma", "**.fc.bias"},
}

func TestScaleRows(t *testing.T) {
	weight, err := FromFloat32s("net.0.fc.weight", []float32{1, 2, 3, 4, 5, 6}, 2, 3)
	require.NoError(t, err)
	bias, err := FromFloat32s("net.0.fc.bias", []float32{7, 8}, 2)
	require.NoError(t, err)
	gamma, err := FromFloat32s("net.0.scale.gamma", []float32{2, -0.5}, 2)
	require.NoError(t, err)
	other := filled(t, "net.0.other", 3, 2)
	src, err := ScaleRows(tensors{weight, bias, gamma, other}, scales)
	require.NoError(t, err)
	assert.Equal(t, []string{"net.0.fc.weight", "net.0.fc.bias", "net.0.other"}, src.Names())
	for name, want := range map[string][]float32{
		"net.0.fc.weight": {2, 4, 6, -2, -2.5, -3}, "net.0.fc.bias": {14, -4}, "net.0.other": {3, 3},
	} {
		x, ok := src.Tensor(name)
		require.True(t, ok, name)
		assert.Equal(t, want, float32sOf(t, x), name)
	}
	x, ok := Rename(src, []Rule{{"net.*.fc.weight", "w.*"}}).Tensor("w.0")
	require.True(t, ok)
	assert.Equal(t, []float32{2, 4, 6, -2, -2.5, -3}, float32sOf(t, x))
	assert.Equal(t, "net.0.fc.weight", x.Origin)
}

func TestScaleRowsRefuses(t *testing.T) {
	weight, gamma := filled(t, "net.3.fc.weight", 1, 2, 3), filled(t, "net.3.scale.gamma", 1, 3)
	_, err := ScaleRows(tensors{weight}, scales)
	assert.ErrorContains(t, err, "net.3.scale.gamma is missing, which scales net.3.fc.weight")
	_, err = ScaleRows(tensors{weight, gamma}, scales)
	assert.ErrorContains(t, err, "net.3.scale.gamma: found shape [3], which does not scale the rows of net.3.fc.weight [2 3]")
}

func TestColumns(t *testing.T) {
	x, err := FromFloat32s("x", []float32{1, 2, 3, 4, 5, 6}, 2, 3)
	require.NoError(t, err)
	part, ok := Columns(tensors{x}, "x", "y", 1, 3)
	require.True(t, ok)
	assert.Equal(t, "y", part.Name)
	assert.Equal(t, "x", part.Origin)
	assert.Equal(t, []int{2, 2}, part.Shape)
	assert.Equal(t, []float32{2, 3, 5, 6}, float32sOf(t, part))
	for _, c := range []struct {
		name       string
		first, end int
	}{{"z", 0, 1}, {"x", 0, 4}, {"x", 2, 2}, {"x", -1, 2}} {
		_, ok := Columns(tensors{x}, c.name, "y", c.first, c.end)
		assert.False(t, ok, "%v", c)
	}
}
