package main

import (
	"archive/tar"
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/cmd/internal/cli"
)

// embedRow is what run embed writes.
type embedRow struct {
	Path   string    `parquet:"path"`
	Key    string    `parquet:"key"`
	Model  string    `parquet:"model"`
	Vector []float32 `parquet:"vector,optional,list"`
	Error  *string   `parquet:"error,optional"`
}

// mixed is a folder of pictures with one that is damaged.
func mixed(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for i, name := range []string{"a.png", "c.png", "d.png"} {
		picturePath(t, dir, name, 32+8*i, 40, 1+i)
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "b.png"), []byte("\x89PNG\r\n\x1a\nno more"), 0o600))
	return dir
}

// packed is a tar of a folder's files, the last first.
func packed(t *testing.T, folder string) string {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, name := range []string{"d.png", "c.png", "b.png", "a.png"} {
		data, err := os.ReadFile(filepath.Join(folder, name))
		require.NoError(t, err)
		require.NoError(t, w.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(data))}))
		_, err = w.Write(data)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	path := filepath.Join(t.TempDir(), "x.tar")
	require.NoError(t, os.WriteFile(path, out.Bytes(), 0o600))
	return path
}

// A bad picture is a row, vectors depend on neither order nor number, and what is made is
// not made again.
func TestEmbedShard(t *testing.T) {
	in := mixed(t)
	out := filepath.Join(t.TempDir(), "x.parquet")
	var doc shardJSON
	args := []string{"embed", "-in", in, "-out", out, "-precision", "f32", "-json"}
	r := call(t, args...)
	requireFine(t, r)
	requireJSON(t, r, &doc)
	assert.Equal(t, []int{4, 1}, []int{doc.Images, doc.Bad})
	assert.False(t, doc.Done)
	require.NotNil(t, doc.MS)
	assert.Positive(t, doc.MS.Adapter)
	rows, err := parquet.ReadFile[embedRow](out)
	require.NoError(t, err)
	require.Len(t, rows, 4)
	vectors := map[string][]float32{}
	for i, row := range rows {
		assert.Equal(t, filepath.Join(in, string("abcd"[i])+".png"), row.Path)
		assert.Equal(t, string("abcd"[i]), row.Key)
		assert.Equal(t, rows[0].Model, row.Model)
		if vectors[row.Key] = row.Vector; i == 1 {
			require.NotNil(t, row.Error)
			assert.Contains(t, *row.Error, "PNG")
			assert.Empty(t, row.Vector)
			continue
		}
		assert.Nil(t, row.Error)
		assert.Len(t, row.Vector, 128)
	}
	before, err := os.Stat(out)
	require.NoError(t, err)
	doc = shardJSON{}
	requireJSON(t, call(t, args...), &doc)
	assert.True(t, doc.Done)
	assert.Equal(t, []int{4, 1}, []int{doc.Images, doc.Bad})
	after, err := os.Stat(out)
	require.NoError(t, err)
	assert.Equal(t, before.ModTime(), after.ModTime())

	tarred := filepath.Join(t.TempDir(), "tar.parquet")
	requireFine(t, call(t, "embed", "-in", packed(t, in), "-out", tarred, "-precision", "f32"))
	rows, err = parquet.ReadFile[embedRow](tarred)
	require.NoError(t, err)
	require.Len(t, rows, 4)
	for i, row := range rows {
		assert.Equal(t, string("dcba"[i]), row.Key)
		assert.Equal(t, vectors[row.Key], row.Vector)
	}

	for _, c := range [][]string{
		{"made by clip (zoo/clip), f32, not by clip (zoo/clip), f16", "embed", "-in", in, "-out", out},
		{"made by clip (zoo/clip), f32 with other weights, preprocessing or flags", "embed", "-in", in, "-out", out, "-precision", "f32", "-background", "1,2,3"},
		{"holds vectors, not classes", "classify", "-in", in, "-out", out},
		{"made of another shard", "embed", "-in", packed(t, in), "-out", out, "-precision", "f32"},
	} {
		requireError(t, call(t, c[1:]...), cli.ExitFailure, out, c[0])
	}
	found, err := os.ReadDir(filepath.Dir(out))
	require.NoError(t, err)
	assert.Len(t, found, 1, "nothing is left beside it")
}

