package main

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/cmd/internal/cli"
	"saccade/golden"
	"saccade/gpu"
	"saccade/models"
	"saccade/models/nn"
	"saccade/models/verify"
	"saccade/weights"
)

// A golden of each family through the command: -input in, -save out. What all of
// them come to is -verify's.
func TestGoldensByInputAndSave(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range golden.Cases() {
		if c.Weights != "" || seen[c.Model] { // with -input goes a checkpoint
			continue
		}
		seen[c.Model] = true
		for _, precision := range []gpu.DType{gpu.F16, gpu.F32} {
			t.Run(c.Name+"/"+precision.String(), func(t *testing.T) {
				tolerance, err := verify.Tolerance(c.Model, precision)
				require.NoError(t, err)
				goldenByCommand(t, c, precision.String(), tolerance)
			})
		}
	}
}

func goldenByCommand(t *testing.T, c golden.Case, precision string, tol golden.Tolerance) {
	g, err := golden.Load(c)
	require.NoError(t, err)
	dir, model := checkpoint(t, c.Name), c.Model
	if _, err := os.Stat(filepath.Join(dir, "config.json")); err != nil { // a bare state_dict
		found, err := filepath.Glob(filepath.Join(dir, "model.*"))
		require.NoError(t, err)
		require.Len(t, found, 1)
		dir, model = found[0], c.Architecture
		if _, err := models.FindFamily(model); err != nil { // whose tensors alone tell what it is
			model = c.Model
		}
	}
	var inputs []*weights.Tensor
	for _, name := range c.Inputs {
		in := g.Tensors[name]
		inputs = append(inputs, tensor(t, strings.TrimPrefix(name, golden.InputPrefix), in.Data, in.Shape...))
	}
	out := filepath.Join(t.TempDir(), "out.safetensors")
	args := []string{"-model", model, "-weights", dir, "-precision", precision, "-save", out, "-json",
		"-input", save(t, inputs...)}
	_, attentions := g.Tensors["attentions.0"]
	if attentions {
		args = append(args, "-attention")
	}
	r := call(t, args...)
	requireFine(t, r)
	saved := read(t, out)
	got := map[string][]float32{}
	for name, a := range saved {
		want, ok := g.Tensors[name]
		if !ok { // a library may give fewer outputs than there are
			continue
		}
		assert.Equal(t, want.Shape, a.Shape, name)
		got[name] = a.Data
	}
	golden.Require(t, golden.Check(g, got, tol), "the command")
	if logits, ok := saved["logits"]; ok && len(logits.Shape) == 2 { // of a classifier
		var doc classification
		requireJSON(t, r, &doc)
		require.Len(t, doc.Images, logits.Shape[0])
		best := doc.Images[0].Top[0]
		assert.InDelta(t, logits.Data[best.Index], best.Logit, 1e-6)
	}
}

func TestInputInBatches(t *testing.T) {
	dir := checkpoint(t, "vit_classify")
	values := make([]float32, 5*3*20*28)
	for i := range values {
		values[i] = float32(math.Sin(float64(i)))
	}
	input := save(t, tensor(t, nn.PixelValues, values, 5, 3, 20, 28))
	out := filepath.Join(t.TempDir(), "out.safetensors")
	var first []float32
	for _, batch := range []string{"5", "2", "1"} {
		requireFine(t, call(t, "-model", "vit", "-weights", dir, "-input", input, "-save", out, "-batch", batch, "-precision", "f32"))
		got := read(t, out)["logits"]
		require.Equal(t, []int{5, 7}, got.Shape)
		if first == nil {
			first = got.Data
		}
		assert.InDeltaSlice(t, first, got.Data, 1e-4)
	}
	r := call(t, "-model", "vit", "-weights", dir, "-input", input, "-top", "1")
	requireFine(t, r)
	assert.Contains(t, r.stdout, input+"[4]\n")
}

// Whatever type the file has, the values are the same.
func TestInputTypes(t *testing.T) {
	dir := checkpoint(t, "vit_classify")
	n := 3 * 20 * 28
	logit := func(x *weights.Tensor) float64 {
		var doc classification
		requireJSON(t, call(t, "-model", "vit", "-weights", dir, "-input", save(t, x), "-json"), &doc)
		return doc.Images[0].Top[0].Logit
	}
	f32 := tensor(t, nn.PixelValues, make([]float32, n), 1, 3, 20, 28)
	want := logit(f32)
	for _, typ := range []weights.DType{weights.F16, weights.BF16, weights.F64, weights.I32, weights.I64, weights.U8} {
		x := &weights.Tensor{Name: nn.PixelValues, Shape: []int{1, 3, 20, 28}, DType: typ, Data: make([]byte, n*typ.Size())}
		assert.Equal(t, want, logit(x), "%s", typ)
	}
}

