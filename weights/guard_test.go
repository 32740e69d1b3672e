package weights

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A file that is shortened while it is mapped is an error of whatever reads it.
func TestFileThatShrinks(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows does not shorten what is mapped")
	}
	const n = 1 << 20
	path := filepath.Join(t.TempDir(), "x.safetensors")
	require.NoError(t, Write(path, []*Tensor{filled(t, "a", 1, n)}, nil))
	c, err := Open(path)
	require.NoError(t, err)
	defer c.Close()
	x, _ := c.Tensor("a")
	values := make([]float32, n)
	for _, keep := range []int64{2 << 20, 4096, 0} {
		require.NoError(t, os.Truncate(path, keep))
		binding := Binding{Name: "a", Tensor: x, Param: Param{Set: func(t *Tensor) error { return t.Float32s(values) }}}
		err = binding.Set()
		assert.ErrorIs(t, err, ErrShrunk)
		assert.ErrorContains(t, err, "tensor a: reading mapped weights: the file was shortened while it was read")
		assert.ErrorIs(t, Guard(func() error { return x.Float32s(values) }), ErrShrunk)
	}
	for _, name := range []string{"layouts.safetensors", "zip2.pth", "legacy2.pth"} { // while it is opened
		data, err := os.ReadFile(filepath.Join("testdata", name))
		require.NoError(t, err)
		path := put(t, t.TempDir(), name, data)
		c := newCheckpoint(path)
		require.NoError(t, c.addFile(path))
		require.NoError(t, os.Truncate(path, 0))
		again := newCheckpoint(path)
		assert.ErrorIs(t, again.add(path, c.maps[0]), ErrShrunk, name)
		require.NoError(t, c.Close())
	}
}

func TestGuardLeavesOtherFaultsAlone(t *testing.T) {
	sentinel := errors.New("x")
	assert.ErrorIs(t, Guard(func() error { return sentinel }), sentinel)
	assert.NoError(t, Guard(func() error { return nil }))
	assert.PanicsWithValue(t, "bug", func() { _ = Guard(func() error { panic("bug") }) })
	var nothing *Tensor
	assert.Panics(t, func() { _ = Guard(func() error { nothing.Name = "x"; return nil }) })
}

// BenchmarkGuard is what guarding one tensor costs.
func BenchmarkGuard(b *testing.B) {
	for b.Loop() {
		_ = Guard(func() error { return nil })
	}
}