func TestClassifyAndCaptionShard(t *testing.T) {
	in, dir := mixed(t), t.TempDir()
	for word, c := range map[string]struct {
		args []string
		want func(path string)
	}{
		classifyWord: {[]string{"-top", "3"}, func(path string) {
			rows, err := parquet.ReadFile[struct {
				Top []struct {
					Index        int32   `parquet:"index"`
					Label        string  `parquet:"label"`
					Score, Logit float32 `parquet:"-"`
				} `parquet:"top,optional,list"`
				Error *string `parquet:"error,optional"`
			}](path)
			require.NoError(t, err)
			require.Len(t, rows, 4)
			assert.Len(t, rows[0].Top, 3)
			assert.NotEmpty(t, rows[0].Top[0].Label)
			assert.Empty(t, rows[1].Top)
			assert.NotNil(t, rows[1].Error)
		}},
		captionWord: {nil, func(path string) {
			rows, err := parquet.ReadFile[struct {
				Text  *string `parquet:"text,optional"`
				Error *string `parquet:"error,optional"`
			}](path)
			require.NoError(t, err)
			require.Len(t, rows, 4)
			require.NotNil(t, rows[0].Text)
			assert.NotEmpty(t, *rows[0].Text)
			assert.Nil(t, rows[1].Text)
			assert.NotNil(t, rows[1].Error)
		}},
	} {
		out := filepath.Join(dir, word+".parquet")
		r := call(t, append([]string{word, "-in", in, "-out", out}, c.args...)...)
		requireFine(t, r)
		assert.Contains(t, r.stdout, ": 4 pictures, 1 with errors")
		assert.Contains(t, r.stderr, "b.png")
		assert.Contains(t, r.stderr, "for the adapter")
		c.want(out)
	}
}

func TestBadShards(t *testing.T) {
	in, dir := mixed(t), t.TempDir()
	out := filepath.Join(dir, "x.parquet")
	whole, err := os.ReadFile(packed(t, in))
	require.NoError(t, err)
	cut := filepath.Join(dir, "cut.tar")
	require.NoError(t, os.WriteFile(cut, whole[:700], 0o600))
	bad := filepath.Join(dir, "bad")
	require.NoError(t, os.Mkdir(bad, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(bad, "x.png"), []byte("no picture"), 0o600))
	foreign := filepath.Join(dir, "foreign.parquet")
	require.NoError(t, parquet.WriteFile(foreign, []struct{ A int }{{1}}))
	for _, c := range []struct {
		code  int
		args  []string
		parts []string
	}{
		{cli.ExitUsage, []string{"embed", "-out", out}, []string{"-in SHARD"}},
		{cli.ExitUsage, []string{"embed", "-in", in}, []string{"-out FILE.parquet"}},
		{cli.ExitUsage, []string{"-in", in, "-out", out}, []string{"go with run embed"}},
		{cli.ExitUsage, []string{"-model", "vit", "-image", in, "-fast-decode"}, []string{"-fast-decode go with run embed"}},
		{cli.ExitUsage, []string{"-model", "clip", "embed", "-in", in}, []string{"embed stands before all flags"}},
		{cli.ExitUsage, []string{"embed", "-in", in, "-out", out, "-image", in}, []string{"-image does not go with run embed"}},
		{cli.ExitUsage, []string{"embed", "-in", in, "-out", out, "-top", "3"}, []string{"-top does not go with run embed"}},
		{cli.ExitUsage, []string{"embed", "-in", in, "-out", out, "-model", "clpi"}, []string{`nearest is "clip"`}},
		{cli.ExitUsage, []string{"embed", "-in", in, "-out", out, "-model", "sd"}, []string{"does not go with sd"}},
		{cli.ExitUsage, []string{"caption", "-in", in, "-out", out, "-model", "vit"}, []string{"vit writes no texts"}},
		{cli.ExitUsage, []string{"classify", "-in", in, "-out", out, "-model", "blip"}, []string{"run caption"}},
		{cli.ExitUsage, []string{"embed", "-in", foreign, "-out", foreign}, []string{"-in and -out both name"}},
		{cli.ExitFailure, []string{"embed", "-in", filepath.Join(dir, "none"), "-out", out}, []string{"shard", "none", "no such file"}},
		{cli.ExitFailure, []string{"embed", "-in", cut, "-out", out}, []string{"truncated tar archive"}},
		{cli.ExitFailure, []string{"embed", "-in", foreign, "-out", out}, []string{"no column of pictures", "it has A"}},
		{cli.ExitFailure, []string{"embed", "-in", in, "-out", filepath.Join(dir, "none", "x.parquet")}, []string{"folder", "none"}},
		{cli.ExitFailure, []string{"embed", "-in", in, "-out", foreign}, []string{foreign, "no output of this program"}},
		{cli.ExitFailure, []string{"embed", "-in", in, "-out", dir}, []string{"not a file"}},
		{cli.ExitFailure, []string{"embed", "-in", bad, "-out", out}, []string{"none of the 1 picture", "nothing is written", "x.png"}},
		{cli.ExitFailure, []string{"classify", "-in", in, "-out", out, "-model", "clip"}, []string{"no classes", "run embed"}},
	} {
		requireError(t, call(t, append(c.args, "-json")...), c.code, c.parts...)
	}
	assert.NoFileExists(t, out)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r := callWith(t, ctx, os.Getenv, "embed", "-in", in, "-out", out)
	assert.Equal(t, cli.ExitInterrupted, r.code)
	found, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, found, 3, "nothing is left behind")
}
