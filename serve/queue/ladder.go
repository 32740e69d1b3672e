package queue

import "time"

// sizes are those of batches. They are few: a module keeps the programs of few.
var sizes = []int{1, 4, 16}

// gain is the part of the time that a batch must save to be taken.
const gain = 0.05

// A size is timed so often before it is judged, and again after so many batches: what else
// the machine did may have made one slow.
const (
	probes = 3
	again  = 64
)

// ladder is what is known of batches of rows of one shape: what forward passes of each size
// took, and which compute other bits.
type ladder struct {
	cost    map[int]time.Duration
	warm    map[int]bool // its program has been made
	refused map[int]bool
	timed   map[int]int // how often
	last    map[int]int // of batches, when it was timed
	batches int
}

func newLadder() *ladder {
	return &ladder{cost: map[int]time.Duration{}, warm: map[int]bool{}, refused: map[int]bool{}, timed: map[int]int{}, last: map[int]int{}}
}

// pick chooses the size of the next batch where n rows wait: of those that were tried the
// one that takes the least time a row. A size is tried when rows that fill more than half
// of it wait for the first time. One row alone is never filled up.
func (l *ladder) pick(n int) (size int, trial bool) {
	l.batches++
	if s := l.unknown(n); s > 0 {
		return s, !l.warm[s]
	}
	return l.best(n), false
}

// unknown is a size that n rows fill more than half of and whose time is not known, or not
// of late; 0: there is none.
func (l *ladder) unknown(n int) int {
	for _, s := range sizes[1:] {
		if n > 1 && 2*n > s && !l.refused[s] && l.cost[1] > 0 && (l.timed[s] < probes || l.batches-l.last[s] > again) {
			return s
		}
	}
	return 0
}

// best is the size that takes the least time a row, as far as is known.
func (l *ladder) best(n int) int {
	best, least := 1, l.each(1, n)
	for _, s := range sizes[1:] {
		if l.refused[s] || n == 1 || l.cost[s] == 0 {
			continue
		}
		if c := l.each(s, n); c < (1-gain)*least {
			best, least = s, c
		}
	}
	return best
}

// each is the time of a row, of n, in batches of a size.
func (l *ladder) each(size, n int) float64 {
	return float64(l.cost[size]) / float64(min(size, n))
}

// wait is how long it is worth to wait for n rows to be there: a quarter of what their batch
// saves, as far as that is known.
func (l *ladder) wait(n int) time.Duration {
	if s := l.unknown(n); s > 0 && l.timed[s] == 0 {
		return l.cost[1] / 2
	}
	size := l.best(n)
	if size == 1 {
		return 0
	}
	return time.Duration(float64(n) * (float64(l.cost[1]) - l.each(size, n)) / 4)
}

// took keeps what a forward pass took; the first of a size makes its program too. It is a
// mean that forgets, of all sizes alike: the least of what one took would favour the size that
// is taken most. One slow pass counts little: something else was under way.
func (l *ladder) took(size int, d time.Duration) {
	if !l.warm[size] {
		l.warm[size] = true
		return
	}
	old := l.cost[size]
	long := l.timed[size] < probes || l.batches-l.last[size] > again
	l.timed[size]++
	l.last[size] = l.batches
	switch {
	case old == 0 || long && d < old:
		l.cost[size] = d
	default:
		l.cost[size] += (min(d, 2*old) - old) / 8
	}
}

// tried keeps whether a batch computes the bits of rows alone.
func (l *ladder) tried(size int, same bool) {
	l.warm[size], l.refused[size] = true, !same
}
