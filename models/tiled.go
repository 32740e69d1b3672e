package models

import (
	"context"
	"fmt"

	"saccade/models/vae"
)

// DecodeTiled is the pictures [N, C, H, W] of latents [N, L, h, w] by an
// autoencoder, tile by tile; the zero Tiling is the network's default. Tiles of
// one shape share a program, and at most one tile's activations are in use.
func (m *Model) DecodeTiled(ctx context.Context, latents Array, t vae.Tiling) (Array, error) {
	return m.tiled(ctx, latents, t, true)
}

// EncodeTiled is the latents [N, L, h, w] of pictures [N, C, H, W], whose sides
// are whole latents, as DecodeTiled has pictures.
func (m *Model) EncodeTiled(ctx context.Context, pictures Array, t vae.Tiling) (Array, error) {
	return m.tiled(ctx, pictures, t, false)
}

func (m *Model) tiled(ctx context.Context, x Array, t vae.Tiling, decode bool) (Array, error) {
	part, ok := m.part.(vaePart)
	if !ok {
		return Array{}, fmt.Errorf("%s: is no autoencoder, which alone works in tiles", m.Name)
	}
	if t == (vae.Tiling{}) {
		t = part.autoencoder.Tiling()
	}
	input, output, unitIn, unitOut, channels := inputPixels, "latents", part.reduction, 1, part.latent
	if decode {
		input, output, unitIn, unitOut, channels = inputLatents, "image", 1, part.reduction, part.channels
	}
	if _, err := part.Takes(map[string]Array{input: x}); err != nil {
		return Array{}, fmt.Errorf("%s: %w", m.Name, err)
	}
	n, h, w := x.Shape[0], x.Shape[2], x.Shape[3]
	if h%unitIn != 0 || w%unitIn != 0 {
		return Array{}, fmt.Errorf("%s: pictures of %dx%d (height x width) can't be encoded in tiles, whose sides are multiples of %d pixels; crop or resize them", m.Name, h, w, unitIn)
	}
	plan, err := t.Plan(h/unitIn, w/unitIn)
	if err != nil {
		return Array{}, fmt.Errorf("%s: %w", m.Name, err)
	}
	parts := make([][]float32, len(plan.All))
	for i, tile := range plan.All {
		in := Array{Shape: []int{n, x.Shape[1], tile.H * unitIn, tile.W * unitIn}, Data: plan.Cut(x.Data, n*x.Shape[1], unitIn, tile)}
		out, err := m.ForwardTensors(ctx, map[string]Array{input: in})
		if err != nil {
			return Array{}, fmt.Errorf("tile %d of %d: %w", i+1, len(plan.All), err)
		}
		parts[i] = out[output].Data
	}
	data, err := plan.Join(parts, n*channels, unitOut)
	if err != nil {
		return Array{}, fmt.Errorf("%s: %w", m.Name, err)
	}
	return Array{Shape: []int{n, channels, plan.H * unitOut, plan.W * unitOut}, Data: data}, nil
}
