package golden

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// computed is a golden and a perfect result for it, of all layers and outputs.
func computed(t *testing.T, name string) (*Golden, map[string][]float32) {
	t.Helper()
	c, err := Find(name)
	require.NoError(t, err)
	g, err := Load(c)
	require.NoError(t, err)
	got := map[string][]float32{}
	for _, name := range slices.Concat(c.Layers, c.Outputs) {
		got[name] = slices.Clone(g.Tensors[name].Data)
	}
	return g, got
}

func TestCheckPasses(t *testing.T) {
	for _, c := range Cases() {
		g, got := computed(t, c.Name)
		r := Check(g, got, F32)
		assert.True(t, r.OK(), r)
		assert.Len(t, r.Results, len(c.Layers)+len(c.Outputs))
		_, found := FirstDivergence(g, got, F32)
		assert.False(t, found)
	}
}

func TestFirstDivergenceNamesTheMutatedTensor(t *testing.T) {
	for _, c := range Cases() {
		names := slices.Concat(c.Layers, c.Outputs)
		for i, name := range names {
			g, got := computed(t, c.Name)
			for _, later := range names[i:] { // what follows a wrong tensor is wrong too
				got[later][len(got[later])/2] += 1
			}
			first, found := FirstDivergence(g, got, F16)
			require.True(t, found, name)
			assert.Equal(t, name, first.Name)
			assert.Contains(t, Check(g, got, F16).String(), "golden "+c.Name+": "+name+" diverges first")
		}
	}
}

func TestCheckOutputsAloneSuffice(t *testing.T) {
	g, got := computed(t, "vit_classify")
	r := Check(g, map[string][]float32{"logits": got["logits"]}, F32)
	assert.True(t, r.OK())
	assert.Len(t, r.Results, 1)
}

func TestCheckMissingAndUnknown(t *testing.T) {
	g, got := computed(t, "vit_classify")
	delete(got, "logits")
	first, found := FirstDivergence(g, got, F32)
	require.True(t, found)
	assert.ErrorContains(t, first.Err, "logits: it was not computed")

	g, got = computed(t, "vit_classify")
	got["layers.0"] = []float32{1}
	first, found = FirstDivergence(g, got, F32)
	require.True(t, found)
	assert.ErrorContains(t, first.Err, "layers.0: golden vit_classify has no such tensor")
	require.NoError(t, Check(g, got, F32).Write(t.TempDir(), "nowhere"))
}

func TestCheckLengthAndNaN(t *testing.T) {
	g, got := computed(t, "vit_pooler")
	got["layer.1"] = got["layer.1"][1:]
	first, _ := FirstDivergence(g, got, F32)
	assert.ErrorContains(t, first.Err, "layer.1: got 419 values, the golden has 420")

	g, got = computed(t, "vit_pooler")
	got["pooler_output"][3] = float32(math.NaN())
	first, _ = FirstDivergence(g, got, F32)
	assert.Equal(t, "pooler_output", first.Name)
	assert.Equal(t, 3, first.Worst)
}

// Intermediates of some goldens cover the first pictures of the batch only.
func TestCheckFirstImages(t *testing.T) {
	g := &Golden{
		Case: Case{Name: "x", Inputs: []string{"in"}, Layers: []string{"a"}, Outputs: []string{"b"}, LayerImages: 1},
		Tensors: map[string]Tensor{
			"in": {Shape: []int{3, 1}, Data: []float32{1, 2, 3}},
			"a":  {Shape: []int{1, 2}, Data: []float32{4, 5}},
			"b":  {Shape: []int{3}, Data: []float32{6, 7, 8}},
		},
	}
	b := []float32{6, 7, 8}
	assert.True(t, Check(g, map[string][]float32{"a": {4, 5, 0, 0, 0, 0}, "b": b}, F32).OK())
	assert.True(t, Check(g, map[string][]float32{"a": {4, 5}, "b": b}, F32).OK())
	assert.False(t, Check(g, map[string][]float32{"a": {4, 0, 0, 0, 0, 0}, "b": b}, F32).OK())
	assert.False(t, Check(g, map[string][]float32{"a": {4, 5, 0, 0}, "b": b}, F32).OK())
}

