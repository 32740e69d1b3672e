package nn

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"saccade/gpu"
)

// Use is a network whose inputs are there.
type use struct {
	n *Network
	f Feed
}

// uses are the networks of which all inputs are given. An input that none of them
// takes is refused.
func (m *Module) uses(in map[string]Array) ([]use, error) {
	l, err := m.Layers()
	if err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(in)) {
		if !slices.ContainsFunc(l.Networks, func(n *Network) bool { return n.Input(name) != nil && n.Input(name).From == nil }) {
			return nil, fmt.Errorf("%s: found an input %s; it takes %s", m.Name, name, l.takes())
		}
	}
	var all []use
	taken := map[string]bool{}
	for _, n := range l.Networks {
		if len(l.Networks) > 1 && !n.has(in) {
			continue
		}
		f, err := n.Prepare(in)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.Name, err)
		}
		all = append(all, use{n, f})
		for _, d := range n.Inputs {
			taken[d.Name] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(in)) {
		if !taken[name] {
			return nil, fmt.Errorf("%s: found an input %s without what belongs to it; it takes %s", m.Name, name, l.takes())
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s: there is no input; it takes %s", m.Name, l.takes())
	}
	return all, nil
}

// each calls f with the program of every network whose inputs are there and of
// which outputs are wanted. A name for which none of them has anything is refused.
func (m *Module) each(in map[string]Array, w gpu.Wants, f func(*program, use) error) error {
	all, err := m.uses(in)
	if err != nil {
		return err
	}
	var programs []*program
	var offered []string
	for _, u := range all {
		p, err := m.plan(u, w)
		if err != nil {
			return err
		}
		programs = append(programs, p)
		offered = append(offered, p.recorder.Offered()...)
	}
	if missing := w.Missing(offered); len(missing) > 0 {
		return fmt.Errorf("%s: it gives no output %s; of these inputs it gives %s", m.Name, strings.Join(missing, ", "), strings.Join(offered, ", "))
	}
	for i, u := range all {
		if w.Only && len(w.Missing(programs[i].recorder.Offered())) == len(w.Names) {
			continue
		}
		if err := f(programs[i], u); err != nil {
			return err
		}
	}
	return nil
}

// plan finds or makes the recording of a network.
func (m *Module) plan(u use, w gpu.Wants) (*program, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.find(u.n, u.f, w)
}

// run calls f with each program that inputs and outputs ask for, ready to run.
func (m *Module) run(in map[string]Array, w gpu.Wants, f func(*program, use) error) error {
	return m.each(in, w, func(_ *program, u use) error {
		p, err := m.acquire(u.n, u.f, w)
		if err != nil {
			return err
		}
		defer m.release(p)
		return f(p, u)
	})
}

