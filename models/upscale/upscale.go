package upscale

import (
	"context"
	"fmt"

	"saccade/gpu"
	"saccade/models/nn"
	"saccade/models/vae"
	"saccade/ops"
)

// Config is what a network's size depends on.
type Config struct {
	Compact  bool
	Channels int // of images
	Width    int // channels within
	Blocks   int // residual blocks, or convolutions between the first and the last
	Growth   int // channels that a convolution adds within a dense block
	Shrink   int // pixels of a block's side that the first convolution takes as one
	Ups      int // doublings at the end
	Factor   int // of a compact network
}

// Scale is how many times the sides of an image grow.
func (c Config) Scale() int {
	if c.Compact {
		return c.Factor
	}
	return 1 << c.Ups / c.Shrink
}

// Image is the name of the output, [N, C, Scale·H, Scale·W], about 0 to 1.
const Image = "image"

// Layers makes the network.
func (c Config) Layers(b *ops.Builder) (*nn.Layers, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	n := &nn.Network{
		Inputs: []nn.Input{{Name: nn.PixelValues, Dims: nn.Dims("N", c.Channels, "H", "W")}},
		Usual:  map[string]int{"H": 128, "W": 128},
		Image:  &nn.Image{},
		Check: func(sizes map[string]int) error {
			if h, w := sizes["H"], sizes["W"]; h%c.Shrink != 0 || w%c.Shrink != 0 {
				return fmt.Errorf("%s: found images of %dx%d (height x width), whose sides are to be multiples of %d", nn.PixelValues, h, w, c.Shrink)
			}
			return nil
		},
	}
	layers := &nn.Layers{Networks: []*nn.Network{n}}
	if !c.Compact {
		m := newRRDB(b, c)
		layers.Parameters = m
		n.Record = func(r *gpu.Recorder, in map[string]*gpu.Tensor) {
			r.OutputNCHW(Image, m.Forward(r, in[nn.PixelValues]))
		}
		return layers, nil
	}
	m := newCompact(b, c)
	layers.Parameters = m
	n.Record = func(r *gpu.Recorder, in map[string]*gpu.Tensor) {
		r.OutputNCHW(Image, m.Forward(r, in[nn.PixelValues]))
	}
	n.Finish = func(in, out map[string]nn.Array) {
		x := in[nn.PixelValues]
		h, w := x.Shape[2], x.Shape[3]
		out[Image] = nn.Array{Shape: []int{x.Shape[0], c.Channels, c.Factor * h, c.Factor * w}, Data: m.finish(x.Data, out[Image].Data, x.Shape[0], h, w)}
	}
	return layers, nil
}

// check refuses what no network can be made of.
func (c Config) check() error {
	for name, v := range map[string]int{"channels of images": c.Channels, "channels": c.Width, "blocks": c.Blocks, "times as large": c.Scale()} {
		if v < 1 || v > 1<<12 {
			return fmt.Errorf("the checkpoint has %d %s; expected some", v, name)
		}
	}
	return nil
}

// tiling is that of large images: tiles of so many pixels, of which an eighth overlaps and is
// blended.
var tiling = vae.Tiling{Latent: 256, Overlap: 0.125}

// tiled runs a module on images of any size, in tiles where they are large. Their sides are
// filled up to whole blocks by the edge mirrored, as Real-ESRGAN's authors do.
func (c Config) tiled(ctx context.Context, m *nn.Module, in map[string]nn.Array) (map[string]nn.Array, error) {
	x := in[nn.PixelValues]
	if len(x.Shape) != 4 || x.Shape[1] != c.Channels || x.Shape[2] < 1 || x.Shape[3] < 1 || len(x.Data) != x.Shape[0]*x.Shape[1]*x.Shape[2]*x.Shape[3] {
		return m.Forward(ctx, in, gpu.Wants{}) // which says what it expects
	}
	n, h, w := x.Shape[0], x.Shape[2], x.Shape[3]
	whole := func(side int) int { return (side + c.Shrink - 1) / c.Shrink * c.Shrink }
	planes := mirror(x.Data, n*c.Channels, [2]int{h, w}, [2]int{whole(h), whole(w)})
	tiles, err := tiling.Plan(whole(h)/c.Shrink, whole(w)/c.Shrink)
	if err != nil {
		return nil, err
	}
	s := c.Scale()
	data, err := tiles.Run(planes, vae.Planes{N: n * c.Channels, Unit: c.Shrink}, vae.Planes{N: n * c.Channels, Unit: s * c.Shrink}, func(t vae.Tile, x []float32) ([]float32, error) {
		out, err := m.Forward(ctx, nn.Images(nn.Array{Shape: []int{n, c.Channels, t.H * c.Shrink, t.W * c.Shrink}, Data: x}), gpu.Wants{})
		return out[Image].Data, err
	})
	if err != nil {
		return nil, err
	}
	data = crop(data, n*c.Channels, [2]int{s * whole(h), s * whole(w)}, [2]int{s * h, s * w})
	return map[string]nn.Array{Image: {Shape: []int{n, c.Channels, s * h, s * w}, Data: data}}, nil
}

// crop keeps the upper left of planes.
func crop(x []float32, planes int, from, to [2]int) []float32 {
	if from == to {
		return x
	}
	out := make([]float32, 0, planes*to[0]*to[1])
	for p := range planes {
		for y := range to[0] {
			out = append(out, x[(p*from[0]+y)*from[1]:][:to[1]]...)
		}
	}
	return out
}

// mirror fills planes up to a size by the edge mirrored.
func mirror(x []float32, planes int, from, to [2]int) []float32 {
	if from == to {
		return x
	}
	at := func(i, side int) int {
		if i < side {
			return i
		}
		return max(2*(side-1)-i, 0)
	}
	out := make([]float32, 0, planes*to[0]*to[1])
	for p := range planes {
		for y := range to[0] {
			row := x[(p*from[0]+at(y, from[0]))*from[1]:][:from[1]]
			for v := range to[1] {
				out = append(out, row[at(v, from[1])])
			}
		}
	}
	return out
}
