package queue

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// picks gives the sizes that n rows would be computed in.
func picks(l *ladder, n int) (all []int) {
	for n > 0 {
		size, _ := l.pick(n)
		all = append(all, size)
		n -= min(n, size)
	}
	return all
}

// known is a ladder whose sizes take so long.
func known(one, four, sixteen time.Duration) *ladder {
	l := newLadder()
	for i, d := range []time.Duration{one, four, sixteen} {
		l.took(sizes[i], time.Hour) // which makes the program
		for range probes {
			l.took(sizes[i], d)
		}
	}
	return l
}

func TestLadder(t *testing.T) {
	fast := known(10, 20, 40)
	assert.Equal(t, []int{1}, picks(fast, 1), "a lone row waits for nobody and is not filled up")
	assert.Equal(t, []int{4}, picks(fast, 3), "one copy costs less than three passes")
	assert.Equal(t, []int{16}, picks(fast, 16))
	assert.Equal(t, []int{16, 4}, picks(fast, 20))

	flat := known(10, 39, 156)
	assert.Equal(t, []int{1, 1, 1, 1, 1}, picks(flat, 5), "a batch that gains little is not taken")

	refused := known(10, 20, 40)
	refused.tried(16, false)
	assert.Equal(t, []int{4, 4, 4, 4}, picks(refused, 16), "nor one that computes other bits")
}

// Sizes are tried as soon as there are rows for them, once one row has been timed.
func TestLadderTries(t *testing.T) {
	l := newLadder()
	size, trial := l.pick(16)
	assert.Equal(t, 1, size)
	assert.False(t, trial)
	l.took(1, time.Second)
	l.took(1, 10)
	size, trial = l.pick(2)
	assert.Equal(t, 1, size)
	assert.False(t, trial)
	assert.Zero(t, l.wait(1))
	assert.EqualValues(t, 5, l.wait(3), "half of one pass, as it is not known what is saved")
	size, trial = l.pick(16)
	assert.Equal(t, 4, size)
	assert.True(t, trial)
	l.tried(4, true)
	size, trial = l.pick(16)
	assert.Equal(t, 4, size, "its time is to be known")
	assert.False(t, trial)
	for range probes {
		l.took(4, 20)
	}
	size, trial = l.pick(16)
	assert.Equal(t, 16, size)
	assert.True(t, trial)
}

// A size that was slow when something else was under way is timed again, so that callers do
// not stay with what is slower.
func TestLadderTriesAgain(t *testing.T) {
	l := known(10, 100, 1000)
	slow := 0
	for range 10 * again {
		size, _ := l.pick(4)
		l.took(size, map[int]time.Duration{1: 10, 4: 20}[size])
		slow += size % 4
	}
	assert.LessOrEqual(t, slow, again+1)
	assert.Equal(t, []int{4}, picks(l, 4))
}

// To wait is worth a part of what is saved, and nothing where nothing is.
func TestLadderWaits(t *testing.T) {
	assert.EqualValues(t, 4*(10-5)/4, known(10, 20, 40).wait(4))
	assert.Zero(t, known(10, 40, 160).wait(16))
	assert.Zero(t, known(10, 20, 40).wait(1))
}

// One slow pass does not make a size slow, many do.
func TestLadderForgets(t *testing.T) {
	l := known(10, 20, 80)
	l.took(4, 100)
	assert.Equal(t, []int{4}, picks(l, 4))
	for range 40 {
		l.took(4, 100)
	}
	assert.Equal(t, []int{1, 1, 1, 1}, picks(l, 4))
}
