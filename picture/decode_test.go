package picture

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func goldenFile(t testing.TB, name string) []byte {
	data, err := os.ReadFile(filepath.Join(goldenDir, "src", name))
	require.NoError(t, err)
	return data
}

// pngOfSize is a PNG that claims a size and has no pixels: refusing it for its
// size shows that none were looked for.
func pngOfSize(w, h uint32) []byte {
	b := []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR")
	b = binary.BigEndian.AppendUint32(b, w)
	b = binary.BigEndian.AppendUint32(b, h)
	b = append(b, 8, 2, 0, 0, 0)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[12:]))
}

// patched returns a copy with bytes replaced at an offset.
func patched(data []byte, at int, with ...byte) []byte {
	out := bytes.Clone(data)
	copy(out[at:], with)
	return out
}

func TestDecodeRefuses(t *testing.T) {
	jpegFile, gifFile := goldenFile(t, "420_31x17.jpg"), goldenFile(t, "palette.gif")
	bmpFile, webpFile := goldenFile(t, "rgb.bmp"), goldenFile(t, "animated.webp")
	sof := bytes.Index(jpegFile, []byte{0xff, 0xc0}) + 5 // height, width
	wide := []byte{0x75, 0x30}                           // 30,000, big-endian
	for _, c := range []struct {
		name string
		data []byte
		want string
	}{
		{"empty", nil, "the file is empty (0 bytes); PNG, JPEG, GIF, BMP, WebP and TIFF are read"},
		{"text", []byte("Hello, world"), `not a picture: starts with "Hello, world"; PNG, JPEG, GIF, BMP, WebP and TIFF are read`},
		{"zeros", make([]byte, 100), "not a picture: starts with"},
		{"one byte", []byte("x"), "not a picture"},
		{"signature cut", []byte("\x89PN"), "truncated: the file ends after 3 bytes, within its signature"},
		{"TIFF", []byte("II*\x00\x08\x00\x00\x00"), "looks like TIFF"},
		{"AVIF", []byte("\x00\x00\x00\x20ftypavif"), "looks like AVIF"},
		{"web page", []byte("<!DOCTYPE html><html>"), "looks like a web page"},
		{"zero wide PNG", pngOfSize(0, 7), "PNG of 0×7 pixels: the picture is zero-sized"},
		{"zero-sized JPEG", patched(jpegFile, sof, 0, 0), "JPEG of 31×0 pixels: the picture is zero-sized"},
		{"zero-sized GIF", patched(gifFile, 6, 0, 0, 0, 0), "GIF of 0×0 pixels: the picture is zero-sized"},
		{"zero-sized BMP", patched(bmpFile, 18, 0, 0, 0, 0), "BMP of 0×33 pixels: the picture is zero-sized"},
		{"old BMP", patched(bmpFile, 14, 12, 0, 0, 0), "damaged or unsupported BMP: its header has 12 bytes; expected 40 or more"},
		{"wide PNG", pngOfSize(30000, 10), "PNG of 30000×10 pixels: more than the limit of 16384 pixels a side"},
		{"wide JPEG", patched(jpegFile, sof+2, wide...), "JPEG of 30000×17 pixels: more than the limit of 16384 pixels a side"},
		{"wide GIF", patched(gifFile, 6, 0x30, 0x75), "GIF of 30000×33 pixels: more than the limit"},
		{"wide BMP", patched(bmpFile, 18, 0x30, 0x75), "BMP of 30000×33 pixels: more than the limit"},
		{"wide WebP", patched(webpFile, 24, 0x2f, 0x75), "WebP of 30000×33 pixels: more than the limit"},
		{"tall PNG", pngOfSize(1, 16385), "more than the limit of 16384 pixels a side"},
		{"large PNG", pngOfSize(16384, 16384), "more than the limit of 100 megapixels"},
		{"huge PNG", pngOfSize(1<<31, 1<<31), "more than the limit of 16384 pixels a side"},
		{"PNG without header", []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIDATxxxxxxxxxxxxxxxx"), "expected IHDR"},
		{"PNG header alone", pngOfSize(3, 3), "truncated PNG: the file's 33 bytes end before the picture does"},
		{"damaged PNG", patched(goldenFile(t, "rgb.png"), 60, 1, 2, 3, 4), "damaged or unsupported PNG"},
		{"WebP frame off its canvas", patched(webpFile, 24, 5, 0), "sticks out of the canvas"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, err := Decode(c.data, DecodeOptions{})
			require.ErrorContains(t, err, c.want)
			assert.Nil(t, m)
			assert.NotContains(t, err.Error(), "\n")
		})
	}
}

func TestDecodeTruncated(t *testing.T) {
	for _, name := range []string{"rgb.png", "420_64x48.jpg", "progressive.jpg", "palette.gif", "rgb.bmp", "lossy_64x48.webp", "lossless.webp", "lossy_alpha.webp"} {
		data := goldenFile(t, name)
		for _, part := range []int{10, 50, 80} { // per cent
			_, err := Decode(data[:len(data)*part/100], DecodeOptions{})
			assert.ErrorContains(t, err, "truncated", "%d %% of %s", part, name)
		}
	}
}

