package depth

import (
	"fmt"

	"saccade/gpu"
	"saccade/models/nn"
	"saccade/models/vit"
	"saccade/ops"
)

// Config is what the network's size depends on.
type Config struct {
	Backbone   vit.Config
	Stages     []int // numbers of the blocks whose tokens are read, counted from one
	Normed     bool  // behind the backbone's last norm
	Readout    Readout
	ReadoutAct ops.Activation
	// Factors are by how much a stage's map is larger (2, 4) or smaller (−2) than the grid of
	// patches.
	Factors    []int
	Widths     []int // of the stages' maps
	Width      int   // of the fused ones
	Hidden     int   // of the head
	FusionNorm bool  // batch norms stand in the residual units of the fusion
	FusionBias bool
	Projected  bool // a layer stands before the head
	// Fit has a map become as large as the next one, and the result as the patches
	// (Depth Anything); else each becomes twice as large (DPT).
	Fit    bool
	Square bool // pictures have as many patches in a row as in a column
	Metric bool // the depth is a part of Most, else any number from zero on
	Most   float64
}

// Readout is what becomes of the class token.
type Readout int

// The ways.
const (
	Ignore  Readout = iota // nothing
	Add                    // it is added to the patches
	Project                // a layer takes it beside each patch
)

// eps of batch norms: PyTorch's default.
const eps = 1e-5

// Model is the network.
type Model struct {
	Config

	Backbone   *vit.Model    `w:"backbone"`
	Readouts   []ops.Linear  `w:"readouts"` // or none
	Assemble   []Reassembly  `w:"assemble"`
	Convs      []ops.Conv2d  `w:"convs"`
	Fusion     []FusionLayer `w:"fusion"` // of the last stage first
	Projection *ops.Conv2d   `w:"projection"`
	Head1      ops.Conv2d    `w:"head1"`
	Head2      ops.Conv2d    `w:"head2"`
	Head3      ops.Conv2d    `w:"head3"`

	b *ops.Builder
}

// Reassembly makes a map of a stage's patches.
type Reassembly struct {
	Projection ops.Conv2d           `w:"projection"`
	Up         *ops.ConvTranspose2d `w:"up"`   // or nil
	Down       *ops.Conv2d          `w:"down"` // or nil
}

// FusionLayer adds a stage's map to the deeper ones' and enlarges the sum.
type FusionLayer struct {
	Residual1  *Unit      `w:"residual1"` // nil of the first, which the published files have all the same
	Residual2  Unit       `w:"residual2"`
	Projection ops.Conv2d `w:"projection"`
}

// Unit is a residual unit whose activations stand before its convolutions.
type Unit struct {
	Conv1 ops.Conv2d `w:"conv1"`
	Conv2 ops.Conv2d `w:"conv2"`
}

// New makes the layers that a configuration describes.
func New(b *ops.Builder, c Config) (*Model, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	backbone, err := vit.New(b, c.Backbone)
	if err != nil {
		return nil, err
	}
	conv := func(in, out, kernel int, bias bool) ops.Conv2d {
		return b.Conv2d(ops.Conv{In: in, Out: out, Kernel: ops.Square(kernel), Pad: ops.Pad(kernel / 2), Bias: bias})
	}
	m := &Model{Config: c, b: b, Backbone: backbone,
		Head1: conv(c.Width, c.Width/2, 3, true), Head2: conv(c.Width/2, c.Hidden, 3, true), Head3: conv(c.Hidden, 1, 1, true)}
	if c.Projected {
		p := conv(c.Width, c.Width, 3, true)
		m.Projection = &p
	}
	for i, width := range c.Widths {
		if c.Readout == Project {
			m.Readouts = append(m.Readouts, b.Linear(2*c.Backbone.Width, c.Backbone.Width, true))
		}
		m.Assemble = append(m.Assemble, newReassembly(b, c.Backbone.Width, width, c.Factors[i]))
		m.Convs = append(m.Convs, conv(width, c.Width, 3, false))
		m.Fusion = append(m.Fusion, newFusion(b, c, i > 0))
	}
	return m, nil
}

