package weights

import (
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestWriteThenOpenIsEqual(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.safetensors")
	rapid.Check(t, func(r *rapid.T) {
		names := rapid.SliceOfNDistinct(rapid.String().Filter(func(s string) bool { return s != "__metadata__" }), 0, 8, rapid.ID).Draw(r, "names")
		var tensors []*Tensor
		for _, name := range names {
			x := &Tensor{Name: name, Origin: name, DType: DType(rapid.IntRange(int(F32), int(Bool)).Draw(r, "dtype"))}
			x.Shape = rapid.SliceOfN(rapid.IntRange(0, 4), 0, 4).Draw(r, "shape")
			n := x.Len() * x.DType.Size()
			x.Data = rapid.SliceOfN(rapid.Byte(), n, n).Draw(r, "data")
			tensors = append(tensors, x)
		}
		metadata := rapid.MapOfN(rapid.String(), rapid.String(), 0, 3).Draw(r, "metadata")
		require.NoError(r, Write(path, tensors, metadata))
		first, err := os.ReadFile(path)
		require.NoError(r, err)
		require.Zero(r, (binary.LittleEndian.Uint64(first)+8)%8, "data are aligned")

		c, err := Open(path)
		require.NoError(r, err)
		require.Equal(r, metadata, c.Metadata())
		require.ElementsMatch(r, names, c.Names())
		for _, want := range tensors {
			got, ok := c.Tensor(want.Name)
			require.True(r, ok)
			require.Equal(r, want.Shape, got.Shape)
			require.Equal(r, want.DType, got.DType)
			require.Equal(r, string(want.Data), string(got.Data))
		}
		require.NoError(r, c.Close())

		slices.Reverse(tensors)
		require.NoError(r, Write(path, tensors, metadata))
		second, err := os.ReadFile(path)
		require.NoError(r, err)
		require.Equal(r, first, second, "the order of the tensors does not matter")
	})
}

func TestWriteRefuses(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "out.safetensors")
	short := filled(t, "a", 1, 2)
	short.Data = short.Data[:4]
	for want, tensors := range map[string][]*Tensor{
		"the name a is taken":               {filled(t, "a", 1, 2), filled(t, "a", 1, 2)},
		"the name __metadata__ is taken":    {filled(t, "__metadata__", 1, 2)},
		"tensor a: 4 bytes are not F32 [2]": {short},
		"is not UTF-8":                      {filled(t, "\xff", 1, 2)},
		"tensor b: 0 bytes are not DType(0": {{Name: "b"}},
	} {
		assert.ErrorContains(t, Write(path, tensors, nil), "save "+path+": ")
		assert.ErrorContains(t, Write(path, tensors, nil), want)
	}
	assert.ErrorContains(t, Write(path, nil, map[string]string{"a": "\xff"}), "not UTF-8")
	assertEmpty(t, dir)
}

func TestWriteIntoBadPlaces(t *testing.T) {
	dir := t.TempDir()
	tensors := []*Tensor{filled(t, "a", 1, 2)}
	err := Write(filepath.Join(dir, "none", "x.safetensors"), tensors, nil)
	noFolder := syscall.ENOENT
	if runtime.GOOS == "windows" {
		noFolder = syscall.ENOTDIR
	}
	assert.EqualError(t, err, "save "+filepath.Join(dir, "none", "x.safetensors")+": "+noFolder.Error())
	err = Write(dir, tensors, nil)
	assert.EqualError(t, err, "save "+dir+": there is something that is not a file")
	assertEmpty(t, dir)
}

// A failure while writing, such as a full disk, leaves the old file and nothing
// else.
func TestReplaceFailingHalfWay(t *testing.T) {
	dir := t.TempDir()
	path := put(t, dir, "x", []byte("old"))
	full := &os.PathError{Op: "write", Path: "somewhere", Err: syscall.ENOSPC}
	err := replace(path, func(w io.Writer) error {
		_, err := w.Write(make([]byte, 3<<20))
		return errors.Join(err, full)
	})
	require.ErrorIs(t, err, syscall.ENOSPC)
	assert.Equal(t, "no space left on device", reason(err).Error())
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, "old", string(text))
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, files, 1)

	require.NoError(t, replace(path, func(w io.Writer) error { _, err := io.WriteString(w, "new"); return err }))
	text, _ = os.ReadFile(path)
	assert.Equal(t, "new", string(text))
}

func assertEmpty(t *testing.T, dir string) {
	t.Helper()
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, files)
}
