package learn

import (
	"fmt"
	"maps"
	"slices"

	"saccade/gpu"
	"saccade/models/nn"
)

// Parameters are the trained arrays by name: of adapters those that PEFT writes
// ("base_model.model.vit.layers.0.attention.q_proj.lora_A.weight").
func (l *Learner) Parameters() (map[string]nn.Array, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.bring(); err != nil {
		return nil, err
	}
	return l.each(func(p *parameter) *gpu.Tensor { return p.value })
}

// Gradients are those of the last step by the names of the parameters: before clipping, without
// the loss's scale.
func (l *Learner) Gradients() (map[string]nn.Array, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.bring(); err != nil {
		return nil, err
	}
	return l.each(func(p *parameter) *gpu.Tensor { return p.grad })
}

// each reads a tensor of every parameter that has one.
func (l *Learner) each(of func(*parameter) *gpu.Tensor) (map[string]nn.Array, error) {
	all := map[string]nn.Array{}
	for _, p := range l.all {
		if t := of(p); t != nil {
			if err := p.read(t, "", all); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}

// tensor is one of a parameter's, whose arrays have a prefix in a state.
type tensor struct {
	prefix string
	p      *parameter
	t      *gpu.Tensor
}

// tensors are all that a training goes on from.
func (l *Learner) tensors() (all []tensor) {
	prefixes := []string{"exp_avg.", "exp_avg_sq."}
	if l.options.Optimizer.Kind == SGD {
		prefixes = []string{"momentum_buffer."}
	}
	for _, p := range l.all {
		all = append(all, tensor{"", p, p.value})
		for i, m := range p.moments {
			all = append(all, tensor{prefixes[i], p, m})
		}
	}
	return all
}

// State is all that a training goes on from: the parameters by name, the moments by the names of
// the parameters behind "exp_avg.", "exp_avg_sq." or "momentum_buffer.", and the progress.
func (l *Learner) State() (map[string]nn.Array, Progress, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.bring(); err != nil {
		return nil, Progress{}, err
	}
	all, err := l.arrays()
	return all, l.progress, err
}

// arrays are those of a state.
func (l *Learner) arrays() (map[string]nn.Array, error) {
	all := map[string]nn.Array{}
	for _, x := range l.tensors() {
		if err := x.p.read(x.t, x.prefix, all); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// Restore takes up a state of a training with the same options. Steps after it are the same to
// the bit as those after the State was taken, on the same adapter. A state that does not fit is
// refused, and nothing changed.
func (l *Learner) Restore(arrays map[string]nn.Array, p Progress) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.bring(); err != nil {
		return err
	}
	left := maps.Clone(arrays)
	for _, x := range l.tensors() {
		for _, piece := range x.p.pieces {
			name := x.prefix + piece.name
			a, ok := arrays[name]
			if !ok {
				return fmt.Errorf("the state has no %s", name)
			}
			if !piece.fits(a) {
				return fmt.Errorf("%s of the state: found shape %v with %d values, expected %v", name, a.Shape, len(a.Data), piece.shape)
			}
			delete(left, name)
		}
	}
	for _, n := range slices.Sorted(maps.Keys(left)) {
		return fmt.Errorf("the state has %s, which is not trained; trained are %s", n, l.names())
	}
	if !(p.Scale > 0) || p.Steps < 0 {
		return fmt.Errorf("the state is of step %d with a scale of %g, expected positive ones", p.Steps, p.Scale)
	}
	if err := l.write(arrays); err != nil {
		return err
	}
	l.progress = p
	return nil
}

// write sets the tensors of a state whose arrays are given.
func (l *Learner) write(arrays map[string]nn.Array) error {
	for _, x := range l.tensors() {
		if _, ok := arrays[x.prefix+x.p.name]; !ok {
			continue
		}
		if err := x.p.take(x.t, x.prefix, arrays); err != nil {
			return err
		}
	}
	return nil
}

func elements(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}
