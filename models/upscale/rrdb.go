package upscale

import (
	"fmt"

	"saccade/gpu"
	"saccade/ops"
)

// residual is the part of what blocks make that is added to their input.
const residual = 0.2

// slope is that of all leaky ReLUs.
const slope = 0.2

// RRDB is RRDBNet: residual blocks of dense blocks on the small map, which is doubled at the
// end by nearest neighbours and a convolution, once or more.
type RRDB struct {
	Config

	First ops.Conv2d   `w:"conv_first"`
	Body  []Block      `w:"body"`
	End   ops.Conv2d   `w:"conv_body"`
	Up    []ops.Conv2d `w:"up"`
	HR    ops.Conv2d   `w:"conv_hr"`
	Last  ops.Conv2d   `w:"conv_last"`
}

// Block is three dense blocks in a row, beside their input.
type Block struct {
	Dense []Dense `w:"rdb"`
}

// Dense is five convolutions, each of all maps before it.
type Dense struct {
	Convs []ops.Conv2d `w:"conv"`
}

// The numbers of dense blocks in a block and of convolutions in a dense block.
const (
	denseBlocks = 3
	denseConvs  = 5
)

func newRRDB(b *ops.Builder, c Config) *RRDB {
	conv := func(in, out int) ops.Conv2d {
		return b.Conv2d(ops.Conv{In: in, Out: out, Kernel: ops.Square(3), Pad: ops.Pad(1), Bias: true})
	}
	m := &RRDB{Config: c, End: conv(c.Width, c.Width), HR: conv(c.Width, c.Width), Last: conv(c.Width, c.Channels)}
	// The convolution of blocks of shrink×shrink pixels, as one of the pixels themselves.
	m.First = b.Conv2d(ops.Conv{In: c.Channels, Out: c.Width, Kernel: ops.Square(3 * c.Shrink), Stride: ops.Square(c.Shrink), Pad: ops.Pad(c.Shrink), Bias: true})
	for range c.Blocks {
		var block Block
		for range denseBlocks {
			var d Dense
			for k := range denseConvs {
				out := c.Growth
				if k == denseConvs-1 {
					out = c.Width
				}
				d.Convs = append(d.Convs, conv(c.Width+k*c.Growth, out))
			}
			block.Dense = append(block.Dense, d)
		}
		m.Body = append(m.Body, block)
	}
	for range c.Ups {
		m.Up = append(m.Up, conv(c.Width, c.Width))
	}
	return m
}

// Forward is the dense block on x [N, H, W, C].
func (d *Dense) Forward(r *gpu.Recorder, x *gpu.Tensor) *gpu.Tensor {
	maps, last := x, len(d.Convs)-1
	for k := range last {
		maps = ops.Concat(r, maps, d.Convs[k].Forward(r, maps, ops.Then(ops.LeakyReLU(slope))))
	}
	return ops.AddScaled(r, x, d.Convs[last].Forward(r, maps), residual)
}

// Forward records the network on images [N, C, H, W]: [N, Scale·H, Scale·W, C].
func (m *RRDB) Forward(r *gpu.Recorder, pixels *gpu.Tensor) *gpu.Tensor {
	first := m.First.Forward(r, pixels)
	x := first
	for i := range m.Body {
		r.Enter(fmt.Sprintf("body.%d", i))
		y := x
		for j := range m.Body[i].Dense {
			y = m.Body[i].Dense[j].Forward(r, y)
		}
		x = ops.AddScaled(r, x, y, residual)
		r.Leave()
		r.TapNCHW(fmt.Sprintf("body.%d", i), x)
	}
	x = m.End.Forward(r, x, ops.Residual(first))
	leaky := ops.Then(ops.LeakyReLU(slope))
	for i := range m.Up {
		x = m.Up[i].ForwardUpsampled(r, x, [2]int{2 * x.Shape[1], 2 * x.Shape[2]}, leaky)
	}
	return m.Last.Forward(r, m.HR.Forward(r, x, leaky))
}
