package deformable

import (
	"fmt"
	"math"

	"saccade/gpu"
	"saccade/models/internal/hybrid"
	"saccade/models/internal/transformer"
	"saccade/models/nn"
	"saccade/models/resnet"
	"saccade/ops"
)

// Config is what the network's size depends on.
type Config struct {
	Backbone         resnet.Config
	Maps             []int // of the backbone's that are read
	Levels           int   // of maps; those beyond the backbone's are made of its last by strides
	Encoder, Decoder transformer.LayerConfig
	EncoderLayers    int
	DecoderLayers    int
	EncoderPoints    int // of each map
	DecoderPoints    int
	Queries          int
	Refines          bool // each layer of the decoder moves the boxes
	TwoStage         bool // the queries are chosen among the encoder's pixels
	Classes          int

	Labels []string
}

const (
	eps         = 1e-5  // of all norms: PyTorch's default
	groups      = 32    // of the norms of maps
	temperature = 10000 // of the positions' sines
	reach       = 0.5   // how far offsets of a query with a box lead, in the box's size
)

// Model is the network.
type Model struct {
	Config

	Backbone  *resnet.Model             `w:"backbone"`
	Inputs    []Input                   `w:"inputs"`
	Level     *ops.Parameter            `w:"level"` // [levels, D], added to the positions
	Encoder   []EncoderLayer            `w:"encoder"`
	Decoder   []hybrid.DecoderLayer     `w:"decoder"`
	ClassHead ops.Linear                `w:"class_head"`
	BoxHeads  []*transformer.Perceptron `w:"box_heads"` // of each layer that moves boxes
	Queries   *ops.Parameter            `w:"queries"`   // [queries, 2·D], positions and states, or nil
	Reference *ops.Linear               `w:"reference"` // of the queries' points, or nil
	Proposals *Proposals                `w:"proposals"` // or nil

	b         *ops.Builder
	levels    [2]map[string]*ops.Levels // of the encoder and the decoder, by the maps' sizes
	positions map[string]*ops.Table     // by the maps' sizes
	placed    *ops.Table                // the queries' positions
	states    *ops.Table                // and what they begin with
}

// Input makes a map as wide as the network.
type Input struct {
	Conv ops.Conv2d    `w:"conv"`
	Norm ops.GroupNorm `w:"norm"`
}

// EncoderLayer is a layer of the encoder: deformable attention of the maps' pixels to the maps,
// perceptron.
type EncoderLayer struct {
	Attn  hybrid.Deformable `w:"attn"`
	Norm1 ops.LayerNorm     `w:"norm1"`
	FC1   ops.Linear        `w:"mlp.fc1"`
	FC2   ops.Linear        `w:"mlp.fc2"`
	Norm2 ops.LayerNorm     `w:"norm2"`

	act ops.Activation
}

// New makes the layers that a configuration describes.
func New(b *ops.Builder, c Config) (*Model, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	backbone, err := resnet.New(b, c.Backbone)
	if err != nil {
		return nil, err
	}
	width := c.Encoder.Width
	head := func() *transformer.Perceptron { return transformer.NewPerceptron(b, width, width, width, 4) }
	m := &Model{Config: c, b: b, Backbone: backbone, Level: &ops.Parameter{Shape: []int{c.Levels, width}}, ClassHead: b.Linear(width, c.Classes, true),
		levels: [2]map[string]*ops.Levels{{}, {}}, positions: map[string]*ops.Table{}}
	for i := range c.Levels {
		m.Inputs = append(m.Inputs, newInput(b, c, i))
	}
	for range c.EncoderLayers {
		m.Encoder = append(m.Encoder, newEncoderLayer(b, c))
	}
	for range c.DecoderLayers {
		m.Decoder = append(m.Decoder, hybrid.NewDecoderLayer(b, c.Decoder, c.Levels*c.DecoderPoints, ops.Deformation{Scale: reach}))
		if c.Refines || len(m.BoxHeads) == 0 {
			m.BoxHeads = append(m.BoxHeads, head())
		}
	}
	if c.TwoStage {
		m.Proposals, err = newProposals(b, c)
		return m, err
	}
	reference := b.Linear(width, 2, true)
	m.Queries, m.Reference = &ops.Parameter{Shape: []int{c.Queries, 2 * width}}, &reference
	m.placed, m.states = b.Table("queries", c.Queries, width), b.Table("states", c.Queries, width)
	b.Later(func() error { return m.placed.Upload(m.half(0)) })
	b.Later(func() error { return m.states.Upload(m.half(1)) })
	return m, nil
}

func newInput(b *ops.Builder, c Config, level int) Input {
	conv := ops.Conv{In: c.Encoder.Width, Out: c.Encoder.Width, Kernel: ops.Square(3), Stride: ops.Square(2), Pad: ops.Pad(1), Bias: true}
	if level <= len(c.Maps) {
		conv.In = c.Backbone.StageWidth(c.Maps[min(level, len(c.Maps)-1)])
	}
	if level < len(c.Maps) {
		conv.Kernel, conv.Stride, conv.Pad = ops.Square(1), ops.Square(1), ops.Padding{}
	}
	return Input{b.Conv2d(conv), b.GroupNorm(groups, c.Encoder.Width, eps)}
}

