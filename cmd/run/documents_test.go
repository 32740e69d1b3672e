package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/cmd/internal/cli"
	"saccade/index"
	"saccade/picture"
)

// The lines of a file are found by meaning and by words, with the model and without.
func TestIndexOfTexts(t *testing.T) {
	dir, folder := encoder(t, "text_bert_cls"), t.TempDir()
	file, x := filepath.Join(folder, "texts.txt"), filepath.Join(folder, "x.index")
	require.NoError(t, os.WriteFile(file, []byte("a photo\nwhat is this\n순이익은 늘었다\n"+strings.Repeat("photo of this ", 100)+"\n"), 0o644))
	r := call(t, "-model", "text", "-weights", dir, "-texts", file, "-index", x, "-precision", "f32", "-json")
	requireFine(t, r)
	assert.Contains(t, r.stderr, "1 line of more than 600 characters")
	var doc documentsJSON
	require.NoError(t, json.Unmarshal([]byte(r.stdout), &doc))
	assert.Equal(t, &linesJSON{Path: x, Documents: 1, Added: 1}, doc.Indexed)
	for _, args := range [][]string{{"-model", "text", "-weights", dir}, nil, {"-text-weights", dir}} {
		for text, want := range map[string]string{"a photo": "a photo", "순이익": "순이익은 늘었다"} {
			r := call(t, append(args, "-index", x, "-text", text, "-precision", "f32", "-json", "-top", "1")...)
			requireFine(t, r)
			doc = documentsJSON{}
			require.NoError(t, json.Unmarshal([]byte(r.stdout), &doc))
			require.Len(t, doc.Lines, 1)
			assert.Equal(t, want, doc.Lines[0].Text)
			assert.Equal(t, file, doc.Lines[0].Path)
			assert.Nil(t, doc.Lines[0].Quad)
		}
	}
	r = call(t, "-model", "text", "-weights", dir, "-texts", file, "-index", x, "-precision", "f32", "-json")
	requireFine(t, r)
	assert.Contains(t, r.stdout, `"added":0`, "nothing has changed")

	other := encoder(t, "text_distilbert")
	for want, args := range map[string][]string{
		"made with the encoder of texts": {"-index", x, "-text", "a", "-text-weights", other},
		"made with model documents":      {"-model", "clip", "-index", x, "-text", "a"},
		"there is none yet":              {"-index", x + "2", "-text", "a"},
	} {
		r := call(t, args...)
		assert.Equal(t, cli.ExitFailure, r.code)
		assert.Contains(t, r.stderr, want)
	}
	require.NoError(t, os.RemoveAll(dir))
	r = call(t, "-index", x, "-text", "a")
	assert.Equal(t, cli.ExitFailure, r.code)
	assert.Contains(t, r.stderr, "give -text-weights where it is now")
}

// Pages are read into an index, bad ones named; without an encoder lines are found by
// words.
func TestDocuments(t *testing.T) {
	dir, _, _ := reader(t)
	folder := t.TempDir()
	x, pages := filepath.Join(folder, "x.index"), filepath.Join(folder, "pages")
	require.NoError(t, os.MkdirAll(pages, 0o755))
	require.NoError(t, picture.WritePNG(filepath.Join(pages, "empty.png"), picture.New(64, 40)))
	require.NoError(t, os.WriteFile(filepath.Join(pages, "bad.png"), []byte("text"), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(pages, "bad.pdf"), []byte("text"), 0o644))
	t.Setenv("PATH", "")
	r := call(t, "-documents", pages, "-index", x, "-weights", dir, "-json")
	assert.Equal(t, cli.ExitFailure, r.code)
	assert.Contains(t, r.stderr, "1 PDF file left out, as pdftoppm is not installed")
	assert.Contains(t, r.stderr, "found by words alone")
	var doc documentsJSON
	require.NoError(t, json.Unmarshal([]byte(r.stdout), &doc))
	assert.Equal(t, &linesJSON{Path: x, Documents: 2, Added: 1}, doc.Indexed)
	require.Len(t, doc.Errors, 1)
	require.NoError(t, os.Remove(filepath.Join(pages, "bad.png")))
	r = call(t, "-documents", pages, "-index", x, "-weights", dir)
	requireFine(t, r)
	assert.Contains(t, r.stdout, "1 document, 0 added, 1 removed")
	r = call(t, "-index", x, "-text", "income")
	requireFine(t, r)
	assert.Empty(t, r.stdout)
	assert.Contains(t, r.stderr, "no line of")
	require.NoError(t, os.Remove(filepath.Join(pages, "empty.png")))
	r = call(t, "-documents", pages, "-index", x, "-weights", dir)
	assert.Equal(t, cli.ExitFailure, r.code)
	assert.Contains(t, r.stderr, "there is no page in it")
}

