package ops

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/gpu"
)

// A factor 0 leaves its operand unread, whatever it holds; what is not finite
// elsewhere goes through the clip as its kind.
func TestCombineNotFinite(t *testing.T) {
	d, nan, inf := plainDevice.Open(t), float32(math.NaN()), float32(math.Inf(1))
	for _, precision := range precisions {
		r := d.Record(precision)
		factors := r.Input("factors", gpu.F32, 2, CombineFactors)
		x, z := r.Input("x", gpu.F32, 1, 4), Pack(r, r.Input("z", gpu.F32, 1, 4), 1)
		r.Output("y", Combine(r, gpu.F32, 1, factors, 0, Operand{X: z}, Operand{X: x}))
		r.Output("clipped", Combine(r, precision, 1, factors, 1, Operand{X: x}))
		program, err := r.Finish()
		require.NoError(t, err)
		out, err := program.Run(t.Context(), map[string]any{
			"factors": []float32{0, 2, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 3},
			"x":       []float32{1, nan, inf, -5}, "z": []float32{nan, inf, nan, nan},
		})
		program.Close()
		require.NoError(t, err)
		assert.Equal(t, []float32{2, inf, -10}, []float32{out["y"][0], out["y"][2], out["y"][3]})
		assert.Equal(t, []float32{1, 3, -3}, []float32{out["clipped"][0], out["clipped"][2], out["clipped"][3]})
		for _, y := range out {
			assert.True(t, math.IsNaN(float64(y[1])))
		}
	}
}
