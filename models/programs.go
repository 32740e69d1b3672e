package models

import (
	"sync"

	"saccade/gpu"
)

// maxPrograms bounds the programs that a network keeps: one for each shape of a
// batch, each with memory for its activations.
const maxPrograms = 4

// cached is a program with its users; only one without users may be closed.
type cached struct {
	*gpu.Program
	users int
	last  int // when it was last asked for, by a count of the askings
}

// programs are those of one network by the shape of the input.
type programs[Shape comparable] struct {
	mu      *sync.Mutex // the model's
	prepare func() error
	record  func(Shape) *gpu.Recorder

	cached map[Shape]*cached
	asked  int // calls of acquire
}

// acquire gives the program for a batch, recording it at the first use. The
// caller releases it.
func (p *programs[Shape]) acquire(s Shape) (*cached, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked++
	c, ok := p.cached[s]
	if !ok {
		p.evict(maxPrograms - 1)
		r := p.record(s)
		if err := p.prepare(); err != nil {
			return nil, err
		}
		program, err := r.Finish()
		if err != nil {
			return nil, err
		}
		c = p.keep(s, program)
	}
	c.users, c.last = c.users+1, p.asked
	return c, nil
}

// keep adds a program. The lock is held, or nobody else knows of p yet.
func (p *programs[Shape]) keep(s Shape, program *gpu.Program) *cached {
	if p.cached == nil {
		p.cached = map[Shape]*cached{}
	}
	c := &cached{Program: program}
	p.cached[s] = c
	return c
}

// release ends a use of a program.
func (p *programs[Shape]) release(c *cached) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c.users--
}

// evict closes the programs that were not used for longest, as far as nobody
// uses them, until at most n are left.
func (p *programs[Shape]) evict(n int) {
	for len(p.cached) > n {
		var oldest Shape
		found := false
		for s, c := range p.cached {
			if c.users == 0 && (!found || c.last < p.cached[oldest].last) {
				oldest, found = s, true
			}
		}
		if !found {
			return
		}
		p.cached[oldest].Close()
		delete(p.cached, oldest)
	}
}

// close frees all programs. No use may be under way.
func (p *programs[Shape]) close() {
	for _, c := range p.cached {
		c.Close()
	}
	p.cached = nil
}

// padded is the size of the batch in which to run n pictures of a size: that
// of a program that is there and has little room to spare, or n itself.
func (m *Model) padded(n int, size [3]int) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	best := n
	for s := range m.pictures.cached {
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
