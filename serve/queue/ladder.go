package queue

import "time"

// sizes are those of batches. They are few: a module keeps the programs of few.
var sizes = []int{1, 4, 16}

// gain is the part of the time that a batch must save to be taken.
const gain = 0.05

// ladder is what is known of batches of rows of one shape: what forward passes of each size
// took, and which compute other bits.
type ladder struct {
	cost    map[int]time.Duration
	warm    map[int]bool // its program has been made
	refused map[int]bool
}

func newLadder() *ladder {
	return &ladder{cost: map[int]time.Duration{}, warm: map[int]bool{}, refused: map[int]bool{}}
}

// pick chooses the size of the next batch where n rows wait: of those that were tried the
// one that takes the least time a row. A size is tried when rows that fill more than half
// of it wait for the first time. One row alone is never filled up.
func (l *ladder) pick(n int) (size int, trial bool) {
	best, least := 1, l.each(1, n)
	for _, s := range sizes[1:] {
		switch {
		case l.refused[s] || n == 1:
			continue
		case !l.warm[s] && 2*n > s && l.cost[1] > 0:
			return s, true
		case !l.warm[s]:
			continue
		case l.cost[s] == 0 && 2*n > s: // it is not known yet
			return s, false
		}
		if c := l.each(s, n); l.cost[s] > 0 && c < (1-gain)*least {
			best, least = s, c
		}
	}
	return best, false
}

// each is the time of a row, of n, in batches of a size.
func (l *ladder) each(size, n int) float64 {
	return float64(l.cost[size]) / float64(min(size, n))
}

// wait is how long it is worth to wait for n rows to be there: a quarter of what their batch
// saves, as far as that is known.
func (l *ladder) wait(n int) time.Duration {
	size, _ := l.pick(n)
	switch {
	case size == 1:
		return 0
	case l.cost[size] == 0:
		return l.cost[1] / 2
	}
	return time.Duration(float64(n) * (float64(l.cost[1]) - l.each(size, n)) / 4)
}

// took keeps what a forward pass took; the first of a size makes its program too. Slower
// ones count little: something else was under way.
func (l *ladder) took(size int, d time.Duration) {
	switch old := l.cost[size]; {
	case !l.warm[size]:
		l.warm[size] = true
	case old == 0 || d < old:
		l.cost[size] = d
	default:
		l.cost[size] += (d - old) / 8
	}
}

// tried keeps whether a batch computes the bits of rows alone.
func (l *ladder) tried(size int, same bool) {
	l.warm[size], l.refused[size] = true, !same
}