// Forward runs the networks whose inputs are given and gives their outputs by name.
func (m *Module) Forward(ctx context.Context, in map[string]Array, w gpu.Wants) (map[string]Array, error) {
	out := map[string]Array{}
	err := m.run(in, w, func(p *program, u use) error {
		raw, err := p.Run(ctx, u.f.Values())
		if err != nil {
			return err
		}
		own := map[string]Array{}
		for name, data := range raw {
			own[name] = Array{Shape: p.OutputShape(name), Data: data}
		}
		if u.n.Finish != nil {
			u.n.Finish(in, own)
		}
		maps.Copy(out, own)
		return m.finite(ctx, p, u, raw)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// finite refuses outputs that hold NaN or Inf, and says where they come from.
func (m *Module) finite(ctx context.Context, p *program, u use, out map[string][]float32) error {
	for _, name := range slices.Sorted(maps.Keys(out)) {
		if gpu.Finite(out[name]) {
			continue
		}
		e := &NonFiniteError{What: "output " + name + " holds NaN or Inf", Input: u.f.NonFinite(), F16: m.Precision == gpu.F16}
		var err error
		if e.Input == "" {
			e.Op, err = p.FindNonFinite(ctx, u.f.Values())
		}
		if err != nil {
			return err
		}
		return e
	}
	return nil
}

// NonFiniteError is what holds NaN or Inf.
type NonFiniteError struct {
	What  string // "output logits holds NaN or Inf"
	Input string // the input that holds some, or
	Op    string // the first operation that made one
	F16   bool
}

func (e *NonFiniteError) Error() string {
	if e.Input != "" {
		return fmt.Sprintf("%s; the first is in the input %s", e.What, e.Input)
	}
	s := fmt.Sprintf("%s; the first is made by %s", e.What, e.Op)
	if e.F16 {
		s += "; halves overflow beyond 65504: try -precision f32"
	}
	return s
}

// Recorded is the program of a network and its inputs as that takes them, for
// callers that time it. It is the module's, which closes it.
func (m *Module) Recorded(n *Network, in map[string]Array) (*gpu.Program, map[string]any, error) {
	f, err := n.Prepare(in)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", m.Name, err)
	}
	values := f.Values()
	p, err := m.acquire(n, f, gpu.Wants{})
	if err != nil {
		return nil, nil, err
	}
	return p.Program, values, nil
}

// Ready brings the module to the device with the program of a network for inputs.
func (m *Module) Ready(in map[string]Array, w gpu.Wants) error {
	return m.run(in, w, func(*program, use) error { return nil })
}

// Outputs are the names of all outputs and intermediates of those inputs, and the
// shapes of those that are wanted.
func (m *Module) Outputs(in map[string]Array, w gpu.Wants) (names []string, shapes map[string][]int, err error) {
	shapes = map[string][]int{}
	err = m.each(in, w, func(p *program, _ use) error {
		names = append(names, p.recorder.Offered()...)
		maps.Copy(shapes, p.recorder.OutputShapes())
		return nil
	})
	return names, shapes, err
}

// Plan is the memory of the largest program that those inputs take, without
// weights. It records, and takes no memory of the device.
func (m *Module) Plan(in map[string]Array, w gpu.Wants) (gpu.Memory, error) {
	var most gpu.Memory
	err := m.each(in, w, func(p *program, _ use) error {
		x, err := p.recorder.Plan()
		if err == nil && x.Arena >= most.Arena {
			most = x
		}
		return err
	})
	return most, err
}

// FLOPs is the arithmetic of a forward pass as the operations are defined, a
// multiply-add counted as two.
func (m *Module) FLOPs(in map[string]Array, w gpu.Wants) (float64, error) {
	var all float64
	err := m.each(in, w, func(p *program, _ use) error {
		for _, op := range p.recorder.Ops() {
			for _, d := range op.Dispatches {
				all += d.FLOPs
			}
		}
		return nil
	})
	return all, err
}

// Profile times each dispatch of a forward pass.
func (m *Module) Profile(ctx context.Context, in map[string]Array, w gpu.Wants) ([]gpu.Timing, error) {
	var all []gpu.Timing
	err := m.run(in, w, func(p *program, u use) error {
		some, err := p.Profile(ctx, u.f.Values())
		all = append(all, some...)
		return err
	})
	return all, err
}

// Verify recomputes every operation of a forward pass on the CPU from the GPU's
// own inputs; see [gpu.Program.Verify].
func (m *Module) Verify(ctx context.Context, in map[string]Array, w gpu.Wants, stopAtFirst bool) ([]gpu.OpCheck, error) {
	var all []gpu.OpCheck
	wrong := func(c gpu.OpCheck) bool { return c.Err != nil }
	err := m.run(in, w, func(p *program, u use) error {
		if stopAtFirst && slices.ContainsFunc(all, wrong) {
			return nil
		}
		some, err := p.Verify(ctx, u.f.Values(), stopAtFirst)
		all = append(all, some...)
		return err
	})
	return all, err
}
