package dfine

import (
	"fmt"
	"math"

	"saccade/gpu"
	"saccade/models/internal/hybrid"
	"saccade/models/internal/transformer"
	"saccade/models/nn"
	"saccade/ops"
)

// Config is what the network's size depends on.
type Config struct {
	hybrid.Config

	Blocks    int     // of the rows within a fusion
	Bins      int     // that a side's distance is a distribution over, less one
	Up, Scale float64 // of the bins' values
	Top       int     // probabilities of a side that tell how good a box is
	Quality   []int   // widths of the perceptron that they go through
}

// Model is the network.
type Model struct {
	Config

	Backbone  hybrid.Maps                      `w:"backbone"`
	Input     []ops.Conv2d                     `w:"input"` // of the backbone's maps
	Encoder   *hybrid.Encoder[*ELAN, *Halving] `w:"encoder"`
	Sources   *hybrid.Sources                  `w:"sources"`
	Proposals *hybrid.Proposals                `w:"proposals"`
	Positions *transformer.Perceptron          `w:"positions"`
	Decoder   []Layer                          `w:"layers"`
	First     *transformer.Perceptron          `w:"first_box"` // head of the boxes that distances count from
	ClassHead ops.Linear                       `w:"class_head"`
	Quality   *transformer.Perceptron          `w:"quality"` // the same for all classes

	b      *ops.Builder
	bins   *ops.Bins
	levels map[string]*ops.Levels // by the maps' sizes
}

// Layer is a layer of the decoder: attention among the queries, deformable attention to the
// maps, which a gate weighs against what was there, perceptron; and the head of the sides'
// distances.
type Layer struct {
	Self     transformer.Placed      `w:"attn"`
	Norm1    ops.LayerNorm           `w:"norm1"`
	Offsets  ops.Linear              `w:"cross.offsets"`
	Weights  ops.Linear              `w:"cross.weights"`
	Gate     ops.Linear              `w:"gate"`
	GateNorm ops.LayerNorm           `w:"gate_norm"`
	FC1      ops.Linear              `w:"mlp.fc1"`
	FC2      ops.Linear              `w:"mlp.fc2"`
	Norm2    ops.LayerNorm           `w:"norm2"`
	BoxHead  *transformer.Perceptron `w:"box_head"`

	c Config
}

// gateEps is of the gates' norms: PyTorch's default, whatever the config says.
const gateEps = 1e-5

// The bounds that the reference puts on positions, and on states before a layer's last norm:
// the largest half.
const (
	mostPosition = 10
	mostState    = 65504
)

// New makes the layers that a configuration describes.
func New(b *ops.Builder, c Config) (*Model, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	backbone, err := c.Backbone.Make(b)
	if err != nil {
		return nil, err
	}
	width := c.Config.Decoder.Width
	m := &Model{Config: c, b: b, levels: map[string]*ops.Levels{}, Backbone: backbone, Input: c.Inputs(b),
		Encoder: hybrid.NewEncoder(b, c.Config, ops.Identity, func() *ELAN { return newELAN(b, c) }, func() *Halving { return newHalving(b, c) }),
		Sources: &hybrid.Sources{}, Proposals: hybrid.NewProposals(b, c.Config), Positions: hybrid.Positions(b, c.Config),
		First: transformer.NewPerceptron(b, width, width, width, 4), ClassHead: b.Linear(width, c.Classes, true),
		Quality: transformer.NewPerceptron(b, append(append([]int{4 * (c.Top + 1)}, c.Quality...), c.Classes)...),
		bins:    b.Bins(math.Abs(c.Scale), ops.BinValues(c.Bins, c.Up, c.Scale)),
	}
	for i := range c.Levels {
		var projection *ops.Conv2d
		if c.Width != width {
			kernel, stride := 1, 1
			if i >= len(c.Maps) {
				kernel, stride = 3, 2
			}
			own := hybrid.Convolution(b, c.Config, c.Width, width, kernel, stride, 1)
			projection = &own
		}
		m.Sources.Projections = append(m.Sources.Projections, projection)
	}
	for range c.DecoderDepth {
		m.Decoder = append(m.Decoder, newLayer(b, c))
	}
	return m, nil
}

func newLayer(b *ops.Builder, c Config) Layer {
	d, points := c.Config.Decoder, 0
	for _, n := range c.Points {
		points += n
	}
	return Layer{
		Self: transformer.NewPlaced(b, d.Width, d.Heads), Norm1: b.LayerNorm(d.Width, d.Eps),
		Offsets: b.Linear(d.Width, 2*points*d.Heads, true), Weights: b.Linear(d.Width, points*d.Heads, true),
		Gate: b.Linear(2*d.Width, 2*d.Width, true, ops.Grouped{Out: 2}), GateNorm: b.LayerNorm(d.Width, gateEps),
		FC1: b.Linear(d.Width, d.MLP, true), FC2: b.Linear(d.MLP, d.Width, true), Norm2: b.LayerNorm(d.Width, d.Eps),
		BoxHead: transformer.NewPerceptron(b, d.Width, d.Width, d.Width, 4*(c.Bins+1)), c: c,
	}
}

