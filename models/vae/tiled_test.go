package vae_test

import (
	"io/fs"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/golden"
	"saccade/gpu"
	"saccade/gpu/gputest"
	"saccade/models/nn"
	"saccade/models/vae"
	"saccade/models/verify"
	"saccade/weights"
)

func TestMain(m *testing.M) { os.Exit(gputest.Main(m)) }

// tiled is an autoencoder of a golden and the tensors of its tiled.safetensors.
type tiled struct {
	*vae.Description
	module  *nn.Module
	tensors map[string]nn.Array
}

func openTiled(t *testing.T, d *gpu.Device, name string, precision gpu.DType) tiled {
	t.Helper()
	c, err := golden.Find(name)
	require.NoError(t, err)
	folder, err := golden.Folder(c)
	require.NoError(t, err)
	config, err := fs.ReadFile(folder, "config.json")
	require.NoError(t, err)
	src, err := golden.Checkpoint(c)
	require.NoError(t, err)
	described, err := vae.DescribeEither(src, config)
	require.NoError(t, err)
	file, err := weights.OpenFS(folder, "tiled.safetensors")
	require.NoError(t, err)
	x := tiled{described, nn.NewModule(d, name, precision, &described.Description), map[string]nn.Array{}}
	t.Cleanup(x.module.Drop)
	for _, name := range file.Names() {
		tensor, _ := file.Tensor(name)
		data := make([]float32, tensor.Len())
		require.NoError(t, tensor.Float32s(data))
		x.tensors[name] = nn.Array{Shape: tensor.Shape, Data: data}
	}
	return x
}

// Tiles are decoded, encoded and blended as diffusers does both kinds.
func TestTiledGoldens(t *testing.T) {
	d := gputest.Open(t, gpu.Options{})
	for name, tiling := range map[string]vae.Tiling{
		"vae_kl":   {Latent: 4, Overlap: 0.25},
		"vae_tiny": {Latent: 6, Overlap: 0.5, Over: true},
	} {
		for _, precision := range []gpu.DType{gpu.F32, gpu.F16} {
			t.Run(name+" "+precision.String(), func(t *testing.T) {
				m := openTiled(t, d, name, precision)
				g := &golden.Golden{Case: golden.Case{Name: name + " tiled", Model: "vae"}, Tensors: map[string]golden.Tensor{}}
				got := map[string][]float32{}
				for output, input := range map[string]string{vae.Image: vae.Latents, vae.Latents: nn.PixelValues} {
					x, ok := m.tensors[input]
					if input == vae.Latents {
						x, ok = m.tensors[golden.InputPrefix+vae.Latents]
					}
					if !ok {
						continue
					}
					y, err := m.Code(t.Context(), m.module, input, x, tiling)
					require.NoError(t, err)
					require.Equal(t, m.tensors[output].Shape, y.Shape)
					g.Outputs, g.Tensors[output], got[output] = append(g.Outputs, output), golden.Tensor(m.tensors[output]), y.Data
				}
				require.NotEmpty(t, got)
				tolerance, err := verify.Tolerance("vae", precision)
				require.NoError(t, err)
				golden.Require(t, golden.Check(g, got, tolerance), d.Info().String())
			})
		}
	}
}

// One tile is the whole; what has no tiles is refused.
func TestTiledEdges(t *testing.T) {
	m := openTiled(t, gputest.Open(t, gpu.Options{}), "vae_kl", gpu.F32)
	ctx, latents := t.Context(), m.tensors[golden.InputPrefix+vae.Latents]
	whole, err := m.module.Forward(ctx, map[string]nn.Array{vae.Latents: latents}, gpu.Wants{})
	require.NoError(t, err)
	for _, tiling := range []vae.Tiling{{}, {Latent: 9}} {
		one, err := m.Code(ctx, m.module, vae.Latents, latents, tiling)
		require.NoError(t, err)
		assert.Equal(t, whole[vae.Image], one)
	}
	assert.Equal(t, 3, m.Tiling.Latent, "as the config's sample_size")

	for want, c := range map[string]struct {
		input  string
		x      nn.Array
		tiling vae.Tiling
	}{
		"multiples of 4 pixels":    {nn.PixelValues, nn.Array{Shape: []int{1, 3, 9, 8}, Data: make([]float32, 3*9*8)}, vae.Tiling{Latent: 2}},
		"expected [N 4 h w]":       {vae.Latents, m.tensors[nn.PixelValues], m.Tiling},
		"overlap by 1":             {vae.Latents, latents, vae.Tiling{Latent: 3, Overlap: 1}},
		"no autoencoder takes":     {"sample", latents, m.Tiling},
		"found shape [] with 0 va": {vae.Latents, nn.Array{}, m.Tiling},
	} {
		_, err := m.Code(ctx, m.module, c.input, c.x, c.tiling)
		assert.ErrorContains(t, err, want)
	}
}
