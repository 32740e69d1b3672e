package rtdetr

import (
	"fmt"

	"saccade/gpu"
	"saccade/models/internal/hybrid"
	"saccade/models/internal/transformer"
	"saccade/models/nn"
	"saccade/ops"
)

// Config is what the network's size depends on.
type Config struct{ hybrid.Config }

// Model is the network.
type Model struct {
	Config

	Backbone  hybrid.Maps                               `w:"backbone"`
	Input     []ops.Conv2d                              `w:"input"` // of the backbone's maps
	Encoder   *hybrid.Encoder[*hybrid.CSPRep, *Halving] `w:"encoder"`
	Sources   *hybrid.Sources                           `w:"sources"`
	Proposals *hybrid.Proposals                         `w:"proposals"`
	Positions *transformer.Perceptron                   `w:"positions"`
	Decoder   []Layer                                   `w:"layers"`
	ClassHead ops.Linear                                `w:"class_head"`

	b      *ops.Builder
	levels map[string]*ops.Levels // by the maps' sizes
}

// Halving is a convolution with a stride.
type Halving struct {
	Conv ops.Conv2d `w:"conv"`

	act ops.Activation
}

// Forward is the convolution of x [N, H, W, C].
func (h *Halving) Forward(r *gpu.Recorder, x *gpu.Tensor) *gpu.Tensor {
	return h.Conv.Forward(r, x, ops.Then(h.act))
}

// Layer is a layer of the decoder and the head that moves the queries' boxes.
type Layer struct {
	hybrid.DecoderLayer
	BoxHead *transformer.Perceptron `w:"box_head"`
}

// New makes the layers that a configuration describes.
func New(b *ops.Builder, c Config) (*Model, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	backbone, err := c.Backbone.Make(b)
	if err != nil {
		return nil, err
	}
	m := &Model{Config: c, b: b, levels: map[string]*ops.Levels{}, Backbone: backbone, Input: c.Inputs(b),
		Encoder: hybrid.NewEncoder(b, c.Config, c.Act,
			func() *hybrid.CSPRep {
				return hybrid.NewCSPRep(b, c.Config, 2*c.Width, int(float64(c.Width)*c.Expansion), c.Width, 3)
			},
			func() *Halving { return &Halving{hybrid.Convolution(b, c.Config, c.Width, c.Width, 3, 2, 1), c.Act} }),
		Sources: &hybrid.Sources{}, Proposals: hybrid.NewProposals(b, c.Config), Positions: hybrid.Positions(b, c.Config),
		ClassHead: b.Linear(c.Decoder.Width, c.Classes, true),
	}
	for i := range c.Levels {
		kernel, stride, in := 1, 1, c.Width
		if i >= len(c.Maps) {
			kernel, stride = 3, 2
		}
		projection := hybrid.Convolution(b, c.Config, in, c.Decoder.Width, kernel, stride, 1)
		m.Sources.Projections = append(m.Sources.Projections, &projection)
	}
	for range c.DecoderDepth {
		m.Decoder = append(m.Decoder, newLayer(b, c))
	}
	return m, nil
}

func newLayer(b *ops.Builder, c Config) Layer {
	d, points := c.Decoder, 0
	for _, n := range c.Points {
		points += n
	}
	return Layer{hybrid.NewDecoderLayer(b, d, points, ops.Deformation{Scale: c.OffsetScale, Discrete: c.Discrete}), transformer.NewPerceptron(b, d.Width, d.Width, d.Width, 4)}
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
	levels := hybrid.LevelsOf(m.b, m.levels, sizes, m.Points)
	for i := range m.Decoder {
		r.Enter(fmt.Sprintf("decoder.layers.%d", i))
		positions := m.Positions.Forward(r, ops.Pack(r, boxes, 1))
		x = m.Decoder[i].Forward(r, x, func(x *gpu.Tensor) *gpu.Tensor { return ops.Add(r, x, positions, 1) }, tokens, boxes, levels)
		boxes = ops.RefineBoxes(r, m.Decoder[i].BoxHead.Forward(r, x, ops.Floats()), boxes)
		r.Leave()
		r.Tap(fmt.Sprintf("decoder.layers.%d", i), x)
	}
	r.Output("logits", m.ClassHead.Forward(r, x, ops.Floats()))
	r.Output("pred_boxes", boxes)
}

// Layers makes the network.
func (c Config) Layers(b *ops.Builder) (*nn.Layers, error) {
	m, err := New(b, c)
	if err != nil {
		return nil, err
	}
	return &nn.Layers{Parameters: m, Networks: []*nn.Network{c.Network(m.Forward)}}, nil
}
