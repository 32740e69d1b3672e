package owl

import (
	"fmt"
	"math"

	"saccade/gpu"
	"saccade/models/clip"
	"saccade/models/nn"
	"saccade/ops"
)

// Config is what the network's size depends on.
type Config struct {
	Vision  clip.VisionConfig
	Text    clip.TextConfig
	Objects bool // OWLv2: each patch tells too whether it is an object, whatever it is called
}

// Model is the network.
type Model struct {
	Config

	Vision     *clip.Vision  `w:"vision"`
	Text       *clip.Text    `w:"text"`
	Norm       ops.LayerNorm `w:"norm"`
	ClassHead  ops.Linear    `w:"class_head"`
	Affine     ops.Linear    `w:"affine"` // shift and scale of a patch's logits
	BoxHead    Head          `w:"box_head"`
	ObjectHead *Head         `w:"object_head"` // or nil

	b      *ops.Builder
	places *ops.Table // what the boxes of a grid's patches are before anything is seen
}

// Head is three layers with GELUs between them.
type Head struct {
	Dense0 ops.Linear `w:"dense0"`
	Dense1 ops.Linear `w:"dense1"`
	Dense2 ops.Linear `w:"dense2"`
}

func newHead(b *ops.Builder, width, out int) Head {
	return Head{b.Linear(width, width, true), b.Linear(width, width, true), b.Linear(width, out, true)}
}

// Forward is the head on x [..., D], in f32.
func (h *Head) Forward(r *gpu.Recorder, x *gpu.Tensor) *gpu.Tensor {
	x = h.Dense1.Forward(r, h.Dense0.Forward(r, x, ops.Then(ops.GELU)), ops.Then(ops.GELU))
	return h.Dense2.Forward(r, x, ops.Floats())
}

// New makes the layers that a configuration describes.
func New(b *ops.Builder, c Config) (*Model, error) {
	if err := c.Vision.Check(); err != nil {
		return nil, err
	}
	text, err := clip.NewText(b, c.Text)
	if err != nil {
		return nil, err
	}
	if c.Text.Projection != c.Text.Block.Width {
		return nil, fmt.Errorf("the config's projection_dim is %d and text_config's hidden_size %d; patches are compared with texts in as many values", c.Text.Projection, c.Text.Block.Width)
	}
	width, grid := c.Vision.Block.Width, c.grid()
	m := &Model{Config: c, b: b, Vision: clip.NewVision(b, c.Vision), Text: text,
		Norm: b.LayerNorm(width, c.Vision.Block.Eps), ClassHead: b.Linear(width, c.Text.Projection, true), Affine: b.Linear(width, 2, true),
		BoxHead: newHead(b, width, 4), places: b.Table("places", grid[0]*grid[1], 4)}
	if c.Objects {
		head := newHead(b, width, 1)
		m.ObjectHead = &head
	}
	b.Later(func() error { return m.places.Upload(placesOf(grid)) })
	return m, nil
}

// The names of the inputs that are made of texts.
const (
	pooledAt = "pooled_at"
	seen     = "seen"
)

// Forward records the network on images [N, C, H, W] and on token ids [N·Q, T], Q texts
// for each image. Its outputs are logits [N, P, Q], pred_boxes [N, P, 4], and of an OWLv2
// objectness_logits [N, P], of P patches.
func (m *Model) Forward(r *gpu.Recorder, in map[string]*gpu.Tensor) {
	x := m.Vision.PostNorm.Forward(r, m.Vision.Encode(r, in[nn.PixelValues])) // [N 1+P D]
	n, grid := x.Shape[0], m.grid()
	patches := ops.Rows(r, x, m.span(x, 1, grid[0], grid[1])) // [N h w D]
	x = m.Norm.Forward(r, ops.Scale(r, patches, ops.Mean(r, x, 0, 1)))
	x = ops.Rows(r, x, m.span(x, 0, grid[0]*grid[1])) // [N P D]
	r.Tap("features", x)
	texts := m.Text.Embed(r, in[nn.InputIDs], in[pooledAt], in[nn.AttentionMask])
	texts = ops.Normalize(r, ops.Rows(r, texts, m.b.Span(n, texts.Rows()/n, 0, texts.Rows()/n))) // [N Q D]
	cosines := ops.Products(r, ops.Normalize(r, m.ClassHead.Forward(r, x)), texts)
	r.Output("logits", ops.QueryLogits(r, cosines, m.Affine.Forward(r, x, ops.Floats()), in[seen]))
	boxes := ops.AddTable(r, m.BoxHead.Forward(r, x), m.places)
	r.Output("pred_boxes", ops.Apply(r, boxes, ops.Sigmoid))
	if m.ObjectHead != nil {
		r.OutputRows("objectness_logits", m.ObjectHead.Forward(r, x))
	}
}

