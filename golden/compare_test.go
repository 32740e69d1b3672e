package golden

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"pgregory.net/rapid"
)

func TestCompareMeasures(t *testing.T) {
	r := Compare("x", []float32{1, -2, 3}, []float32{1, -2, 4}, Tolerance{NMSE: 0.1, MaxAbs: 0.5})
	assert.True(t, r.OK())
	assert.InDelta(t, 1.0/21, r.NMSE, 1e-12)
	assert.InDelta(t, 0.25, r.MaxAbs, 1e-12)
	assert.InDelta(t, 0.5, r.Used(), 1e-12, "max-abs used half, NMSE 48 %")
	assert.Equal(t, 2, r.Worst)
	assert.Equal(t, "ok x: NMSE 0.048 of 1e-01, max-abs 0.25 of 5e-01 (50 % of what is allowed)", r.String())
}

func TestCompareEachMeasureCanFail(t *testing.T) {
	got, want := []float32{1, -2, 3}, []float32{1, -2, 4}
	assert.False(t, Compare("x", got, want, Tolerance{NMSE: 0.01, MaxAbs: 0.5}).OK())
	assert.False(t, Compare("x", got, want, Tolerance{NMSE: 0.1, MaxAbs: 0.2}).OK())
	assert.True(t, Compare("x", got, want, Tolerance{NMSE: 0.1}).OK(), "0 leaves max-abs unlimited")
	assert.Contains(t, Compare("x", got, want, Tolerance{NMSE: 0.1, Why: "ten convolutions"}).String(), "ten convolutions")
}

func TestCompareNotFinite(t *testing.T) {
	for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		r := Compare("x", []float32{1, float32(bad), 3}, []float32{1, 2, 3}, Tolerance{NMSE: 1e9, MaxAbs: 1e9})
		assert.False(t, r.OK())
		assert.NoError(t, r.Err)
		assert.Equal(t, 1, r.Worst)
		assert.Contains(t, r.String(), "FAIL x: element 1 is")

		r = Compare("x", []float32{1, float32(bad)}, []float32{1, float32(bad)}, F16)
		assert.ErrorContains(t, r.Err, "element 1 of the golden")
		assert.False(t, r.OK())
	}
}

func TestCompareZeroWant(t *testing.T) {
	zero := make([]float32, 3)
	r := Compare("x", zero, zero, F32)
	assert.True(t, r.OK())
	assert.Zero(t, r.Used())
	assert.False(t, Compare("x", []float32{0, 1e-20, 0}, zero, F16).OK())
	assert.True(t, Compare("x", []float32{float32(math.Copysign(0, -1)), 0, 0}, zero, F32).OK())
}

func TestCompareLengths(t *testing.T) {
	r := Compare("x", []float32{1}, []float32{1, 2}, F32)
	assert.ErrorContains(t, r.Err, "got 1 values, the golden has 2")
	assert.False(t, r.OK())
	assert.Contains(t, r.String(), "FAIL compare x")
	assert.ErrorContains(t, Compare("x", nil, nil, F32).Err, "empty")
}

func TestComparingChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOfN(rapid.Float32Range(-1e6, 1e6), 1, 40).Draw(t, "want")
		got := append([]float32{}, want...)
		i := rapid.IntRange(0, len(want)-1).Draw(t, "changed")
		got[i] += rapid.Float32Range(-10, 10).Draw(t, "by")
		got2, want2 := append([]float32{}, got...), append([]float32{}, want...)

		r := Compare("x", got, want, Tolerance{})
		assert.Equal(t, got2, got)
		assert.Equal(t, want2, want)
		assert.NoError(t, r.Err)
		assert.Equal(t, got[i] == want[i], r.OK())
		if !r.OK() {
			assert.Equal(t, i, r.Worst)
			assert.Greater(t, r.NMSE, 0.0)
		}
	})
}

// NMSE and max-abs are relative: scaling both sides by a power of two changes
// neither.
func TestCompareIsRelative(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.Float32Range(-100, 100)
		n := rapid.IntRange(1, 20).Draw(t, "n")
		got := rapid.SliceOfN(value, n, n).Draw(t, "got")
		want := rapid.SliceOfN(value.Filter(func(v float32) bool { return math.Abs(float64(v)) > 1e-3 }), n, n).Draw(t, "want")
		a := Compare("x", got, want, F32)
		for i := range n {
			got[i], want[i] = got[i]*1024, want[i]*1024
		}
		b := Compare("x", got, want, F32)
		assert.InEpsilon(t, a.NMSE+1, b.NMSE+1, 1e-9)
		assert.InEpsilon(t, a.MaxAbs+1, b.MaxAbs+1, 1e-9)
	})
}
