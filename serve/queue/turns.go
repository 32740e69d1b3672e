package queue

import (
	"context"
	"slices"
	"sync"
	"time"
)

// tag is a lane's place in the order of turns: the device's time that it has had, and of
// one that was idle no less than the others had when it came back (start-time fair
// queueing, Goyal et al. 1996).
type tag time.Duration

// turns hands the device from lane to lane.
type turns struct {
	mu      sync.Mutex
	held    bool
	now     tag // that of the turn that is held
	waiting []*claim
}

// claim is a lane that waits.
type claim struct {
	m     *Model
	from  tag
	ready chan struct{}
}

// take waits for a turn of a lane, of one that was idle.
func (t *turns) take(ctx context.Context, m *Model) error {
	t.mu.Lock()
	c := t.claim(m, max(m.spent, t.now))
	t.mu.Unlock()
	return t.wait(ctx, c)
}

// give ends a turn that took so long.
func (t *turns) give(m *Model, took time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	m.spent += tag(took)
	t.held = false
	t.grant()
}

// yield ends a turn and waits for the next: the lane was not idle between them.
func (t *turns) yield(ctx context.Context, m *Model, took time.Duration) error {
	t.mu.Lock()
	m.spent += tag(took)
	t.held = false
	c := t.claim(m, m.spent)
	t.mu.Unlock()
	return t.wait(ctx, c)
}

// claim is a lane that waits from now on. The lock is held.
func (t *turns) claim(m *Model, from tag) *claim {
	c := &claim{m: m, from: from, ready: make(chan struct{})}
	t.waiting = append(t.waiting, c)
	t.grant()
	return c
}

// wait waits until a claim is granted; one that is given up goes to the next.
func (t *turns) wait(ctx context.Context, c *claim) error {
	select {
	case <-c.ready:
		return nil
	case <-ctx.Done():
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if i := slices.Index(t.waiting, c); i >= 0 {
		t.waiting = slices.Delete(t.waiting, i, i+1)
	} else {
		t.held = false
		t.grant()
	}
	return context.Cause(ctx)
}

// grant lets the next lane have its turn, if nobody has. The lock is held.
func (t *turns) grant() {
	if t.held || len(t.waiting) == 0 {
		return
	}
	next := 0
	for i, c := range t.waiting {
		if c.from < t.waiting[next].from {
			next = i
		}
	}
	c := t.waiting[next]
	t.waiting = slices.Delete(t.waiting, next, next+1)
	t.held, t.now, c.m.spent = true, c.from, c.from
	close(c.ready)
}

// Turn is a lane's on the device. It is of the goroutine of the lane's work.
type Turn struct {
	m     *Model
	held  bool
	since time.Time
}

// Take waits until it is the lane's turn, if it is not already.
func (t *Turn) Take(ctx context.Context) error {
	if t.held {
		return nil
	}
	if err := t.m.q.turns.take(ctx, t.m); err != nil {
		return err
	}
	t.held, t.since = true, time.Now()
	return nil
}

// Give lets others have the device.
func (t *Turn) Give() {
	if t.held {
		t.m.q.turns.give(t.m, t.ended())
	}
}

// Yield lets others have the device between two steps, whose turn it is.
func (t *Turn) Yield(ctx context.Context) error {
	if !t.held {
		return t.Take(ctx)
	}
	if err := t.m.q.turns.yield(ctx, t.m, t.ended()); err != nil {
		return err
	}
	t.held, t.since = true, time.Now()
	return nil
}

// ended counts a turn that ends.
func (t *Turn) ended() time.Duration {
	took := time.Since(t.since)
	t.held = false
	t.m.q.Meters.Device.WithLabelValues(t.m.ID).Add(took.Seconds())
	return took
}