func newReassembly(b *ops.Builder, in, out, factor int) Reassembly {
	a := Reassembly{Projection: b.Conv2d(ops.Conv{In: in, Out: out, Kernel: ops.Square(1), Bias: true})}
	switch {
	case factor > 1:
		up := b.ConvTranspose2d(ops.Magnify(out, out, factor))
		a.Up = &up
	case factor < 0:
		down := b.Conv2d(ops.Conv{In: out, Out: out, Kernel: ops.Square(3), Stride: ops.Square(-factor), Pad: ops.Pad(1), Bias: true})
		a.Down = &down
	}
	return a
}

func newFusion(b *ops.Builder, c Config, joins bool) FusionLayer {
	unit := func() Unit {
		conv := ops.Conv{In: c.Width, Out: c.Width, Kernel: ops.Square(3), Pad: ops.Pad(1), Bias: c.FusionBias}
		if c.FusionNorm {
			conv.Norm = eps
		}
		return Unit{b.Conv2d(conv), b.Conv2d(conv)}
	}
	l := FusionLayer{Residual2: unit(), Projection: b.Conv2d(ops.Conv{In: c.Width, Out: c.Width, Kernel: ops.Square(1), Bias: true})}
	if joins {
		first := unit()
		l.Residual1 = &first
	}
	return l
}

// Forward records the network on images [N, C, H, W]. Its output is predicted_depth
// [N, h, w].
func (m *Model) Forward(r *gpu.Recorder, pixels *gpu.Tensor) {
	patch := m.Config.Backbone.Patch
	grid := [2]int{pixels.Shape[2] / patch[0], pixels.Shape[3] / patch[1]}
	maps := m.reassemble(r, m.Backbone.Stages(r, pixels, m.Stages, m.Normed), grid)
	x := m.fuse(r, maps)
	if m.Projection != nil {
		x = m.Projection.Forward(r, x, ops.Then(ops.ReLU))
	}
	x = m.Head1.Forward(r, x)
	size := [2]int{grid[0] * patch[0], grid[1] * patch[1]}
	if !m.Fit {
		size = [2]int{2 * x.Shape[1], 2 * x.Shape[2]}
	}
	x = ops.Resize(r, x, size, ops.Resampling{Corners: true})
	x = m.Head2.Forward(r, x, ops.Then(ops.ReLU))
	if m.Metric {
		x = m.Head3.Forward(r, x, ops.Then(ops.Sigmoid))
	} else {
		x = m.Head3.Forward(r, x, ops.Then(ops.ReLU))
	}
	if m.Most != 1 {
		x = ops.Add(r, x, x, m.Most/2)
	}
	r.OutputRows("predicted_depth", x)
}

// reassemble makes maps of the tokens [N, T, D] of each stage: [N, h, w, C].
func (m *Model) reassemble(r *gpu.Recorder, stages []*gpu.Tensor, grid [2]int) []*gpu.Tensor {
	maps := make([]*gpu.Tensor, len(stages))
	for i, tokens := range stages {
		n := tokens.Shape[0]
		x := ops.Rows(r, tokens, m.b.Span(n, tokens.Shape[1], 1, grid[0], grid[1])) // [N h w D]
		if m.Readout != Ignore {
			class := ops.Rows(r, tokens, m.b.Spread(n, tokens.Shape[1], grid[0], grid[1]))
			if m.Readout == Add {
				x = ops.Add(r, x, class, 1)
			} else {
				x = m.Readouts[i].Forward(r, ops.Concat(r, x, class), ops.Then(m.ReadoutAct))
			}
		}
		a := &m.Assemble[i]
		x = a.Projection.Forward(r, x)
		switch {
		case a.Up != nil:
			x = a.Up.Forward(r, x)
		case a.Down != nil:
			x = a.Down.Forward(r, x)
		}
		r.TapNCHW(fmt.Sprintf("assembled.%d", i), x)
		maps[i] = m.Convs[i].Forward(r, x)
	}
	return maps
}

