package ops

import (
	"math"

	"saccade/gpu"
)

// reuseCost is what a variant that the recording has already may cost, of the best one:
// a slow compiler takes up to a third of a second for another.
const reuseCost = 1.125

// reuse is best, or where its kernel would be another to compile, the cheapest of
// others that the recording has the kernel of, unless that costs much more, and more than slack.
func reuse[V any](r *gpu.Recorder, best V, others []V, slack float64, has func(V) bool, cost func(V) float64) V {
	if !r.Device().Traits().SlowCompiler || has(best) {
		return best
	}
	least, found := math.Inf(1), best
	limit := max(cost(best)*reuseCost, cost(best)+slack)
	for _, v := range others {
		if has(v) {
			if c := cost(v); c <= limit && c < least {
				least, found = c, v
			}
		}
	}
	return found
}

// heights are v with every height of tile up to most.
func (v matmulVariant) heights(most int) []matmulVariant {
	var all []matmulVariant
	for v.TM = 4; v.TM <= most; v.TM++ {
		all = append(all, v)
	}
	return all
}
