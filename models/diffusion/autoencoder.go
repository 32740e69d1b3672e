package diffusion

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"saccade/gpu"
	"saccade/models/diffusion/checkpoint"
	"saccade/models/vae"
	"saccade/ops"
)

// direction is one way of an autoencoder.
type direction func(vae.Autoencoder, *gpu.Recorder, *gpu.Tensor) *gpu.Tensor

// autoencoder is the part between pictures and latents.
type autoencoder struct {
	part[vae.Autoencoder]
	channels, latent, reduction int
	scale, shift                float64 // a pipeline's latents are (latents − shift)·scale
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
	return &autoencoder{part: part[vae.Autoencoder]{name: checkpoint.VAE, dev: dev, precision: precision, src: d.Source, make: d.New},
		channels: d.Channels, latent: d.Latent, reduction: d.Reduction, scale: d.Scale, shift: d.Shift}, nil
}

// EncodePicture makes latents [n C h w] of pictures [n C height width] in [−1, 1]:
// the mean of the autoencoder's posterior, as a pipeline has it. Pipelines of
// pixels have the picture itself.
func (p *Pipeline) EncodePicture(ctx context.Context, pictures []float32, height, width int) ([]float32, error) {
	return p.encodePicture(ctx, pictures, height, width, p.tiled)
}

func (p *Pipeline) encodePicture(ctx context.Context, pictures []float32, height, width int, tiled bool) ([]float32, error) {
	if p.vae == nil {
		return pictures, nil
	}
	v := p.vae
	c := v.encoding(height, width)
	c.tiled = tiled
	mean, err := v.run(ctx, &v.part, c, pictures)
	if err != nil {
		return nil, fmt.Errorf("encoding the picture: %w", err)
	}
	return scaled(mean, v.scale, v.shift), nil
}

// DecodeLatents makes pictures [n C H W] of a pipeline's latents [n C h w], again
// in f32 where halves overflow, which fallback says.
func (p *Pipeline) DecodeLatents(ctx context.Context, latents []float32, h, w int) (pictures []float32, fallback bool, err error) {
	return p.decodeLatents(ctx, latents, h, w, p.tiled)
}

func (p *Pipeline) decodeLatents(ctx context.Context, latents []float32, h, w int, tiled bool) (pictures []float32, fallback bool, err error) {
	if p.vae == nil {
		return latents, false, nil
	}
	v := p.vae
	c := v.decoding(h, w)
	c.tiled = tiled
	unscaled := scaled(scaled(latents, 1/v.scale, 0), 1, -v.shift)
	pictures, err = v.run(ctx, &v.part, c, unscaled)
	if err == nil && !gpu.Finite(pictures) && v.precision == gpu.F16 {
		fallback = true
		full := v.part
		full.precision, full.b = gpu.F32, nil
		defer full.drop()
		pictures, err = v.run(ctx, &full, c, unscaled)
	}
	if err == nil && !gpu.Finite(pictures) {
		err = errors.New("the picture holds NaN or Inf; the autoencoder's weights may be damaged")
	}
	if err != nil {
		return nil, false, fmt.Errorf("decoding the latents: %w", err)
	}
	return pictures, fallback, nil
}

// coding is one way of the autoencoder for latents of h×w: from in channels with
// unitIn values to a latent's side, to out channels with unitOut.
type coding struct {
	way             direction
	in, out         int
	unitIn, unitOut int
	h, w            int
	tiled           bool
}

// encoding is the way from pictures of height×width pixels to latents.
func (v *autoencoder) encoding(height, width int) coding {
	return coding{way: vae.Autoencoder.Encode, in: v.channels, out: v.latent, unitIn: v.reduction, unitOut: 1, h: height / v.reduction, w: width / v.reduction}
}

// decoding is the way from latents of h×w to pictures.
func (v *autoencoder) decoding(h, w int) coding {
	return coding{way: vae.Autoencoder.Decode, in: v.latent, out: v.channels, unitIn: 1, unitOut: v.reduction, h: h, w: w}
}

// tiles cuts the map, into one tile if it is not to be tiled.
func (c coding) tiles(net vae.Autoencoder) (*vae.Tiles, error) {
	t := vae.Tiling{Latent: max(c.h, c.w)}
	if c.tiled {
		t = net.Tiling()
	}
	return t.Plan(c.h, c.w)
}

// record takes down one way for a tile.
func (v *autoencoder) record(in *part[vae.Autoencoder], c coding, t vae.Tile) (*gpu.Recorder, *ops.Builder, error) {
	net, b, err := in.bind()
	if err != nil {
		return nil, nil, err
	}
	r := v.dev.Record(in.precision)
	r.OutputNCHW("y", c.way(net, r, r.Input("x", gpu.F32, 1, c.in, t.H*c.unitIn, t.W*c.unitIn)))
	return r, b, nil
}

// run puts maps [n in …] through one way of the network, one by one and tile by
// tile: [n out …]. Tiles of one shape share a program.
func (v *autoencoder) run(ctx context.Context, in *part[vae.Autoencoder], c coding, x []float32) ([]float32, error) {
	net, _, err := in.bind()
	if err != nil {
		return nil, err
	}
	tiles, err := c.tiles(net)
	if err != nil {
		return nil, err
	}
	n := max(1, len(x)/(c.in*c.h*c.w*c.unitIn*c.unitIn))
	var prog *gpu.Program
	var of vae.Tile // whose shape it is for
	drop := func() {
		if prog != nil {
			prog.Close()
			prog = nil
		}
	}
	defer drop()
	return tiles.Run(x, vae.Planes{N: n * c.in, Unit: c.unitIn}, vae.Planes{N: n * c.out, Unit: c.unitOut}, func(t vae.Tile, x []float32) ([]float32, error) {
		if prog == nil || t.H != of.H || t.W != of.W {
			drop()
			r, b, err := v.record(in, c, t)
			if err != nil {
				return nil, err
			}
			if prog, err = b.Program(r); err != nil {
				return nil, err
			}
			of = t
		}
		return eachMap(ctx, prog, x, n)
	})
}

// eachMap runs a program on n maps, one by one.
func eachMap(ctx context.Context, prog *gpu.Program, x []float32, n int) ([]float32, error) {
	var all []float32
	for one := range slices.Chunk(x, len(x)/n) {
		out, err := prog.Run(ctx, map[string]any{"x": one})
		if err != nil {
			return nil, err
		}
		all = append(all, out["y"]...)
	}
	return all, nil
}
