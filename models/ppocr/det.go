package ppocr

import (
	"fmt"
	"slices"

	"saccade/gpu"
	"saccade/models/nn"
	"saccade/ops"
)

// DetConfig is what a detector's size depends on.
type DetConfig struct {
	Backbone  BackboneConfig
	Reduction int // of channels, within squeeze and excitation of the neck
	Neck      int // channels
	Bilinear  bool
	Kernel    int   // of the head's first convolution, pixels
	Layers    []int // channels of the maps that the neck takes
	// Dilated is the size of the depthwise filters in the neck of version 6; 0: version 5,
	// with plain ones of 3×3 pixels, and a layer behind each of the backbone's maps.
	Dilated int
	Paths   *PathConfig    // of the neck of the large ones; then Reduction, Layers and Dilated are not used
	Refines bool           // the head looks at the map a second time (v5 server)
	Act     ops.Activation // of that
}

// Detector gives a map of where text is.
type Detector struct {
	DetConfig

	Backbone *Backbone           `w:"backbone"`
	Layer    []ops.Conv2d        `w:"layer"`
	Insert   []Squeezed          `w:"insert"`
	Input    []Squeezed          `w:"input"`
	Paths    *Paths              `w:"paths"` // or nil, in place of the three before
	Down     ops.Conv2d          `w:"down"`
	Up       ops.ConvTranspose2d `w:"up"`
	Final    ops.ConvTranspose2d `w:"final"`
	Refine   *Refine             `w:"refine"` // or nil
}

// Squeezed is x + gates(x)·x of a convolution, with a depthwise one before it or none.
type Squeezed struct {
	Depthwise *ops.Conv2d  `w:"depthwise"` // or nil
	Conv      ops.Conv2d   `w:"conv"`
	Gates     SqueezeGates `w:"gates"`
}

// NewDetector makes the layers that a configuration describes.
func NewDetector(b *ops.Builder, c DetConfig) (*Detector, error) {
	backbone, err := newBackbone(b, c.Backbone)
	if err != nil {
		return nil, err
	}
	m := &Detector{DetConfig: c, Backbone: backbone}
	quarter := c.Neck / 4
	if c.Paths != nil {
		m.Paths = newPaths(b, c)
	} else {
		m.squeezed(b)
	}
	m.Down = *normed(b, c.Neck, quarter, ops.Square(c.Kernel), ops.Square(1), ops.Pad(c.Kernel/2), 1)
	m.Up = b.ConvTranspose2d(ops.Magnify(quarter, quarter, 2))
	m.Final = b.ConvTranspose2d(ops.Magnify(quarter, 1, 2))
	if c.Refines {
		m.Refine = newRefine(b, c)
	}
	return m, nil
}

// squeezed makes the neck of the mobile and small ones.
func (m *Detector) squeezed(b *ops.Builder) {
	c, quarter := m.DetConfig, m.Neck/4
	for i, channels := range c.Backbone.Channels() {
		if c.Dilated == 0 {
			m.Layer = append(m.Layer, b.Conv2d(ops.Conv{In: channels, Out: c.Layers[i], Kernel: ops.Square(1), Bias: true}))
		}
		m.Insert = append(m.Insert, newSqueezed(b, c.Layers[i], c.Neck, 1, c.Reduction))
		input := newSqueezed(b, c.Neck, quarter, 3, c.Reduction)
		if c.Dilated > 0 {
			input = newSqueezed(b, c.Neck, quarter, 1, c.Reduction)
			deep := b.Conv2d(ops.Conv{In: c.Neck, Out: c.Neck, Kernel: ops.Square(c.Dilated), Pad: ops.Pad(c.Dilated / 2), Groups: c.Neck, Bias: true})
			input.Depthwise = &deep
		}
		m.Input = append(m.Input, input)
	}
}

func newSqueezed(b *ops.Builder, in, out, kernel, reduction int) Squeezed {
	return Squeezed{
		Conv:  b.Conv2d(ops.Conv{In: in, Out: out, Kernel: ops.Square(kernel), Pad: ops.Pad(kernel / 2)}),
		Gates: *newGates(b, out, reduction, ops.HardSigmoidOf(0.2)),
	}
}