func TestReportFiles(t *testing.T) {
	g := &Golden{
		Case: Case{Name: "x", Inputs: []string{"latents"}, Outputs: []string{"image", "score"}},
		Tensors: map[string]Tensor{
			"latents": {Shape: []int{2}, Data: make([]float32, 2)},
			"image":   {Shape: []int{2, 3, 4, 5}, Data: make([]float32, 120)},
			"score":   {Shape: []int{2}, Data: []float32{1, 2}},
		},
	}
	got := map[string][]float32{"image": make([]float32, 120), "score": {1, 2}}
	g.Tensors["image"].Data[0] = 1
	got["image"][60+20+7] = 0.5 // picture 1, green, row 1, column 2
	got["image"][1] = float32(math.NaN())

	dir := filepath.Join(t.TempDir(), "new", "folder")
	require.NoError(t, Check(g, got, F32).Write(dir, "adapter A, driver D"))
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	assert.Equal(t, []string{"image.got.npy", "image.png", "image.want.npy", "report.txt"}, names)

	text, err := os.ReadFile(filepath.Join(dir, "report.txt"))
	require.NoError(t, err)
	assert.Contains(t, string(text), "golden x: image diverges first")
	assert.Contains(t, string(text), "adapter A, driver D")
	checkNpy(t, filepath.Join(dir, "image.got.npy"), "(2, 3, 4, 5)", got["image"])

	f, err := os.Open(filepath.Join(dir, "image.png"))
	require.NoError(t, err)
	defer f.Close()
	m, err := png.Decode(f)
	require.NoError(t, err)
	assert.Equal(t, 15, m.Bounds().Dx(), "wanted, got, difference")
	assert.Equal(t, 8, m.Bounds().Dy(), "two pictures")
	red, _, _, _ := m.At(0, 0).RGBA()
	assert.Equal(t, uint32(0xffff), red, "wanted")
	red, _, blue, _ := m.At(5+1, 0).RGBA()
	assert.Equal(t, []uint32{0xffff, 0xffff}, []uint32{red, blue}, "NaN is magenta")
	_, green, _, _ := m.At(10+2, 4+1).RGBA()
	assert.Equal(t, uint32(0x8080), green, "half the largest difference")
}

// checkNpy reads a file as NumPy documents it.
func checkNpy(t *testing.T, file, shape string, values []float32) {
	t.Helper()
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	require.True(t, bytes.HasPrefix(data, []byte("\x93NUMPY\x01\x00")))
	n := 10 + int(binary.LittleEndian.Uint16(data[8:]))
	assert.Zero(t, n%64)
	assert.Contains(t, string(data[10:n]), "'shape': "+shape)
	assert.Equal(t, byte('\n'), data[n-1])
	require.Len(t, data[n:], 4*len(values))
	for i, v := range values {
		assert.Equal(t, math.Float32bits(v), binary.LittleEndian.Uint32(data[n+4*i:]))
	}
}

func TestReportWriteFails(t *testing.T) {
	g, got := computed(t, "vit_classify")
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o666))
	assert.ErrorContains(t, Check(g, got, F32).Write(file, ""), "write the report on golden vit_classify")
}

// recorder stands for a test that fails.
type recorder struct{ logged, fatal string }

func (r *recorder) Helper()                        {}
func (r *recorder) Logf(format string, a ...any)   { r.logged += fmt.Sprintf(format, a...) }
func (r *recorder) Fatalf(format string, a ...any) { r.fatal += fmt.Sprintf(format, a...) }

func TestRequire(t *testing.T) {
	g, got := computed(t, "vit_classify")
	var r recorder
	Require(&r, Check(g, got, F32), "adapter A")
	assert.Empty(t, r.fatal)
	assert.Contains(t, r.logged, "ok layer.1: NMSE 0 of 1e-11")

	t.Setenv("TMPDIR", t.TempDir())
	got["layer.1"][0] += 3
	got["logits"][0] += 1
	Require(&r, Check(g, got, F32), "adapter A")
	assert.Contains(t, r.fatal, "layer.1 diverges first")
	assert.Contains(t, r.fatal, "adapter A")
	_, dir, found := strings.Cut(r.fatal, "difference: ")
	require.True(t, found)
	_, err := os.Stat(filepath.Join(dir, "layer.1.got.npy"))
	assert.NoError(t, err)
}
