package ops

import (
	"fmt"
	"slices"

	"saccade/gpu"
	"saccade/weights"
)

// Training says how the layers of a model are trained as a whole.
type Training struct {
	// BatchStatistics has batch norms take the means and variances of each batch and move
	// their running ones, as torch.nn.Module.train() does; else they keep the running ones.
	BatchStatistics bool
}

// Trained is an array of a layer that is trained: a state in place of a constant in all
// recordings from then on, whose memory is taken by the builder's next Prepare.
type Trained struct {
	Name  string // of the layer's parameter, such as "blocks.0.norm1.weight"
	Shape []int  // as PyTorch has it
	State *gpu.Tensor
	// Statistic says that it is a running mean or variance, which has no gradient.
	Statistic bool
	// Order is where in PyTorch's array each value of the state stands, [NoRow] for one that
	// is zero; nil: in the same place.
	Order []uint32

	b *Builder
}

// Checkpoint is what the checkpoint has for it, as PyTorch has it: what a training begins
// with. A bias that it leaves out is zero.
func (t Trained) Checkpoint() []float32 {
	if v := t.b.host(t.Name, gpu.F32); v != nil {
		return v
	}
	n := 1
	for _, d := range t.Shape {
		n *= d
	}
	return make([]float32, n)
}

// Parts are the checkpoint's tensors that it is made of: see [weights.Parts].
func (t Trained) Parts() (parts []*weights.Tensor, ok bool) { return weights.Parts(t.b.src, t.Name) }

// Arrange brings values as PyTorch has them to an order, as [Trained] has it.
func Arrange(order []uint32, v []float32) []float32 {
	if order == nil {
		return v
	}
	out := make([]float32, len(order))
	for i, place := range order {
		if place != NoRow {
			out[i] = v[place]
		}
	}
	return out
}

// Restore brings values in an order back to that of PyTorch's array, which has n.
func Restore(order []uint32, v []float32, n int) []float32 {
	if order == nil {
		return v
	}
	out := make([]float32, n)
	for i, place := range order {
		if place != NoRow {
			out[place] = v[i]
		}
	}
	return out
}

// trains is a layer that can be trained as a whole.
type trains interface {
	train(b *Builder, name string, t Training) ([]Trained, error)
}

// Train has all layers of a model be trained, a pointer to a struct with `w` tags that was
// bound. A layer that can't be is refused by its name.
func (b *Builder) Train(model any, t Training) (all []Trained, err error) {
	walked := weights.Walk(model, func(path string, m weights.Module) {
		if err != nil || len(m.Params()) == 0 {
			return
		}
		layer, ok := m.(trains)
		if !ok {
			err = fmt.Errorf("%s: layers of its kind (%T) are not trained", path, m)
			return
		}
		var some []Trained
		if some, err = layer.train(b, path, t); err == nil {
			all = append(all, some...)
		}
	})
	if err == nil {
		err = walked
	}
	return all, err
}

// TrainParameter has a parameter be trained.
func (b *Builder) TrainParameter(p *Parameter) (Trained, error) {
	all, err := p.train(b, p.Name, Training{})
	if err != nil {
		return Trained{}, err
	}
	return all[0], nil
}

// TrainRows makes rows of width values that are trained and are not the checkpoint's, which are
// zero at first.
func (b *Builder) TrainRows(name string, rows, width int) (Trained, error) {
	return b.trained(name, []int{rows, width}, 1, rows, width, nil)
}

// Host is a parameter's values in the checkpoint, whether it is loaded or not.
func (b *Builder) Host(p *Parameter) []float32 { return b.host(p.Name, gpu.F32) }

// trained makes a state for a parameter of a layer.
func (b *Builder) trained(name string, shape []int, groups, rows, columns int, order []uint32) (Trained, error) {
	s, err := b.State(name, gpu.F32, groups, rows, columns)
	return Trained{Name: name, Shape: slices.Clone(shape), State: s, Order: order, b: b}, err
}

// trainedVectors makes states [1, width] for parameters [width] of those names below a path.
func (b *Builder) trainedVectors(path string, width, groups int, names ...string) (all []Trained, err error) {
	for _, n := range names {
		t, stateErr := b.trained(path+"."+n, []int{width}, groups, 1, width, nil)
		if stateErr != nil {
			err = stateErr
		}
		all = append(all, t)
	}
	return all, err
}

// paddedRows is the order of a state whose rows are those of [rows, columns] in groups that are
// padded each on their own; nil where nothing is.
func paddedRows(rows, columns, groups int) (order []uint32, padded int) {
	size := rows / groups
	if padded = groups * gpu.Pad8(size); groups == 1 || padded == rows {
		return nil, rows
	}
	for r := range padded {
		g, at := r/gpu.Pad8(size), r%gpu.Pad8(size)
		for c := range columns {
			place := uint32(NoRow)
			if at < size {
				place = uint32((g*size+at)*columns + c)
			}
			order = append(order, place)
		}
	}
	return order, padded
}

// sumsFit refuses operands of a gradient that exceed a binding.
func sumsFit(r *gpu.Recorder, all ...*gpu.Tensor) error {
	for _, t := range all {
		if most := r.Device().Traits().MaxBinding; t.Bytes() > most {
			return fmt.Errorf("%s exceeds the adapter's largest binding; use a smaller batch and accumulate", t)
		}
	}
	return nil
}