func newEncoderLayer(b *ops.Builder, c Config) EncoderLayer {
	e := c.Encoder
	return EncoderLayer{hybrid.NewDeformable(b, e.Width, e.Heads, c.Levels*c.EncoderPoints, ops.Deformation{}), b.LayerNorm(e.Width, eps),
		b.Linear(e.Width, e.MLP, true), b.Linear(e.MLP, e.Width, true), b.LayerNorm(e.Width, eps), e.Act}
}

// half is a half of each query's parameters.
func (m *Model) half(i int) (values []float32) {
	width := m.Config.Encoder.Width
	for q := range m.Config.Queries {
		values = append(values, m.Queries.Values[(2*q+i)*width:][:width]...)
	}
	return values
}

// Forward records the network on images [N, C, H, W]. Its outputs are logits
// [N, queries, classes] and pred_boxes [N, queries, 4].
func (m *Model) Forward(r *gpu.Recorder, pixels *gpu.Tensor) {
	tokens, sizes := m.sources(r, pixels)
	tokens = m.encode(r, tokens, sizes)
	n := tokens.Shape[0]
	var x, places, positions *gpu.Tensor
	if m.TwoStage {
		x, positions, places = m.Proposals.forward(r, tokens, sizes)
	} else {
		x, positions = m.states.Repeat(r, n), m.placed.Repeat(r, n)
		places = m.Reference.Forward(r, positions, ops.Then(ops.Sigmoid), ops.Floats())
	}
	levels := hybrid.LevelsOf(m.b, m.levels[1], sizes, m.points(m.DecoderPoints))
	for i := range m.Decoder {
		r.Enter(fmt.Sprintf("decoder.layers.%d", i))
		x = m.Decoder[i].Forward(r, x, func(x *gpu.Tensor) *gpu.Tensor { return ops.Add(r, x, positions, 1) }, tokens, places, levels)
		if m.Refines || i == len(m.Decoder)-1 {
			places = ops.RefineBoxes(r, m.BoxHeads[min(i, len(m.BoxHeads)-1)].Forward(r, x, ops.Floats()), places)
		}
		r.Leave()
		r.Tap(fmt.Sprintf("decoder.layers.%d", i), x)
	}
	r.Output("logits", m.ClassHead.Forward(r, x, ops.Floats()))
	r.Output("pred_boxes", places)
}

// sources are the pixels of all maps [N, S, D] one after the other, and the maps' sizes.
func (m *Model) sources(r *gpu.Recorder, pixels *gpu.Tensor) (tokens *gpu.Tensor, sizes [][2]int) {
	all := m.Backbone.Maps(r, pixels)
	var maps []*gpu.Tensor
	for i := range m.Inputs {
		x := all[m.Maps[min(i, len(m.Maps)-1)]]
		if i > len(m.Maps) {
			x = maps[i-1]
		}
		r.Enter(fmt.Sprintf("input_proj.%d", i))
		x = m.Inputs[i].Norm.Forward(r, m.Inputs[i].Conv.Forward(r, x), ops.Identity)
		r.Leave()
		r.TapNCHW(fmt.Sprintf("input_proj.%d", i), x)
		maps, sizes = append(maps, x), append(sizes, [2]int{x.Shape[1], x.Shape[2]})
	}
	return hybrid.Joined(r, m.b, maps), sizes
}

func (m *Model) encode(r *gpu.Recorder, x *gpu.Tensor, sizes [][2]int) *gpu.Tensor {
	levels, positions := hybrid.LevelsOf(m.b, m.levels[0], sizes, m.points(m.EncoderPoints)), m.positionsOf(sizes)
	for i := range m.Encoder {
		r.Enter(fmt.Sprintf("encoder.layers.%d", i))
		x = m.Encoder[i].forward(r, x, ops.AddTable(r, x, positions), levels)
		r.Leave()
		r.Tap(fmt.Sprintf("encoder.layers.%d", i), x)
	}
	return x
}

func (l *EncoderLayer) forward(r *gpu.Recorder, x, placed *gpu.Tensor, levels *ops.Levels) *gpu.Tensor {
	x = l.Norm1.Forward(r, l.Attn.Forward(r, placed, x, nil, levels, x))
	return l.Norm2.Forward(r, l.FC2.Forward(r, l.FC1.Forward(r, x, ops.Then(l.act)), ops.Residual(x)))
}

// points is as many of each map.
func (m *Model) points(n int) []int {
	all := make([]int, m.Config.Levels)
	for i := range all {
		all[i] = n
	}
	return all
}

