package diffusion

import (
	"context"
	"errors"
	"fmt"

	"saccade/gpu"
	"saccade/models/diffusion/checkpoint"
	"saccade/models/nn"
	"saccade/models/vae"
)

// autoencoder is the part between images and latents.
type autoencoder struct {
	*vae.Description
	module *nn.Module
}

func openAutoencoder(dev *gpu.Device, precision gpu.DType, c *checkpoint.Pipeline) (*autoencoder, error) {
	in, err := c.Part(checkpoint.VAE)
	if err != nil {
		return nil, err
	}
	d, err := vae.DescribeEither(in.Source, in.Config)
	if err != nil {
		return nil, fmt.Errorf("vae: %w", err)
	}
	return &autoencoder{d, nn.NewModule(dev, checkpoint.VAE, precision, &d.Description)}, nil
}

// tiles is the tiling of a run.
func (v *autoencoder) tiles(tiled bool) vae.Tiling {
	if tiled {
		return v.Tiling
	}
	return vae.Tiling{}
}

// EncodePicture makes latents [n C h w] of images [n C height width] in [−1, 1]:
// the mean of the autoencoder's posterior, as a pipeline has it. Pipelines of
// pixels have the image itself.
func (p *Pipeline) EncodePicture(ctx context.Context, images []float32, height, width int) ([]float32, error) {
	return p.encodePicture(ctx, images, height, width, p.tiled)
}

func (p *Pipeline) encodePicture(ctx context.Context, images []float32, height, width int, tiled bool) ([]float32, error) {
	if p.vae == nil {
		return images, nil
	}
	v := p.vae
	mean, _, err := v.code(ctx, nn.PixelValues, batch(images, v.Channels, height, width), tiled)
	if err != nil {
		return nil, fmt.Errorf("encoding the image: %w", err)
	}
	return v.Scaling.Encoded(mean, height/v.Reduction*width/v.Reduction, p.xl()), nil
}

// DecodeLatents makes images [n C H W] of a pipeline's latents [n C h w], again
// in f32 where halves overflow, which fallback says.
func (p *Pipeline) DecodeLatents(ctx context.Context, latents []float32, h, w int) (images []float32, fallback bool, err error) {
	return p.decodeLatents(ctx, latents, h, w, p.tiled)
}

func (p *Pipeline) decodeLatents(ctx context.Context, latents []float32, h, w int, tiled bool) (images []float32, fallback bool, err error) {
	if p.vae == nil {
		return latents, false, nil
	}
	v := p.vae
	unscaled := v.Scaling.Decodable(latents, h*w, p.xl())
	images, fallback, err = v.code(ctx, vae.Latents, batch(unscaled, v.Latent, h, w), tiled)
	if err != nil {
		return nil, false, fmt.Errorf("decoding the latents: %w", err)
	}
	return images, fallback, nil
}

// code puts a batch through one way of the autoencoder.
func (v *autoencoder) code(ctx context.Context, input string, x nn.Array, tiled bool) (out []float32, fallback bool, err error) {
	var y nn.Array
	fallback, err = orInF32(v.module, func(m *nn.Module) (err error) {
		y, err = v.Code(ctx, m, input, x, v.tiles(tiled))
		return err
	})
	return y.Data, fallback, err
}

// orInF32 uses a module, and where halves overflow the same in f32, which it says.
// What programs took on the device is free again.
func orInF32(m *nn.Module, use func(*nn.Module) error) (fallback bool, err error) {
	defer m.Free()
	err = use(m)
	var overflow *nn.NonFiniteError
	if !errors.As(err, &overflow) || !overflow.F16 || overflow.Input != "" {
		return false, err
	}
	full := m.With(gpu.F32)
	defer full.Drop()
	return true, use(full)
}

// batch is maps [n channels h w].
func batch(x []float32, channels, h, w int) nn.Array {
	return nn.Array{Shape: []int{len(x) / (channels * h * w), channels, h, w}, Data: x}
}
