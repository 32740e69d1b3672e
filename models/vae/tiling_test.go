package vae

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// Tiles cover the map, overlap as asked for, and give it back when nothing is done to them.
func TestTilesGiveBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tiling := Tiling{Latent: rapid.IntRange(1, 9).Draw(t, "latent"), Overlap: rapid.Float64Range(0, 0.99).Draw(t, "overlap"), Over: rapid.Bool().Draw(t, "over")}
		h, w, unit, planes := rapid.IntRange(1, 20).Draw(t, "h"), rapid.IntRange(1, 20).Draw(t, "w"), rapid.IntRange(1, 3).Draw(t, "unit"), 2
		plan, err := tiling.Plan(h, w)
		require.NoError(t, err)
		x := make([]float32, planes*h*w*unit*unit)
		for i := range x {
			x[i] = float32(i%101) / 7
		}
		shapes := map[Tile]bool{}
		var last Tile
		got, err := plan.Run(x, Planes{planes, unit}, Planes{planes, unit}, func(tile Tile, x []float32) ([]float32, error) {
			require.LessOrEqual(t, max(tile.H, tile.W), tiling.Latent)
			require.Len(t, x, planes*tile.H*tile.W*unit*unit)
			if shape := (Tile{H: tile.H, W: tile.W}); shape != last {
				require.False(t, shapes[shape], "tiles of one shape follow each other")
				shapes[shape], last = true, shape
			}
			return x, nil
		})
		require.NoError(t, err)
		require.InDeltaSlice(t, x, got, 1e-5) // shares of a value add up to it but for rounding
	})
}

// The places of Stable Diffusion's tiles at twice the size of its training.
func TestTilesPlan(t *testing.T) {
	c, err := Standard("sd15_vae_decode")
	require.NoError(t, err)
	tiling := (&Model{Config: c}).Tiling()
	assert.Equal(t, Tiling{Latent: 64, Overlap: 0.25}, tiling)
	plan, err := tiling.Plan(128, 96)
	require.NoError(t, err)
	assert.Equal(t, []Tile{{0, 0, 64, 64}, {0, 48, 64, 48}, {48, 0, 64, 64}, {48, 48, 64, 48}, {96, 0, 32, 64}, {96, 48, 32, 48}}, plan.All)
	plan, err = tiling.Plan(64, 30)
	require.NoError(t, err)
	assert.Equal(t, []Tile{{0, 0, 64, 30}}, plan.All)

	tiny, err := ParseTiny([]byte(`{"_class_name": "AutoencoderTiny"}`))
	require.NoError(t, err)
	assert.Equal(t, Tiling{Latent: 64, Overlap: 0.125, Over: true}, (&Tiny{TinyConfig: tiny}).Tiling())
}

func TestTilesRefuse(t *testing.T) {
	for _, tiling := range []Tiling{{}, {Latent: 4, Overlap: -0.5}, {Latent: 4, Overlap: 1}} {
		_, err := tiling.Plan(9, 9)
		assert.ErrorContains(t, err, "expected one latent or more and an overlap from 0 to below 1")
	}
	_, err := Tiling{Latent: 4}.Plan(0, 9)
	assert.ErrorContains(t, err, "0x9")
	plan, err := Tiling{Latent: 4}.Plan(5, 3)
	require.NoError(t, err)
	one := Planes{N: 1, Unit: 1}
	_, err = plan.Run(make([]float32, 14), one, one, nil)
	assert.ErrorContains(t, err, "14 values, expected 15")
	_, err = plan.Run(make([]float32, 15), one, one, func(t Tile, x []float32) ([]float32, error) { return x[:3], nil })
	assert.ErrorContains(t, err, "tile 1 of 2 has 3 values, expected 12")
	_, err = plan.Run(make([]float32, 15), one, one, func(t Tile, x []float32) ([]float32, error) {
		if t.Y > 0 {
			return nil, errors.New("no")
		}
		return x, nil
	})
	assert.EqualError(t, err, "tile 2 of 2: no")
}
