package detr

import (
	"fmt"
	"math"

	"saccade/gpu"
	"saccade/models/internal/transformer"
	"saccade/models/nn"
	"saccade/models/resnet"
	"saccade/ops"
)

// Config is what the network's size depends on.
type Config struct {
	Backbone         resnet.Config
	Encoder, Decoder transformer.LayerConfig
	EncoderLayers    int
	DecoderLayers    int
	Queries          int
	Classes          int  // without that of nothing
	NormEach         bool // the last norm stands behind each layer of the decoder too (auxiliary_loss)

	Labels []string
}

// eps of all layer norms: PyTorch's default.
const eps = 1e-5

// temperature of the positions' sines.
const temperature = 10000

// Model is the network.
type Model struct {
	Config

	Backbone   *resnet.Model             `w:"backbone"`
	Projection ops.Conv2d                `w:"projection"`
	Encoder    []transformer.PlacedLayer `w:"encoder"`
	Decoder    []transformer.PlacedLayer `w:"decoder"`
	Norm       ops.LayerNorm             `w:"norm"`
	Queries    *ops.Parameter            `w:"queries"`
	ClassHead  ops.Linear                `w:"class_head"`
	BoxHead    *transformer.Perceptron   `w:"box_head"`

	b       *ops.Builder
	places  map[[2]int]*ops.Table // positions by map size
	queries *ops.Table
	nothing *ops.Table // what the queries' states begin with
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
	m := &Model{Config: c, b: b, places: map[[2]int]*ops.Table{}, Backbone: backbone,
		Projection: b.Conv2d(ops.Conv{In: c.Backbone.Width(), Out: width, Kernel: ops.Square(1), Bias: true}),
		Encoder:    transformer.NewPlacedLayers(b, c.Encoder, c.EncoderLayers),
		Decoder:    transformer.NewPlacedLayers(b, c.Decoder, c.DecoderLayers),
		Norm:       b.LayerNorm(width, eps),
		Queries:    &ops.Parameter{Shape: []int{c.Queries, width}},
		ClassHead:  b.Linear(width, c.Classes+1, true),
		BoxHead:    transformer.NewPerceptron(b, width, width, width, 4),
		queries:    b.Table("queries", c.Queries, width), nothing: b.Table("nothing", c.Queries, width),
	}
	b.Later(func() error { return m.queries.Upload(m.Queries.Values) })
	b.Later(func() error { return m.nothing.Upload(make([]float32, c.Queries*width)) })
	return m, nil
}

// Forward records the network on images [N, C, H, W]; seen is what of them is no padding,
// or nil: all. Its outputs are logits [N, queries, classes + 1] and pred_boxes
// [N, queries, 4].
func (m *Model) Forward(r *gpu.Recorder, pixels *gpu.Tensor, seen *seen) {
	maps := m.Backbone.Maps(r, pixels)
	x := m.Projection.Forward(r, maps[len(maps)-1]) // [N h w D]
	r.TapNCHW("projection", x)
	n, h, w := x.Shape[0], x.Shape[1], x.Shape[2]
	var mask ops.Mask
	var place func(*gpu.Tensor) *gpu.Tensor
	if seen != nil {
		x = ops.Rows(r, x, seen.tokens) // [N T D], the padding last
		positions := ops.Pack(r, seen.positions, 1)
		mask.Lengths, place = seen.lengths, func(x *gpu.Tensor) *gpu.Tensor { return ops.Add(r, x, positions, 1) }
	} else {
		x = ops.Rows(r, x, m.b.Span(n, h*w, 0, h*w)) // [N T D]
		table := m.placed([2]int{h, w})
		place = func(x *gpu.Tensor) *gpu.Tensor { return ops.AddTable(r, x, table) }
	}
	for i := range m.Encoder {
		r.Enter(fmt.Sprintf("encoder.layers.%d", i))
		x = m.Encoder[i].Forward(r, x, place, mask, nil)
		r.Leave()
		r.Tap(fmt.Sprintf("encoder.layers.%d", i), x)
	}
	x = m.decode(r, n, &transformer.Memory{Keys: place(x), Values: x, Mask: mask})
	r.Output("logits", m.ClassHead.Forward(r, x, ops.Floats()))
	r.Output("pred_boxes", m.BoxHead.Forward(r, x, ops.Then(ops.Sigmoid), ops.Floats()))
}

