package fit

import "math"

// Schedule is how the learning rate goes over the steps after the warm-up, in which it rises
// from 0: transformers' schedules of the same names.
type Schedule string

// The schedules.
const (
	Constant Schedule = "constant"
	Linear   Schedule = "linear" // down to 0 at the last step
	Cosine   Schedule = "cosine" // down to 0 along half a wave
)

// Schedules are their names.
func Schedules() []Schedule { return []Schedule{Constant, Linear, Cosine} }

// Factor is what the rate is multiplied with at a step, counted from 0, of a training of so
// many steps, the first of which are the warm-up. As in transformers, the first step of a
// warm-up has the rate 0.
func (s Schedule) Factor(step, warmup, steps int) float64 {
	if step < warmup {
		return float64(step) / float64(max(1, warmup))
	}
	done := float64(step-warmup) / float64(max(1, steps-warmup))
	switch s {
	case Linear:
		return max(0, 1-done)
	case Cosine:
		return max(0, (1+math.Cos(math.Pi*done))/2)
	}
	return 1
}
