package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/cmd/internal/cli"
	"saccade/golden"
	"saccade/weights"
)

// Every golden in both precisions on a plain arena; package verify's own tests, of
// which each names what differs, take the poisoned one (scripts/test). What is
// printed without -json is looked at where a weight is wrong.
func TestVerifyGoldens(t *testing.T) {
	goldens := len(golden.Cases())
	for _, name := range golden.Pipelines() {
		cases, err := golden.PipelineCases(name)
		require.NoError(t, err)
		goldens += len(cases)
	}
	r := call(t, "-verify", "-json")
	requireFine(t, r)
	assert.Empty(t, r.stderr)
	var doc struct {
		Adapter adapterJSON
		OK      bool
		Goldens []goldenJSON
	}
	requireJSON(t, r, &doc)
	assert.True(t, doc.OK)
	assert.Len(t, doc.Goldens, 2*goldens)
}

func TestVerifyModel(t *testing.T) {
	pic := picturePath(t, t.TempDir(), "a.png", 30, 20, 1)
	for _, args := range [][]string{nil, {"-image", pic}, {"-batch", "2", "-precision", "f32"}, {"-attention"}} {
		r := call(t, append([]string{"-verify", "-model", "vit", "-weights", checkpoint(t, "vit_classify")}, args...)...)
		requireFine(t, r)
		assert.Regexp(t, `(?m)^layernorm +7 .* ok$`, r.stdout)
		assert.Contains(t, r.stderr, "agree with the CPU")
	}
	r := call(t, "-verify", "-model", "vit", "-weights", checkpoint(t, "vit_classify"), "-json")
	requireFine(t, r)
	var doc struct {
		head
		OK  bool
		Ops []opJSON
	}
	requireJSON(t, r, &doc)
	assert.True(t, doc.OK)
	assert.NotEmpty(t, doc.Ops)
}

// One wrong weight in an embedded golden: exit 4, with the model and the layer.
func TestVerifyFindsAWrongWeight(t *testing.T) {
	const file = "golden/models/vit_timm/model.safetensors"
	changed := filepath.Join(t.TempDir(), "model.safetensors")
	copyFile(t, filepath.Join("..", "..", filepath.FromSlash(file)), changed)
	rewrite(t, filepath.Dir(changed), func(all map[string]*weights.Tensor) {
		at := all["blocks.1.mlp.fc2.bias"].Data
		v := math.Float32frombits(binary.LittleEndian.Uint32(at))
		binary.LittleEndian.PutUint32(at, math.Float32bits(v+0.5))
	})
	r := verifyBuild(t, map[string]string{file: changed}, "-verify", "-precision", "f32")
	assert.Equal(t, cli.ExitMismatch, r.code, r.stderr)
	assert.Equal(t, 1, strings.Count(r.stdout, "FAIL"))
	fine := 0
	for _, line := range strings.Split(strings.TrimSpace(r.stdout), "\n") {
		if !strings.Contains(line, "FAIL") {
			assert.Regexp(t, `^[\w/]+ +f32  ok +NMSE +\d\.\d\de[-+]\d+ +\d+\.\d % of the tolerance used$`, line)
			fine++
		}
	}
	assert.Greater(t, fine, 60)
	assert.Equal(t, 1, strings.Count(r.stderr, "\n"), r.stderr)
	var doc struct {
		Devices []struct{ Name, Driver string }
	}
	require.NoError(t, json.Unmarshal([]byte(call(t, "-list-devices", "-json").stdout), &doc))
	for _, part := range []string{"vit_timm", "f32", "layer.1 diverges first", doc.Devices[0].Name, doc.Devices[0].Driver} {
		assert.Contains(t, r.stderr, part)
	}
}

