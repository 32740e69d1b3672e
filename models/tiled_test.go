package models

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/golden"
	"saccade/gpu"
	"saccade/models/vae"
	"saccade/weights"
)

// Tiles are decoded, encoded and blended as diffusers does both kinds.
func TestTiledGoldens(t *testing.T) {
	d := openDevice(t)
	for name, tiling := range map[string]vae.Tiling{
		"vae_kl":   {Latent: 4, Overlap: 0.25},
		"vae_tiny": {Latent: 6, Overlap: 0.5, Over: true},
	} {
		for _, precision := range precisionsOfTiles {
			t.Run(name+" "+precision.String(), func(t *testing.T) {
				m, tensors := tiledGolden(t, d, name, precision)
				in := Inputs{Tensors: map[string]Array{"latents": tensors["inputs.latents"]}}
				if pixels, ok := tensors["pixel_values"]; ok {
					in.Pixels = &pixels
				}
				out, err := m.ForwardTiled(t.Context(), in, tiling)
				require.NoError(t, err)
				got := map[string][]float32{}
				for output, a := range out {
					require.Equal(t, tensors[output].Shape, a.Shape)
					got[output] = a.Data
				}
				g := &golden.Golden{Case: golden.Case{Name: name + " tiled", Model: "vae"}, Tensors: map[string]golden.Tensor{}}
				for output := range got {
					g.Outputs = append(g.Outputs, output)
					g.Tensors[output] = golden.Tensor(tensors[output])
				}
				golden.Require(t, golden.Check(g, got, GoldenTolerance("vae", precision)), d.Info().String())
			})
		}
	}
}

var precisionsOfTiles = []gpu.DType{gpu.F32, gpu.F16}

// tiledGolden is an autoencoder and the tensors of its tiled.safetensors.
func tiledGolden(t *testing.T, d *gpu.Device, name string, precision gpu.DType) (*Model, map[string]Array) {
	t.Helper()
	c, err := golden.Find(name)
	require.NoError(t, err)
	g, err := golden.Load(c)
	require.NoError(t, err)
	m, err := loadGolden(t.Context(), d, g, Options{Precision: precision})
	require.NoError(t, err)
	t.Cleanup(m.Close)
	folder, err := golden.Folder(c)
	require.NoError(t, err)
	file, err := weights.OpenFS(folder, "tiled.safetensors")
	require.NoError(t, err)
	tensors := map[string]Array{}
	for _, name := range file.Names() {
		x, _ := file.Tensor(name)
		data := make([]float32, x.Len())
		require.NoError(t, x.Float32s(data))
		tensors[name] = Array{Shape: x.Shape, Data: data}
	}
	return m, tensors
}

// One tile is the whole; what has no tiles is refused.
func TestTiledEdges(t *testing.T) {
	d := openDevice(t)
	m, tensors := tiledGolden(t, d, "vae_kl", gpu.F32)
	latents := Inputs{Tensors: map[string]Array{"latents": tensors["inputs.latents"]}}
	whole, err := m.ForwardInputs(t.Context(), latents)
	require.NoError(t, err)
	tiled, err := m.ForwardTiled(t.Context(), latents, vae.Tiling{Latent: 9})
	require.NoError(t, err)
	assert.Equal(t, whole, tiled)
	_, err = m.ForwardTiled(t.Context(), latents, vae.Tiling{}) // the default: 3 latents, as the config's sample_size
	require.NoError(t, err)

	_, err = m.ForwardTiled(t.Context(), Inputs{Pixels: &Array{Shape: []int{1, 3, 9, 8}, Data: make([]float32, 3*9*8)}}, vae.Tiling{Latent: 2})
	assert.ErrorContains(t, err, "multiples of 4 pixels")
	_, err = m.ForwardTiled(t.Context(), Inputs{Tensors: map[string]Array{"latents": tensors["pixel_values"]}}, vae.Tiling{})
	assert.ErrorContains(t, err, "expected [any 4 any any]")
	_, err = m.ForwardTiled(t.Context(), latents, vae.Tiling{Latent: 3, Overlap: 1})
	assert.ErrorContains(t, err, "overlap by 1")
	_, err = m.ForwardTiled(t.Context(), Inputs{}, vae.Tiling{})
	assert.ErrorContains(t, err, "there is no input")

	vit, err := Load(t.Context(), d, "vit", "", Options{Precision: gpu.F16})
	require.NoError(t, err)
	defer vit.Close()
	_, err = vit.ForwardTiled(t.Context(), latents, vae.Tiling{})
	assert.ErrorContains(t, err, "is no autoencoder")
}
