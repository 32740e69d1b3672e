package picture

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
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

// tiffWith is a TIFF in which a field has another value.
func tiffWith(t *testing.T, tag uint16, value byte) []byte {
	data := goldenFile(t, "rgb_raw.tif")
	at := bytes.Index(data, []byte{byte(tag), byte(tag >> 8), 3, 0, 1, 0, 0, 0})
	require.Positive(t, at)
	return patched(data, at+8, value)
}

func TestDecodeRefuses(t *testing.T) {
	jpegFile, gifFile := goldenFile(t, "420_31x17.jpg"), patched(goldenFile(t, "palette.gif"), 6, 0, 0, 0, 0)
	frame := bytes.LastIndex(gifFile, []byte{',', 0, 0, 0, 0, 45, 0, 33, 0}) + 1
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
		{"TIFF without directory", []byte("II*\x00\x08\x00\x00\x00"), "truncated TIFF"},
		{"BigTIFF", []byte("II+\x00\x08\x00\x00\x00"), "looks like BigTIFF"},
		{"AVIF", []byte("\x00\x00\x00\x20ftypavif"), "looks like AVIF; PNG, JPEG, GIF, BMP, WebP and TIFF are read: convert it to one of these"},
		{"HEIC", []byte("\x00\x00\x00\x20ftypheic"), "looks like HEIC"},
		{"web page", []byte("<!DOCTYPE html><html>"), "looks like a web page"},
		{"zero wide PNG", pngOfSize(0, 7), "PNG of 0×7 pixels: the picture is zero-sized"},
		{"zero-sized JPEG", patched(jpegFile, sof, 0, 0), "JPEG of 31×0 pixels: the picture is zero-sized"},
		{"zero-sized GIF", patched(gifFile, frame, 0, 0, 0, 0, 0, 0, 0, 0), "GIF of 0×0 pixels: the picture is zero-sized"},
		{"zero-sized BMP", patched(bmpFile, 18, 0, 0, 0, 0), "BMP of 0×33 pixels: the picture is zero-sized"},
		{"BMP of another header", patched(bmpFile, 14, 13, 0, 0, 0), "damaged or unsupported BMP: its header has 13 bytes; expected 12, 40,"},
		{"JPEG in a BMP", patched(bmpFile, 30, 4), "compression 4 is not read"},
		{"2 bits a pixel", patched(bmpFile, 28, 2), "2 bits a pixel; 1, 4, 8, 16, 24 and 32 are read"},
		{"BMP of many colours", patched(goldenFile(t, "palette.bmp"), 46, 0, 0, 2, 0), "a palette of 131072 colours"},
		{"odd masks", patched(goldenFile(t, "565.bmp"), 54, 0, 0xf1), "bit masks [f100 7e0 1f 0] with 16 bits a pixel are not read"},
		{"lossless JPEG", patched(jpegFile, sof-4, 0xc3), "damaged or unsupported JPEG: lossless JPEG (SOF3) is not read; convert it"},
		{"12 bits", patched(jpegFile, sof-1, 12), "12 bits a sample; 8 are read"},
		{"sampling factor", patched(jpegFile, sof+9, 0x31), "2 of 3 samples across"},
		{"huge JPEG of a few bytes", patched(jpegFile, sof, 0x27, 0x10, 0x27, 0x10), "truncated JPEG"},
		{"scan that is not read", bytes.Replace(jpegFile, []byte{0xff, 0xda, 0, 12, 3, 1}, []byte{0xff, 0xda, 0, 12, 3, 9}, 1), "a scan of a component 9"},
		{"GIF of 13 bits", patched(goldenFile(t, "../given/issue_2811.gif"), 781+10, 13), "13 bits a pixel; expected at most 12"},
		{"CMYK TIFF", tiffWith(t, 262, 5), "damaged or unsupported TIFF: colours 5 (CMYK): not read; convert it to PNG"},
		{"JPEG in a TIFF", tiffWith(t, 259, 7), "compression 7 (JPEG): not read"},
		{"TIFF of planes", tiffWith(t, 284, 2), "arrangement 2 (colours in planes of their own): not read"},
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
	for _, name := range []string{"rgb.png", "420_64x48.jpg", "progressive.jpg", "palette.gif", "rgb.bmp", "lossy_64x48.webp", "lossless.webp", "lossy_alpha.webp",
		"rle8.bmp", "565.bmp", "rgb_raw.tif", "../given/arithmetic.jpg", "../given/arithmetic_progressive.jpg", "../given/issue_2811.gif"} {
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
		filepath.Join(dir, "missing"): syscall.ENOENT.Error(),
		filepath.Join(file, "inside"): syscall.ENOTDIR.Error(),
		dir:                           "is a folder; expected a picture file",
		os.DevNull:                    "is a device; expected a picture file",
	} {
		_, err := Open(path, DecodeOptions{})
		require.ErrorContains(t, err, want)
		assert.Contains(t, err.Error(), path)
	}
}

