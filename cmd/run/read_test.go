package main

import (
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/cmd/internal/cli"
	"saccade/picture"
	"saccade/typeset"
)

// reader is a folder of a detector and a recogniser of random weights.
func reader(t *testing.T) (dir, det, rec string) {
	t.Helper()
	dir = t.TempDir()
	det, rec = filepath.Join(dir, "det"), filepath.Join(dir, "rec")
	require.NoError(t, os.Rename(checkpoint(t, "ocr_det"), det))
	require.NoError(t, os.Rename(checkpoint(t, "ocr_rec"), rec))
	letters := []string{"blank"}
	for i := range 36 {
		letters = append(letters, fmt.Sprintf("%c", 'A'+i))
	}
	setKeys(t, filepath.Join(rec, "preprocessor_config.json"), map[string]any{"character_list": letters})
	return dir, det, rec
}

func TestRead(t *testing.T) {
	dir, det, rec := reader(t)
	out, empty := filepath.Join(t.TempDir(), "page.png"), filepath.Join(t.TempDir(), "empty.png")
	require.NoError(t, picture.WritePNG(empty, picture.New(40, 30)))
	for _, weights := range []string{dir, det + "," + rec} {
		r := call(t, "-model", "ocr", "-weights", weights, "-image", "../../zoo/pictures/cat.jpg", "-image", empty, "-json", "-o", out)
		requireFine(t, r)
		var doc pagesJSON
		require.NoError(t, json.Unmarshal([]byte(r.stdout), &doc))
		require.Len(t, doc.Images, 2)
		assert.Equal(t, empty, doc.Images[1].Path)
		assert.NotNil(t, doc.Images[1].Lines)
		assert.Equal(t, out, doc.Written.Path)
		drawn, err := picture.Open(out, picture.DecodeOptions{})
		require.NoError(t, err)
		assert.Equal(t, doc.Written.Width, drawn.W)
	}
}

// The embedded pair reads a page in a typeface that it was not trained on, at once.
func TestEmbeddedReader(t *testing.T) {
	lines := []string{"Quarterly report", "Net income: $1,250,300", "Growth (Q4) = 12.5%"}
	page := image.NewNRGBA(image.Rect(0, 0, 420, 150))
	draw.Draw(page, page.Bounds(), image.White, image.Point{}, draw.Src)
	for i, line := range lines {
		typeset.Regular(26).Draw(page, line, 20, 15+44*i, color.Black)
	}
	file := filepath.Join(t.TempDir(), "page.png")
	f, err := os.Create(file)
	require.NoError(t, err)
	require.NoError(t, png.Encode(f, page))
	require.NoError(t, f.Close())
	r := call(t, "-model", "ocr", "-image", file)
	requireFine(t, r)
	assert.Equal(t, strings.Join(lines, "\n")+"\n", r.stdout)
}

// The parts give what the reference gives of raw inputs.
func TestReadersParts(t *testing.T) {
	for _, name := range []string{"ocr_det", "ocr_rec"} {
		out := filepath.Join(t.TempDir(), "out.safetensors")
		in, g := partInput(t, name)
		requireFine(t, call(t, "-model", name, "-weights", checkpoint(t, name), "-input", in, "-save", out, "-precision", "f32"))
		shape, values := saved(t, out, "last_hidden_state")
		require.Equal(t, g.Tensors["last_hidden_state"].Shape, shape)
		for i, want := range g.Tensors["last_hidden_state"].Data {
			require.InDelta(t, want, values[i], 1e-4)
		}
	}
}

func TestReadersThatAreRefused(t *testing.T) {
	dir, det, rec := reader(t)
	page, bad := "../../zoo/pictures/cat.jpg", filepath.Join(t.TempDir(), "bad.png")
	require.NoError(t, os.WriteFile(bad, []byte("text"), 0o644))
	setKeys(t, filepath.Join(rec, "preprocessor_config.json"), map[string]any{"do_normalize": false})
	for _, c := range []struct {
		code int
		want string
		args []string
	}{
		{cli.ExitUsage, "no picture: give -image", []string{"-weights", dir}},
		{cli.ExitUsage, "-text does not go with it", []string{"-weights", dir, "-image", page, "-text", "a"}},
		{cli.ExitUsage, "go with each alone, -model ocr_det", []string{"-weights", dir, "-verify"}},
		{cli.ExitFailure, "holds not both a folder of a detector", []string{"-weights", det, "-image", page}},
		{cli.ExitFailure, "give a folder that holds both", []string{"-weights", "none", "-image", page}},
		{cli.ExitFailure, "a detector of PP-OCR is expected", []string{"-weights", rec + "," + det, "-image", page}},
		{cli.ExitFailure, "do_normalize is false", []string{"-weights", dir, "-image", page}},
	} {
		r := call(t, append([]string{"-model", "ocr"}, c.args...)...)
		assert.Equal(t, c.code, r.code, r.stderr)
		assert.Contains(t, r.stderr, c.want)
		assert.Empty(t, r.stdout)
	}
	dir, _, _ = reader(t)
	r := call(t, "-model", "ocr", "-weights", dir, "-image", bad, "-image", page, "-json")
	assert.Equal(t, cli.ExitFailure, r.code)
	assert.Contains(t, r.stdout, `"errors":[{"path"`)
}
