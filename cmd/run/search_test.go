package main

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/cmd/internal/cli"
)

const zooPictures = "../../zoo/pictures"

func TestTexts(t *testing.T) {
	var doc searchJSON
	r := call(t, "-model", "clip", "-image", zooPictures+"/ship.png", "-image", zooPictures+"/cat.jpg",
		"-text", "a photo of a ship", "-text", "a photo of a cat", "-json")
	requireFine(t, r)
	requireJSON(t, r, &doc)
	require.Len(t, doc.Images, 2)
	for i, m := range doc.Images {
		require.Len(t, m.Scores, 2)
		assert.Equal(t, "a photo of a ship", m.Scores[0].Text)
		assert.InDelta(t, 1, m.Scores[0].Score+m.Scores[1].Score, 1e-9)
		assert.Greater(t, m.Scores[i].Score, 0.5, m.Path)
	}
	assert.True(t, strings.HasPrefix(r.stdout, `{"model":"clip","weights":"zoo/clip","precision":"f16","adapter":{"name":`), r.stdout)

	r = call(t, "-model", "clip", "-image", zooPictures+"/ship.png", "-text", "a photo of a ship", "-text", "a photo of a cat", "-precision", "f32")
	requireFine(t, r)
	lines := strings.Split(r.stdout, "\n")
	assert.Equal(t, zooPictures+"/ship.png", lines[0])
	assert.Contains(t, lines[1], "%  a photo of a ship")
}

func TestRankByText(t *testing.T) {
	var doc searchJSON
	r := call(t, "-model", "clip", "-image", zooPictures, "-text", "ship", "-template", "a photo of a {}", "-template", "a {}", "-top", "3", "-json")
	requireFine(t, r)
	requireJSON(t, r, &doc)
	require.Len(t, doc.Images, 3)
	for i, m := range doc.Images {
		require.NotNil(t, m.Cosine)
		assert.Equal(t, "ship", m.Scores[0].Text)
		if i > 0 {
			assert.LessOrEqual(t, *m.Cosine, *doc.Images[i-1].Cosine)
		}
	}
	assert.Contains(t, []string{"ship.png", "airplane.png"}, filepath.Base(doc.Images[0].Path))
}

func TestRankByPicture(t *testing.T) {
	for _, model := range []string{"clip", "vit", "resnet"} {
		var doc searchJSON
		r := call(t, "-model", model, "-image", zooPictures+"/cat.jpg", "-similar", zooPictures, "-json", "-top", "0")
		requireFine(t, r)
		requireJSON(t, r, &doc)
		require.Greater(t, len(doc.Images), 10)
		assert.Equal(t, zooPictures+"/cat.jpg", doc.Images[0].Path)
		assert.InDelta(t, 1, *doc.Images[0].Cosine, 1e-3)
	}
}

func TestSaveEmbeds(t *testing.T) {
	out := filepath.Join(t.TempDir(), "embeds.safetensors")
	var doc searchJSON
	r := call(t, "-model", "clip", "-image", zooPictures+"/ship.png", "-image", zooPictures+"/cat.jpg",
		"-text", "a ship", "-text", "a cat", "-text", "a dog", "-save", out, "-json")
	requireFine(t, r)
	requireJSON(t, r, &doc)
	got := read(t, out)
	assert.Equal(t, []int{2, 128}, got["image_embeds"].Shape)
	assert.Equal(t, []int{3, 128}, got["text_embeds"].Shape)
	require.Equal(t, []int{2, 3}, got["logits_per_image"].Shape)
	for i, m := range doc.Images {
		for k, s := range m.Scores {
			assert.InDelta(t, s.Logit, got["logits_per_image"].Data[3*i+k], 1e-4)
		}
	}
	requireError(t, call(t, "-model", "clip", "-image", zooPictures, "-text", "a", "-attention", "-save", out), cli.ExitUsage, "-attention")
}

