package ops

import (
	"fmt"
	"slices"

	"saccade/gpu"
	"saccade/weights"
)

// Parameter is a tensor of a checkpoint that stays on the host, such as a
// class token or position embeddings, from which tables are computed.
type Parameter struct {
	Shape  []int
	Values []float32 // nil until loaded
	Name   string    // of its tensor, once it is bound

	// Trains says that who uses it records what is made of State where it is trained.
	Trains bool
	// State is its values where it is trained, f32 [rows, width], the leading dimensions as rows.
	State *gpu.Tensor
}

func (p *Parameter) setName(path string) { p.Name = path }

func (p *Parameter) train(b *Builder, name string, _ Training) ([]Trained, error) {
	if !p.Trains {
		return nil, fmt.Errorf("%s: it is not trained yet", name)
	}
	rows, width := 1, p.Shape[len(p.Shape)-1]
	for _, d := range p.Shape[:len(p.Shape)-1] {
		rows *= d
	}
	t, err := b.trained(name, p.Shape, 1, rows, width, nil)
	p.State = t.State
	return []Trained{t}, err
}

// Params is the tensor itself, at the parameter's own path.
func (p *Parameter) Params() []weights.Param {
	return []weights.Param{{Shape: p.Shape, Set: func(t *weights.Tensor) error {
		v, err := floats(t)
		p.Values = slices.Clone(v)
		return err
	}}}
}
