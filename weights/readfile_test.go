package weights

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestReadFile(t *testing.T) {
	for _, n := range []int{0, 1, 511, 512, 1000} {
		data := strings.Repeat("x", n)
		fsys := fstest.MapFS{"a/b.json": {Data: []byte(data)}}
		got, err := ReadFile(fsys, "a/b.json", 1000)
		require.NoError(t, err)
		assert.Equal(t, data, string(got))
	}
	fsys := fstest.MapFS{"b.json": {Data: make([]byte, 1001)}, "folder/x": {}}
	_, err := ReadFile(fsys, "b.json", 1000)
	assert.EqualError(t, err, "read b.json: it is larger than 1000 bytes, more than such a file has; is it the right one?")
	_, err = ReadFile(fsys, "c.json", 1000)
	assert.ErrorIs(t, err, fs.ErrNotExist)
	_, err = ReadFile(fsys, "folder", 1000)
	assert.EqualError(t, err, "read folder: not a regular file")
}

// What a file system says of a file's size is not believed.
func TestReadFileThatGrows(t *testing.T) {
	for _, size := range []int64{0, 10, 1 << 40} {
		_, err := ReadFile(endless{size}, "x", 5000)
		assert.ErrorContains(t, err, "larger than 5000 bytes")
	}
}

func TestReadFileOfADevice(t *testing.T) {
	if _, err := os.Stat("/dev/zero"); err != nil {
		t.Skip("there is no /dev/zero here")
	}
	dir := t.TempDir()
	require.NoError(t, os.Symlink("/dev/zero", filepath.Join(dir, "config.json")))
	_, err := ReadFile(os.DirFS(dir), "config.json", 5000)
	assert.ErrorContains(t, err, "read config.json: not a regular file")
}

// endless is a file of zeros that says it has some size.
type endless struct{ size int64 }

func (e endless) Open(string) (fs.File, error) { return e, nil }
func (e endless) Stat() (fs.FileInfo, error) {
	f, err := fstest.MapFS{"x": {}}.Open("x")
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	return sized{info, e.size}, err
}
func (e endless) Read(b []byte) (int, error) { clear(b); return len(b), nil }
func (e endless) Close() error               { return nil }

type sized struct {
	fs.FileInfo
	size int64
}

func (s sized) Size() int64 { return s.size }

var _ io.Reader = endless{}
