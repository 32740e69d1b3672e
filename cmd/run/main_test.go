package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"image"
	"image/color"
	"image/png"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/cmd/internal/cli"
	"saccade/golden"
	"saccade/models"
	"saccade/weights"
)

// TestMain runs the command itself in the processes that subprocess starts.
func TestMain(m *testing.M) {
	if os.Getenv("SACCADE_TEST_MAIN") != "" {
		limitFiles(os.Getenv("SACCADE_TEST_FILE_LIMIT"))
		main()
	}
	os.Exit(m.Run())
}

// result is what a call of the command left behind.
type result struct {
	code           int
	stdout, stderr string
}

// call runs the command in this process.
func call(t *testing.T, args ...string) result {
	t.Helper()
	return callWith(t, context.Background(), os.Getenv, args...)
}

func callWith(t *testing.T, ctx context.Context, getenv func(string) string, args ...string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := run(ctx, args, &stdout, &stderr, getenv)
	t.Logf("run %s: %d\n%s", strings.Join(args, " "), code, stderr.String())
	return result{code, stdout.String(), stderr.String()}
}

// subprocess runs the command in a process of its own, with more environment.
func subprocess(t *testing.T, env []string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self, args...)
	cmd.Env = append(append(os.Environ(), "SACCADE_TEST_MAIN=1"), env...)
	return cmd
}

// finish waits for a subprocess.
func finish(t *testing.T, cmd *exec.Cmd) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		require.NoError(t, err)
	}
	return result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// requireFine demands success.
func requireFine(t *testing.T, r result) {
	t.Helper()
	require.Equal(t, cli.ExitFine, r.code, r.stderr)
}

// requireError demands an exit code, nothing on stdout, and one line on stderr
// that holds all of parts.
func requireError(t *testing.T, r result, code int, parts ...string) {
	t.Helper()
	require.Equal(t, code, r.code, "stderr: %s", r.stderr)
	assert.Empty(t, r.stdout)
	require.True(t, strings.HasPrefix(r.stderr, "run: ") && strings.HasSuffix(r.stderr, "\n"), r.stderr)
	assert.Equal(t, 1, strings.Count(r.stderr, "\n"), r.stderr)
	assert.NotContains(t, r.stderr, "goroutine")
	for _, part := range parts {
		assert.Contains(t, r.stderr, part)
	}
}

// requireJSON reads the one document on stdout.
func requireJSON(t *testing.T, r result, into any) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(r.stdout))
	d.DisallowUnknownFields()
	require.NoError(t, d.Decode(into), r.stdout)
	assert.False(t, d.More(), "more than one document")
}

// checkpoint writes the folder of a golden's model to a disk.
func checkpoint(t *testing.T, name string) string {
	t.Helper()
	c, err := golden.Find(name)
	require.NoError(t, err)
	folder, err := golden.Folder(c)
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, folder))
	require.NoError(t, os.Remove(filepath.Join(dir, "golden.safetensors")))
	return dir
}

// rewrite changes the tensors of a checkpoint on the disk.
func rewrite(t *testing.T, dir string, change func(all map[string]*weights.Tensor)) {
	t.Helper()
	path := filepath.Join(dir, "model.safetensors")
	c, err := weights.Open(path)
	require.NoError(t, err)
	all := map[string]*weights.Tensor{}
	for _, name := range c.Names() {
		x, _ := c.Tensor(name)
		values := make([]float32, x.Len())
		require.NoError(t, x.Float32s(values))
		all[name] = tensor(t, name, values, x.Shape...)
	}
	require.NoError(t, c.Close())
	change(all)
	var list []*weights.Tensor
	for _, x := range all {
		list = append(list, x)
	}
	require.NoError(t, weights.Write(path, list, nil))
}

func tensor(t *testing.T, name string, values []float32, shape ...int) *weights.Tensor {
	t.Helper()
	x, err := weights.FromFloat32s(name, values, shape...)
	require.NoError(t, err)
	return x
}

// save writes tensors for -input into a new folder.
func save(t *testing.T, tensors ...*weights.Tensor) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "input.safetensors")
	require.NoError(t, weights.Write(path, tensors, nil))
	return path
}

// read reads all tensors of a file.
func read(t *testing.T, path string) map[string]models.Array {
	t.Helper()
	c, err := weights.Open(path)
	require.NoError(t, err)
	defer c.Close()
	out := map[string]models.Array{}
	for _, name := range c.Names() {
		x, _ := c.Tensor(name)
		require.Equal(t, weights.F32, x.DType)
		values := make([]float32, x.Len())
		require.NoError(t, x.Float32s(values))
		out[name] = models.Array{Shape: x.Shape, Data: values}
	}
	return out
}

// picturePath writes a small picture whose colour depends on seed.
func picturePath(t *testing.T, dir, name string, w, h int, seed int) string {
	t.Helper()
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			m.SetNRGBA(x, y, color.NRGBA{uint8(x * seed * 7), uint8(y * 5 * seed), uint8(x*y + seed*40), 255})
		}
	}
	var b bytes.Buffer
	require.NoError(t, png.Encode(&b, m))
	path := filepath.Join(dir, name)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, b.Bytes(), 0o644))
	return path
}

// files lists what is in a folder.
func files(t *testing.T, dir string) []string {
	t.Helper()
	var names []string
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, path)
		}
		return err
	}))
	return names
}

// transparentPNG is a picture without any opaque pixel.
func transparentPNG(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, png.Encode(&b, image.NewNRGBA(image.Rect(0, 0, 30, 20))))
	return b.Bytes()
}
