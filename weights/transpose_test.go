package weights

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTransposed(t *testing.T) {
	m, err := FromFloat32s("m", []float32{1, 2, 3, 4, 5, 6}, 2, 3)
	require.NoError(t, err)
	v, err := FromFloat32s("v", []float32{1}, 1)
	require.NoError(t, err)
	empty, err := FromFloat32s("empty", nil, 0, 3)
	require.NoError(t, err)
	src := tensors{m, v, empty}
	turned, ok := Transposed(src, "m", "as")
	require.True(t, ok)
	assert.Equal(t, "as", turned.Name)
	assert.Equal(t, "m", turned.Origin)
	assert.Equal(t, []int{3, 2}, turned.Shape)
	values := make([]float32, 6)
	require.NoError(t, turned.Float32s(values))
	assert.Equal(t, []float32{1, 4, 2, 5, 3, 6}, values)
	row, err := turned.Rows(1, 2)
	require.NoError(t, err)
	require.NoError(t, row.Float32s(values[:2]))
	assert.Equal(t, []float32{2, 5}, values[:2])
	turned, ok = Transposed(src, "empty", "as")
	require.True(t, ok)
	assert.Empty(t, turned.Bytes())
	for _, name := range []string{"v", "none"} {
		_, ok = Transposed(src, name, "as")
		assert.False(t, ok, name)
	}
}

func TestComputed(t *testing.T) {
	m, err := FromFloat32s("m", []float32{1, 2}, 2)
	require.NoError(t, err)
	calls := 0
	c := Computed(m, F16, func() []byte { calls++; return []byte{0, 0x3c, 0, 0xc0} })
	assert.Zero(t, calls)
	values := make([]float32, 2)
	require.NoError(t, c.Float32s(values))
	assert.Equal(t, []float32{1, -2}, values)
	assert.Equal(t, 1, calls)
	assert.Equal(t, F32, m.DType, "the other is as it was")
	short := Computed(m, F32, func() []byte { return nil })
	assert.ErrorContains(t, short.Float32s(values), "0 bytes cannot fill 2 values")
}