// decode is what the queries find in a memory of n items: [N, queries, D].
func (m *Model) decode(r *gpu.Recorder, n int, memory *transformer.Memory) *gpu.Tensor {
	x := m.nothing.Repeat(r, n)
	place := func(x *gpu.Tensor) *gpu.Tensor { return ops.AddTable(r, x, m.queries) }
	for i := range m.Decoder {
		r.Enter(fmt.Sprintf("decoder.layers.%d", i))
		x = m.Decoder[i].Forward(r, x, place, ops.Mask{}, memory)
		r.Leave()
		r.Tap(fmt.Sprintf("decoder.layers.%d", i), x)
		if m.NormEach {
			x = m.Norm.Forward(r, x)
		}
	}
	return m.Norm.Forward(r, x)
}

// placed are the positions of a map without padding.
func (m *Model) placed(size [2]int) *ops.Table {
	if t, ok := m.places[size]; ok {
		return t
	}
	t := m.b.Table("positions", size[0]*size[1], m.Config.Encoder.Width)
	m.places[size] = t
	m.b.Later(func() error {
		var values []float32
		for y := range size[0] {
			for x := range size[1] {
				values = append(values, m.position(y+1, size[0], x+1, size[1])...)
			}
		}
		return t.Upload(values)
	})
	return t
}

// position is that of a pixel, which is the y-th of so many in its column and the x-th in
// its row.
func (m *Model) position(y, rows, x, columns int) []float32 {
	half := m.Config.Encoder.Width / 2
	part := func(i, n int) float64 { return float64(i) / (float64(n) + 1e-6) * 2 * math.Pi }
	return append(transformer.Sines(part(y, rows), half, temperature), transformer.Sines(part(x, columns), half, temperature)...)
}

// check refuses what no network can be made of.
func (c Config) check() error {
	for name, v := range map[string]int{
		"d_model": c.Encoder.Width, "encoder_attention_heads": c.Encoder.Heads, "encoder_ffn_dim": c.Encoder.MLP, "decoder_attention_heads": c.Decoder.Heads,
		"decoder_ffn_dim": c.Decoder.MLP, "encoder_layers, plus one,": c.EncoderLayers + 1, "decoder_layers": c.DecoderLayers, "num_queries": c.Queries, "number of classes": c.Classes,
		"number of the backbone's stages": len(c.Backbone.Stages),
	} {
		if v < 1 || v > 1<<20 {
			return fmt.Errorf("the config's %s is %d; it must be positive", name, v)
		}
	}
	if w := c.Encoder.Width; w%4 != 0 || w%c.Encoder.Heads != 0 || w%c.Decoder.Heads != 0 {
		return fmt.Errorf("the config's d_model %d is not a multiple of four and of its %d and %d attention heads", w, c.Encoder.Heads, c.Decoder.Heads)
	}
	return nil
}

// Layers makes the network.
func (c Config) Layers(b *ops.Builder) (*nn.Layers, error) {
	m, err := New(b, c)
	if err != nil {
		return nil, err
	}
	image := nn.Image{Objects: &nn.Objects{Scores: nn.Softmax, Threshold: 0.5}}
	n := nn.ImageNetwork("", c.Backbone.Channels, [2]int{800, 1066}, ops.Square(1), image, nil)
	n.Inputs = append(n.Inputs, m.maskInputs()...)
	n.Record = func(r *gpu.Recorder, in map[string]*gpu.Tensor) { m.Forward(r, in[nn.PixelValues], seenOf(in)) }
	return &nn.Layers{Parameters: m, Networks: []*nn.Network{n}}, nil
}
