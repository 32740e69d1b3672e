package main

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/cmd/internal/cli"
	"saccade/weights"
)

func TestJSON(t *testing.T) {
	pic := picturePath(t, t.TempDir(), "a.png", 40, 30, 1)
	r := call(t, "-model", "vit", "-image", pic, "-json")
	requireFine(t, r)
	assert.Empty(t, r.stderr)
	var doc classification
	requireJSON(t, r, &doc)
	assert.Equal(t, "vit", doc.Model)
	assert.Equal(t, "zoo/vit", doc.Weights)
	assert.Equal(t, "f16", doc.Precision)
	assert.NotEmpty(t, doc.Adapter.Name)
	assert.NotEmpty(t, doc.Adapter.Backend)
	require.Len(t, doc.Images, 1)
	assert.Equal(t, pic, doc.Images[0].Path)
	require.Len(t, doc.Images[0].Top, 5)
	for i, p := range doc.Images[0].Top {
		assert.NotEmpty(t, p.Label)
		if i > 0 {
			assert.LessOrEqual(t, p.Score, doc.Images[0].Top[i-1].Score)
		}
	}
	assert.Positive(t, doc.MS.Load)
	assert.Positive(t, doc.MS.Compile)
	assert.Positive(t, doc.MS.Forward)
	assert.True(t, strings.HasPrefix(r.stdout, `{"model":"vit","weights":"zoo/vit","precision":"f16","adapter":{"name":`), r.stdout)
	assert.NotContains(t, r.stdout, `"errors"`)
}

func TestTopAll(t *testing.T) {
	pic := picturePath(t, t.TempDir(), "a.png", 40, 30, 1)
	r := call(t, "-model", "vit", "-image", pic, "-top", "0", "-json", "-precision", "f32")
	requireFine(t, r)
	var doc classification
	requireJSON(t, r, &doc)
	assert.Equal(t, "f32", doc.Precision)
	require.Len(t, doc.Images[0].Top, 10)
	sum := 0.0
	for _, p := range doc.Images[0].Top {
		sum += p.Score
	}
	assert.InDelta(t, 1, sum, 1e-9)
}

func TestTable(t *testing.T) {
	dir := checkpoint(t, "vit_classify")
	pic := picturePath(t, t.TempDir(), "a.png", 40, 30, 1)
	r := call(t, "-model", "vit", "-weights", dir, "-image", pic, "-top", "3")
	requireFine(t, r)
	lines := strings.Split(strings.TrimSpace(r.stdout), "\n")
	require.Len(t, lines, 4)
	assert.Equal(t, pic, lines[0])
	assert.Regexp(t, `^ +\d+\.\d\d %  (ash|birch|cedar|elm|fir|oak|yew)$`, lines[1])
	assert.Contains(t, r.stderr, dir)
	assert.Contains(t, r.stderr, "forward")
	if strings.Contains(r.stderr, "cpu") {
		assert.Contains(t, r.stderr, "software adapter")
	}
}

func TestLabels(t *testing.T) {
	dir, other := checkpoint(t, "vit_classify"), t.TempDir()
	pic := picturePath(t, other, "a.png", 40, 30, 1)
	label := func(text string) result {
		path := filepath.Join(other, "labels")
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
		return call(t, "-model", "vit", "-weights", dir, "-image", pic, "-labels", path, "-json", "-top", "0")
	}
	var doc classification
	requireJSON(t, label("a\nb\nc\nd\ne\nf\r\ng\n"), &doc)
	for _, p := range doc.Images[0].Top {
		assert.Equal(t, string("abcdefg"[p.Index]), p.Label)
	}
	r := label(`{"id2label":{"0":"A","1":"B","2":"C","3":"D","4":"E","5":"F","6":"G"}}`)
	doc = classification{}
	requireJSON(t, r, &doc)
	assert.Equal(t, string("ABCDEFG"[doc.Images[0].Top[0].Index]), doc.Images[0].Top[0].Label)
	requireError(t, label("a\nb\n"), cli.ExitFailure, "2 labels", "7 classes")
	requireError(t, label(""), cli.ExitFailure, "labels", "empty")
	requireError(t, label(`{"id2label":{"0":"A","2":"B"}}`), cli.ExitFailure, "none for 1")
	requireError(t, call(t, "-model", "vit", "-image", pic, "-labels", "nowhere.txt"), cli.ExitFailure, "nowhere.txt", "no such file")
}

// A folder is its pictures and those below it, sorted by path; the results do
// not depend on how many share a forward pass.
func TestFolderAndBatch(t *testing.T) {
	dir, folder := checkpoint(t, "vit_classify"), t.TempDir()
	var want []string
	for i, name := range []string{"b.png", "a/z.png", "c.png", "a/b/y.png", "d.png"} {
		want = append(want, picturePath(t, folder, name, 20+3*i, 40-i, i+1))
	}
	require.NoError(t, os.WriteFile(filepath.Join(folder, "notes.txt"), []byte("no picture"), 0o644))
	picturePath(t, folder, ".hidden/h.png", 9, 9, 1)
	want = []string{want[3], want[1], want[0], want[2], want[4]}
	var first classification
	for i, batch := range []string{"1", "2", "5", "64", ""} {
		args := []string{"-model", "vit", "-weights", dir, "-image", folder, "-json", "-top", "0"}
		if batch != "" {
			args = append(args, "-batch", batch)
		}
		var doc classification
		requireJSON(t, call(t, args...), &doc)
		require.Len(t, doc.Images, len(want))
		if i == 0 {
			first = doc
		}
		for k, path := range want {
			assert.Equal(t, path, doc.Images[k].Path)
			for j, p := range doc.Images[k].Top {
				assert.InDelta(t, first.Images[k].Top[j].Score, p.Score, 2e-3, "batch %s", batch)
			}
		}
	}
}

