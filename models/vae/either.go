package vae

import (
	"saccade/gpu"
	"saccade/ops"
	"saccade/weights"
)

// Autoencoder is a network of either kind.
type Autoencoder interface {
	// Encode gives the latents [N, h, w, L] of pictures x, [N, C, H, W] dense.
	Encode(r *gpu.Recorder, x *gpu.Tensor) *gpu.Tensor
	// Decode gives the pictures [N, H, W, C] of latents x, [N, L, h, w] dense or an
	// activation [N, h, w, L].
	Decode(r *gpu.Recorder, x *gpu.Tensor) *gpu.Tensor
	// Tiling is diffusers' default.
	Tiling() Tiling
}

// Description is what a checkpoint of either kind says of its network.
type Description struct {
	Channels, Latent int     // of pictures and latents
	Reduction        int     // pixels of a picture's side for one of the latents'
	Scale, Shift     float64 // a pipeline's latents are (latents − Shift)·Scale
	Source           weights.Source
	New              func(b *ops.Builder) (Autoencoder, error)
}

// DescribeEither is [Describe], or [DescribeTiny] where config.json is of that kind.
func DescribeEither(src weights.Source, config []byte) (*Description, error) {
	if IsTiny(config) {
		c, named, err := DescribeTiny(src, config)
		if err != nil {
			return nil, err
		}
		return &Description{c.Channels, c.Latent, c.Reduction(), c.Scale, c.Shift, named, func(b *ops.Builder) (Autoencoder, error) { return NewTiny(b, c) }}, nil
	}
	c, named, err := Describe(src, config)
	if err != nil {
		return nil, err
	}
	return &Description{c.Channels, c.Latent, c.Reduction(), c.Scale, c.Shift, named, func(b *ops.Builder) (Autoencoder, error) { return New(b, c) }}, nil
}
