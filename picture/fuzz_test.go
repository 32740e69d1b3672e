package picture

import (
	"bytes"
	"image/color"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// fuzzDecode looks for panics, pictures that break their own invariant, and errors
// of several lines, in files of some formats. Limits keep each input cheap.
func fuzzDecode(f *testing.F, of *format, patterns ...string) {
	for _, pattern := range patterns {
		files, err := filepath.Glob(filepath.Join(goldenDir, pattern))
		require.NoError(f, err)
		require.NotEmpty(f, files, pattern)
		for _, file := range files {
			if data := goldenFile(f, "../"+strings.TrimPrefix(filepath.ToSlash(file), goldenDir+"/")); len(data) < 4096 {
				f.Add(data)
			}
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := Decode(data, DecodeOptions{MaxPixels: 1 << 16, Background: color.Black})
		if err != nil {
			if m != nil || strings.Contains(err.Error(), "\n") || len(err.Error()) > 200 {
				t.Fatalf("picture %v with error %q", m, err)
			}
			if of != nil && strings.Contains(err.Error(), "gave up") {
				t.Fatal("our own decoder panicked: ", err)
			}
			return
		}
		if err := m.Check(); err != nil {
			t.Fatal(err)
		}
		if of != nil {
			again, err := Decode(bytes.Clone(data), DecodeOptions{MaxPixels: 1 << 16, Background: color.Black})
			require.NoError(t, err)
			require.Equal(t, m, again, "decoded twice")
		}
	})
}

func FuzzDecode(f *testing.F) {
	f.Add(pngOfSize(0, 0))
	f.Add([]byte("GIF89a"))
	fuzzDecode(f, nil, "src/*", "given/*")
}

// The decoders of our own must not panic, whatever Decode would make of it.
func FuzzJPEG(f *testing.F) { fuzzDecode(f, formatJPEG, "src/*.jpg", "given/*.jpg") }
func FuzzBMP(f *testing.F)  { fuzzDecode(f, formatBMP, "src/*.bmp") }
func FuzzGIF(f *testing.F)  { fuzzDecode(f, formatGIF, "src/*.gif", "given/*.gif") }
func FuzzPNG(f *testing.F)  { fuzzDecode(f, nil, "src/*.png") }
func FuzzTIFF(f *testing.F) { fuzzDecode(f, nil, "src/*.tif") }