// span is the index of tokens of each item of x, in a shape.
func (m *Model) span(x *gpu.Tensor, first int, shape ...int) *gpu.Tensor {
	return m.b.Span(x.Shape[0], x.Rows()/x.Shape[0], first, shape...)
}

// placesOf are, for the patches of a grid, the logits of the centre and the size of a box
// that has its right lower corner as centre and is as large as it.
func placesOf(grid [2]int) []float32 {
	logit := func(v float64) float32 { return float32(math.Log(v+1e-4) - math.Log1p(-v+1e-4)) }
	var values []float32
	h, w := float64(grid[0]), float64(grid[1])
	for y := range grid[0] {
		for x := range grid[1] {
			values = append(values, logit(float64(x+1)/w), logit(float64(y+1)/h), logit(1/w), logit(1/h))
		}
	}
	return values
}

// grid is the patches in a column and in a row.
func (c Config) grid() [2]int {
	return [2]int{c.Vision.Image[0] / c.Vision.Patch[0], c.Vision.Image[1] / c.Vision.Patch[1]}
}

// seenOf tells which texts are some: those whose first token is not zero.
func seenOf(in map[string]nn.Array) (nn.Array, error) {
	ids := in[nn.InputIDs]
	n := in[nn.PixelValues].Shape[0]
	a := nn.Array{Shape: []int{n, ids.Shape[0] / n}}
	for i := range ids.Shape[0] {
		v := float32(0)
		if ids.Data[i*ids.Shape[1]] > 0 {
			v = 1
		}
		a.Data = append(a.Data, v)
	}
	return a, nil
}

// Layers makes the network.
func (c Config) Layers(b *ops.Builder) (*nn.Layers, error) {
	m, err := New(b, c)
	if err != nil {
		return nil, err
	}
	size := c.Vision.Image
	image := nn.Image{Objects: &nn.Objects{Scores: nn.Sigmoid, Square: c.Objects, Threshold: 0.1}}
	n := nn.ImageNetwork("", c.Vision.Channels, size, size, image, nil)
	n.Inputs[0].Dims[2].Most, n.Inputs[0].Dims[3].Most = size[0], size[1]
	tokens := nn.Dim{Name: "T", Most: c.Text.Length}
	n.Inputs = append(n.Inputs,
		nn.Input{Name: nn.InputIDs, Dims: nn.Dims("texts", tokens), Kind: nn.IDs, Below: c.Text.Vocab},
		nn.Input{Name: nn.AttentionMask, Dims: nn.Dims("texts", tokens), Kind: nn.Lengths, Optional: true},
		nn.Input{Name: pooledAt, Dims: nn.Dims("texts", 1), Kind: nn.IDs, From: m.Text.PooledAt},
		nn.Input{Name: seen, Dims: nn.Dims("N", "Q"), Kind: nn.IDs, From: seenOf})
	n.Usual["T"], n.Usual["texts"] = c.Text.Length, 1
	n.Complete = func(in map[string]nn.Array, items int, _ uint64) { // as many texts for each image
		ids := in[nn.InputIDs]
		one := ids.Data[:ids.Shape[1]]
		ids = nn.Array{Shape: []int{items, len(one)}}
		for range items {
			ids.Data = append(ids.Data, one...)
		}
		in[nn.InputIDs] = ids
	}
	n.Check = func(sizes map[string]int) error {
		if sizes["texts"]%sizes["N"] != 0 {
			return fmt.Errorf("%d texts are not as many for each of %d images", sizes["texts"], sizes["N"])
		}
		return nil
	}
	n.Record = m.Forward
	return &nn.Layers{Parameters: m, Networks: []*nn.Network{n}}, nil
}
