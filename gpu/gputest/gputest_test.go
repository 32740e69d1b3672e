package gputest

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/gpu"
)

func TestOptions(t *testing.T) {
	o, err := options(gpu.Options{MaxBinding: 7, Debug: gpu.Debug{Poison: true}}, func(name string) string {
		return map[string]string{"WGPU_BACKEND": "gl", "WGPU_ADAPTER_NAME": "llvmpipe", "SACCADE_DEBUG": "nan"}[name]
	})
	require.NoError(t, err)
	assert.Equal(t, gpu.Options{Backend: "gl", Adapter: "llvmpipe", MaxBinding: 7, Debug: gpu.Debug{NaN: true, Poison: true}, Log: os.Stderr}, o)
	_, err = options(gpu.Options{}, func(string) string { return "pioson" })
	assert.ErrorContains(t, err, "SACCADE_DEBUG: debug word \"pioson\"")
}

const add = `
struct Params { n: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@compute @workgroup_size(64, 1, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x < p.n) { y[id.x] = 1.0; }
}`

func runProgram(t *testing.T, d *gpu.Device) {
	t.Helper()
	k, err := gpu.ParseKernel("ones", "", add)
	require.NoError(t, err)
	r := d.Record(gpu.F32)
	y := r.New("y", 1, 8, 8)
	r.Do(gpu.Op{Kind: "ones", Out: []*gpu.Tensor{y}, Dispatches: []gpu.Dispatch{{Kernel: k, Params: gpu.Params{"n": 64}, Bind: []gpu.View{gpu.All(y)}, FLOPs: 64}}})
	r.Output("y", y)
	p, err := r.Finish()
	require.NoError(t, err)
	defer p.Close()
	_, err = p.Run(t.Context(), nil)
	require.NoError(t, err)
}

// failures is a test that counts what it was told.
type failures struct {
	testing.TB
	n int
}

func (f *failures) Error(...any) { f.n++ }

// The word reaches the device, and a device that it does not reach is found.
func TestPoison(t *testing.T) {
	t.Setenv("SACCADE_DEBUG", "poison")
	d := Open(t, gpu.Options{})
	runProgram(t, d)
	assert.Positive(t, d.Stats().Poisoned)

	plain, err := gpu.Open(gpu.Options{Backend: os.Getenv("WGPU_BACKEND"), Adapter: os.Getenv("WGPU_ADAPTER_NAME")})
	require.NoError(t, err)
	defer plain.Close()
	f := &failures{TB: t}
	requirePoison(f, plain)
	assert.Zero(t, f.n, "nothing ran")
	runProgram(t, plain)
	requirePoison(f, plain)
	assert.Equal(t, 1, f.n)

	code, _ := verdict(0, 0)
	assert.Equal(t, 1, code)
	code, _ = verdict(0, 1)
	assert.Zero(t, code)
}

// Every test takes its device from here; examples show what a program writes.
func TestNobodyElseOpensDevices(t *testing.T) {
	root, err := filepath.Abs(filepath.Join("..", ".."))
	require.NoError(t, err)
	seen := 0
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") || strings.HasSuffix(path, "example_test.go") || filepath.Base(filepath.Dir(path)) == "gputest" {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		seen += strings.Count(string(text), "gputest.")
		assert.NotContains(t, string(text), "gpu.Open(", path)
		return nil
	}))
	assert.Greater(t, seen, 50, "the tests are somewhere else")
}
