package vae

import (
	"saccade/gpu"
	"saccade/models/nn"
	"saccade/ops"
	"saccade/weights"
)

// The names of the latents, which the decoder takes and the encoder gives, and of
// the decoder's output. The encoder takes [nn.PixelValues].
const (
	Latents = "latents"
	Image   = "image"
)

// The names of an autoencoder's two networks.
const (
	Decode = "decode"
	Encode = "encode"
)

// autoencoder is a network of either kind.
type autoencoder interface {
	// Encode gives the latents [N, h, w, L] of images x, [N, C, H, W] dense.
	Encode(r *gpu.Recorder, x *gpu.Tensor) *gpu.Tensor
	// Decode gives the images [N, H, W, C] of latents x, [N, L, h, w] dense or an
	// activation [N, h, w, L].
	Decode(r *gpu.Recorder, x *gpu.Tensor) *gpu.Tensor
}

// Description is what a checkpoint of either kind says of its network.
type Description struct {
	nn.Description
	Channels, Latent int     // of images and latents
	Reduction        int     // pixels of an image's side for one of the latents'
	Scaling          Scaling // from its latents to a pipeline's
	Tiling           Tiling  // diffusers' default
}

// DescribeEither is [Describe], or [DescribeTiny] where config.json is of that kind.
func DescribeEither(src weights.Source, config []byte) (*Description, error) {
	if IsTiny(config) {
		c, named, err := DescribeTiny(src, config)
		if err != nil {
			return nil, err
		}
		return c.description(named), nil
	}
	c, named, err := Describe(src, config)
	if err != nil {
		return nil, err
	}
	return c.description(named), nil
}

func (c Config) description(named weights.Source) *Description {
	d := &Description{Channels: c.Channels, Latent: c.Latent, Reduction: c.Reduction(), Scaling: c.Scaling, Tiling: c.Tiling()}
	d.describe(named, func(b *ops.Builder) (autoencoder, error) { return New(b, c) })
	return d
}

func (c TinyConfig) description(named weights.Source) *Description {
	d := &Description{Channels: c.Channels, Latent: c.Latent, Reduction: c.Reduction(), Scaling: c.Scaling, Tiling: c.Tiling()}
	d.describe(named, func(b *ops.Builder) (autoencoder, error) { return NewTiny(b, c) })
	return d
}

// describe completes the description of a network that make makes.
func (d *Description) describe(named weights.Source, make func(*ops.Builder) (autoencoder, error)) {
	d.Tensors = named
	d.Make = func(b *ops.Builder) (*nn.Layers, error) {
		m, err := make(b)
		if err != nil {
			return nil, err
		}
		return &nn.Layers{Parameters: m, Networks: d.networks(m)}, nil
	}
	d.Description.Tiled = d.tiled
}

// exampleSide is the most that the side of the latents is for which a loaded
// autoencoder is made ready: larger images may exceed an adapter's binding.
const exampleSide = 16

func (d *Description) networks(m autoencoder) []*nn.Network {
	side := min(d.Tiling.Latent, exampleSide)
	return []*nn.Network{{
		Name:   Decode,
		Inputs: []nn.Input{{Name: Latents, Dims: nn.Dims("N", d.Latent, "h", "w")}},
		Usual:  map[string]int{"h": side, "w": side},
		Record: func(r *gpu.Recorder, in map[string]*gpu.Tensor) { r.OutputNCHW(Image, m.Decode(r, in[Latents])) },
	}, {
		Name:   Encode,
		Inputs: []nn.Input{nn.Pixels(d.Channels, [2]int{d.Reduction, d.Reduction})},
		Usual:  map[string]int{"H": side * d.Reduction, "W": side * d.Reduction},
		Record: func(r *gpu.Recorder, in map[string]*gpu.Tensor) {
			r.OutputNCHW(Latents, m.Encode(r, in[nn.PixelValues]))
		},
	}}
}