func TestHasPictureExtension(t *testing.T) {
	for name, want := range map[string]bool{"a.png": true, "b/C.JPG": true, "x.jpeg": true, "y.webp": true, "n.txt": false, "png": false, "a.tiff": true, "a.svg": false} {
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

// TestTIFFOrientation reads damaged directories too; 0 is a value that is none.
func TestTIFFOrientation(t *testing.T) {
	entry := "\x12\x01\x03\x00\x01\x00\x00\x00\x06\x00\x00\x00"
	pair := "\x12\x01\x03\x00\x02\x00\x00\x00\x06\x00\x06\x00"
	text := "\x12\x01\x02\x00\x01\x00\x00\x006\x00\x00\x00"
	const none = -1
	for tiff, want := range map[string]int{
		"":                                none,
		"II*\x00":                         none,
		"XX*\x00\x08\x00\x00\x00":         none,
		"II*\x00\xff\xff\xff\xff":         none,
		"II*\x00\x08\x00\x00\x00\xff\xff": none,
		"II*\x00\x08\x00\x00\x00\x01\x00" + entry:                                         6,
		"II*\x00\x08\x00\x00\x00\x09\x00" + entry:                                         6,
		"II*\x00\x08\x00\x00\x00\x02\x00" + text + entry:                                  6,
		"II*\x00\x08\x00\x00\x00\x01\x00" + pair:                                          0,
		"II*\x00\x08\x00\x00\x00\x01\x00" + text:                                          0,
		"MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x08\x00\x00": 8,
		"MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x04\x00\x00\x00\x01\x00\x00\x00\x03": 3,
		"MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x09\x00\x00": 9,
		"MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x11\x00\x00\x00\x01\x00\x06\x00\x00": none,
	} {
		got, found := tiffOrientation([]byte(tiff))
		if !found {
			got = none
		}
		assert.Equal(t, want, got, "%q", tiff)
	}
}

// TestJPEGManyScans shows that scans, which are a few bytes each, have a bound.
func TestJPEGManyScans(t *testing.T) {
	data := goldenFile(t, "../given/scans_1.jpg")
	scan := bytes.Index(data, []byte{0xff, 0xda})
	head, body, end := data[:scan], data[scan:len(data)-2], data[len(data)-2:]
	for scans, want := range map[int]string{maxScans: "", maxScans + 1: "more than 200 scans"} {
		_, err := Decode(slices.Concat(head, bytes.Repeat(body, scans), end), DecodeOptions{})
		if want == "" {
			assert.NoError(t, err)
		} else {
			assert.ErrorContains(t, err, want)
		}
	}
}

// TestPNGTextBomb shows that a compressed text is not expanded without bound, and
// that the picture is read all the same.
func TestPNGTextBomb(t *testing.T) {
	var z bytes.Buffer
	w := zlib.NewWriter(&z)
	_, err := w.Write([]byte(`tiff:Orientation="6"` + strings.Repeat(" ", 2<<20)))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	body := append([]byte("iTXtXML:com.adobe.xmp\x00\x01\x00\x00\x00"), z.Bytes()...)
	chunk := append(binary.BigEndian.AppendUint32(nil, uint32(len(body)-4)), body...)
	chunk = binary.BigEndian.AppendUint32(chunk, crc32.ChecksumIEEE(body))
	data := goldenFile(t, "turn1.png")
	m, err := Decode(slices.Concat(data[:33], chunk, data[33:]), DecodeOptions{})
	require.NoError(t, err)
	assert.Equal(t, [2]int{9, 6}, [2]int{m.W, m.H})
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
