package picture

import (
	"bytes"
	"errors"
	"image/gif"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestWritePNG(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "out.png")
	require.NoError(t, os.WriteFile(path, []byte("older"), 0o600))
	m := New(7, 5)
	for i := range m.Pix {
		m.Pix[i] = uint8(3 * i)
	}
	text := []Text{{"parameters", "a red apple\nSteps: 20, Ünïcode"}, {"prompt", "яблоко 苹果"}, {"empty", ""}}
	require.NoError(t, WritePNG(path, m, text...))
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	got, err := Decode(data, DecodeOptions{})
	require.NoError(t, err)
	assert.Equal(t, m, got)

	var kinds []string
	bodies := map[string]string{}
	pngChunks(data, func(kind string, body []byte) bool {
		kinds = append(kinds, kind)
		key, value, _ := bytes.Cut(body, []byte{0})
		bodies[kind+" "+string(key)] = string(value)
		return true
	})
	assert.Equal(t, []string{"IHDR", "tEXt", "iTXt", "tEXt", "IDAT", "IEND"}, kinds)
	assert.Equal(t, "a red apple\nSteps: 20, \xdcn\xefcode", bodies["tEXt parameters"])
	assert.Equal(t, "\x00\x00\x00\x00яблоко 苹果", bodies["iTXt prompt"])
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, entries, 1, "temporary files left behind")
}

func TestWritePNGRefuses(t *testing.T) {
	dir := t.TempDir()
	older := filepath.Join(dir, "older.png")
	require.NoError(t, os.WriteFile(older, []byte("older"), 0o600))
	noFolder, isFolder := syscall.ENOENT, syscall.EEXIST
	if runtime.GOOS == "windows" {
		noFolder, isFolder = syscall.ENOTDIR, syscall.Errno(5) // access denied
	}
	for _, c := range []struct {
		path string
		m    *Image
		text Text
		want string
	}{
		{filepath.Join(dir, "missing", "x.png"), New(2, 2), Text{"a", "b"}, "x.png: " + noFolder.Error()},
		{dir, New(2, 2), Text{"a", "b"}, isFolder.Error()},
		{older, New(0, 2), Text{"a", "b"}, "0×2 pixels"},
		{older, New(2, 2), Text{"", "b"}, `PNG text key "": expected 1 to 79 Latin-1 characters`},
		{older, New(2, 2), Text{"яблоко", "b"}, "expected 1 to 79 Latin-1 characters"},
	} {
		err := WritePNG(c.path, c.m, c.text)
		require.ErrorContains(t, err, c.want)
		assert.ErrorContains(t, err, "write picture "+c.path)
	}
	data, err := os.ReadFile(older)
	require.NoError(t, err)
	assert.Equal(t, "older", string(data), "a failure must leave the file as it was")
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, entries, 1, "temporary files left behind")
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

func TestWriteGIF(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.gif")
	black, white := New(7, 5), New(7, 5)
	for i := range white.Pix {
		white.Pix[i] = 255
	}
	require.NoError(t, WriteGIF(path, []*Image{black, white}, 8))
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	got, err := gif.DecodeAll(bytes.NewReader(data))
	require.NoError(t, err)
	require.Len(t, got.Image, 2)
	assert.Equal(t, []int{13, 13}, got.Delay)
	for i, m := range []*Image{black, white} {
		assert.Equal(t, m, FromImage(got.Image[i], nil))
	}

	err = WriteGIF(path, nil, 10)
	assert.ErrorContains(t, err, "write picture "+path)
	after, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, data, after, "a failure must leave the file as it was")
}

func TestEncodeFullDisk(t *testing.T) {
	require.ErrorContains(t, EncodePNG(fullDisk{}, New(2, 2)), "write PNG: no space left on device")
}

func TestEncodeRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := drawPicture(t)
		var b bytes.Buffer
		require.NoError(t, EncodePNG(&b, m, Text{"k", rapid.String().Draw(t, "text")}))
		got, err := Decode(b.Bytes(), DecodeOptions{})
		require.NoError(t, err)
		assert.Equal(t, m, got)
	})
}
