package cutout

import (
	"fmt"

	"saccade/gpu"
	"saccade/models/nn"
	"saccade/ops"
)

// Config is what the network's size depends on.
type Config struct {
	Channels int
	Stem     int      // channels of a convolution that halves the picture (IS-Net), 0: none
	Down     []Widths // of the six stages
	Up       []Widths // of the five stages on the way back, the first one's first
	Fused    bool     // the result is made of all stages' (U²-Net), else of the first one's
}

// Widths are a stage's channels: of its input, within, and of its output.
type Widths struct{ In, Mid, Out int }

// heights are how many steps the U within a stage has; of zero it has none, and dilations
// in their place.
var heights = []int{7, 6, 5, 4, 0, 0}

// eps of all batch norms: PyTorch's default.
const eps = 1e-5

// side is the height and width of the pictures that networks were trained on, pixels.
func (c Config) side() int {
	if c.Fused {
		return 320
	}
	return 1024
}

// Model is the network.
type Model struct {
	Config

	Stem  *ops.Conv2d  `w:"stem"` // or nil
	Down  []Block      `w:"down"`
	Up    []Block      `w:"up"`
	Sides []ops.Conv2d `w:"sides"`
	Fuse  *ops.Conv2d  `w:"fuse"` // or nil
}

// Block is a residual U: convolutions on ever smaller maps and back.
type Block struct {
	First ops.Conv2d   `w:"first"`
	Down  []ops.Conv2d `w:"down"` // the last has a dilation
	Up    []ops.Conv2d `w:"up"`   // the first one's step first

	flat bool // its maps are all of one size
}

// New makes the layers that a configuration describes.
func New(b *ops.Builder, c Config) (*Model, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	m := &Model{Config: c}
	side := func(in int) ops.Conv2d {
		return b.Conv2d(ops.Conv{In: in, Out: 1, Kernel: ops.Square(3), Pad: ops.Pad(1), Bias: true})
	}
	if c.Stem > 0 {
		stem := b.Conv2d(ops.Conv{In: c.Channels, Out: c.Stem, Kernel: ops.Square(3), Stride: ops.Square(2), Pad: ops.Pad(1), Bias: true})
		m.Stem = &stem
	}
	for i, w := range c.Down {
		m.Down = append(m.Down, newBlock(b, w, heights[i]))
	}
	for i, w := range c.Up {
		m.Up = append(m.Up, newBlock(b, w, heights[i]))
		m.Sides = append(m.Sides, side(w.Out))
	}
	m.Sides = append(m.Sides, side(c.Down[len(c.Down)-1].Out))
	if c.Fused {
		fuse := b.Conv2d(ops.Conv{In: len(m.Sides), Out: 1, Kernel: ops.Square(1), Bias: true})
		m.Fuse = &fuse
	}
	return m, nil
}

func newBlock(b *ops.Builder, w Widths, height int) Block {
	conv := func(in, out, dilation int) ops.Conv2d {
		return b.Conv2d(ops.Conv{In: in, Out: out, Kernel: ops.Square(3), Dilation: ops.Square(dilation), Pad: ops.Pad(dilation), Bias: true, Norm: eps})
	}
	block := Block{First: conv(w.In, w.Out, 1), flat: height == 0}
	steps := height
	if block.flat {
		steps = 4
	}
	for i := range steps {
		in, dilation := w.Mid, 1
		if i == 0 {
			in = w.Out
		}
		switch {
		case block.flat:
			dilation = 1 << i
		case i == steps-1:
			dilation = 2
		}
		block.Down = append(block.Down, conv(in, w.Mid, dilation))
	}
	for i := range steps - 1 {
		out, dilation := w.Mid, 1
		if i == 0 {
			out = w.Out
		}
		if block.flat {
			dilation = 1 << i
		}
		block.Up = append(block.Up, conv(2*w.Mid, out, dilation))
	}
	return block
}

