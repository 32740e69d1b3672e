package anomaly

import (
	"fmt"
	"math"
	"slices"
	"sort"
)

// AUROC is the area under the curve of true over false positives as a threshold falls: the
// part of the pairs of one that is bad and one that is not in which the bad one scores
// higher, half of those where both score the same. There have to be both.
func AUROC(scores []float32, bad []bool) (float64, error) {
	order := make([]int, len(scores))
	for i := range order {
		order[i] = i
	}
	sort.Slice(order, func(a, b int) bool { return scores[order[a]] < scores[order[b]] })
	var normal, area, all float64
	for from := 0; from < len(order); {
		to, ones, zeros := from, 0.0, 0.0
		for ; to < len(order) && scores[order[to]] == scores[order[from]]; to++ {
			if bad[order[to]] {
				ones++
			} else {
				zeros++
			}
		}
		area += ones * (normal + zeros/2)
		normal, all, from = normal+zeros, all+ones, to
	}
	if all == 0 || normal == 0 {
		return 0, fmt.Errorf("the area under the curve needs both: found %.0f that are bad and %.0f that are not", all, normal)
	}
	return area / all / normal, nil
}

// Quantile is NumPy's, by its linear interpolation.
func Quantile(values []float64, q float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	at := q * float64(len(sorted)-1)
	low := int(math.Floor(at))
	high := min(low+1, len(sorted)-1)
	return sorted[low] + (at-float64(low))*(sorted[high]-sorted[low])
}
