package ops

import (
	"errors"
	"fmt"

	"saccade/gpu"
)

// adjoint is the gradients of x and of the residual, if the layer was given one, from dy, that
// of x·Wᵀ·scale + b + residual; weight and bias are constants.
func (l *Linear) adjoint(r *gpu.Recorder, dy *gpu.Tensor, e epilogue, needed []bool) []*gpu.Tensor {
	grads := make([]*gpu.Tensor, len(needed))
	if needed[0] {
		back := l.transposed
		if compact(r) {
			back = func() *Linear { return l.turned(r) }
		}
		grads[0] = back().Forward(r, dy, Scaled(e.scale))
	}
	if e.residual != nil {
		grads[1] = dy
	}
	return grads
}

// transposed is the layer y·W. Its weight is a copy of the layer's in panels of its own, so
// that all ways of a matmul serve the backward pass, too.
func (l *Linear) transposed() *Linear {
	if l.back != nil {
		return l.back
	}
	layer := l.b.Linear(l.Out, l.In, false, Grouped{In: l.OutGroups, Out: l.InGroups})
	t := &layer
	t.setName(l.name + ".transposed")
	t.folded = func() (w, bias []float32) {
		w, _ = l.Values()
		return Transpose(w, l.Out, l.In), nil
	}
	l.b.Later(func() error {
		w, _ := t.folded()
		if w == nil {
			return fmt.Errorf("%s: its weight is not there", l.name)
		}
		return errors.Join(
			t.weight.Upload(func(dst []byte) error { return panelsOf(t.weight.Type, t).pack(dst, filtersOf(w, t.In)) }),
			t.bias.Upload(func([]byte) error { return nil }))
	})
	l.back = t
	return t
}

// turned is that layer with a weight that is made when it is needed.
func (l *Linear) turned(r *gpu.Recorder) *Linear {
	k, n := l.physical()
	t := &Linear{In: l.Out, Out: l.In, InGroups: l.OutGroups, OutGroups: l.InGroups, b: l.b, name: l.name + ".transposed"}
	t.folded = func() (w, bias []float32) {
		w, _ = l.Values()
		return Transpose(w, l.Out, l.In), nil
	}
	t.made = turn(r, l.name+".turned", l.weight, 1, k, n, func() ([]byte, error) {
		w, _ := t.folded()
		if w == nil {
			return nil, fmt.Errorf("%s: its weight is not there", l.name)
		}
		return packed(panelBytes(l.weight.Type, n, k), func(dst []byte) error { return panelsOf(l.weight.Type, t).pack(dst, filtersOf(w, t.In)) })
	})
	if l.zeros == nil {
		l.zeros = l.b.reserve(l.name+".turned.bias", []int{l.In}, gpu.F32, int64(panelColumns(k))*4)
		l.b.Later(func() error { return l.zeros.Upload(func([]byte) error { return nil }) })
	}
	t.weight, t.bias = t.made, l.zeros
	return t
}

// Transpose is the columns of w [rows, columns] as rows.
func Transpose(w []float32, rows, columns int) []float32 {
	if w == nil {
		return nil
	}
	out := make([]float32, len(w))
	for i, v := range w {
		out[i%columns*rows+i/columns] = v
	}
	return out
}

// Adapter is a low-rank map beside a linear layer (Hu et al. 2021): y = x·Wᵀ + b + s·(x·Aᵀ)·Bᵀ in
// some of its outputs.
type Adapter struct {
	A *gpu.Tensor // state f32 [rank, In]
	// B is a state f32 [rank, Out or fewer]: PEFT's lora_B transposed.
	B     *gpu.Tensor
	Scale float64

	first int // physical column of the layer's output that belongs to B's first
}

// Adapt puts an adapter beside the layer, for outputs first to first+out. All recordings from
// then on have it. Its states are zero at first, and their memory is taken by the builder's next
// Prepare.
func (l *Linear) Adapt(rank, first, out int, scale float64) (*Adapter, error) {
	size := l.Out / l.OutGroups
	if rank < 1 || rank > min(l.In, out) {
		return nil, fmt.Errorf("%s: an adapter of rank %d; expected 1 to %d, as its matrix is [%d %d]", l.name, rank, min(l.In, out), out, l.In)
	}
	whole := first == 0 && out == l.Out
	if out < 1 || first < 0 || first+out > l.Out || !whole && (first%size != 0 || out%size != 0) {
		return nil, fmt.Errorf("%s: an adapter of outputs %d to %d, expected whole groups of %d of %d", l.name, first, first+out, size, l.Out)
	}
	a := &Adapter{Scale: scale, first: padded(first, l.Out, l.OutGroups)}
	var errA, errB error
	a.A, errA = l.b.State(l.name+".lora_A", gpu.F32, l.InGroups, rank, l.In)
	a.B, errB = l.b.State(l.name+".lora_B", gpu.F32, out/size, rank, out)
	l.adapters = append(l.adapters, a)
	return a, errors.Join(errA, errB)
}

// forward is what the adapter adds to the layer's output, with what is added anyway, or nil.
func (a *Adapter) forward(r *gpu.Recorder, l *Linear, x, residual *gpu.Tensor, scale float64) *gpu.Tensor {
	u := project(r, l.name+".lora_A", projection{x: x, w: a.A, scale: 1})
	y := &gpu.Tensor{Shape: reshaped(x.Shape, l.Out), Groups: l.OutGroups}
	return expand(r, l.name+".lora_B", expansion{u: u, w: a.B, first: a.first, shape: y, scale: a.Scale * scale, residual: residual})
}

// trainedLinear is the values of a linear layer that is trained as a whole.
type trainedLinear struct {
	weight *gpu.Tensor // state f32, a row for each physical column of the output, of In columns
	bias   *gpu.Tensor // state f32 [1, Out], or nil
}

// Train has the layer be trained as a whole: its weight, then its bias, if it has one.
func (l *Linear) Train() ([]Trained, error) { return l.train(l.b, l.name, Training{}) }

func (l *Linear) train(b *Builder, name string, _ Training) ([]Trained, error) {
	order, rows := paddedRows(l.Out, l.In, l.OutGroups)
	weight, err := b.trained(name+".weight", []int{l.Out, l.In}, l.InGroups, rows, l.In, order)
	all := []Trained{weight}
	l.trained = &trainedLinear{weight: weight.State}
	if l.hasBias {
		vectors, biasErr := b.trainedVectors(name, l.Out, l.OutGroups, "bias")
		all, l.trained.bias = append(all, vectors...), vectors[0].State
		err = errors.Join(err, biasErr)
	}
	return all, err
}

// adapted is Forward of a layer with trained values, or of a recording with a tape, in which an
// activation is an operation of its own, since its adjoint needs what it takes.
func (l *Linear) adapted(r *gpu.Recorder, x *gpu.Tensor, e epilogue) *gpu.Tensor {
	act, after := e.activation, (*gpu.Tensor)(nil)
	if e.activation = Identity; e.before { // the residual is added behind the activation
		after, e.residual, e.before = e.residual, nil, false
	}
	for _, a := range l.adapters {
		e.residual = a.forward(r, l, x, e.residual, e.scale)
	}
	var y *gpu.Tensor
	if t := l.trained; t != nil {
		y = project(r, l.name, projection{x: x, w: t.weight, bias: t.bias, residual: e.residual, scale: e.scale, out: l.Out, groups: l.OutGroups, whole: true})
	} else {
		y = l.plain(r, x, e)
	}
	if act != Identity {
		y = Apply(r, y, act)
	}
	if after != nil {
		y = Add(r, y, after, 1)
	}
	return y
}
