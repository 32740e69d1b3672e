package yolos

import (
	"fmt"
	"slices"

	"saccade/gpu"
	"saccade/models/internal/transformer"
	"saccade/models/nn"
	"saccade/ops"
)

// Config is what the network's size depends on.
type Config struct {
	Image    [2]int // height and width that the position embeddings are for, pixels
	Patch    int    // a side, pixels
	Channels int
	Block    transformer.Config
	Depth    int  // blocks
	Queries  int  // detection tokens
	Mid      bool // position embeddings stand between the blocks too
	Classes  int  // without that of nothing

	Labels []string
}

// Model is the network. Its tokens are the class token, the detection tokens and the
// patches, in this order.
type Model struct {
	Config

	ClassToken      *ops.Parameter          `w:"cls_token"`
	DetectionTokens *ops.Parameter          `w:"detection_tokens"`
	Positions       *ops.Parameter          `w:"pos_embed"`
	MidPositions    *ops.Parameter          `w:"mid_pos_embed"` // or nil
	PatchEmbed      ops.Conv2d              `w:"patch_embed.proj"`
	Blocks          []transformer.Block     `w:"blocks"`
	Norm            ops.LayerNorm           `w:"norm"`
	ClassHead       *transformer.Perceptron `w:"class_head"`
	BoxHead         *transformer.Perceptron `w:"box_head"`

	b      *ops.Builder
	tables map[[2]int][]*ops.Table // by patch grid: the sequence's constant part, then what is added behind each block
}

// New makes the layers that a configuration describes.
func New(b *ops.Builder, c Config) (*Model, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	width, grid := c.Block.Width, c.grid(c.Image)
	tokens := 1 + grid[0]*grid[1] + c.Queries
	m := &Model{Config: c, b: b, tables: map[[2]int][]*ops.Table{},
		ClassToken:      &ops.Parameter{Shape: []int{1, 1, width}},
		DetectionTokens: &ops.Parameter{Shape: []int{1, c.Queries, width}},
		Positions:       &ops.Parameter{Shape: []int{1, tokens, width}},
		PatchEmbed:      b.Conv2d(ops.Conv{In: c.Channels, Out: width, Kernel: ops.Square(c.Patch), Stride: ops.Square(c.Patch), Bias: true}),
		Blocks:          transformer.Blocks(b, c.Block, c.Depth),
		Norm:            b.LayerNorm(width, c.Block.Eps),
		ClassHead:       transformer.NewPerceptron(b, width, width, width, c.Classes+1),
		BoxHead:         transformer.NewPerceptron(b, width, width, width, 4),
	}
	if c.Mid && c.Depth > 1 {
		m.MidPositions = &ops.Parameter{Shape: []int{c.Depth - 1, 1, tokens, width}}
	}
	return m, nil
}

// Forward records the network on images [N, C, H, W]. Its outputs are logits
// [N, queries, classes + 1] and pred_boxes [N, queries, 4]; last_hidden_state
// [N, T, D] can be asked for.
func (m *Model) Forward(r *gpu.Recorder, pixels *gpu.Tensor) {
	tables := m.placed([2]int{pixels.Shape[2], pixels.Shape[3]})
	x := ops.Tokens(r, m.PatchEmbed.Forward(r, pixels), tables[0]) // [N T D]
	r.Tap("embeddings", x)
	for i := range m.Blocks {
		x = transformer.Step(r, "", m.Blocks, i, x, nil)
		if i+1 < len(tables) {
			x = ops.Tokens(r, x, tables[i+1])
		}
	}
	x = m.Norm.Forward(r, x)
	r.Tap("last_hidden_state", x)
	x = ops.Rows(r, x, m.b.Span(x.Shape[0], x.Shape[1], 1, m.Queries)) // [N queries D]
	r.Output("logits", m.ClassHead.Forward(r, x, ops.Floats()))
	r.Output("pred_boxes", m.BoxHead.Forward(r, x, ops.Then(ops.Sigmoid), ops.Floats()))
}

// placed are the tables of a picture's size.
func (m *Model) placed(image [2]int) []*ops.Table {
	grid := m.grid(image)
	if t, ok := m.tables[grid]; ok {
		return t
	}
	var tables []*ops.Table
	rows := 1 + m.Queries + grid[0]*grid[1]
	add := func(values func() []float32) {
		t := m.b.Table("pos_embed", rows, m.Block.Width)
		tables = append(tables, t)
		m.b.Later(func() error { return t.Upload(values()) })
	}
	add(func() []float32 {
		values := m.resampled(m.Positions.Values, grid)
		for i, v := range slices.Concat(m.ClassToken.Values, m.DetectionTokens.Values) {
			values[i] += v
		}
		return values
	})
	if m.MidPositions != nil {
		for i := range m.Depth - 1 {
			add(func() []float32 {
				one := len(m.MidPositions.Values) / (m.Depth - 1)
				return m.resampled(m.MidPositions.Values[i*one:][:one], grid)
			})
		}
	}
	m.tables[grid] = tables
	return tables
}

// resampled brings position embeddings of the class token, the patches and the
// detection tokens to a patch grid, and to the order of the tokens here.
func (m *Model) resampled(positions []float32, grid [2]int) []float32 {
	width, queries := m.Block.Width, len(positions)-m.Queries*m.Block.Width
	patches := ops.InterpolatePositions(positions[width:queries], width, m.grid(m.Image), grid, false)
	return slices.Concat(positions[:width], positions[queries:], patches)
}

// grid is the patches in a column and in a row of a picture.
func (c Config) grid(image [2]int) [2]int { return [2]int{image[0] / c.Patch, image[1] / c.Patch} }

// check refuses what no network can be made of.
func (c Config) check() error {
	for name, v := range map[string]int{
		"image height": c.Image[0], "image width": c.Image[1], "patch_size": c.Patch, "num_channels": c.Channels, "hidden_size": c.Block.Width,
		"num_hidden_layers": c.Depth, "num_attention_heads": c.Block.Heads, "intermediate_size": c.Block.MLP, "num_detection_tokens": c.Queries, "number of classes": c.Classes,
	} {
		if v < 1 || v > 1<<20 {
			return fmt.Errorf("the config's %s is %d; it must be positive", name, v)
		}
	}
	if c.Block.Width%c.Block.Heads != 0 {
		return fmt.Errorf("the config's hidden_size %d is not a multiple of its %d attention heads", c.Block.Width, c.Block.Heads)
	}
	if c.Image[0] < c.Patch || c.Image[1] < c.Patch {
		return fmt.Errorf("the config's picture of %dx%d is smaller than its patch of %d pixels", c.Image[0], c.Image[1], c.Patch)
	}
	return nil
}

// Layers makes the network.
func (c Config) Layers(b *ops.Builder) (*nn.Layers, error) {
	m, err := New(b, c)
	if err != nil {
		return nil, err
	}
	objects := &nn.Objects{Scores: nn.Softmax, Threshold: 0.5}
	return nn.OfImages(m, c.Channels, c.Image, ops.Square(c.Patch), nn.Image{Objects: objects}, m.Forward), nil
}
