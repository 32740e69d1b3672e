package models

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"saccade/models/vae"
)

// ForwardTiled is [Model.ForwardInputs] of an autoencoder, tile by tile; the zero
// Tiling is the network's default. Pictures have sides of whole latents. Tiles of
// one shape share a program, and at most one tile's activations are in use.
func (m *Model) ForwardTiled(ctx context.Context, in Inputs, t vae.Tiling) (map[string]Array, error) {
	part, ok := m.part.(vaePart)
	if !ok {
		return nil, fmt.Errorf("%s: is no autoencoder, which alone works in tiles", m.Name)
	}
	if t == (vae.Tiling{}) {
		t = part.Tiling()
	}
	named, err := m.named(in)
	if err != nil {
		return nil, err
	}
	if named, err = part.Takes(named); err != nil {
		return nil, fmt.Errorf("%s: %w", m.Name, err)
	}
	out := map[string]Array{}
	for _, input := range slices.Sorted(maps.Keys(named)) {
		c := coding{in: input, out: "latents", unitIn: part.reduction, unitOut: 1, channels: part.latent}
		if input == inputLatents {
			c = coding{in: input, out: "image", unitIn: 1, unitOut: part.reduction, channels: part.channels}
		}
		if out[c.out], err = m.codeTiled(ctx, c, named[input], t); err != nil {
			return nil, fmt.Errorf("%s: %w", m.Name, err)
		}
	}
	return out, nil
}

// coding is one way of an autoencoder: the names of its input and output, how many
// values each has for a latent's side, and the channels of the output.
type coding struct {
	in, out         string
	unitIn, unitOut int
	channels        int
}

// codeTiled puts a batch of maps through one way of an autoencoder.
func (m *Model) codeTiled(ctx context.Context, c coding, x Array, t vae.Tiling) (Array, error) {
	n, channels, h, w := x.Shape[0], x.Shape[1], x.Shape[2], x.Shape[3]
	if h%c.unitIn != 0 || w%c.unitIn != 0 {
		return Array{}, fmt.Errorf("pictures of %dx%d (height x width) can't be encoded in tiles, whose sides are multiples of %d pixels; crop or resize them", h, w, c.unitIn)
	}
	tiles, err := t.Plan(h/c.unitIn, w/c.unitIn)
	if err != nil {
		return Array{}, err
	}
	in, out := vae.Planes{N: n * channels, Unit: c.unitIn}, vae.Planes{N: n * c.channels, Unit: c.unitOut}
	data, err := tiles.Run(x.Data, in, out, func(t vae.Tile, x []float32) ([]float32, error) {
		y, err := m.ForwardTensors(ctx, map[string]Array{c.in: {Shape: []int{n, channels, t.H * c.unitIn, t.W * c.unitIn}, Data: x}})
		return y[c.out].Data, err
	})
	if err != nil {
		return Array{}, err
	}
	return Array{Shape: []int{n, c.channels, tiles.H * c.unitOut, tiles.W * c.unitOut}, Data: data}, nil
}
