package track

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The numbers of the authors' code: see golden/generate_track.py.
func TestGoldens(t *testing.T) {
	paths, err := filepath.Glob("../golden/track/*.json")
	require.NoError(t, err)
	require.Len(t, paths, 4)
	for _, path := range paths {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		var golden struct {
			Options struct {
				Sure, Most float64
				Buffer     int
			}
			Frames []struct {
				Detections [][5]float64
				Tracks     []int
			}
		}
		require.NoError(t, json.Unmarshal(text, &golden))
		tracker := New(Options{Sure: golden.Options.Sure, Distance: golden.Options.Most, Lost: golden.Options.Buffer})
		some := 0
		for i, f := range golden.Frames {
			var in []Detection
			for _, d := range f.Detections {
				in = append(in, Detection{[4]float64(d[:4]), d[4]})
			}
			got := tracker.Next(in)
			require.Len(t, got, len(f.Tracks))
			for j, n := range f.Tracks {
				require.Equal(t, n, got[j], "%s: frame %d, detection %d", path, i, j)
				some += min(n, 1)
			}
		}
		assert.Greater(t, some, 100, path)
	}
}

// Pairs are those of the least sum, as trying all of them finds it.
func TestAssign(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		rows, columns, most := rng.IntN(5), rng.IntN(5), 0.2+0.8*rng.Float64()
		cost := make([][]float64, rows)
		for i := range cost {
			for range columns {
				cost[i] = append(cost[i], rng.Float64())
			}
		}
		of := assign(cost, columns, most)
		sum, taken := 0.0, map[int]bool{}
		for i, j := range of {
			if j < 0 {
				sum += most
				continue
			}
			require.False(t, taken[j])
			taken[j] = true
			assert.LessOrEqual(t, cost[i][j], most)
			sum += cost[i][j]
		}
		assert.InDelta(t, best(cost, 0, map[int]bool{}, most), sum, 1e-12)
	}
}

// best is the least sum of costs of the rows from i on, where a row alone costs most: as it
// leaves a column alone too.
func best(cost [][]float64, i int, taken map[int]bool, most float64) float64 {
	if i == len(cost) {
		return 0
	}
	least := most + best(cost, i+1, taken, most)
	for j, c := range cost[i] {
		if !taken[j] {
			taken[j] = true
			least = min(least, c+best(cost, i+1, taken, most))
			delete(taken, j)
		}
	}
	return least
}

// One object keeps its number through doubt and while it is hidden, another gets the next; what
// is unsure begins nothing, and a track that nothing confirms is told of never.
func TestNumbers(t *testing.T) {
	tracker := New(Options{})
	at := func(x, score float64) Detection { return Detection{[4]float64{x, 10, x + 40, 60}, score} }
	assert.Equal(t, []int{1}, tracker.Next([]Detection{at(0, 0.9)}))
	assert.Equal(t, []int{1, 0}, tracker.Next([]Detection{at(4, 0.3), at(200, 0.8)}))
	assert.Equal(t, []int{2, 1}, tracker.Next([]Detection{at(200, 0.8), at(8, 0.9)}))
	assert.Equal(t, []int{0, 0}, tracker.Next([]Detection{at(400, 0.3), at(300, 0.59)}))
	for range 20 {
		assert.Empty(t, tracker.Next(nil))
	}
	assert.Equal(t, []int{2}, tracker.Next([]Detection{at(200, 0.9)}))
	for range 40 {
		tracker.Next(nil)
	}
	assert.Equal(t, []int{0}, tracker.Next([]Detection{at(200, 0.9)}))
	assert.Equal(t, []int{3}, tracker.Next([]Detection{at(200, 0.9)}))
}

// Boxes without height or with odd numbers end nothing.
func TestOddBoxes(t *testing.T) {
	tracker := New(Options{})
	for range 3 {
		for _, b := range [][4]float64{{}, {5, 5, 5, 9}, {9, 9, 1, 1}, {math.NaN(), 0, 1, 1}, {0, 0, math.Inf(1), 1}} {
			assert.Len(t, tracker.Next([]Detection{{b, 0.9}, {[4]float64{0, 0, 9, 9}, 0.9}}), 2)
		}
	}
}
