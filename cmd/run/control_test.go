package main

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/cmd/internal/cli"
	"saccade/picture"
)

func TestParseControl(t *testing.T) {
	for text, want := range map[string]controlFlag{
		"lllyasviel/sd-controlnet-canny":           {"lllyasviel/sd-controlnet-canny", 1, 0, 1},
		"nets/canny:0.5":                           {"nets/canny", 0.5, 0, 1},
		"nets/canny:0.5:0.1:0.75":                  {"nets/canny", 0.5, 0.1, 0.75},
		`C:\nets\canny`:                            {`C:\nets\canny`, 1, 0, 1},
		`C:\nets\canny:2:0:0.5`:                    {`C:\nets\canny`, 2, 0, 0.5},
		"lllyasviel/sd-controlnet-canny@main:1e-1": {"lllyasviel/sd-controlnet-canny@main", 0.1, 0, 1},
	} {
		got, err := parseControl(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, got, text)
	}
	for _, text := range []string{"", "net:-1", "net:1:0.5:0.5", "net:1:0:2", "net:NaN"} {
		_, err := parseControl(text)
		assert.Error(t, err, text)
	}
}

// The embedded ControlNet draws along the lines that it sees.
func TestEmbeddedControl(t *testing.T) {
	dir := t.TempDir()
	const side = 64
	ring := picture.New(side, side)
	var on []int // pixels of the line
	for y := range side {
		for x := range side {
			if far := math.Hypot(float64(x)-37, float64(y)-35); far > 19.5 && far < 20.5 {
				on = append(on, y*side+x)
				copy(ring.Pix[3*(y*side+x):], []uint8{255, 255, 255})
			}
		}
	}
	hint := filepath.Join(dir, "ring.png")
	require.NoError(t, picture.WritePNG(hint, ring))
	// met is the part of the line with an edge of the drawing a pixel from it at most.
	met := func(name string, more ...string) float64 {
		path := filepath.Join(dir, name+".png")
		requireFine(t, call(t, append([]string{"-model", "sd", "-prompt", "an orange", "-seed", "1", "-o", path}, more...)...))
		drawn, err := picture.Open(path, picture.DecodeOptions{})
		require.NoError(t, err)
		edges, n := picture.Canny(drawn, cannyLow, cannyHigh), 0
		for _, i := range on {
			if slices.ContainsFunc([]int{0, 1, -1, side, -side, side + 1, side - 1, 1 - side, -1 - side}, func(d int) bool { return edges.Pix[3*(i+d)] != 0 }) {
				n++
			}
		}
		return float64(n) / float64(len(on))
	}
	assert.Greater(t, met("along", "-control", "edges", "-control-image", hint), 0.8)
	assert.Less(t, met("alone"), 0.5)
	sd := pipelineFolder(t, "sd1_tiny")
	requireError(t, call(t, "-model", "sd", "-weights", sd, "-prompt", "an orange", "-control", "edges", "-control-image", hint, "-o", filepath.Join(dir, "x.png")), cli.ExitFailure, "ControlNet edges", "for another base")
}

// A ControlNet changes the picture as far as it has weight; what does not fit is refused.
func TestControl(t *testing.T) {
	sd, nets, dir := pipelineFolder(t, "sd1_tiny"), pipelineFolder(t, "controlnet_tiny"), t.TempDir()
	photo := filepath.Join("..", "..", "zoo", "pictures", "cat.jpg")
	args := []string{"-model", "sd", "-weights", sd, "-prompt", "a red apple", "-width", "24", "-height", "40", "-steps", "2", "-seed", "3"}
	draw := func(name string, more ...string) []byte {
		path := filepath.Join(dir, name+".png")
		requireFine(t, call(t, append(append([]string{}, args...), append(more, "-o", path)...)...))
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		return data
	}
	net := filepath.Join(nets, "sd1.0")
	edges := draw("edges", "-control", net+":0.9:0:0.5", "-control-image", photo, "-control-hint", "canny")
	assert.NotEqual(t, edges, draw("photo", "-control", net, "-control-image", photo))
	assert.Contains(t, string(edges), "ControlNet 0: sd1.0:0.9:0:0.5")
	draw("two", "-control", net, "-control-image", photo, "-control", filepath.Join(nets, "sd1.1"), "-control-image", photo)

	t2i := pipelineFolder(t, "t2i_tiny")
	features := draw("features", "-control", filepath.Join(t2i, "full")+":0.7", "-control-image", photo, "-control-hint", "canny")
	assert.NotEqual(t, features, draw("more features", "-control", filepath.Join(t2i, "full"), "-control-image", photo, "-control-hint", "canny"))
	draw("both kinds", "-control", net, "-control-image", photo, "-control", filepath.Join(t2i, "light"), "-control-image", photo)

	depth := filepath.Join("..", "..", "golden", "models", "depth_anything")
	near := draw("near", "-control", net, "-control-image", photo, "-control-hint", "depth", "-depth-weights", depth)
	assert.NotEqual(t, near, draw("far", "-control", net, "-control-image", photo, "-control-hint", "depth", "-depth-weights", depth+"_metric"))

	bad := func(code int, want string, more ...string) {
		t.Helper()
		requireError(t, call(t, append(append([]string{}, args...), append(more, "-o", filepath.Join(dir, "bad.png"))...)...), code, want)
	}
	bad(cli.ExitUsage, "1 -control-image for 2 -control", "-control", net, "-control", net, "-control-image", photo)
	bad(cli.ExitUsage, "give -control SOURCE", "-control-image", photo)
	bad(cli.ExitUsage, "the nearest is canny", "-control", net, "-control-image", photo, "-control-hint", "cany")
	bad(cli.ExitFailure, "it is for another base: its prompts are of width 30 and the pipeline's of 20", "-control", filepath.Join(nets, "sdxl.0"), "-control-image", photo)
	bad(cli.ExitFailure, "no controlnet_cond_embedding.conv_in.weight", "-control", filepath.Join(sd, "unet"), "-control-image", photo)
	bad(cli.ExitFailure, "it is for another base: its features have the widths [8 20]", "-control", filepath.Join(t2i, "xl"), "-control-image", photo)
	bad(cli.ExitUsage, "go together", "-control", net, "-control-image", photo, "-control-hint", "depth")
	bad(cli.ExitUsage, "go together", "-control", net, "-control-image", photo, "-depth-weights", depth)
	bad(cli.ExitFailure, "none.png", "-control", net, "-control-image", "none.png")
}