// One wrong kernel: exit 4, with the model and its first wrong dispatch, and
// with the goldens' first wrong layer.
func TestVerifyFindsAWrongKernel(t *testing.T) {
	const file = "shaders/layernorm.wgsl"
	text, err := os.ReadFile(filepath.Join("..", "..", filepath.FromSlash(file)))
	require.NoError(t, err)
	wrong := strings.Replace(string(text), "p.eps", "p.eps + 0.5", 1)
	require.NotEqual(t, string(text), wrong, "the shader does not read p.eps any more")
	changed := filepath.Join(t.TempDir(), "layernorm.wgsl")
	require.NoError(t, os.WriteFile(changed, []byte(wrong), 0o644))
	r := verifyBuild(t, map[string]string{file: changed}, "-verify", "-model", "vit", "-weights", checkpoint(t, "vit_classify"), "-json")
	assert.Equal(t, cli.ExitMismatch, r.code, r.stderr)
	assert.Contains(t, r.stderr, "blocks.0.norm1 (layernorm, kernel layernorm/")
	assert.Contains(t, r.stderr, "(and 6 more)")
	assert.Contains(t, r.stdout, `"ok":false`)
}

// verifyBuild builds the command with other files in place of the project's,
// by their path in it, and runs it.
func verifyBuild(t *testing.T, replace map[string]string, args ...string) result {
	t.Helper()
	root, err := filepath.Abs(filepath.Join("..", ".."))
	require.NoError(t, err)
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	for file, by := range replace {
		overlay.Replace[filepath.Join(root, filepath.FromSlash(file))] = by
	}
	dir := t.TempDir()
	data, err := json.Marshal(overlay)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "overlay.json"), data, 0o644))
	bin := filepath.Join(dir, "run.exe")
	out, err := exec.Command("go", "build", "-overlay", filepath.Join(dir, "overlay.json"), "-o", bin, "saccade/cmd/run").CombinedOutput()
	require.NoError(t, err, "%s", out)
	cmd := exec.Command(bin, args...)
	cmd.Env = append(os.Environ(), "TMPDIR="+dir)
	return finish(t, cmd)
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(to, data, 0o644))
}

func TestProfile(t *testing.T) {
	dir := checkpoint(t, "vit_classify")
	r := call(t, "-model", "vit", "-weights", dir, "-profile")
	requireFine(t, r)
	for _, part := range []string{"op ", "label", "variant", "µs", "GFLOP/s", "GB/s", "blocks.2.mlp.fc2", "all"} {
		assert.Contains(t, r.stdout, part)
	}
	r = call(t, "-model", "vit", "-weights", dir, "-profile", "-json", "-batch", "3")
	requireFine(t, r)
	var doc struct {
		head
		Input      []int
		US         float64
		Memory     memoryJSON
		Dispatches []dispatchJSON
		Totals     []totalJSON
	}
	requireJSON(t, r, &doc)
	assert.Equal(t, []int{3, 3, 20, 28}, doc.Input)
	assert.Less(t, doc.Memory.Activations, doc.Memory.Unshared)
	assert.LessOrEqual(t, float64(doc.Memory.Activations), 1.3*float64(doc.Memory.Live))
	assert.Positive(t, doc.Memory.Weights)
	sum, n := 0.0, 0
	for _, x := range doc.Totals {
		sum, n = sum+x.US, n+x.Dispatches
	}
	assert.Len(t, doc.Dispatches, n)
	assert.InDelta(t, doc.US, sum, 1e-3*sum)
	for _, d := range doc.Dispatches {
		assert.NotEmpty(t, d.Op)
		assert.NotEmpty(t, d.Label)
		assert.NotEmpty(t, d.Variant)
		assert.NotEmpty(t, d.Shape)
	}
}

func TestListModels(t *testing.T) {
	r := call(t, "-list-models")
	requireFine(t, r)
	assert.Contains(t, r.stdout, "vit: ")
	assert.Contains(t, r.stdout, "vit_b_16")
	var doc struct{ Models []modelJSON }
	requireJSON(t, call(t, "-list-models", "-json"), &doc)
	require.NotEmpty(t, doc.Models)
	assert.Equal(t, "vit", doc.Models[0].Name)
	assert.True(t, doc.Models[0].Embedded)
}

