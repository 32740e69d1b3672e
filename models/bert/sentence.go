package bert

import (
	"slices"

	"saccade/gpu"
	"saccade/models/internal/transformer"
	"saccade/models/nn"
	"saccade/ops"
)

// Pooling is how the states of a text's tokens become one vector.
type Pooling string

// The poolings.
const (
	MeanPooling  Pooling = "mean" // of all tokens but padding
	ClassPooling Pooling = "cls"  // the first token
)

// StepConfig is one thing that is done to the vector: a dense layer, a layer norm or a
// division by its length.
type StepConfig struct {
	In, Out   int // of a dense layer, else 0
	Bias      bool
	Act       ops.Activation
	Norm      int // width of a layer norm, else 0
	Normalize bool
}

// Step is such a thing, of which one field is set.
type Step struct {
	Linear *ops.Linear    `w:"linear"`
	Norm   *ops.LayerNorm `w:"norm"`

	act ops.Activation
}

// Sentence is an encoder with what makes one vector of a text.
type Sentence struct {
	Config
	Reading

	Text  *Text  `w:"text"`
	Steps []Step `w:"steps"`
}

// New makes the layers that configurations describe.
func New(b *ops.Builder, c Config, reading Reading) (*Sentence, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	m := &Sentence{Config: c, Reading: reading, Text: NewText(b, c.TextConfig)}
	for _, s := range reading.Steps {
		step := Step{act: s.Act}
		switch {
		case s.In > 0:
			l := b.Linear(s.In, s.Out, s.Bias)
			step.Linear = &l
		case s.Norm > 0:
			n := b.LayerNorm(s.Norm, 1e-5)
			step.Norm = &n
		}
		m.Steps = append(m.Steps, step)
	}
	return m, nil
}

// Forward records last_hidden_state [N, T, D] and sentence_embedding [N, E] of token ids
// with their positions and types, u32 [N, T]. lengths, u32 [N, 1], are how many are no
// padding, nil: all.
func (m *Sentence) Forward(r *gpu.Recorder, ids, positions, types, lengths *gpu.Tensor) {
	x := m.Text.Forward(r, "", ids, positions, types, transformer.Sight{Mask: ops.Mask{Lengths: lengths}})
	r.Output("last_hidden_state", x)
	if r.Satisfied() {
		return
	}
	if m.Pooling == ClassPooling {
		x = ops.Mean(r, x, 0, 1)
	} else {
		x = ops.MeanOf(r, x, lengths)
	}
	r.Tap("pooled", x) // [N D]
	for _, s := range m.Steps {
		switch {
		case s.Linear != nil:
			x = s.Linear.Forward(r, x, ops.Then(s.act))
		case s.Norm != nil:
			x = s.Norm.Forward(r, x)
		default:
			x = ops.Normalize(r, x)
		}
	}
	r.Output(embedding, x)
}

const (
	embedding  = "sentence_embedding"
	typeIDs    = "token_type_ids"
	positionOf = "input_position_ids"
)

// network is the encoder with its inputs.
func (m *Sentence) network() *nn.Network {
	tokens := nn.Dims("N", nn.Dim{Name: "T", Most: m.tokens()})
	n := &nn.Network{
		Inputs: []nn.Input{
			{Name: nn.InputIDs, Dims: tokens, Kind: nn.IDs, Below: m.Vocab},
			{Name: nn.AttentionMask, Dims: tokens, Kind: nn.Lengths, Optional: true},
			{Name: positionOf, Dims: tokens, Kind: nn.IDs, From: m.Positions},
		},
		Usual: map[string]int{"T": min(m.Most, m.tokens())},
		Text:  &nn.Text{Output: embedding, Masked: true, Most: min(m.Most, m.tokens()), Lower: m.Lower, Prompts: m.Prompts},
		Record: func(r *gpu.Recorder, in map[string]*gpu.Tensor) {
			m.Forward(r, in[nn.InputIDs], in[positionOf], in[typeIDs], in[nn.AttentionMask])
		},
	}
	if m.Types > 0 {
		n.Inputs = append(n.Inputs, nn.Input{Name: typeIDs, Dims: tokens, Kind: nn.IDs, Below: m.Types, Optional: true, Default: Types})
	}
	return n
}

// Types are those of tokens of which none are told: zeros.
func Types(in map[string]nn.Array) (nn.Array, error) {
	ids := in[nn.InputIDs]
	return nn.Array{Shape: slices.Clone(ids.Shape), Data: make([]float32, len(ids.Data))}, nil
}

// Positions counts the tokens of each row of input_ids from First on. In RoBERTa's way padding is not
// counted, wherever it stands.
func (c Config) Positions(in map[string]nn.Array) (nn.Array, error) {
	ids := in[nn.InputIDs]
	out := nn.Array{Shape: slices.Clone(ids.Shape)}
	pad := float32(c.First - 1)
	for row := range slices.Chunk(ids.Data, ids.Shape[1]) {
		next := float32(c.First)
		for _, id := range row {
			if c.First > 0 && id == pad {
				out.Data = append(out.Data, pad)
				continue
			}
			out.Data = append(out.Data, next)
			next++
		}
	}
	return out, nil
}
