package nn

import (
	"strings"

	"saccade/gpu"
	"saccade/ops"
)

// Projection is a linear map of a module under the names that other libraries have for it.
type Projection struct {
	Layer *ops.Linear
	// First and Out are the outputs of the layer that it makes: a layer may be several
	// projections side by side.
	First, Out int
	// Names are those of its module: the one that adapters are written under, which is
	// that of transformers 5, then those of transformers 4 and of checkpoints.
	Names []string
	// Usual says that it gets an adapter where nobody says which do: queries and values.
	Usual bool
}

// Is says whether a name means the projection: one of Names as a whole, or its last parts,
// as PEFT matches target_modules.
func (p Projection) Is(name string) bool {
	for _, n := range p.Names {
		if n == name || strings.HasSuffix(n, "."+name) {
			return true
		}
	}
	return false
}

// Within records the network as a part of what r's owner records, and gives the outputs and
// intermediates of those names.
func (n *Network) Within(r *gpu.Recorder, in map[string]*gpu.Tensor, names ...string) map[string]*gpu.Tensor {
	return r.Capture(gpu.Wants{Names: names, Only: true}, func() { n.Record(r, in) })
}
