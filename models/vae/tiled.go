package vae

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"saccade/gpu"
	"saccade/models/nn"
)

// way is one way of an autoencoder: the names of its input and output, their
// channels, and how many values each has for a latent's side.
type way struct {
	in, out         string
	from, to        int // channels
	unitIn, unitOut int
}

// way is that of an input.
func (d *Description) way(input string) (way, error) {
	switch input {
	case Latents:
		return way{Latents, Image, d.Latent, d.Channels, 1, d.Reduction}, nil
	case nn.PixelValues:
		return way{nn.PixelValues, Latents, d.Channels, d.Latent, d.Reduction, 1}, nil
	}
	return way{}, fmt.Errorf("found an input %s, which no autoencoder takes; expected %s or %s", input, Latents, nn.PixelValues)
}

// Code puts a batch of images or latents, by the input's name, through a module of
// the autoencoder, one by one and in tiles; the zero Tiling is one tile as large as
// the map. Images in several tiles have sides of whole latents. Tiles of one shape
// share a program.
func (d *Description) Code(ctx context.Context, m *nn.Module, input string, x nn.Array, t Tiling) (nn.Array, error) {
	w, err := d.way(input)
	if err != nil {
		return nn.Array{}, err
	}
	if len(x.Shape) != 4 || x.Shape[1] != w.from || len(x.Data) == 0 || x.Shape[0] < 1 {
		return nn.Array{}, fmt.Errorf("%s: found shape %v with %d values, expected [N %d h w]", input, x.Shape, len(x.Data), w.from)
	}
	tiles, err := d.tiles(w, x.Shape[2], x.Shape[3], t)
	if err != nil {
		return nn.Array{}, err
	}
	n := x.Shape[0]
	data, err := tiles.Run(x.Data, Planes{N: n * w.from, Unit: w.unitIn}, Planes{N: n * w.to, Unit: w.unitOut}, func(t Tile, x []float32) ([]float32, error) {
		return w.each(ctx, m, t, n, x)
	})
	if err != nil {
		return nn.Array{}, err
	}
	return nn.Array{Shape: []int{n, w.to, tiles.H * w.unitOut, tiles.W * w.unitOut}, Data: data}, nil
}

// tiles cuts a map of h×w values.
func (d *Description) tiles(w way, height, width int, t Tiling) (*Tiles, error) {
	if height%w.unitIn != 0 || width%w.unitIn != 0 {
		return nil, fmt.Errorf("images of %dx%d (height x width) can't be encoded in tiles, whose sides are multiples of %d pixels; crop or resize them", height, width, w.unitIn)
	}
	h, wide := height/w.unitIn, width/w.unitIn
	if t == (Tiling{}) {
		t.Latent = max(h, wide, 1)
	}
	return t.Plan(h, wide)
}

// each puts n maps of a tile's size through the network.
func (w way) each(ctx context.Context, m *nn.Module, t Tile, n int, x []float32) ([]float32, error) {
	var all []float32
	for one := range slices.Chunk(x, len(x)/n) {
		out, err := m.Forward(ctx, map[string]nn.Array{w.in: {Shape: []int{1, w.from, t.H * w.unitIn, t.W * w.unitIn}, Data: one}}, gpu.Wants{})
		if err != nil {
			return nil, err
		}
		all = append(all, out[w.out].Data...)
	}
	return all, nil
}

// Plan is the memory of [Description.Code] of an input of h×w values, without the
// weights: that of its largest tile.
func (d *Description) Plan(m *nn.Module, input string, h, w int, t Tiling) (gpu.Memory, error) {
	way, err := d.way(input)
	if err != nil {
		return gpu.Memory{}, err
	}
	tiles, err := d.tiles(way, h, w, t)
	if err != nil {
		return gpu.Memory{}, err
	}
	first := tiles.All[0]
	shape := []int{1, way.from, first.H * way.unitIn, first.W * way.unitIn}
	return m.Plan(map[string]nn.Array{input: {Shape: shape, Data: make([]float32, shape[1]*shape[2]*shape[3])}}, gpu.Wants{})
}

// tiled is Code of all inputs in tiles of the default size.
func (d *Description) tiled(ctx context.Context, m *nn.Module, in map[string]nn.Array) (map[string]nn.Array, error) {
	out := map[string]nn.Array{}
	for _, input := range slices.Sorted(maps.Keys(in)) {
		w, err := d.way(input)
		if err == nil {
			out[w.out], err = d.Code(ctx, m, input, in[input], d.Tiling)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.Name, err)
		}
	}
	return out, nil
}