// A line that is found is drawn where it stands.
func TestDrawnLines(t *testing.T) {
	folder := t.TempDir()
	x, page, out := filepath.Join(folder, "x.index"), filepath.Join(folder, "page.png"), filepath.Join(folder, "out.png")
	require.NoError(t, picture.WritePNG(page, picture.New(120, 80)))
	made, err := index.Open(x, index.Identity{Model: index.Documents})
	require.NoError(t, err)
	require.NoError(t, made.AddDocument(index.Document{Path: page, Lines: []index.Line{{Page: 1, Text: "순이익은 1,234억 원", Score: 1, Quad: []float32{10, 10, 90, 10, 90, 30, 10, 30}}}}))
	require.NoError(t, made.Close())
	r := call(t, "-index", x, "-text", "순이익", "-o", out, "-json")
	requireFine(t, r)
	var doc documentsJSON
	require.NoError(t, json.Unmarshal([]byte(r.stdout), &doc))
	require.Len(t, doc.Lines, 1)
	assert.Equal(t, &[4][2]float64{{10, 10}, {90, 10}, {90, 30}, {10, 30}}, doc.Lines[0].Quad)
	img, err := picture.Open(out, picture.DecodeOptions{})
	require.NoError(t, err)
	assert.Equal(t, []uint8{200, 30, 30}, img.Pix[3*(10*img.W+40):][:3])
}

func TestPDF(t *testing.T) {
	if _, err := exec.LookPath(renderer); err != nil {
		t.Skip("pdftoppm is not installed (poppler-utils)")
	}
	path := filepath.Join(t.TempDir(), "one.pdf")
	require.NoError(t, os.WriteFile(path, []byte("%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 100]>>endobj\ntrailer<</Root 1 0 R>>\n"), 0o644))
	a := &app{}
	n := 0
	require.NoError(t, a.eachPage(t.Context(), path, func(page int, img *picture.Image) error {
		n++
		assert.Equal(t, 1, page)
		assert.Equal(t, pageSide, img.W)
		return nil
	}))
	assert.Equal(t, 1, n)
	require.NoError(t, os.WriteFile(path, []byte("text"), 0o644))
	err := a.eachPage(t.Context(), path, nil)
	require.ErrorContains(t, err, "pdftoppm renders no page")
	assert.NotContains(t, err.Error(), "\n")
}

func TestLinesThatAreRefused(t *testing.T) {
	for want, args := range map[string][]string{
		"-documents needs -index FILE":           {"-documents", "x"},
		"-model does not go with -documents":     {"-documents", "x", "-index", "y", "-model", "vit"},
		"-image does not go with -documents":     {"-index", "y", "-text", "a", "-image", "x.png"},
		"2 texts; an index of lines is searched": {"-index", "y", "-text", "a", "-text", "b"},
		"-o goes with -text":                     {"-documents", "x", "-index", "y", "-weights", "z", "-o", "p.png"},
		"-weights goes with -documents":          {"-index", "y", "-text", "a", "-weights", "z"},
		"2 texts; an index of texts is searched": {"-model", "text", "-index", "y", "-text", "a", "-text", "b"},
		"-save does not go with -index":          {"-model", "text", "-index", "y", "-text", "a", "-save", "s.safetensors"},
	} {
		r := call(t, args...)
		assert.Equal(t, cli.ExitUsage, r.code, r.stderr)
		assert.Contains(t, r.stderr, want)
	}
	r := call(t, "-documents", "nowhere", "-index", "y", "-weights", "z")
	assert.Equal(t, cli.ExitFailure, r.code)
	assert.Contains(t, r.stderr, "documents nowhere: no such file or directory")
}