// positionsOf are the positions of maps' pixels: sines of the row and the column, and what is
// learned of the level.
func (m *Model) positionsOf(sizes [][2]int) *ops.Table {
	key := fmt.Sprint(sizes)
	if t, ok := m.positions[key]; ok {
		return t
	}
	width, pixels := m.Config.Encoder.Width, 0
	for _, s := range sizes {
		pixels += s[0] * s[1]
	}
	t := m.b.Table("positions", pixels, width)
	m.positions[key] = t
	m.b.Later(func() error {
		values := make([]float32, 0, pixels*width)
		for level, s := range sizes {
			for i := range s[0] * s[1] {
				for at, v := range append(m.sines(i/s[1], s[0]), m.sines(i%s[1], s[1])...) {
					values = append(values, v+m.Level.Values[level*width+at])
				}
			}
		}
		return t.Upload(values)
	})
	return t
}

// sines are those of place i of n.
func (m *Model) sines(i, n int) []float32 {
	return transformer.Sines((float64(i)+0.5)/(float64(n)+1e-6)*2*math.Pi, m.Config.Encoder.Width/2, temperature)
}

// check refuses what no network can be made of.
func (c Config) check() error {
	if err := c.checkDepths(); err != nil {
		return err
	}
	for _, v := range []bound{
		{"d_model", c.Encoder.Width, 1 << 14}, {"encoder_attention_heads", c.Encoder.Heads, 1 << 14}, {"encoder_ffn_dim", c.Encoder.MLP, 1 << 20},
		{"decoder_attention_heads", c.Decoder.Heads, 1 << 14}, {"decoder_ffn_dim", c.Decoder.MLP, 1 << 20}, {"number of queries", c.Queries, 1 << 20}, {"number of classes", c.Classes, 1 << 20}, {"num_feature_levels", c.Levels, 16},
		{"encoder_n_points", c.EncoderPoints, 1 << 10}, {"decoder_n_points", c.DecoderPoints, 1 << 10},
	} {
		if err := v.check(); err != nil {
			return err
		}
	}
	if w := c.Encoder.Width; w%groups != 0 || w%c.Encoder.Heads != 0 || w%c.Decoder.Heads != 0 {
		return fmt.Errorf("the config's d_model %d is not a multiple of %d and of its %d and %d attention heads", w, groups, c.Encoder.Heads, c.Decoder.Heads)
	}
	if n := len(c.Maps); n > c.Levels || c.Levels == 1 && n != 1 {
		return fmt.Errorf("the config's num_feature_levels is %d for the backbone's %d maps; expected as many or more", c.Levels, n)
	}
	return nil
}

// bound is a number of the config, which is one at least.
type bound struct {
	name     string
	is, most int
}

func (v bound) check() error {
	if v.is < 1 || v.is > v.most {
		return fmt.Errorf("the config's %s is %d; expected 1 to %d", v.name, v.is, v.most)
	}
	return nil
}

// checkDepths refuses numbers of layers that are none.
func (c Config) checkDepths() error {
	if err := (bound{"encoder_layers, plus one,", c.EncoderLayers + 1, 1 << 10}).check(); err != nil {
		return err
	}
	return bound{"decoder_layers", c.DecoderLayers, 1 << 10}.check()
}

// pixelMask is [N, H, W], of ones.
const pixelMask = "pixel_mask"

// noPadding refuses a mask that has some.
func noPadding(in map[string]nn.Array) (nn.Array, error) {
	for _, v := range in[pixelMask].Data {
		if v != 1 {
			return nn.Array{}, fmt.Errorf("found %g; images that are filled up are not supported by Deformable DETR, give those of one size in one file", v)
		}
	}
	return nn.Array{}, nil
}

// Layers makes the network.
func (c Config) Layers(b *ops.Builder) (*nn.Layers, error) {
	m, err := New(b, c)
	if err != nil {
		return nil, err
	}
	image := nn.Image{Objects: &nn.Objects{Scores: nn.Sigmoid, Best: 100, Threshold: 0.5}}
	n := nn.ImageNetwork("", c.Backbone.Channels, [2]int{800, 1066}, ops.Square(1), image, m.Forward)
	n.Inputs = append(n.Inputs, nn.Input{Name: pixelMask, Dims: nn.Dims("N", "H", "W"), Optional: true, Convert: noPadding})
	n.Check = c.checkSizes
	return &nn.Layers{Parameters: m, Networks: []*nn.Network{n}}, nil
}

// checkSizes refuses images that have fewer pixels on all maps than there are queries to choose.
func (c Config) checkSizes(sizes map[string]int) error {
	pixels, h, w := 0, 0, 0
	for i := range c.Levels {
		if h, w = (h+1)/2, (w+1)/2; i < len(c.Maps) {
			h, w = c.Backbone.StageSize(c.Maps[i], sizes["H"]), c.Backbone.StageSize(c.Maps[i], sizes["W"])
		}
		pixels += h * w
	}
	if c.TwoStage && pixels < c.Queries {
		return fmt.Errorf("images of %d×%d have %d places for objects; the network looks for %d", sizes["H"], sizes["W"], pixels, c.Queries)
	}
	return nil
}
