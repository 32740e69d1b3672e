package vae

import (
	"cmp"
	"fmt"
	"slices"

	"saccade/gpu"
	"saccade/models/internal/checkpoint"
	"saccade/models/internal/diffusion"
	"saccade/ops"
	"saccade/weights"
)

// TinyConfig is what the size of an AutoencoderTiny depends on.
type TinyConfig struct {
	Channels int // of pictures
	Latent   int // channels of latents
	Encoder  TinyStages
	Decoder  TinyStages
	Act      ops.Activation
	Scaling
}

// TinyStages are the sizes of one way.
type TinyStages struct {
	Width  int   // channels at all sizes
	Blocks []int // at each size
}

// Tiny is the small autoencoder TAESD (Bohan 2023): convolutions alone, without
// a norm or attention. Its checkpoints count the layers.
type Tiny struct {
	TinyConfig

	Encoder []TinyLayer `w:"encoder.layers"`
	Decoder []TinyLayer `w:"decoder.layers"`
}

// TinyLayer is a convolution, a block of three beside the input, or what has no
// parameters and is done by its neighbour.
type TinyLayer struct {
	Conv  *ops.Conv2d `w:""`
	Block *TinyBlock  `w:"conv"`

	act ops.Activation // after the convolution
	up  bool           // the convolution is of the map at twice the size
}

// TinyBlock is three convolutions with activations between them.
type TinyBlock struct {
	Conv1 ops.Conv2d `w:"0"`
	Conv2 ops.Conv2d `w:"2"`
	Conv3 ops.Conv2d `w:"4"`

	act ops.Activation
}

// NewTiny makes the layers that a configuration describes.
func NewTiny(b *ops.Builder, c TinyConfig) (*Tiny, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	t := &Tiny{TinyConfig: c}
	conv := func(c ops.Conv, act ops.Activation, up bool) TinyLayer {
		c.Exact = true
		made := b.Conv2d(c)
		return TinyLayer{Conv: &made, act: act, up: up}
	}
	width := c.Encoder.Width
	for i, blocks := range c.Encoder.Blocks {
		first := diffusion.Conv3(c.Channels, width)
		if i > 0 {
			first = diffusion.Conv3(width, width)
			first.Stride, first.Bias = ops.Square(2), false
		}
		t.Encoder = append(append(t.Encoder, conv(first, ops.Identity, false)), c.blocks(b, width, blocks)...)
	}
	t.Encoder = append(t.Encoder, conv(diffusion.Conv3(width, c.Latent), ops.Identity, false))

	width = c.Decoder.Width
	t.Decoder = append(t.Decoder, conv(diffusion.Conv3(c.Latent, width), c.Act, false), TinyLayer{})
	for i, blocks := range c.Decoder.Blocks {
		t.Decoder = append(t.Decoder, c.blocks(b, width, blocks)...)
		if i == len(c.Decoder.Blocks)-1 {
			t.Decoder = append(t.Decoder, conv(diffusion.Conv3(width, c.Channels), ops.UnitToSigned, false))
			continue
		}
		next := diffusion.Conv3(width, width)
		next.Bias = false
		t.Decoder = append(t.Decoder, TinyLayer{}, conv(next, ops.Identity, true))
	}
	return t, nil
}

// blocks makes n blocks.
func (c TinyConfig) blocks(b *ops.Builder, width, n int) []TinyLayer {
	layers := make([]TinyLayer, n)
	for i := range layers {
		spec := diffusion.Conv3(width, width)
		spec.Exact = true
		layers[i].Block = &TinyBlock{Conv1: b.Conv2d(spec), Conv2: b.Conv2d(spec), Conv3: b.Conv2d(spec), act: c.Act}
	}
	return layers
}

// Encode gives the latents [N, h, w, L] of pictures x, [N, C, H, W] dense.
func (t *Tiny) Encode(r *gpu.Recorder, x *gpu.Tensor) *gpu.Tensor {
	return forwardTiny(r, "encoder", t.Encoder, ops.Apply(r, ops.PackNCHW(r, x), ops.SignedToUnit))
}

// Decode gives the pictures [N, H, W, C] of latents x, [N, L, h, w] dense or an
// activation [N, h, w, L].
func (t *Tiny) Decode(r *gpu.Recorder, x *gpu.Tensor) *gpu.Tensor {
	if x.Dense() {
		x = ops.PackNCHW(r, x)
	}
	return forwardTiny(r, "decoder", t.Decoder, ops.Apply(r, x, ops.SoftClamp))
}

func forwardTiny(r *gpu.Recorder, name string, layers []TinyLayer, x *gpu.Tensor) *gpu.Tensor {
	for i := range layers {
		l := &layers[i]
		switch {
		case l.Block != nil:
			x = l.Block.Forward(r, x)
		case l.up:
			x = l.Conv.ForwardUpsampled(r, x, [2]int{2 * x.Shape[1], 2 * x.Shape[2]}, ops.Then(l.act))
		case l.Conv != nil:
			x = l.Conv.Forward(r, x, ops.Then(l.act))
		default:
			continue
		}
		if i < len(layers)-1 && (l.Conv == nil || l.act == ops.Identity) {
			r.TapNCHW(fmt.Sprintf("%s.layers.%d", name, i), x)
		}
	}
	return x
}

