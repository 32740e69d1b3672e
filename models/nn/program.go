package nn

import (
	"fmt"
	"slices"
	"time"

	"saccade/gpu"
)

// maxPrograms bounds the programs that a module keeps: one for each network, shape
// of inputs and set of outputs, each with memory for its activations.
const maxPrograms = 4

// program is a recording, which becomes a program when it is first run.
type program struct {
	*gpu.Program // nil until then
	recorder     *gpu.Recorder
	network      *Network
	key          string
	feed         Feed // whose shapes it is for
	wants        gpu.Wants
	users        int
	last         int // when it was last asked for, by a count of the askings
}

// key tells programs of a network apart.
func key(f Feed, w gpu.Wants) string { return fmt.Sprint(f, w.Only, w.Names) }

// find gives the recording of a network for inputs and outputs, made at the first
// use. The lock is held.
func (m *Module) find(n *Network, f Feed, w gpu.Wants) (*program, error) {
	m.asked++
	k := key(f, w)
	for _, p := range m.programs {
		if p.network == n && p.key == k {
			p.last = m.asked
			return p, nil
		}
	}
	m.evict(maxPrograms - 1)
	r := n.record(m.dev, m.Precision, f, w)
	if err := r.Err(); err != nil {
		return nil, fmt.Errorf("%s: inputs %s: %w", m.Name, f, err)
	}
	p := &program{recorder: r, network: n, key: k, feed: f.shapes(), wants: w, last: m.asked}
	m.programs = append(m.programs, p)
	return p, nil
}

// finish makes a program of a recording. The lock is held.
func (m *Module) finish(p *program) (err error) {
	if p.Program != nil {
		return nil
	}
	if p.Program, err = m.program(p.recorder); err != nil {
		m.programs = slices.DeleteFunc(m.programs, func(x *program) bool { return x == p })
		return fmt.Errorf("%s: inputs %s: %w", m.Name, p.feed, err)
	}
	return nil
}

// program brings what the recording needs to the device. The driver compiles the
// first program's pipelines while the weights are uploaded.
func (m *Module) program(r *gpu.Recorder) (*gpu.Program, error) {
	if m.resident {
		if err := m.b.Prepare(); err != nil {
			return nil, err
		}
		return r.Finish()
	}
	began := time.Now()
	p, err := m.b.Program(r)
	if err == nil {
		m.dev.Wait()
		m.CompileTime, m.resident = time.Since(began), true
	}
	return p, err
}

// acquire gives the program of a network, which the caller releases.
func (m *Module) acquire(n *Network, f Feed, w gpu.Wants) (*program, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p, err := m.find(n, f, w)
	if err == nil {
		err = m.finish(p)
	}
	if err != nil {
		return nil, err
	}
	p.users++
	return p, nil
}

func (m *Module) release(p *program) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p.users--
}

// evict closes the programs that were not used for longest, as far as nobody uses
// them, until at most n are left.
func (m *Module) evict(n int) {
	for len(m.programs) > n {
		oldest := -1
		for i, p := range m.programs {
			if p.users == 0 && (oldest < 0 || p.last < m.programs[oldest].last) {
				oldest = i
			}
		}
		if oldest < 0 {
			return
		}
		m.programs[oldest].close()
		m.programs = slices.Delete(m.programs, oldest, oldest+1)
	}
}

func (p *program) close() {
	if p.Program != nil {
		p.Program.Close()
	}
}

// Program makes a program of what its owner recorded with the module's layers, and
// closes itself.
func (m *Module) Program(r *gpu.Recorder) (*gpu.Program, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, err := m.bind(); err != nil {
		return nil, err
	}
	return m.program(r)
}

// Free closes the programs that nobody uses. The weights stay.
func (m *Module) Free() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.evict(0)
}

// Memory is what the programs take on the device, together.
func (m *Module) Memory() gpu.Memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	var sum gpu.Memory
	for _, p := range m.programs {
		if p.Program == nil {
			continue
		}
		x := p.Memory()
		sum.Arena += x.Arena
		sum.Live += x.Live
		sum.Sum += x.Sum
		sum.IO += x.IO
	}
	return sum
}

// Shapes are those of an input of a network for which there are programs with
// those outputs.
func (m *Module) Shapes(n *Network, input string, w gpu.Wants) [][]int {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all [][]int
	for _, p := range m.programs {
		if p.network == n && key(Feed{}, p.wants) == key(Feed{}, w) {
			all = append(all, p.feed.Shape(input))
		}
	}
	return all
}
