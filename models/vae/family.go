package vae

import (
	"saccade/models/nn"
	"saccade/ops"
)

// Family is the autoencoders of latent diffusion.
var Family = nn.Family{
	Name:          "vae",
	About:         "the autoencoder of Stable Diffusion, a part of diffusion models",
	Weights:       "a folder or hub id of diffusers (AutoencoderKL, AutoencoderTiny), or that of a whole pipeline, or its single file",
	Architectures: StandardNames(),
	Part:          true,
	Standard: func(name string) (nn.Make, error) {
		c, err := Standard(name)
		if err != nil {
			return nil, err
		}
		return func(b *ops.Builder) (*nn.Layers, error) {
			l, err := c.description(nil).Make(b)
			if err != nil {
				return nil, err
			}
			decode := l.Network(Decode)
			decode.Usual = map[string]int{"h": c.Tiling().Latent, "w": c.Tiling().Latent}
			l.Networks = []*nn.Network{decode}
			return l, nil
		}, nil
	},
	Describe: func(in nn.Checkpoint) (*nn.Description, error) {
		d, err := DescribeEither(in.Tensors, in.Config)
		if err != nil {
			return nil, err
		}
		return &d.Description, nil
	},
}