func TestBadInput(t *testing.T) {
	dir := checkpoint(t, "vit_classify")
	zeros := func(name string, shape ...int) *weights.Tensor {
		n := 1
		for _, d := range shape {
			n *= d
		}
		return tensor(t, name, make([]float32, n), shape...)
	}
	good := zeros(nn.PixelValues, 1, 3, 20, 28)
	text := filepath.Join(t.TempDir(), "input.safetensors")
	require.NoError(t, os.WriteFile(text, []byte("this is not a safetensors file"), 0o644))
	for _, c := range []struct {
		name, path string
		parts      []string
	}{
		{"missing", "nowhere.safetensors", []string{"nowhere.safetensors", "no such file"}},
		{"text", text, []string{text}},
		{"no tensor", save(t), []string{"no tensor in it"}},
		{"another name", save(t, zeros("pixels", 1, 3, 20, 28)), []string{"found an input pixels", nn.PixelValues}},
		{"one too many", save(t, good, zeros("input_ids", 1, 3)), []string{"found an input input_ids", nn.PixelValues}},
		{"three dimensions", save(t, zeros(nn.PixelValues, 3, 20, 28)), []string{"[3 20 28]", "[N 3 H W]"}},
		{"channels", save(t, zeros(nn.PixelValues, 1, 4, 20, 28)), []string{"[1 4 20 28]", "[N 3 H W]"}},
		{"no picture", save(t, zeros(nn.PixelValues, 0, 3, 20, 28)), []string{"[0 3 20 28]"}},
		{"smaller than a patch", save(t, zeros(nn.PixelValues, 1, 3, 2, 2)), []string{"[1 3 2 2]", "at least 4"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			requireError(t, call(t, "-model", "vit", "-weights", dir, "-input", c.path, "-json"), cli.ExitFailure, c.parts...)
		})
	}
}

// Halves overflow beyond 65504: the operation is named and nothing saved.
func TestOverflow(t *testing.T) {
	dir, out := checkpoint(t, "vit_classify"), t.TempDir()
	values := make([]float32, 3*20*28)
	for i := range values {
		values[i] = 1e6
	}
	args := []string{"-model", "vit", "-weights", dir, "-input", save(t, tensor(t, nn.PixelValues, values, 1, 3, 20, 28)),
		"-save", filepath.Join(out, "x.safetensors"), "-json"}
	requireError(t, call(t, args...), cli.ExitFailure, "NaN or Inf", "patch_embed.proj", "-precision f32")
	assert.Empty(t, files(t, out))
	requireFine(t, call(t, append(args, "-precision", "f32")...))

	values[7] = float32(math.NaN())
	args[5] = save(t, tensor(t, nn.PixelValues, values, 1, 3, 20, 28))
	requireError(t, call(t, append(args, "-precision", "f32")...), cli.ExitFailure, "NaN or Inf", "in the input")
}

func TestNoClasses(t *testing.T) {
	dir := checkpoint(t, "vit_pooler")
	pic := picturePath(t, t.TempDir(), "a.png", 30, 20, 1)
	requireError(t, call(t, "-model", "vit", "-weights", dir, "-image", pic, "-json"), cli.ExitFailure, "no classes", "-save")
	out := filepath.Join(t.TempDir(), "out.safetensors")
	r := call(t, "-model", "vit", "-weights", dir, "-image", pic, "-image", pic, "-save", out)
	requireFine(t, r)
	assert.Empty(t, r.stdout)
	assert.Equal(t, []int{2, 10, 21}, read(t, out)["last_hidden_state"].Shape)
	assert.Equal(t, []int{2, 11}, read(t, out)["pooler_output"].Shape)
	requireError(t, call(t, "-model", "vit", "-weights", dir, "-eval", filepath.Dir(filepath.Dir(pic))), cli.ExitFailure, "no classes")
}

func TestSavePaths(t *testing.T) {
	folder := t.TempDir()
	a, b := picturePath(t, folder, "a.png", 30, 20, 1), picturePath(t, folder, "b.png", 30, 20, 2)
	out := filepath.Join(t.TempDir(), "out.safetensors")
	requireFine(t, call(t, "-model", "vit", "-image", folder, "-save", out))
	c, err := weights.Open(out)
	require.NoError(t, err)
	defer c.Close()
	assert.Equal(t, fmt.Sprintf("[%q,%q]", a, b), c.Metadata()["paths"])
	requireError(t, call(t, "-model", "vit", "-image", folder, "-save", filepath.Join(folder, "none", "x.safetensors")), cli.ExitFailure, "save", "no such file or directory")
	requireError(t, call(t, "-model", "vit", "-image", folder, "-save", folder), cli.ExitFailure, "not a file")
	assert.Len(t, files(t, folder), 2)
	assert.False(t, strings.Contains(strings.Join(files(t, filepath.Dir(out)), " "), "part"))
}
