package queue

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// lanes are lanes without models.
func lanes(n int) []*Model {
	q := &Queue{Options: Options{Meters: NewMeters(prometheus.NewRegistry())}}
	for range n {
		q.Models = append(q.Models, &Model{q: q})
	}
	return q.Models
}

// Lanes have the device for as long as each other, whatever their steps take.
func TestTurnsAreFair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		all := lanes(3)
		steps := []time.Duration{time.Millisecond, 10 * time.Millisecond, 100 * time.Millisecond}
		had := make([]time.Duration, len(all))
		var ended sync.WaitGroup
		for i, m := range all {
			ended.Go(func() {
				turn := &Turn{m: m}
				for turn.Yield(ctx) == nil {
					time.Sleep(steps[i])
					had[i] += steps[i]
				}
			})
		}
		ended.Wait()
		for i := range all {
			assert.InDelta(t, 10.0/3, had[i].Seconds(), 0.15, "lane %d", i)
		}
	})
}

// A lane that was idle has no credit for it: the others go on.
func TestTurnsOfTheIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := lanes(2)
		ctx := t.Context()
		busy, late := &Turn{m: all[0]}, &Turn{m: all[1]}
		for range 100 {
			require.NoError(t, busy.Yield(ctx))
			time.Sleep(time.Second)
		}
		done := make(chan int)
		go func() {
			n := 0
			for ; n < 10; n++ {
				_ = late.Yield(ctx)
				time.Sleep(time.Second)
			}
			late.Give()
			done <- n
		}()
		synctest.Wait()
		n := 0
		for alone := false; !alone; n++ {
			require.NoError(t, busy.Yield(ctx))
			time.Sleep(time.Second)
			select {
			case <-done:
				alone = true
			default:
			}
		}
		assert.GreaterOrEqual(t, n, 9, "it waited for the other's credit")
		busy.Give()
	})
}

// Who stops waiting loses no turn of others.
func TestTurnsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := lanes(3)
		holder, leaver, next := &Turn{m: all[0]}, &Turn{m: all[1]}, &Turn{m: all[2]}
		require.NoError(t, holder.Take(t.Context()))
		ctx, cancel := context.WithCancel(t.Context())
		left, had := make(chan error), make(chan error)
		go func() { left <- leaver.Take(ctx) }()
		synctest.Wait()
		go func() { had <- next.Take(t.Context()) }()
		synctest.Wait()
		cancel()
		assert.ErrorIs(t, <-left, context.Canceled)
		holder.Give()
		require.NoError(t, <-had)
		next.Give()
	})
}