// pool halves a map, rounded up.
func pool(r *gpu.Recorder, x *gpu.Tensor) *gpu.Tensor {
	return ops.MaxPool(r, x, ops.Pool{Kernel: ops.Square(2), Stride: ops.Square(2), Ceil: true})
}

// like resizes x to the size of y.
func like(r *gpu.Recorder, x, y *gpu.Tensor) *gpu.Tensor {
	return ops.Resize(r, x, [2]int{y.Shape[1], y.Shape[2]}, ops.Resampling{})
}

// Forward is the block on a map x [N, h, w, In]: [N, h, w, Out].
func (b *Block) Forward(r *gpu.Recorder, x *gpu.Tensor) *gpu.Tensor {
	relu := ops.Then(ops.ReLU)
	first := b.First.Forward(r, x, relu)
	x = first
	steps := len(b.Down)
	var maps []*gpu.Tensor
	for i := range b.Down {
		if i > 0 && i < steps-1 && !b.flat {
			x = pool(r, x)
		}
		x = b.Down[i].Forward(r, x, relu)
		maps = append(maps, x)
	}
	for i := steps - 2; i >= 0; i-- {
		x = ops.Concat(r, like(r, x, maps[i]), maps[i])
		if i > 0 {
			x = b.Up[i].Forward(r, x, relu)
		}
	}
	return ops.Add(r, b.Up[0].Forward(r, x, relu), first, 1)
}

// Forward records the network on images [N, C, H, W]. Its output is logits [N, 1, H, W].
func (m *Model) Forward(r *gpu.Recorder, pixels *gpu.Tensor) {
	x := pixels
	size := [2]int{pixels.Shape[2], pixels.Shape[3]}
	if m.Stem != nil {
		x = m.Stem.Forward(r, x)
	} else {
		x = ops.PackNCHW(r, x)
	}
	var maps []*gpu.Tensor
	for i := range m.Down {
		if i > 0 {
			x = pool(r, x)
		}
		r.Enter(fmt.Sprintf("stage%d", i+1))
		x = m.Down[i].Forward(r, x)
		r.Leave()
		r.TapNCHW(fmt.Sprintf("layer.%d", i), x)
		maps = append(maps, x)
	}
	sides := []*gpu.Tensor{m.Sides[len(m.Up)].Forward(r, x)}
	for i := len(m.Up) - 1; i >= 0; i-- {
		r.Enter(fmt.Sprintf("stage%dd", i+1))
		x = m.Up[i].Forward(r, ops.Concat(r, like(r, x, maps[i]), maps[i]))
		r.Leave()
		r.TapNCHW(fmt.Sprintf("up.%d", i), x)
		sides = append([]*gpu.Tensor{m.Sides[i].Forward(r, x)}, sides...)
	}
	logits := ops.Resize(r, sides[0], size, ops.Resampling{})
	if m.Fuse != nil {
		for _, s := range sides[1:] {
			logits = ops.Concat(r, logits, like(r, s, sides[0]))
		}
		logits = m.Fuse.Forward(r, logits)
	}
	r.OutputNCHW("logits", logits)
}

// check refuses what no network can be made of.
func (c Config) check() error {
	if len(c.Down) != len(heights) || len(c.Up) != len(heights)-1 {
		return fmt.Errorf("the checkpoint has %d stages and %d on the way back; expected %d and %d", len(c.Down), len(c.Up), len(heights), len(heights)-1)
	}
	for _, w := range append(append([]Widths{}, c.Down...), c.Up...) {
		for _, v := range []int{w.In, w.Mid, w.Out} {
			if v < 1 || v > 1<<14 {
				return fmt.Errorf("a stage of the checkpoint has %d channels; expected some", v)
			}
		}
	}
	return nil
}

// Layers makes the network.
func (c Config) Layers(b *ops.Builder) (*nn.Layers, error) {
	m, err := New(b, c)
	if err != nil {
		return nil, err
	}
	return nn.OfImages(m, c.Channels, ops.Square(c.side()), ops.Square(1), nn.Image{}, m.Forward), nil
}
