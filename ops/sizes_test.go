package ops

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/gpu"
)

// Sizes of torch.nn.functional.max_pool2d's results, windows that would start in the
// padding at the end and such that end with the picture among them.
func TestPoolSizes(t *testing.T) {
	for _, x := range []struct {
		kernel, stride, pad int
		ceil                bool
		size, want          int
	}{
		{3, 1, 0, true, 5, 3}, {3, 1, 1, true, 5, 5}, {2, 2, 0, true, 5, 3}, {3, 2, 0, true, 5, 2}, {3, 2, 1, true, 4, 3},
		{3, 2, 1, false, 4, 2}, {3, 3, 1, true, 7, 3}, {2, 3, 1, true, 6, 3}, {5, 1, 2, true, 4, 4}, {3, 2, 0, true, 6, 3},
	} {
		p := Pool{Kernel: Square(x.kernel), Stride: Square(x.stride), Pad: Square(x.pad), Ceil: x.ceil}
		got, err := p.windows(0, x.size)
		require.NoError(t, err)
		assert.Equal(t, x.want, got, "%+v", x)
	}
}

// A stride that is not given is the window.
func TestPoolStride(t *testing.T) {
	r := plainDevice.Open(t).Record(gpu.F32)
	x := Pack(r, r.Input("x", gpu.F32, 1, 9, 7, 8), 1)
	assert.Equal(t, []int{1, 3, 3, 8}, AvgPool(r, x, Pool{Kernel: [2]int{3, 2}}).Shape)
	require.NoError(t, r.Err())
}

// A row is brought to unit length however short it is, and one of zeros stays.
func TestNormalizeShortRows(t *testing.T) {
	d := plainDevice.Open(t)
	r := d.Record(gpu.F32)
	r.Output("y", Normalize(r, Pack(r, r.Input("x", gpu.F32, 3, 2), 1)))
	p, err := r.Finish()
	require.NoError(t, err)
	defer p.Close()
	in := map[string]any{"x": []float32{3e-6, -4e-6, 0, 0, 6, 8}}
	out, err := p.Run(t.Context(), in)
	require.NoError(t, err)
	want := []float64{0.6, -0.8, 0, 0, 0.6, 0.8}
	twin := normalizeTwin(in["x"].([]float32), 2)
	for i, v := range out["y"] {
		assert.InDelta(t, want[i], v, 1e-6)
		assert.InDelta(t, want[i], twin[i], 1e-6)
	}
	assert.False(t, math.IsNaN(twin[2]))
}
