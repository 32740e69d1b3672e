package upscale

import (
	"saccade/gpu"
	"saccade/ops"
)

// Compact is SRVGGNetCompact: convolutions in a row, whose last makes a block of pixels of
// each; that is added to the image, enlarged by nearest neighbours.
type Compact struct {
	Config

	Convs []ops.Conv2d `w:"convs"`
	Acts  []ops.PReLU  `w:"acts"` // behind each but the last
}

func newCompact(b *ops.Builder, c Config) *Compact {
	conv := func(in, out int) ops.Conv2d {
		return b.Conv2d(ops.Conv{In: in, Out: out, Kernel: ops.Square(3), Pad: ops.Pad(1), Bias: true})
	}
	m := &Compact{Config: c}
	in := c.Channels
	for range c.Blocks + 1 {
		m.Convs, m.Acts = append(m.Convs, conv(in, c.Width)), append(m.Acts, b.PReLU(c.Width))
		in = c.Width
	}
	m.Convs = append(m.Convs, conv(c.Width, c.Scale()*c.Scale()*c.Channels))
	return m
}

// Forward records the network on images [N, C, H, W]: blocks of pixels [N, H, W, C·Scale²], a
// channel's one after the other, as torch's pixel_shuffle takes them.
func (m *Compact) Forward(r *gpu.Recorder, pixels *gpu.Tensor) *gpu.Tensor {
	x, last := pixels, len(m.Convs)-1
	for i := range last {
		x = m.Acts[i].Forward(r, m.Convs[i].Forward(r, x))
	}
	return m.Convs[last].Forward(r, x)
}

// finish makes images of blocks of pixels [N, C·s², H, W] and of what they are added to.
func (m *Compact) finish(pixels, blocks []float32, n, h, w int) []float32 {
	s := m.Scale()
	out := make([]float32, n*m.Channels*h*s*w*s)
	for i := range out {
		x, y, plane := i%(w*s), i/(w*s)%(h*s), i/(w*s*h*s)
		block := (plane*s+y%s)*s + x%s
		out[i] = blocks[(block*h+y/s)*w+x/s] + pixels[(plane*h+y/s)*w+x/s]
	}
	return out
}
