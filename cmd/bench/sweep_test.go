package main

import (
	"bytes"
	"encoding/json"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"saccade/cmd/internal/cli"
)

// The exponent of any power law is found, whatever its factor.
func TestExponent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e, factor := rapid.Float64Range(-1, 4).Draw(t, "e"), rapid.Float64Range(1e-3, 1e3).Draw(t, "factor")
		xs := sweepValues[rapid.SampledFrom([]string{overBatch, overSize, overSequence}).Draw(t, "over")]
		xs = xs[:rapid.IntRange(2, len(xs)).Draw(t, "n")]
		var points []SweepPoint
		for _, x := range xs {
			points = append(points, SweepPoint{X: x, MSMin: factor * math.Pow(float64(x), e)})
		}
		assert.InDelta(t, e, exponent(points, func(p SweepPoint) float64 { return p.MSMin }), 1e-9)
	})
}

// Wrong growth shows.
func TestSweepRemark(t *testing.T) {
	for want, growth := range map[string]*Growth{
		"as wanted":                             {Time: 1.02, Arithmetic: 1, Activations: 0.98},
		"MEMORY GROWS FASTER than x^1":          {Time: 1, Arithmetic: 1, Activations: 1.9},
		"TIME GROWS FASTER than the arithmetic": {Time: 1.3, Arithmetic: 1, Activations: 1},
		"too few points":                        nil,
	} {
		w := Sweep{Over: overBatch, Growth: growth}
		assert.Equal(t, want, w.remark())
	}
	w := Sweep{Over: overBatch, Growth: &Growth{}, Stopped: "at 64: no memory"}
	assert.Equal(t, "as wanted; stopped at 64: no memory", w.remark())
}

// A batch takes the arithmetic and the memory of so many pictures, and its weights
// once; attention's memory is linear in the tokens.
func TestSweep(t *testing.T) {
	small(t, overBatch, 1, 2, 3)
	small(t, overSequence, 64, 128, 256)
	for _, args := range [][]string{{"-sweep", "batch", "-models", "vit_ti_16"}, {"-sweep", "sequence"}} {
		code, stdout, stderr := call(nil, append(args, "-r", "1", "-o", "json")...)
		require.Equal(t, cli.ExitFine, code, stderr)
		var r Report
		require.NoError(t, json.Unmarshal([]byte(stdout), &r))
		require.Len(t, r.Rows, 3)
		require.Len(t, r.Sweeps, 1)
		w := r.Sweeps[0]
		require.Len(t, w.Points, 3)
		assert.Equal(t, w.Points[0].WeightsMiB, w.Points[2].WeightsMiB)
		assert.InDelta(t, 1, w.Growth.Activations, exponentSlack)
		arithmetic := map[string]float64{overBatch: 1, overSequence: 2}[w.Over]
		assert.InDelta(t, arithmetic, w.Growth.Arithmetic, exponentSlack)
		for _, format := range formats {
			var out bytes.Buffer
			require.NoError(t, r.write(&out, format))
			if format != "csv" {
				assert.Contains(t, out.String(), w.Over)
			}
		}
	}
	for _, args := range [][]string{{"-sweep", "batch"}, {"-sweep", "sequence", "-models", "vit_ti_16"}, {"-sweep", "size", "-op", "add"}} {
		code, _, stderr := call(nil, args...)
		assert.Equal(t, cli.ExitUsage, code)
		assert.Contains(t, stderr, "-sweep")
	}
}

// small makes a sweep short for a test.
func small(t *testing.T, over string, values ...int) {
	whole := slices.Clone(sweepValues[over])
	sweepValues[over] = values
	t.Cleanup(func() { sweepValues[over] = whole })
}
