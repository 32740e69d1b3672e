package diffusion

import (
	"context"
	"errors"
	"fmt"

	"saccade/gpu"
	"saccade/models/diffusion/checkpoint"
	"saccade/models/vae"
	"saccade/ops"
)

// coder is either kind of autoencoder.
type coder interface {
	Encode(r *gpu.Recorder, x *gpu.Tensor) *gpu.Tensor
	Decode(r *gpu.Recorder, x *gpu.Tensor) *gpu.Tensor
}

// autoencoder is the part between pictures and latents.
type autoencoder struct {
	part[coder]
	channels, latent, reduction int
	scale, shift                float64 // a pipeline's latents are (latents − shift)·scale
}

func openAutoencoder(dev *gpu.Device, precision gpu.DType, c *checkpoint.Pipeline) (*autoencoder, error) {
	in, err := c.Part(checkpoint.VAE)
	if err != nil {
		return nil, err
	}
	a := &autoencoder{part: part[coder]{name: checkpoint.VAE, dev: dev, precision: precision}}
	if vae.IsTiny(in.Config) {
		var config vae.TinyConfig
		if config, a.src, err = vae.DescribeTiny(in.Source, in.Config); err != nil {
			return nil, fmt.Errorf("vae: %w", err)
		}
		a.make = func(b *ops.Builder) (coder, error) { return vae.NewTiny(b, config) }
		a.channels, a.latent, a.reduction, a.scale, a.shift = config.Channels, config.Latent, config.Reduction(), config.Scale, config.Shift
		return a, nil
	}
	config, src, err := vae.Describe(in.Source, in.Config)
	if err != nil {
		return nil, fmt.Errorf("vae: %w", err)
	}
	a.src = src
	a.make = func(b *ops.Builder) (coder, error) { return vae.New(b, config) }
	a.channels, a.latent, a.reduction, a.scale, a.shift = config.Channels, config.Latent, config.Reduction(), config.Scale, config.Shift
	return a, nil
}

// EncodePicture makes latents [n C h w] of pictures [n C height width] in [−1, 1]:
// the mean of the autoencoder's posterior, as a pipeline has it. Pipelines of
// pixels have the picture itself.
func (p *Pipeline) EncodePicture(ctx context.Context, pictures []float32, height, width int) ([]float32, error) {
	if p.vae == nil {
		return pictures, nil
	}
	v := p.vae
	mean, err := v.run(ctx, &v.part, pictures, [3]int{v.channels, height, width}, coder.Encode)
	if err != nil {
		return nil, fmt.Errorf("encoding the picture: %w", err)
	}
	return scaled(mean, v.scale, v.shift), nil
}

// DecodeLatents makes pictures [n C H W] of a pipeline's latents [n C h w], again
// in f32 where halves overflow, which fallback says.
func (p *Pipeline) DecodeLatents(ctx context.Context, latents []float32, h, w int) (pictures []float32, fallback bool, err error) {
	if p.vae == nil {
		return latents, false, nil
	}
	v := p.vae
	size := [3]int{v.latent, h, w}
	unscaled := scaled(scaled(latents, 1/v.scale, 0), 1, -v.shift)
	pictures, err = v.run(ctx, &v.part, unscaled, size, coder.Decode)
	if err == nil && !finite(pictures) && v.precision == gpu.F16 {
		fallback = true
		full := v.part
		full.precision, full.b = gpu.F32, nil
		defer full.drop()
		pictures, err = v.run(ctx, &full, unscaled, size, coder.Decode)
	}
	if err == nil && !finite(pictures) {
		err = errors.New("the picture holds NaN or Inf; the autoencoder's weights may be damaged")
	}
	if err != nil {
		return nil, false, fmt.Errorf("decoding the latents: %w", err)
	}
	return pictures, fallback, nil
}

// run puts maps [n …] of a size through one way of the network, one by one.
func (v *autoencoder) run(ctx context.Context, in *part[coder], x []float32, size [3]int, way func(coder, *gpu.Recorder, *gpu.Tensor) *gpu.Tensor) ([]float32, error) {
	net, b, err := in.bind()
	if err != nil {
		return nil, err
	}
	r := v.dev.Record(in.precision)
	r.OutputNCHW("y", way(net, r, r.Input("x", gpu.F32, 1, size[0], size[1], size[2])))
	prog, err := program(r, b)
	if err != nil {
		return nil, err
	}
	defer prog.Close()
	var all []float32
	for one := size[0] * size[1] * size[2]; len(x) >= one; x = x[one:] {
		out, err := prog.Run(ctx, map[string]any{"x": x[:one]})
		if err != nil {
			return nil, err
		}
		all = append(all, out["y"]...)
	}
	return all, nil
}
