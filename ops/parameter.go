package ops

import (
	"slices"

	"saccade/weights"
)

// Parameter is a tensor of a checkpoint that stays on the host, such as a
// class token or position embeddings, from which tables are computed.
type Parameter struct {
	Shape  []int
	Values []float32 // nil until loaded
}

// Params is the tensor itself, at the parameter's own path.
func (p *Parameter) Params() []weights.Param {
	return []weights.Param{{Shape: p.Shape, Set: func(t *weights.Tensor) error {
		v, err := floats(t)
		p.Values = slices.Clone(v)
		return err
	}}}
}
