package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/cmd/internal/cli"
	"saccade/picture"
	"saccade/weights"
)

func TestGAN(t *testing.T) {
	styled, plain, dir := filepath.Join("..", "..", "golden", "models", "gan_stylegan2", "model.pt"), filepath.Join("..", "..", "golden", "models", "gan_dcgan", "model.pt"), t.TempDir()
	out := func(name string) string { return filepath.Join(dir, name) }
	r := call(t, "-model", "gan", "-weights", styled, "-seed", "4", "-batch", "3", "-truncation", "0.7", "-o", out("sheet.png"), "-save", out("raw.safetensors"), "-json")
	requireFine(t, r)
	var doc generatedJSON
	require.NoError(t, json.Unmarshal([]byte(r.stdout), &doc))
	assert.Equal(t, []any{16, 16, 0.7, 1}, []any{doc.Width, doc.Height, doc.Truncation, len(doc.Images)})
	img, err := picture.Open(out("sheet.png"), picture.DecodeOptions{})
	require.NoError(t, err)
	assert.Equal(t, [2]int{34, 34}, [2]int{img.W, img.H})
	data, err := os.ReadFile(out("sheet.png"))
	require.NoError(t, err)
	assert.Contains(t, string(data), "Seed: 4, 5, 6, Truncation: 0.7, Size: 16x16")

	requireFine(t, call(t, "-model", "gan", "-weights", plain, "-seed", "1", "-to-seed", "9", "-frames", "5", "-fps", "20", "-o", out("walk.gif")))
	requireFine(t, call(t, "-model", "gan", "-weights", plain, "-frames", "3", "-o", out("walk")))
	frames, err := filepath.Glob(out("walk/frame-*.png"))
	require.NoError(t, err)
	assert.Len(t, frames, 3)
	z, err := weights.FromFloat32s("z", make([]float32, 2*13), 2, 13, 1, 1)
	require.NoError(t, err)
	require.NoError(t, weights.Write(out("z.safetensors"), []*weights.Tensor{z}, nil))
	requireFine(t, call(t, "-model", "gan", "-weights", plain, "-input", out("z.safetensors"), "-o", out("raw")))
	frames, err = filepath.Glob(out("raw/image-*.png"))
	require.NoError(t, err)
	assert.Len(t, frames, 2)
	requireFine(t, call(t, "-model", "gan", "-weights", styled, "-verify"))

	bad := func(code int, want string, more ...string) {
		t.Helper()
		requireError(t, call(t, append([]string{"-model", "gan", "-weights", plain}, more...)...), code, want)
	}
	bad(cli.ExitUsage, "the generator has no styles", "-truncation", "0.5", "-o", out("x.png"))
	bad(cli.ExitUsage, "expected a whole number from 2 to 1000", "-frames", "10000", "-o", out("x.gif"))
	bad(cli.ExitUsage, "holds several frames", "-o", out("x.gif"))
	bad(cli.ExitUsage, "no output", "-seed", "1")
	bad(cli.ExitUsage, "-fps goes with -frames", "-fps", "5", "-o", out("x.png"))
	bad(cli.ExitUsage, "-to-seed goes with -frames", "-to-seed", "5", "-o", out("x.png"))
	bad(cli.ExitUsage, "-prompt does not go with -model gan", "-prompt", "a", "-o", out("x.png"))
	bad(cli.ExitFailure, "it takes z", "-input", filepath.Join("..", "..", "golden", "models", "gan_stylegan2", "golden.safetensors"), "-o", out("x.png"))
	bad(cli.ExitUsage, "leave out -seed", "-input", out("z.safetensors"), "-seed", "2", "-o", out("x.png"))
	bad(cli.ExitUsage, "leave out -batch", "-frames", "3", "-batch", "2", "-o", out("x.gif"))
	requireError(t, call(t, "-model", "vit", "-image", "x.png", "-truncation", "0.5"), cli.ExitUsage, "makes no images of noise")
}

// The embedded generator draws faces: the mean of all is yellow in the middle, over white.
func TestEmbeddedFaces(t *testing.T) {
	path := filepath.Join(t.TempDir(), "face.png")
	requireFine(t, call(t, "-model", "gan", "-seed", "1", "-truncation", "0", "-o", path))
	img, err := picture.Open(path, picture.DecodeOptions{})
	require.NoError(t, err)
	require.Equal(t, [2]int{64, 64}, [2]int{img.W, img.H})
	// mean is that of a square of 8 pixels.
	mean := func(x, y int) (sum [3]int) {
		for dy := range 8 {
			for dx := range 8 {
				for c := range sum {
					sum[c] += int(img.Pix[3*((y+dy)*img.W+x+dx)+c])
				}
			}
		}
		return [3]int{sum[0] / 64, sum[1] / 64, sum[2] / 64}
	}
	face, corner := mean(28, 8), mean(0, 56)
	assert.Greater(t, face[0], 200, "red of %v", face)
	assert.Less(t, face[2], 130, "blue of %v", face)
	assert.Greater(t, corner[2], 200, "blue of %v", corner)
}
