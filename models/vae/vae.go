package vae

import (
	"fmt"

	"saccade/gpu"
	"saccade/models/internal/diffusion"
	"saccade/ops"
)

// Model is an encoder of pictures and a decoder of latents.
type Model struct {
	Config

	Encoder Encoder `w:"encoder"`
	Decoder Decoder `w:"decoder"`
}

// Encoder brings pictures to the mean and the variance of their latents.
type Encoder struct {
	ConvIn  ops.Conv2d        `w:"conv_in"`
	Down    []diffusion.Stage `w:"down_blocks"`
	Middle  *diffusion.Stage  `w:"mid_block"`
	NormOut ops.GroupNorm     `w:"conv_norm_out"`
	ConvOut *ops.Conv2d       `w:"conv_out"` // nil where Mean and LogVar are the last convolution's parts
	Mean    ops.Conv2d        `w:"mean"`
	LogVar  ops.Conv2d        `w:"logvar"`
}

// Decoder brings latents to pictures.
type Decoder struct {
	PostQuant *ops.Conv2d       `w:"post_quant_conv"` // or nil
	ConvIn    ops.Conv2d        `w:"conv_in"`
	Middle    *diffusion.Stage  `w:"mid_block"`
	Up        []diffusion.Stage `w:"up_blocks"`
	NormOut   ops.GroupNorm     `w:"conv_norm_out"`
	ConvOut   ops.Conv2d        `w:"conv_out"`
}

// New makes the layers that a configuration describes.
func New(b *ops.Builder, c Config) (*Model, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	return &Model{Config: c, Encoder: newEncoder(b, c), Decoder: newDecoder(b, c)}, nil
}

func newEncoder(b *ops.Builder, c Config) Encoder {
	width := c.Widths[0]
	e := Encoder{ConvIn: b.Conv2d(diffusion.Conv3(c.Channels, width))}
	for i, w := range c.Widths {
		var s diffusion.Stage
		for range c.Layers {
			s.Blocks = append(s.Blocks, diffusion.NewBlock(b, c.Block, width, w))
			width = w
		}
		if i < len(c.Widths)-1 {
			s.AddDown(b, width, 0)
		}
		e.Down = append(e.Down, s)
	}
	e.Middle = c.middle(b)
	e.NormOut = b.GroupNorm(c.Block.Groups, width, c.Block.Eps)
	last := diffusion.Conv3(width, c.Latent)
	if c.Quant {
		conv := b.Conv2d(diffusion.Conv3(width, 2*c.Latent))
		e.ConvOut = &conv
		last = pointwise(2*c.Latent, c.Latent)
	}
	e.Mean, e.LogVar = b.Conv2d(last), b.Conv2d(last)
	return e
}

func newDecoder(b *ops.Builder, c Config) Decoder {
	width := c.Widths[len(c.Widths)-1]
	d := Decoder{ConvIn: b.Conv2d(diffusion.Conv3(c.Latent, width)), Middle: c.middle(b)}
	if c.PostQuant {
		conv := b.Conv2d(pointwise(c.Latent, c.Latent))
		d.PostQuant = &conv
	}
	for i := len(c.Widths) - 1; i >= 0; i-- {
		var s diffusion.Stage
		for range c.Layers + 1 {
			s.Blocks = append(s.Blocks, diffusion.NewBlock(b, c.Block, width, c.Widths[i]))
			width = c.Widths[i]
		}
		if i > 0 {
			s.AddUp(b, width, true)
		}
		d.Up = append(d.Up, s)
	}
	d.NormOut = b.GroupNorm(c.Block.Groups, width, c.Block.Eps)
	d.ConvOut = b.Conv2d(diffusion.Conv3(width, c.Channels))
	return d
}

// middle is the stage at the smallest map, whose attention has one head.
func (c Config) middle(b *ops.Builder) *diffusion.Stage {
	width := c.Widths[len(c.Widths)-1]
	if !c.Attention {
		return diffusion.NewMiddle(b, c.Block, width, nil)
	}
	return diffusion.NewMiddle(b, c.Block, width, diffusion.NewPixelAttention(b, c.Block, width, 1))
}

func pointwise(in, out int) ops.Conv {
	return ops.Conv{In: in, Out: out, Kernel: ops.Square(1), Bias: true}
}

// Hidden is what mean and logarithm of the variance are projections of. x:
// pictures [N, C, H, W] dense or an activation [N, H, W, C].
func (e *Encoder) Hidden(r *gpu.Recorder, x *gpu.Tensor) *gpu.Tensor {
	x = e.ConvIn.Forward(r, x)
	r.TapNCHW("encoder.conv_in", x)
	for i := range e.Down {
		x = e.Down[i].Forward(r, fmt.Sprintf("encoder.down_blocks.%d", i), x, nil, nil)
	}
	x = e.NormOut.Forward(r, e.Middle.Forward(r, "encoder.mid_block", x, nil, nil), ops.SiLU)
	if e.ConvOut != nil {
		x = e.ConvOut.Forward(r, x)
	}
	return x
}

// Forward is the mean of the latents of pictures x, [N, h, w, L].
func (e *Encoder) Forward(r *gpu.Recorder, x *gpu.Tensor) *gpu.Tensor {
	return e.Mean.Forward(r, e.Hidden(r, x))
}

// Forward is the pictures [N, H, W, C] of latents x, [N, L, h, w] dense or an
// activation [N, h, w, L].
func (d *Decoder) Forward(r *gpu.Recorder, x *gpu.Tensor) *gpu.Tensor {
	if d.PostQuant != nil {
		x = d.PostQuant.Forward(r, x)
	}
	x = d.ConvIn.Forward(r, x)
	r.TapNCHW("decoder.conv_in", x)
	x = d.Middle.Forward(r, "decoder.mid_block", x, nil, nil)
	for i := range d.Up {
		x = d.Up[i].Forward(r, fmt.Sprintf("decoder.up_blocks.%d", i), x, nil, nil)
	}
	return d.ConvOut.Forward(r, d.NormOut.Forward(r, x, ops.SiLU))
}

// Encode is the mean of the latents of pictures x; see [Encoder.Forward].
func (m *Model) Encode(r *gpu.Recorder, x *gpu.Tensor) *gpu.Tensor { return m.Encoder.Forward(r, x) }

// Decode is the pictures of latents x; see [Decoder.Forward].
func (m *Model) Decode(r *gpu.Recorder, x *gpu.Tensor) *gpu.Tensor { return m.Decoder.Forward(r, x) }