// Forward is relu(f(x) + x). x: [N, H, W, C].
func (b *TinyBlock) Forward(r *gpu.Recorder, x *gpu.Tensor) *gpu.Tensor {
	h := b.Conv1.Forward(r, x, ops.Then(b.act))
	h = b.Conv2.Forward(r, h, ops.Then(b.act))
	return b.Conv3.Forward(r, h, ops.Residual(x), ops.Then(ops.ReLU))
}

// Reduction is the pixels of a picture's side for one of the latents'.
func (c TinyConfig) Reduction() int { return 1 << (len(c.Encoder.Blocks) - 1) }

func (c TinyConfig) check() error {
	sizes := map[string]int{"in_channels": c.Channels, "latent_channels": c.Latent, "encoder_block_out_channels": c.Encoder.Width, "decoder_block_out_channels": c.Decoder.Width}
	levels := map[string]int{"number of num_encoder_blocks": len(c.Encoder.Blocks), "number of num_decoder_blocks": len(c.Decoder.Blocks)}
	blocks := map[string]int{}
	for i, n := range slices.Concat(c.Encoder.Blocks, c.Decoder.Blocks) {
		blocks[fmt.Sprintf("num_encoder_blocks or num_decoder_blocks (%d)", i)] = n
	}
	return cmp.Or(diffusion.Positive(sizes), diffusion.Bounded(levels, diffusion.MostLevels), diffusion.Bounded(blocks, diffusion.MostBlocks))
}

// tinyJSON is config.json of AutoencoderTiny.
type tinyJSON struct {
	In            int     `json:"in_channels"`
	Out           int     `json:"out_channels"`
	EncoderWidths []int   `json:"encoder_block_out_channels"`
	DecoderWidths []int   `json:"decoder_block_out_channels"`
	EncoderBlocks []int   `json:"num_encoder_blocks"`
	DecoderBlocks []int   `json:"num_decoder_blocks"`
	Act           string  `json:"act_fn"`
	UpMode        string  `json:"upsample_fn"`
	UpScale       int     `json:"upsampling_scaling_factor"`
	Latent        int     `json:"latent_channels"`
	Scale         float64 `json:"scaling_factor"`
}

// ParseTiny reads config.json of diffusers' AutoencoderTiny.
func ParseTiny(config []byte) (TinyConfig, error) {
	var j tinyJSON
	if err := decode(config, "AutoencoderTiny", &j); err != nil {
		return TinyConfig{}, err
	}
	if err := diffusion.OneOf("upsample_fn", j.UpMode, "nearest"); err != nil {
		return TinyConfig{}, err
	}
	if j.UpScale != 2 || j.In != j.Out {
		return TinyConfig{}, fmt.Errorf("config.json: upsampling_scaling_factor is %d, in_channels %d and out_channels %d; 2 and as many channels out as in are supported", j.UpScale, j.In, j.Out)
	}
	act, err := ops.ActivationByName(j.Act)
	if err != nil {
		return TinyConfig{}, fmt.Errorf("config.json: act_fn: %w", err)
	}
	scaling, err := newScaling(j.Scale, nil, nil, j.Latent)
	if err != nil {
		return TinyConfig{}, err
	}
	c := TinyConfig{Channels: j.In, Latent: j.Latent, Act: act, Scaling: scaling,
		Encoder: TinyStages{Blocks: j.EncoderBlocks}, Decoder: TinyStages{Blocks: j.DecoderBlocks}}
	for _, way := range []struct {
		key    string
		widths []int
		to     *TinyStages
	}{{"encoder_block_out_channels", j.EncoderWidths, &c.Encoder}, {"decoder_block_out_channels", j.DecoderWidths, &c.Decoder}} {
		n := len(way.widths)
		if n == 0 || n != len(way.to.Blocks) || slices.Min(way.widths) != slices.Max(way.widths) {
			return TinyConfig{}, fmt.Errorf("config.json: %s is %v for %d numbers of blocks; expected as many, all equal, since no layer changes the width", way.key, way.widths, len(way.to.Blocks))
		}
		way.to.Width = way.widths[0]
	}
	return c, c.check()
}

// DescribeTiny is [Describe] for AutoencoderTiny.
func DescribeTiny(src weights.Source, config []byte) (TinyConfig, weights.Source, error) {
	if !checkpoint.Has(src, "encoder.layers.0.weight") || !checkpoint.Has(src, "decoder.layers.0.weight") {
		return TinyConfig{}, nil, checkpoint.Unknown(src, "small autoencoder", "no encoder.layers.0.weight beside decoder.layers.0.weight (diffusers' AutoencoderTiny)")
	}
	c, err := ParseTiny(config)
	return c, src, err
}