func TestSomeBadPictures(t *testing.T) {
	dir, folder := checkpoint(t, "vit_classify"), t.TempDir()
	good := []string{picturePath(t, folder, "a.png", 20, 30, 1), picturePath(t, folder, "c.png", 20, 30, 2)}
	bad := filepath.Join(folder, "b.png")
	require.NoError(t, os.WriteFile(bad, []byte("not a picture"), 0o644))
	out := filepath.Join(t.TempDir(), "x.safetensors")
	r := call(t, "-model", "vit", "-weights", dir, "-image", folder, "-json", "-save", out)
	assert.Equal(t, cli.ExitFailure, r.code)
	var doc classification
	requireJSON(t, r, &doc)
	require.Len(t, doc.Images, 2)
	assert.Equal(t, good, []string{doc.Images[0].Path, doc.Images[1].Path})
	require.Len(t, doc.Errors, 1)
	assert.Equal(t, bad, doc.Errors[0].Path)
	assert.NotEmpty(t, doc.Errors[0].Error)
	assert.Equal(t, 1, strings.Count(r.stderr, "\n"))
	assert.Contains(t, r.stderr, bad)
	assert.Equal(t, []int{2, 7}, read(t, out)["logits"].Shape)

	r = call(t, "-model", "vit", "-weights", dir, "-image", folder)
	assert.Equal(t, cli.ExitFailure, r.code)
	assert.Contains(t, r.stdout, good[0])
	assert.Contains(t, r.stdout, good[1])
	assert.NotContains(t, r.stdout, bad)
	assert.Equal(t, 1, strings.Count(r.stderr, "\n"))
}

func TestPreprocessingFlags(t *testing.T) {
	dir := checkpoint(t, "vit_classify")
	pic := picturePath(t, t.TempDir(), "a.png", 60, 50, 1)
	logit := func(args ...string) float64 {
		var doc classification
		requireJSON(t, call(t, append([]string{"-model", "vit", "-weights", dir, "-image", pic, "-json", "-precision", "f32"}, args...)...), &doc)
		return doc.Images[0].Top[0].Logit
	}
	plain := logit()
	for _, args := range [][]string{{"-mean", "0.1,0.2,0.3"}, {"-std", "0.3"}, {"-size", "40x28"}, {"-crop", "20x20"}} {
		assert.NotEqual(t, plain, logit(args...), "%v", args)
	}
}

func TestBackground(t *testing.T) {
	dir := checkpoint(t, "vit_classify")
	pic := filepath.Join(t.TempDir(), "clear.png")
	require.NoError(t, os.WriteFile(pic, transparentPNG(t), 0o644))
	logit := func(args ...string) float64 {
		var doc classification
		requireJSON(t, call(t, append([]string{"-model", "vit", "-weights", dir, "-image", pic, "-json"}, args...)...), &doc)
		return doc.Images[0].Top[0].Logit
	}
	white := logit()
	assert.Equal(t, white, logit("-background", "255,255,255"))
	assert.NotEqual(t, white, logit("-background", "0,0,200"))
}

func TestCancelled(t *testing.T) {
	pic := picturePath(t, t.TempDir(), "a.png", 20, 20, 1)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	requireError(t, callWith(t, ctx, os.Getenv, "-model", "vit", "-image", pic, "-json"), cli.ExitInterrupted, "interrupted")
}

func TestProgressOnATerminalOnly(t *testing.T) {
	var b bytes.Buffer
	p := &progress{cli.Bar{To: &b}}
	p.pictures(3, 3)
	assert.Contains(t, b.String(), "3/3")
	p.clear()
	assert.True(t, strings.HasSuffix(b.String(), "\r"))
	p = &progress{cli.Bar{To: &b}}
	p.download(&weights.Hub{})("model.safetensors", 5e6, 1e7)
	assert.Contains(t, b.String(), "model.safetensors [===============               ] 5.0 MB of 10.0 MB")
	assert.Nil(t, p.download(&weights.Hub{NoBars: true}))
	assert.Nil(t, (&progress{}).download(&weights.Hub{}))
	(&progress{}).pictures(1, 2) // must not fail
	assert.False(t, cli.IsTerminal(&b))
}

func TestNumbers(t *testing.T) {
	assert.Nil(t, cli.Number(math.NaN()))
	assert.Equal(t, "1 picture", cli.Count(1, "picture"))
	assert.Equal(t, "2 pictures", cli.Count(2, "picture"))
	assert.Equal(t, "1x2x3", cli.Dims([]int{1, 2, 3}))
	assert.Equal(t, "a; b", cli.OneLine(fmt.Errorf("a\nb\n")))
}
