package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/cmd/internal/cli"
	"saccade/golden"
	"saccade/weights"
)

// partInput writes the inputs of a golden for -input, but those left out.
func partInput(t *testing.T, name string, without ...string) (path string, g *golden.Golden) {
	t.Helper()
	c, err := golden.Find(name)
	require.NoError(t, err)
	g, err = golden.Load(c)
	require.NoError(t, err)
	var tensors []*weights.Tensor
next:
	for _, in := range g.Inputs {
		plain := strings.TrimPrefix(in, golden.InputPrefix)
		for _, w := range without {
			if plain == w {
				continue next
			}
		}
		tensors = append(tensors, tensor(t, plain, g.Tensors[in].Data, g.Tensors[in].Shape...))
	}
	path = filepath.Join(t.TempDir(), "in.safetensors")
	require.NoError(t, weights.Write(path, tensors, nil))
	return path, g
}

// Parts of diffusion models take raw tensors by -input and give raw tensors by -save.
func TestParts(t *testing.T) {
	for model, names := range map[string][]string{"unet": {"unet_heads", "unet_sdxl"}, "vae": {"vae_kl", "vae_tiny"}} {
		for _, name := range names {
			in, g := partInput(t, name)
			out := filepath.Join(t.TempDir(), "out.safetensors")
			requireFine(t, call(t, "-model", model, "-weights", checkpoint(t, name), "-input", in, "-save", out, "-precision", "f32"))
			file, err := weights.Open(out)
			require.NoError(t, err)
			for _, output := range g.Outputs {
				got, ok := file.Tensor(output)
				require.True(t, ok, output)
				want := g.Tensors[output]
				require.Equal(t, want.Shape, got.Shape)
				values := make([]float32, got.Len())
				require.NoError(t, got.Float32s(values))
				require.True(t, golden.Compare(output, values, want.Data, golden.F32).OK())
			}
			require.NoError(t, file.Close())
		}
	}
}

// An autoencoder encodes or decodes, whichever input is there.
func TestHalfOfAutoencoder(t *testing.T) {
	in, g := partInput(t, "vae_kl", "pixel_values")
	out := filepath.Join(t.TempDir(), "out.safetensors")
	requireFine(t, call(t, "-model", "vae", "-weights", checkpoint(t, "vae_kl"), "-input", in, "-save", out))
	file, err := weights.Open(out)
	require.NoError(t, err)
	defer file.Close()
	assert.Equal(t, []string{"image"}, file.Names())
	image, _ := file.Tensor("image")
	assert.Equal(t, g.Tensors["image"].Shape, image.Shape)
}

// With -tiled the autoencoder goes tile by tile as diffusers' does, in tiles as
// large as the pictures of its training, here 4 latents.
func TestTiledPart(t *testing.T) {
	dir := checkpoint(t, "vae_kl")
	setKey(t, filepath.Join(dir, "config.json"), "sample_size", 16)
	c, err := golden.Find("vae_kl")
	require.NoError(t, err)
	folder, err := golden.Folder(c)
	require.NoError(t, err)
	want, err := weights.OpenFS(folder, "tiled.safetensors")
	require.NoError(t, err)
	values := func(file weights.Source, name string) ([]float32, []int) {
		x, ok := file.Tensor(name)
		require.True(t, ok, name)
		values := make([]float32, x.Len())
		require.NoError(t, x.Float32s(values))
		return values, x.Shape
	}
	latents, shape := values(want, "inputs.latents")
	pixels, size := values(want, "pixel_values")
	in, out := save(t, tensor(t, "latents", latents, shape...), tensor(t, "pixel_values", pixels, size...)), filepath.Join(t.TempDir(), "out.safetensors")
	requireFine(t, call(t, "-model", "vae", "-weights", dir, "-input", in, "-save", out, "-precision", "f32", "-tiled"))
	got, err := weights.Open(out)
	require.NoError(t, err)
	defer got.Close()
	for _, output := range []string{"image", "latents"} {
		a, shapeA := values(got, output)
		b, shapeB := values(want, output)
		assert.Equal(t, shapeB, shapeA)
		assert.True(t, golden.Compare(output, a, b, golden.F32).OK(), output)
	}

	odd := save(t, tensor(t, "pixel_values", make([]float32, 3*17*16), 1, 3, 17, 16))
	requireError(t, call(t, "-model", "vae", "-weights", dir, "-input", odd, "-save", out, "-tiled"), cli.ExitFailure, "vae", "17x16", "multiples of 4 pixels")
	for says, args := range map[string][]string{
		"-tiled goes with a diffusion pipeline or its autoencoder: -model sd, ddpm, video or vae": {"-model", "unet", "-weights", dir, "-input", in, "-save", out},
		"-tiled does not go with -verify or -profile":                                             {"-model", "vae", "-weights", dir, "-verify"},
	} {
		requireError(t, call(t, append(args, "-tiled")...), cli.ExitUsage, says)
	}
}

func TestVerifyPart(t *testing.T) {
	requireFine(t, call(t, "-verify", "-model", "unet", "-weights", checkpoint(t, "unet_sd2")))
}

func TestBadPartInputs(t *testing.T) {
	save := filepath.Join(t.TempDir(), "out.safetensors")
	input := func(name string, without ...string) string { path, _ := partInput(t, name, without...); return path }
	unet, prompted := checkpoint(t, "unet_ddpm"), checkpoint(t, "unet_sd1")
	for _, c := range []struct {
		args  []string
		parts []string
	}{
		{[]string{"-model", "unet", "-weights", unet, "-input", input("unet_ddpm", "timestep")}, []string{"timestep", "one value or [3]"}},
		{[]string{"-model", "unet", "-weights", unet, "-input", input("unet_sd1", "encoder_hidden_states")}, []string{"sample", "[N 3 H W]"}},
		{[]string{"-model", "unet", "-weights", prompted, "-input", input("unet_sd1", "encoder_hidden_states")}, []string{"encoder_hidden_states", "[2 T 13]"}},
		{[]string{"-model", "vae", "-weights", checkpoint(t, "vae_kl"), "-input", input("unet_ddpm")}, []string{"sample", "latents; or pixel_values"}},
		{[]string{"-model", "vit", "-input", input("unet_ddpm")}, []string{"found an input", "it takes pixel_values"}},
		{[]string{"-model", "unet", "-weights", unet, "-image", zooPictures + "/cat.jpg"}, []string{"unet", "-input"}},
		{[]string{"-model", "unet", "-weights", checkpoint(t, "vae_kl"), "-input", input("unet_ddpm")}, []string{"time_embedding.linear_1.weight"}},
		{[]string{"-model", "vae", "-weights", unet, "-input", input("vae_kl")}, []string{"encoder.conv_in.weight"}},
	} {
		t.Run(strings.Join(c.args[:4], " "), func(t *testing.T) {
			requireError(t, call(t, append(c.args, "-save", save, "-json")...), cli.ExitFailure, c.parts...)
		})
	}
}
