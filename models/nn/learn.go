package nn

import (
	"errors"
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

// Train has all layers be trained as a whole: see [ops.Builder.Train].
func (m *Module) Train(t ops.Training) ([]ops.Trained, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	l, err := m.bind()
	if err != nil {
		return nil, err
	}
	return m.b.Train(l.Parameters, t)
}

// TrainContext has a context of texts be trained, and adds the network that classifies by them:
// see [Layers].
func (m *Module) TrainContext(texts [][]uint32, n int) (*Network, ops.Trained, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	l, err := m.bind()
	if err != nil {
		return nil, ops.Trained{}, err
	}
	if l.Context == nil {
		return nil, ops.Trained{}, errors.New("it compares no texts, of which a context could be learned")
	}
	network, t, err := l.Context(texts, n)
	if err == nil {
		l.Networks = append(l.Networks, network)
	}
	return network, t, err
}

// TrainTokens has the embeddings of token ids be trained: see [Layers].
func (m *Module) TrainTokens(first, n int) (ops.Trained, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	l, err := m.bind()
	if err != nil {
		return ops.Trained{}, err
	}
	if l.Tokens == nil {
		return ops.Trained{}, errors.New("it reads no texts, of which a token could be learned")
	}
	return l.Tokens(first, n)
}

// TrainPrompts has the layers' prompts be trained.
func (m *Module) TrainPrompts() (ops.Trained, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	l, err := m.bind()
	if err != nil {
		return ops.Trained{}, err
	}
	if l.Prompts == nil {
		return ops.Trained{}, errors.New("it has no prompts to train")
	}
	return m.b.TrainParameter(l.Prompts)
}