func TestBadQueries(t *testing.T) {
	pic, empty := zooPictures+"/cat.jpg", t.TempDir()
	for _, c := range []struct {
		code  int
		args  []string
		parts []string
	}{
		{cli.ExitUsage, []string{"-model", "clip", "-image", pic, "-text", ""}, []string{"-text", "empty"}},
		{cli.ExitUsage, []string{"-model", "clip", "-image", pic, "-text", "a", "-template", "a photo"}, []string{"-template", "{}"}},
		{cli.ExitUsage, []string{"-model", "clip", "-image", pic}, []string{"give -text"}},
		{cli.ExitUsage, []string{"-model", "clip", "-text", "a"}, []string{"no input"}},
		{cli.ExitUsage, []string{"-model", "clip", "-similar", zooPictures}, []string{"-image"}},
		{cli.ExitUsage, []string{"-model", "clip", "-image", pic, "-similar", zooPictures, "-text", "a"}, []string{"exclude"}},
		{cli.ExitUsage, []string{"-model", "clip", "-template", "{}", "-image", pic}, []string{"-template goes with -text"}},
		{cli.ExitFailure, []string{"-model", "clip", "-image", empty, "-text", "a"}, []string{"no pictures", empty}},
		{cli.ExitFailure, []string{"-model", "clip", "-image", pic, "-similar", empty}, []string{"no pictures", empty}},
		{cli.ExitFailure, []string{"-model", "text_encoder", "-weights", checkpoint(t, "clip_text"), "-image", pic}, []string{"no images but raw tensors", "-input"}},
		{cli.ExitFailure, []string{"-model", "vit", "-image", pic, "-text", "a cat"}, []string{"vit", "reads no texts"}},
		{cli.ExitFailure, []string{"-model", "clip", "-weights", checkpoint(t, "clip_gelu"), "-image", pic, "-text", "a cat"}, []string{"tokenizer.json"}},
		{cli.ExitFailure, []string{"-model", "vit", "-image", pic, "-examples", empty}, []string{empty}},
		{cli.ExitFailure, []string{"-model", "clip", "-image", pic, "-index", filepath.Join(empty, "none", "x.index")}, []string{"no folder"}},
	} {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) {
			requireError(t, call(t, append(c.args, "-json")...), c.code, c.parts...)
		})
	}
}

// A text of 10,000 characters is cut as the reference cuts it, and that is said.
func TestLongText(t *testing.T) {
	r := call(t, "-model", "clip", "-image", zooPictures+"/cat.jpg", "-text", strings.Repeat("cat ", 2500), "-text", "cat")
	requireFine(t, r)
	assert.Contains(t, r.stderr, "the text \"cat cat")
	assert.Contains(t, r.stderr, "left out")
}

// examples are pictures of two classes, red and blue.
func examples(t *testing.T, n int) string {
	t.Helper()
	dir := t.TempDir()
	for i := range n {
		picturePath(t, filepath.Join(dir, "steep"), fmt.Sprintf("%d.png", i), 32, 32, 1+i%3)
		picturePath(t, filepath.Join(dir, "busy"), fmt.Sprintf("%d.png", i), 32, 32, 31+i%3)
	}
	return dir
}

func TestExamples(t *testing.T) {
	few, many := examples(t, 3), examples(t, 6)
	for _, model := range []string{"clip", "vit", "resnet"} {
		var doc classification
		r := call(t, "-model", model, "-image", filepath.Join(many, "steep"), "-examples", few, "-json")
		requireFine(t, r)
		requireJSON(t, r, &doc)
		require.Len(t, doc.Images, 6)
		for _, m := range doc.Images {
			assert.Equal(t, "steep", m.Top[0].Label, model)
		}
		var e evaluation
		r = call(t, "-model", model, "-eval", many, "-examples", few, "-json")
		requireFine(t, r)
		requireJSON(t, r, &e)
		assert.Equal(t, 1.0, e.Top1, model)
	}
}

func TestZeroShot(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"ship", "cat", "frog"} {
		source := filepath.Join(zooPictures, name+".png")
		if name == "cat" {
			source = filepath.Join(zooPictures, "cat.jpg")
		}
		data, err := os.ReadFile(source)
		require.NoError(t, err)
		require.NoError(t, os.MkdirAll(filepath.Join(dir, name), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name, filepath.Base(source)), data, 0o644))
	}
	var e evaluation
	r := call(t, "-model", "clip", "-eval", dir, "-json")
	requireFine(t, r)
	requireJSON(t, r, &e)
	assert.Equal(t, 3, e.Images)
	assert.Equal(t, 1.0, e.Top5)
}

