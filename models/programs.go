package models

import (
	"fmt"

	"saccade/gpu"
)

// maxPrograms bounds the programs that a model keeps: one for each shape of a
// batch, each with memory for its activations.
const maxPrograms = 4

// cached is a program with its users; only one without users may be closed.
type cached struct {
	*gpu.Program
	users int
	last  int // when it was last asked for, by a count of the askings
}

// acquire gives the program for a batch, recording it at the first use. The
// caller releases it.
func (m *Model) acquire(s shape) (*cached, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked++
	c, ok := m.programs[s]
	if !ok {
		m.evict(maxPrograms - 1)
		r := m.record(s)
		if err := m.b.Prepare(); err != nil {
			return nil, err
		}
		p, err := r.Finish()
		if err != nil {
			return nil, fmt.Errorf("%s: a batch of %d pictures of %dx%d: %w", m.Name, s[0], s[2], s[3], err)
		}
		c = &cached{Program: p}
		m.programs[s] = c
	}
	c.users, c.last = c.users+1, m.asked
	return c, nil
}

// release ends a use of a program.
func (m *Model) release(c *cached) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c.users--
}

// evict closes the programs that were not used for longest, as far as nobody
// uses them, until at most n are left.
func (m *Model) evict(n int) {
	for len(m.programs) > n {
		var oldest shape
		found := false
		for s, c := range m.programs {
			if c.users == 0 && (!found || c.last < m.programs[oldest].last) {
				oldest, found = s, true
			}
		}
		if !found {
			return
		}
		m.programs[oldest].Close()
		delete(m.programs, oldest)
	}
}

// padded is the size of the batch in which to run n pictures of a size: that
// of a program that is there and has little room to spare, or n itself.
func (m *Model) padded(n int, size [3]int) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	best := n
	for s := range m.programs {
		if [3]int(s[1:]) != size || s[0] < n || s[0]-n > s[0]/4 {
			continue
		}
		if best == n || s[0] < best {
			best = s[0]
		}
		if s[0] == n {
			return n
		}
	}
	return best
}

// Batches take up to maxBatch pictures, as long as their activations stay
// within a share of the memory: a software adapter gains nothing from more.
const (
	maxBatch              = 64
	batchMemory     int64 = 256 << 20 // bytes
	batchMemorySoft int64 = 32 << 20  // bytes, software adapters
)

// DefaultBatch is the number of pictures of a size, in pixels, that one
// forward pass takes by itself: it follows from the memory of the activations
// and the adapter's limits. Results do not depend on it.
func (m *Model) DefaultBatch(h, w int) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, _, _ := m.net.Input()
	grows := float64(h*w) / float64(m.first[2]*m.first[3])
	if m.attentions {
		grows *= max(1, grows)
	}
	one := int64(float64(m.firstMemory.Arena+m.firstMemory.IO) * grows)
	budget := batchMemory
	if m.dev.Info().Software() {
		budget = batchMemorySoft
	}
	n := min(maxBatch, budget/max(1, one), m.dev.Info().Limits.MaxBinding/int64(4*c*h*w))
	for n > 1 && m.dev.Fits(4*n*one) != nil {
		n /= 2
	}
	return int(max(1, n))
}