// fuse adds up the maps from the deepest on: [N, h, w, width].
func (m *Model) fuse(r *gpu.Recorder, maps []*gpu.Tensor) *gpu.Tensor {
	var x *gpu.Tensor
	for i := range m.Fusion {
		at := len(maps) - 1 - i
		l := &m.Fusion[i]
		if x == nil {
			x = maps[at]
		} else {
			y := ops.Resize(r, maps[at], [2]int{x.Shape[1], x.Shape[2]}, ops.Resampling{})
			x = ops.Add(r, x, l.Residual1.Forward(r, y), 1)
		}
		x = l.Residual2.Forward(r, x)
		size := [2]int{2 * x.Shape[1], 2 * x.Shape[2]}
		if m.Fit && at > 0 {
			size = [2]int{maps[at-1].Shape[1], maps[at-1].Shape[2]}
		}
		x = l.Projection.Forward(r, ops.Resize(r, x, size, ops.Resampling{Corners: true}))
		r.TapNCHW(fmt.Sprintf("fused.%d", i), x)
	}
	return x
}

// Forward is x + conv(relu(conv(relu(x)))).
func (u *Unit) Forward(r *gpu.Recorder, x *gpu.Tensor) *gpu.Tensor {
	y := u.Conv1.Forward(r, ops.Apply(r, x, ops.ReLU), ops.Then(ops.ReLU))
	return u.Conv2.Forward(r, y, ops.Residual(x))
}

// check refuses what no network can be made of.
func (c Config) check() error {
	n := len(c.Widths)
	if n < 1 || n > 16 || len(c.Stages) != n || len(c.Factors) != n {
		return fmt.Errorf("the config has %d stages of the backbone, %d reassemble_factors and %d neck_hidden_sizes; expected as many of each", len(c.Stages), len(c.Factors), n)
	}
	sizes := map[string]int{"fusion_hidden_size": c.Width, "half of the fusion_hidden_size": c.Width / 2, "head_hidden_size": c.Hidden}
	for i, w := range c.Widths {
		sizes[fmt.Sprintf("neck_hidden_sizes[%d]", i)] = w
		if i > 0 && c.Stages[i] <= c.Stages[i-1] {
			return fmt.Errorf("the config's stages %v of the backbone do not rise", c.Stages)
		}
	}
	for name, v := range sizes {
		if v < 1 || v > 1<<16 {
			return fmt.Errorf("the config's %s is %d; it must be positive", name, v)
		}
	}
	if c.Stages[0] < 1 || c.Stages[n-1] > c.Backbone.Depth {
		return fmt.Errorf("the config's stages %v of the backbone are not of its %d blocks", c.Stages, c.Backbone.Depth)
	}
	if !(c.Most > 0 && c.Most < 1e9) {
		return fmt.Errorf("the config's max_depth is %g; it must be positive", c.Most)
	}
	return nil
}

// Layers makes the network.
func (c Config) Layers(b *ops.Builder) (*nn.Layers, error) {
	m, err := New(b, c)
	if err != nil {
		return nil, err
	}
	l := nn.OfImages(m, c.Backbone.Channels, c.Backbone.Image, c.Backbone.Patch, nn.Image{Metric: c.Metric}, m.Forward)
	if c.Square {
		l.Networks[0].Check = func(sizes map[string]int) error {
			if h, w := sizes["H"]/c.Backbone.Patch[0], sizes["W"]/c.Backbone.Patch[1]; h != w {
				return fmt.Errorf("a picture of %d×%d has %d×%d patches; the class takes a square of them", sizes["H"], sizes["W"], h, w)
			}
			return nil
		}
	}
	return l, nil
}