func TestListDevices(t *testing.T) {
	r := call(t, "-list-devices")
	requireFine(t, r)
	for _, part := range []string{"vendor", "driver", "backend", "type", "limits", "invocations", "features", "binding  github.com/"} {
		assert.Contains(t, r.stdout, part)
	}
}

func TestEval(t *testing.T) {
	dir, folder := checkpoint(t, "vit_classify"), t.TempDir()
	for i, name := range []string{"Elm", "ash", "fir"} {
		for k := range 3 {
			picturePath(t, folder, filepath.Join(name, fmt.Sprintf("%d.png", k)), 28, 20, 3*i+k+1)
		}
	}
	var doc evaluation
	r := call(t, "-model", "vit", "-weights", dir, "-eval", folder, "-json")
	requireFine(t, r)
	assert.Empty(t, r.stderr)
	requireJSON(t, r, &doc)
	assert.Equal(t, 9, doc.Images)
	assert.Positive(t, doc.PerSecond)
	require.Len(t, doc.Confusion, 3)
	right := 0
	for f, row := range doc.Confusion {
		require.Len(t, row, 3)
		right += row[f]
	}
	assert.InDelta(t, float64(right)/9, doc.Top1, 1e-9)
	assert.GreaterOrEqual(t, doc.Top5, doc.Top1)

	var images classification // the same, counted by hand
	requireJSON(t, call(t, "-model", "vit", "-weights", dir, "-image", folder, "-json"), &images)
	hits := 0
	for _, x := range images.Images {
		if strings.EqualFold(x.Top[0].Label, filepath.Base(filepath.Dir(x.Path))) {
			hits++
		}
	}
	assert.Equal(t, hits, right)

	r = call(t, "-model", "vit", "-weights", dir, "-eval", folder)
	requireFine(t, r)
	assert.Contains(t, r.stdout, "top-1")
	assert.Contains(t, r.stdout, "true \\ predicted")

	require.NoError(t, os.WriteFile(filepath.Join(folder, "ash", "bad.png"), []byte("x"), 0o644))
	r = call(t, "-model", "vit", "-weights", dir, "-eval", folder, "-json")
	assert.Equal(t, cli.ExitFailure, r.code)
	doc = evaluation{}
	requireJSON(t, r, &doc)
	assert.Equal(t, 9, doc.Images)
	assert.Len(t, doc.Errors, 1)

	picturePath(t, folder, "larch/a.png", 28, 20, 1)
	requireError(t, call(t, "-model", "vit", "-weights", dir, "-eval", folder, "-json"), cli.ExitFailure, "larch", "nearest")
	requireError(t, call(t, "-model", "vit", "-eval", filepath.Join(folder, "ash")), cli.ExitFailure, "sub-folder")
	requireError(t, call(t, "-model", "vit", "-eval", "nowhere"), cli.ExitFailure, "nowhere", "no such file")
}

// Without labels the i-th folder in sorted order is class i.
func TestEvalWithoutLabels(t *testing.T) {
	dir, folder := checkpoint(t, "vit_timm"), t.TempDir()
	for i, name := range []string{"b", "a", "c"} {
		picturePath(t, folder, filepath.Join(name, "x.png"), 30, 18, i+1)
	}
	var doc evaluation
	requireJSON(t, call(t, "-model", "vit", "-weights", dir, "-eval", folder, "-json"), &doc)
	var images classification
	requireJSON(t, call(t, "-model", "vit", "-weights", dir, "-image", folder, "-json"), &images)
	for f, x := range images.Images { // sorted as the folders are
		if k := x.Top[0].Index; k < 3 {
			assert.Equal(t, 1, doc.Confusion[f][k])
		}
	}
	for _, name := range strings.Split("d e f g h i j", " ") {
		picturePath(t, folder, filepath.Join(name, "x.png"), 30, 18, 1)
	}
	requireError(t, call(t, "-model", "vit", "-weights", dir, "-eval", folder), cli.ExitFailure, "10 sub-folders", "9 classes")
}
