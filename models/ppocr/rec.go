package ppocr

import (
	"fmt"

	"saccade/gpu"
	"saccade/models/internal/transformer"
	"saccade/models/nn"
	"saccade/ops"
)

// Head is how a recogniser reads the backbone's map.
type Head int

// The heads.
const (
	Concatenated Head = iota // convolutions, blocks, both beside each other, convolutions (v5, mobile and server)
	Summed                   // convolutions, blocks, both added (v6 small)
	Convolved                // convolutions alone (v6 tiny)
)

// RecConfig is what a recogniser's size depends on.
type RecConfig struct {
	Backbone BackboneConfig
	Head     Head
	Block    transformer.Config
	Depth    int // blocks
	Width    int // of what the last layer reads
	Classes  int // characters, the first of which is none
	Kernel   [2]int
	Act      ops.Activation // of the head's convolutions
}

// Recogniser reads a line of text.
type Recogniser struct {
	RecConfig

	Backbone *Backbone           `w:"backbone"`
	Convs    []ops.Conv2d        `w:"convs"`
	Blocks   []transformer.Block `w:"blocks"`
	Norm     *ops.LayerNorm      `w:"norm"`   // or nil
	Narrow   *ops.Linear         `w:"narrow"` // of Convolved
	Classify ops.Linear          `w:"classify"`

	b     *ops.Builder
	lines map[[2]int]*gpu.Tensor // which rows of a map of one row are a line's, by items and length
}

// NewRecogniser makes the layers that a configuration describes.
func NewRecogniser(b *ops.Builder, c RecConfig) (*Recogniser, error) {
	backbone, err := newBackbone(b, c.Backbone)
	if err != nil {
		return nil, err
	}
	m := &Recogniser{RecConfig: c, Backbone: backbone, b: b, lines: map[[2]int]*gpu.Tensor{}}
	channels := c.Backbone.Channels()
	in := channels[len(channels)-1]
	conv := func(in, out int, kernel [2]int, groups int) {
		m.Convs = append(m.Convs, *normed(b, in, out, kernel, ops.Square(1), around(kernel), groups))
	}
	switch c.Head {
	case Concatenated:
		conv(in, in/8, c.Kernel, 1)
		conv(in/8, c.Width, ops.Square(1), 1)
		conv(c.Width, in, ops.Square(1), 1)
		conv(2*in, in/8, c.Kernel, 1)
		conv(in/8, c.Width, ops.Square(1), 1)
	case Summed:
		conv(in, c.Width, ops.Square(1), 1)
		conv(in, c.Width, ops.Square(1), 1)
		conv(c.Width, c.Width, c.Kernel, c.Width)
	case Convolved:
		conv(in, in, [2]int{1, 5}, in)
		conv(in, in, ops.Square(1), 1)
		narrow := b.Linear(in, c.Width, true)
		m.Narrow = &narrow
	}
	if c.Head != Convolved {
		m.Blocks = transformer.Blocks(b, c.Block, c.Depth)
		norm := b.LayerNorm(c.Width, c.Block.Eps)
		m.Norm = &norm
	}
	m.Classify = b.Linear(c.Width, c.Classes, true)
	return m, nil
}

func around(kernel [2]int) ops.Padding {
	return ops.Padding{Top: kernel[0] / 2, Bottom: kernel[0] / 2, Left: kernel[1] / 2, Right: kernel[1] / 2}
}

// Forward records last_hidden_state [N, T, Classes], the probability of each character at
// each place of lines [N, 3, H, W].
func (m *Recogniser) Forward(r *gpu.Recorder, pixels *gpu.Tensor) {
	maps := m.Backbone.forward(r, pixels)
	x := ops.AvgPool(r, maps[len(maps)-1], ops.Pool{Kernel: [2]int{3, 2}}) // [N 1 T C]
	if r.Err() == nil && x.Shape[1] != 1 {
		r.Fail(fmt.Errorf("images of height %d come to %d rows; a line of one row is expected", pixels.Shape[2], x.Shape[1]))
		return
	}
	x = m.read(r, x)
	r.TapNCHW("head", x)
	n, t := x.Shape[0], x.Shape[2]
	x = ops.Rows(r, x, m.line(n, t)) // [N T C]
	if m.Narrow != nil {
		x = m.Narrow.Forward(r, x)
	}
	r.Output(probability, ops.Softmax(r, m.Classify.Forward(r, x, ops.Floats())))
}

// read is the head between the backbone's map [N, 1, T, C] and the last layers.
func (m *Recogniser) read(r *gpu.Recorder, x *gpu.Tensor) *gpu.Tensor {
	act := ops.Then(m.Act)
	switch m.Head {
	case Convolved:
		return m.Convs[1].Forward(r, m.Convs[0].Forward(r, x, act), act)
	case Summed:
		skip := m.Convs[0].Forward(r, x, act)
		y := m.Convs[1].Forward(r, x, act)
		y = m.Convs[2].Forward(r, y, ops.Then(m.Act), ops.Residual(y))
		return ops.Add(r, m.blocks(r, y), skip, 1)
	}
	y := m.blocks(r, m.Convs[1].Forward(r, m.Convs[0].Forward(r, x, act), act))
	y = ops.Concat(r, x, m.Convs[2].Forward(r, y, act))
	return m.Convs[4].Forward(r, m.Convs[3].Forward(r, y, act), act)
}

func (m *Recogniser) blocks(r *gpu.Recorder, x *gpu.Tensor) *gpu.Tensor {
	return m.Norm.Forward(r, transformer.Encode(r, "head.", m.Blocks, x, nil))
}

// line is which rows of a map [n, 1, t, C] are those of n lines.
func (m *Recogniser) line(n, t int) *gpu.Tensor {
	size := [2]int{n, t}
	if m.lines[size] == nil {
		rows := make([]uint32, n*t)
		for i := range rows {
			rows[i] = uint32(i)
		}
		m.lines[size] = m.b.Index(fmt.Sprintf("lines.%d.%d", n, t), rows, n, t)
	}
	return m.lines[size]
}

func (m *Recogniser) network() *nn.Network {
	return network([2]int{48, 320}, [2]int{16, 16}, m.Forward)
}