func TestIndex(t *testing.T) {
	dir := t.TempDir()
	for i := range 7 {
		picturePath(t, dir, fmt.Sprintf("%d.png", i), 40+i, 30, i+1)
	}
	file := filepath.Join(dir, "x.index")
	index := func(args ...string) searchJSON {
		var doc searchJSON
		r := call(t, append([]string{"-model", "clip", "-index", file, "-json"}, args...)...)
		requireFine(t, r)
		requireJSON(t, r, &doc)
		return doc
	}
	assert.Equal(t, indexJSON{Path: file, Images: 7, Added: 7}, *index("-image", dir).Indexed)
	picturePath(t, dir, "3.png", 90, 30, 9)
	require.NoError(t, os.Remove(filepath.Join(dir, "5.png")))
	assert.Equal(t, indexJSON{Path: file, Images: 6, Added: 1, Removed: 1}, *index("-image", dir).Indexed)

	alone, whole := index("-text", "a ship", "-top", "0"), searchJSON{}
	r := call(t, "-model", "clip", "-image", dir, "-text", "a ship", "-top", "0", "-json")
	requireFine(t, r)
	requireJSON(t, r, &whole)
	require.Len(t, alone.Images, 6)
	for i := range whole.Images {
		assert.Equal(t, filepath.Base(whole.Images[i].Path), filepath.Base(alone.Images[i].Path))
		assert.InDelta(t, *whole.Images[i].Cosine, *alone.Images[i].Cosine, 2e-3) // another batch, in halves
	}

	few := index("-text", "a ship", "-top", "3") // on the device
	require.Len(t, few.Images, 3)
	for i, m := range few.Images {
		assert.Equal(t, alone.Images[i].Path, m.Path)
		assert.InDelta(t, *alone.Images[i].Cosine, *m.Cosine, 1e-5)
	}

	// A bad picture is named, and not tried again while it stays as it is.
	require.NoError(t, os.WriteFile(filepath.Join(dir, "bad.png"), []byte("no picture"), 0o644))
	r = call(t, "-model", "clip", "-index", file, "-image", dir)
	assert.Equal(t, cli.ExitFailure, r.code)
	assert.Contains(t, r.stderr, "bad.png")
	requireFine(t, call(t, "-model", "clip", "-index", file, "-image", dir))

	requireError(t, call(t, "-model", "clip", "-index", file, "-image", dir, "-precision", "f32"), cli.ExitFailure, file, "precision f16, not f32")
	requireError(t, call(t, "-model", "vit", "-index", file, "-image", dir), cli.ExitFailure, file, "model clip, not vit")
	requireError(t, call(t, "-model", "clip", "-index", filepath.Join(dir, "0.png"), "-image", dir), cli.ExitFailure, "0.png", "index")
}

// stored reads an index without this program.
func stored(t *testing.T, file string) map[string][]byte {
	t.Helper()
	db, err := sql.Open("sqlite3", "file:"+file+"?mode=ro")
	require.NoError(t, err)
	defer db.Close()
	all := map[string][]byte{}
	rows, err := db.Query("SELECT path, row FROM pictures")
	if err != nil { // not made yet
		return all
	}
	defer rows.Close()
	for rows.Next() {
		var path string
		var row int64
		require.NoError(t, rows.Scan(&path, &row))
		vectors, err := os.Open(file + ".vectors")
		require.NoError(t, err)
		data := make([]byte, 2*128)
		_, err = vectors.ReadAt(data, 64+row*int64(len(data)))
		require.NoError(t, err)
		require.NoError(t, vectors.Close())
		all[path] = data
	}
	return all
}

// An index whose process is killed in the middle goes on where it was, and
// comes to the same embeddings, bit for bit.
func TestIndexKilled(t *testing.T) {
	dir := t.TempDir()
	killed, whole := filepath.Join(dir, "killed.index"), filepath.Join(dir, "whole.index")
	pictures, before := 0, map[string][]byte{}
	for more := 240; len(before) == pictures; more *= 4 { // on a fast adapter the first ones are done before the kill
		require.LessOrEqual(t, more, 240*64, "no process was killed before its end")
		for range more {
			pictures++
			picturePath(t, dir, fmt.Sprintf("%05d.png", pictures), 40, 30, pictures)
		}
		require.NoError(t, os.RemoveAll(killed))
		cmd := subprocess(t, nil, "-model", "clip", "-image", dir, "-index", killed)
		require.NoError(t, cmd.Start())
		for len(stored(t, killed)) == 0 {
			time.Sleep(time.Millisecond)
		}
		require.NoError(t, cmd.Process.Kill())
		_ = cmd.Wait() // it was killed
		before = stored(t, killed)
	}
	t.Logf("killed after %d of %d", len(before), pictures)
	requireFine(t, finish(t, subprocess(t, nil, "-model", "clip", "-image", dir, "-index", whole)))

	r := finish(t, subprocess(t, nil, "-model", "clip", "-image", dir, "-index", killed))
	requireFine(t, r)
	assert.Contains(t, r.stdout, fmt.Sprintf("%d pictures, %d added", pictures, pictures-len(before)))
	assert.Equal(t, stored(t, whole), stored(t, killed))
}
