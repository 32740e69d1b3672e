package controlnet

import (
	"fmt"

	"saccade/gpu"
	"saccade/models/unet"
	"saccade/ops"
)

// Config is what a network's size depends on.
type Config struct {
	unet.Config       // whose way up is not there
	Hint        []int // channels of the hints' embedding, the picture's first
}

// Reduction is how many pixels of the picture's sides stand for one of the map's.
func (c Config) Reduction() int { return 1 << (len(c.Hint) - 2) }

// Model is the network.
type Model struct {
	unet.Way
	Hint   Hint         `w:"controlnet_cond_embedding"`
	Zeros  []ops.Conv2d `w:"controlnet_down_blocks"` // of each map of the way down, zero when training began
	Middle ops.Conv2d   `w:"controlnet_mid_block"`
}

// Hint brings the picture to the size of the map (ControlNetConditioningEmbedding).
type Hint struct {
	ConvIn  ops.Conv2d   `w:"conv_in"`
	Blocks  []ops.Conv2d `w:"blocks"` // in pairs, of which the second halves the map
	ConvOut ops.Conv2d   `w:"conv_out"`
}

// New makes the layers that a configuration describes.
func New(b *ops.Builder, c Config) (*Model, error) {
	way, err := unet.NewWay(b, c.Config)
	if err != nil {
		return nil, err
	}
	m := &Model{Way: *way, Hint: newHint(b, c)}
	zero := func(width int) ops.Conv2d {
		return b.Conv2d(ops.Conv{In: width, Out: width, Kernel: ops.Square(1), Bias: true})
	}
	for _, width := range way.Skips() {
		m.Zeros = append(m.Zeros, zero(width))
	}
	m.Middle = zero(c.Widths()[len(c.Down)-1])
	return m, nil
}

func newHint(b *ops.Builder, c Config) Hint {
	conv := func(in, out, stride int) ops.Conv2d {
		return b.Conv2d(ops.Conv{In: in, Out: out, Kernel: ops.Square(3), Stride: ops.Square(stride), Pad: ops.Pad(1), Bias: true})
	}
	h := Hint{ConvIn: conv(c.Hint[0], c.Hint[1], 1)}
	for i := 1; i+1 < len(c.Hint); i++ {
		h.Blocks = append(h.Blocks, conv(c.Hint[i], c.Hint[i], 1), conv(c.Hint[i], c.Hint[i+1], 2))
	}
	h.ConvOut = conv(c.Hint[len(c.Hint)-1], c.Widths()[0], 1)
	return h
}

// Forward is the embedding of pictures x [N, H, W, 3] in [0, 1]: [N, h, w, C].
func (h *Hint) Forward(r *gpu.Recorder, x *gpu.Tensor) *gpu.Tensor {
	silu := ops.Then(ops.SiLU)
	x = h.ConvIn.Forward(r, x, silu)
	for i := range h.Blocks {
		x = h.Blocks[i].Forward(r, x, silu)
	}
	return h.ConvOut.Forward(r, x)
}

// Forward records the residuals for the maps of the UNet's way down and, the last, its middle.
// hint is pictures, an activation [N, H, W, 3] of values in [0, 1].
func (m *Model) Forward(r *gpu.Recorder, in unet.Inputs, hint *gpu.Tensor) []*gpu.Tensor {
	r.Enter("hint")
	embedded := m.Hint.Forward(r, hint)
	r.Leave()
	r.TapNCHW("controlnet_cond_embedding", embedded)
	maps := m.Way.Forward(r, in, embedded)
	for i := range m.Zeros {
		r.Enter(fmt.Sprintf("controlnet_down_blocks.%d", i))
		maps[i] = m.Zeros[i].Forward(r, maps[i])
		r.Leave()
	}
	r.Enter("controlnet_mid_block")
	maps[len(m.Zeros)] = m.Middle.Forward(r, maps[len(m.Zeros)])
	r.Leave()
	return maps
}