func (s *Squeezed) forward(r *gpu.Recorder, x *gpu.Tensor) *gpu.Tensor {
	if s.Depthwise != nil {
		x = s.Depthwise.Forward(r, x)
	}
	x = s.Conv.Forward(r, x)
	return ops.Add(r, x, ops.Scale(r, x, s.Gates.gates(r, x)), 1)
}

// Forward records last_hidden_state [N, 1, H, W], the probability of text at each pixel of
// images [N, 3, H, W].
func (m *Detector) Forward(r *gpu.Recorder, pixels *gpu.Tensor) {
	maps := m.Backbone.forward(r, pixels) // from 1/4 to 1/32 of the size
	if m.Paths != nil {
		maps = m.Paths.forward(r, m, maps)
	} else {
		maps = m.squeeze(r, maps)
	}
	for i := range maps {
		maps[i] = m.enlarge(r, maps[i], maps[0])
	}
	slices.Reverse(maps)
	x := ops.Concat(r, maps...)
	r.TapNCHW("neck", x)
	x = m.Up.Forward(r, m.Down.Forward(r, x, ops.Then(ops.ReLU)), ops.Then(ops.ReLU))
	p := ops.Apply(r, m.Final.Forward(r, x), ops.Sigmoid)
	if m.Refine != nil {
		p = m.Refine.forward(r, m, x, p)
	}
	r.OutputNCHW(probability, p)
}

// squeeze is the neck of the mobile and small ones: a pyramid of features.
func (m *Detector) squeeze(r *gpu.Recorder, maps []*gpu.Tensor) []*gpu.Tensor {
	for i := range maps {
		r.Enter(fmt.Sprintf("neck.%d", i))
		if m.Layer != nil {
			maps[i] = m.Layer[i].Forward(r, maps[i])
		}
		maps[i] = m.Insert[i].forward(r, maps[i])
		r.Leave()
	}
	m.topDown(r, maps)
	for i := range maps {
		maps[i] = m.Input[i].forward(r, maps[i])
	}
	return maps
}

// topDown adds to each map the one of half its size.
func (m *Detector) topDown(r *gpu.Recorder, maps []*gpu.Tensor) {
	for i := len(maps) - 2; i >= 0; i-- {
		maps[i] = ops.Add(r, maps[i], m.enlarge(r, maps[i+1], maps[i]), 1)
	}
}

// enlarge brings a map to the size of another.
func (m *Detector) enlarge(r *gpu.Recorder, x, to *gpu.Tensor) *gpu.Tensor {
	if x == to {
		return x
	}
	return ops.Resize(r, x, [2]int{to.Shape[1], to.Shape[2]}, ops.Resampling{Nearest: !m.Bilinear})
}

// probability is the name of what both networks give.
const probability = "last_hidden_state"

// side is what heights and widths of a detector's images are multiples of.
const side = 32

func (m *Detector) network() *nn.Network {
	n := network([2]int{640, 960}, ops.Square(side), m.Forward)
	n.Check = func(sizes map[string]int) error {
		if h, w := sizes["H"], sizes["W"]; h%side != 0 || w%side != 0 {
			return fmt.Errorf("%s: found images of %d×%d; the maps of a detector fit each other where both are multiples of %d", nn.PixelValues, h, w, side)
		}
		return nil
	}
	return n
}

// network is one that takes images as they are, of a usual and a least height and width.
func network(usual, least [2]int, forward func(r *gpu.Recorder, pixels *gpu.Tensor)) *nn.Network {
	return &nn.Network{
		Inputs: []nn.Input{nn.Pixels(3, least)}, Usual: map[string]int{"H": usual[0], "W": usual[1]},
		Record: func(r *gpu.Recorder, in map[string]*gpu.Tensor) { forward(r, in[nn.PixelValues]) },
	}
}
