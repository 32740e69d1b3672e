package anomaly

import (
	"math"
	"math/rand/v2"
	"runtime"
	"sync"
)

// Coreset chooses n of the rows [R, width] so that none is far from those chosen: the
// first, then each time the one that is farthest from all before, of equal ones the first
// (greedy k-centre; Sener and Savarese 2018). The numbers are in the order of the choice.
func Coreset(rows []float32, width, n int) []int {
	count := len(rows) / width
	least := make([]float64, count)
	for i := range least {
		least[i] = math.Inf(1)
	}
	chosen := make([]int, 0, n)
	for next := 0; len(chosen) < min(n, count); {
		chosen = append(chosen, next)
		next = farthest(least, rows, width, next)
	}
	return chosen
}

// farthest lowers the squared distances least to those from a row, and is the place of the
// largest of them, of equal ones the first.
func farthest(least []float64, rows []float32, width, from int) int {
	center := rows[from*width:][:width]
	workers := max(1, min(runtime.GOMAXPROCS(0), len(least)*width>>14))
	best := make([]int, workers)
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() {
			lo, hi := len(least)*w/workers, len(least)*(w+1)/workers
			best[w] = lo
			for i := lo; i < hi; i++ {
				least[i] = min(least[i], squared(rows[i*width:][:width], center))
				if least[i] > least[best[w]] {
					best[w] = i
				}
			}
		})
	}
	all.Wait()
	at := best[0]
	for _, i := range best[1:] {
		if i < len(least) && least[i] > least[at] {
			at = i
		}
	}
	return at
}

// squared is the squared distance of two vectors.
func squared(a, b []float32) float64 {
	var sum float64
	for i, v := range a {
		d := float64(v) - float64(b[i])
		sum += d * d
	}
	return sum
}

// Projection is a sparse random matrix [to, width] that keeps distances of so many rows
// within 0.9 of themselves (Li, Hastie and Church 2006, as scikit-learn has it with
// eps = 0.9): of each row about √width entries are not zero. It is nil where that is no
// fewer values than the rows have.
func Projection(rows, width int, seed uint64) [][]Entry {
	const eps = 0.9
	to := int(4 * math.Log(float64(rows)) / (eps*eps/2 - eps*eps*eps/3))
	if to >= width {
		return nil
	}
	rng := rand.New(rand.NewPCG(seed, 0))
	density := 1 / math.Sqrt(float64(width))
	scale := math.Sqrt(1 / density / float64(to))
	out := make([][]Entry, to)
	for i := range out {
		for c := range width {
			if rng.Float64() < density {
				e := Entry{c, scale}
				if rng.Uint32()&1 == 1 {
					e.Value = -scale
				}
				out[i] = append(out[i], e)
			}
		}
	}
	return out
}

// Entry is one of a sparse row.
type Entry struct {
	Column int
	Value  float64
}

// Project multiplies rows [R, width] by a projection.
func Project(rows []float32, width int, by [][]Entry) []float32 {
	out := make([]float32, len(rows)/width*len(by))
	for i := range len(rows) / width {
		row := rows[i*width:][:width]
		for k, entries := range by {
			var sum float64
			for _, e := range entries {
				sum += e.Value * float64(row[e.Column])
			}
			out[i*len(by)+k] = float32(sum)
		}
	}
	return out
}