func TestDecodeLimits(t *testing.T) {
	data := goldenFile(t, "rgb.png") // 37×23
	for _, c := range []struct {
		o    DecodeOptions
		fits bool
	}{
		{DecodeOptions{MaxSide: 37}, true},
		{DecodeOptions{MaxSide: 36}, false},
		{DecodeOptions{MaxPixels: 37 * 23}, true},
		{DecodeOptions{MaxPixels: 37*23 - 1}, false},
	} {
		_, err := Decode(data, c.o)
		assert.Equal(t, c.fits, err == nil, "%+v: %v", c.o, err)
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "notes.png")
	require.NoError(t, os.WriteFile(file, []byte("not a picture at all"), 0o600))
	for path, want := range map[string]string{
		file:                          "read picture " + file + `: not a picture: starts with "not a pictur"`,
		filepath.Join(dir, "missing"): "no such file",
		filepath.Join(file, "inside"): "not a directory",
		dir:                           "is a folder; expected a picture file",
	} {
		_, err := Open(path, DecodeOptions{})
		require.ErrorContains(t, err, want)
		assert.Contains(t, err.Error(), path)
	}
}

func TestHasPictureExtension(t *testing.T) {
	for name, want := range map[string]bool{"a.png": true, "b/C.JPG": true, "x.jpeg": true, "y.webp": true, "n.txt": false, "png": false, "a.tiff": false} {
		assert.Equal(t, want, HasPictureExtension(name), name)
	}
}

func TestDecodeIgnoresOrientation(t *testing.T) {
	data := goldenFile(t, "turn6.png") // stored 9×6
	upright, err := Decode(data, DecodeOptions{})
	require.NoError(t, err)
	stored, err := Decode(data, DecodeOptions{IgnoreOrientation: true})
	require.NoError(t, err)
	assert.Equal(t, [4]int{6, 9, 9, 6}, [4]int{upright.W, upright.H, stored.W, stored.H})
	assert.Equal(t, stored.Pix[:3], upright.Pix[3*5:3*6], "the stored corner is at the top right")
}

// TestOrientationDamaged shows that bad metadata never refuses a picture.
func TestOrientationDamaged(t *testing.T) {
	entry := "\x12\x01\x03\x00\x01\x00\x00\x00\x06\x00\x00\x00"
	for tiff, want := range map[string]int{
		"":                                1,
		"II*\x00":                         1,
		"XX*\x00\x08\x00\x00\x00":         1,
		"II*\x00\xff\xff\xff\xff":         1,
		"II*\x00\x08\x00\x00\x00\xff\xff": 1,
		"II*\x00\x08\x00\x00\x00\x01\x00" + entry:                                         6,
		"II*\x00\x08\x00\x00\x00\x09\x00" + entry:                                         6,
		"MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x08\x00\x00": 8,
		"MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x04\x00\x00\x00\x01\x00\x00\x00\x03": 3,
		"MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x09\x00\x00": 1,
	} {
		got, _ := tiffOrientation([]byte(tiff))
		assert.Equal(t, want, got, "%q", tiff)
	}
}

// TestFromImage compares the row-wise conversions with Go's own, pixel by pixel.
func TestFromImage(t *testing.T) {
	bounds := image.Rect(3, 5, 10, 9) // not at the origin, and cut out below
	red := color.NRGBA{200, 10, 30, 255}
	for _, m := range []interface {
		image.Image
		Set(x, y int, c color.Color)
	}{
		image.NewGray(bounds), image.NewGray16(bounds), image.NewRGBA(bounds), image.NewNRGBA(bounds), image.NewRGBA64(bounds),
		image.NewNRGBA64(bounds), image.NewCMYK(bounds), image.NewPaletted(bounds, color.Palette{color.Black, red, color.Transparent}),
	} {
		t.Run(fmt.Sprintf("%T", m), func(t *testing.T) {
			for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
				for x := bounds.Min.X; x < bounds.Max.X; x++ {
					m.Set(x, y, color.NRGBA{uint8(30 * x), uint8(25 * y), uint8(x * y), uint8(255 - 20*(x%4))})
				}
			}
			got := FromImage(m, color.NRGBA{0, 40, 80, 255})
			require.Equal(t, [2]int{7, 4}, [2]int{got.W, got.H})
			for y := range got.H {
				for x := range got.W {
					c := color.NRGBA64Model.Convert(m.At(x+3, y+5)).(color.NRGBA64)
					for i, v := range [3]uint16{c.R, c.G, c.B} {
						a := float64(c.A) / 65535
						want := float64(v)/257*a + float64(40*i)*(1-a)
						assert.InDelta(t, want, got.Pix[3*(y*got.W+x)+i], 1.01)
					}
				}
			}
		})
	}
}

func TestRounding16(t *testing.T) {
	for v := range 65536 {
		want := uint8(float64(v)*255/65535 + 0.5)
		if got := round16([]byte{byte(v >> 8), byte(v)}); got != want {
			t.Fatalf("%d: got %d, want %d", v, got, want)
		}
	}
}

// FuzzDecode looks for panics, pictures that break their own invariant, and
// errors of several lines. Limits keep each input cheap.
func FuzzDecode(f *testing.F) {
	files, err := filepath.Glob(filepath.Join(goldenDir, "src", "*"))
	require.NoError(f, err)
	for _, file := range files {
		if info, err := os.Stat(file); err == nil && info.Size() < 4096 {
			f.Add(goldenFile(f, filepath.Base(file)))
		}
	}
	f.Add(pngOfSize(0, 0))
	f.Add([]byte("GIF89a"))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := Decode(data, DecodeOptions{MaxPixels: 1 << 16, Background: color.Black})
		if err != nil {
			if m != nil || strings.Contains(err.Error(), "\n") {
				t.Fatalf("picture %v with error %q", m, err)
			}
			return
		}
		if err := m.Check(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestOpenGoPNG(t *testing.T) {
	want := New(5, 3)
	for i := range want.Pix {
		want.Pix[i] = uint8(i * 5)
	}
	var b bytes.Buffer
	require.NoError(t, png.Encode(&b, want.NRGBA()))
	got, err := Decode(b.Bytes(), DecodeOptions{})
	require.NoError(t, err)
	assert.Equal(t, want, got)
}
