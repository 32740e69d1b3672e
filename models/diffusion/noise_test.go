package diffusion

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// The known answers that Random123 publishes for philox4x32-10.
func TestPhilox(t *testing.T) {
	const all = 0xffffffff
	require.Equal(t, [4]uint32{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}, philox([4]uint32{}, [2]uint32{}))
	require.Equal(t, [4]uint32{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}, philox([4]uint32{all, all, all, all}, [2]uint32{all, all}))
	require.Equal(t, [4]uint32{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1},
		philox([4]uint32{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, [2]uint32{0xa4093822, 0x299f31d0}))
}

// Values do not depend on how many there are, differ by seed and draw, and are
// normal: four moments within five standard errors.
func TestNoise(t *testing.T) {
	const n = 200_000
	x, few, other, later := make([]float32, n), make([]float32, 10), make([]float32, n), make([]float32, n)
	Noise(x, 1<<40+5, 0)
	Noise(few, 1<<40+5, 0)
	Noise(other, 5, 0)
	Noise(later, 1<<40+5, 1)
	require.Equal(t, x[:10], few)
	for _, y := range [][]float32{other, later} {
		var product float64
		for i := range x {
			product += float64(x[i]) * float64(y[i])
		}
		require.Less(t, math.Abs(product/n), 5/math.Sqrt(n))
	}
	// The variances of x, x², x³ and x⁴ of a normal variable are 1, 2, 15 and 96.
	for power, want := range map[float64][2]float64{1: {0, 1}, 2: {1, 2}, 3: {0, 15}, 4: {3, 96}} {
		var sum float64
		for _, v := range x {
			sum += math.Pow(float64(v), power)
		}
		require.InDelta(t, want[0], sum/n, 5*math.Sqrt(want[1]/n), "moment %v", power)
	}
}

// The great circle keeps the length, and begins and ends at its ends.
func TestSlerp(t *testing.T) {
	a, b := make([]float32, 1000), make([]float32, 1000)
	Noise(a, 1, 0)
	Noise(b, 2, 0)
	require.InDeltaSlice(t, a, Slerp(a, b, 0), 1e-6)
	require.InDeltaSlice(t, b, Slerp(a, b, 1), 1e-6)
	var sum float64
	for _, v := range Slerp(a, b, 0.5) {
		sum += float64(v) * float64(v)
	}
	require.InDelta(t, 1000, sum, 150)
	require.InDeltaSlice(t, a, Slerp(a, a, 0.3), 1e-6)
}