// Forward records the network on images [N, C, H, W]. Its outputs are logits
// [N, queries, classes] and pred_boxes [N, queries, 4].
func (m *Model) Forward(r *gpu.Recorder, pixels *gpu.Tensor) {
	var maps []*gpu.Tensor
	all := m.Backbone.Maps(r, pixels)
	for i, at := range m.Maps {
		maps = append(maps, m.Input[i].Forward(r, all[at]))
	}
	tokens, sizes := m.Sources.Forward(r, m.b, m.Encoder.Forward(r, maps))
	x, boxes := m.Proposals.Forward(r, tokens, sizes)
	x, boxes, sides := m.decode(r, x, boxes, tokens, hybrid.LevelsOf(m.b, m.levels, sizes, m.Points))
	quality := m.Quality.Forward(r, ops.TopProbabilities(r, sides, m.Bins+1, m.Top), ops.Floats())
	r.Output("logits", ops.Add(r, m.ClassHead.Forward(r, x, ops.Floats()), quality, 1))
	r.Output("pred_boxes", boxes)
}

// decode is the layers on queries' states [N, Q, D] and boxes, f32 [N, Q, 4]. It gives both,
// and the distributions of the sides' distances, f32 [N, Q, 4·(bins + 1)].
func (m *Model) decode(r *gpu.Recorder, x, boxes, tokens *gpu.Tensor, levels *ops.Levels) (states, refined, sides *gpu.Tensor) {
	var first, before *gpu.Tensor
	for i := range m.Decoder {
		l := &m.Decoder[i]
		r.Enter(fmt.Sprintf("decoder.layers.%d", i))
		positions := m.Positions.Forward(r, ops.Pack(r, boxes, 1), ops.Then(ops.HardTanh(mostPosition)))
		x = l.forward(r, x, positions, tokens, boxes, levels)
		if i == 0 {
			first = ops.RefineBoxes(r, m.First.Forward(r, x, ops.Floats()), boxes)
			sides = l.BoxHead.Forward(r, x, ops.Floats())
		} else {
			sides = ops.Add(r, l.BoxHead.Forward(r, ops.Add(r, x, before, 1), ops.Floats()), sides, 1)
		}
		boxes, before = m.bins.Distances(r, sides, first), x
		r.Leave()
		r.Tap(fmt.Sprintf("decoder.layers.%d", i), x)
	}
	return x, boxes, sides
}

func (l *Layer) forward(r *gpu.Recorder, x, positions, tokens, boxes *gpu.Tensor, levels *ops.Levels) *gpu.Tensor {
	placed := ops.Add(r, x, positions, 1)
	x = l.Norm1.Forward(r, l.Self.Forward(r, placed, placed, x, ops.Mask{}, x))
	placed = ops.Add(r, x, positions, 1)
	seen := ops.DeformableAttention(r, tokens, boxes, l.Offsets.Forward(r, placed, ops.Floats()), l.Weights.Forward(r, placed, ops.Floats()), levels,
		ops.Deformation{Scale: l.c.OffsetScale, Discrete: l.c.Discrete})
	x = l.GateNorm.Forward(r, ops.GatePair(r, x, seen, l.Gate.Forward(r, ops.Concat(r, x, seen))))
	return l.Norm2.Forward(r, l.FC2.Forward(r, l.FC1.Forward(r, x, ops.Then(l.c.Config.Decoder.Act)), ops.Residual(x), ops.Then(ops.HardTanh(mostState))))
}

// check refuses what no network can be made of.
func (c Config) check() error {
	if err := c.Check(); err != nil {
		return err
	}
	switch d := c.Config.Decoder; {
	case d.Width/d.Heads%4 != 0:
		return fmt.Errorf("the config's d_model is %d for %d decoder_attention_heads; heads of a multiple of four are supported", d.Width, d.Heads)
	case c.Blocks < 0 || c.Blocks > 1<<10:
		return fmt.Errorf("the config's depth_mult makes %d blocks of a fusion", c.Blocks)
	case c.inner() < 1:
		return fmt.Errorf("the config's hidden_expansion is %g; it makes layers of %d channels", c.Expansion, c.inner())
	case c.Bins < 4 || c.Bins%2 != 0 || c.Bins > 1<<12:
		return fmt.Errorf("the config's max_num_bins is %d; expected an even number of 4 to %d", c.Bins, 1<<12)
	case c.Top < 1 || c.Top > min(c.Bins+1, 64):
		return fmt.Errorf("the config's top_prob_values is %d; expected 1 to %d", c.Top, min(c.Bins+1, 64))
	case len(c.Quality) < 1 || c.Quality[0] < 1 || c.Quality[0] > 1<<16 || len(c.Quality) > 64:
		return fmt.Errorf("the config's lqe_hidden_dim and lqe_layers make layers of widths %v; expected one and more", c.Quality)
	case c.Scale == 0 || c.Up == 0 || math.IsNaN(c.Scale*c.Up) || math.IsInf(c.Scale*c.Up, 0):
		return fmt.Errorf("the checkpoint's up and reg_scale are %g and %g; expected numbers that are not zero", c.Up, c.Scale)
	}
	return nil
}

// Layers makes the network.
func (c Config) Layers(b *ops.Builder) (*nn.Layers, error) {
	m, err := New(b, c)
	if err != nil {
		return nil, err
	}
	return &nn.Layers{Parameters: m, Networks: []*nn.Network{c.Network(m.Forward)}}, nil
}
