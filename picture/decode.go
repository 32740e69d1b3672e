package picture

import (
	"errors"
	"fmt"
	"image/color"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Default limits of DecodeOptions. They bound what a hostile header of a few
// bytes can make us allocate: 100 megapixels are 300 MB of RGB.
const (
	DefaultMaxSide   = 16384       // pixels
	DefaultMaxPixels = 100_000_000 // pixels
	maxFileBytes     = 1 << 30     // bytes read of one file
)

// DecodeOptions says how pictures are read. The zero value is ready to use.
type DecodeOptions struct {
	Background        color.Color // what shows through transparent pixels; nil = white
	IgnoreOrientation bool        // leave the pixels as stored, whatever EXIF and XMP say
	MaxSide           int         // largest width and height, pixels; 0 = DefaultMaxSide
	MaxPixels         int         // largest width×height, pixels; 0 = DefaultMaxPixels
	// Resized, if not nil, gives the height and width to which a picture of w×h pixels is
	// resized afterwards. A JPEG that is much larger is then decoded at a half, a fourth or an
	// eighth of its size, which takes less time and gives slightly other pixels.
	Resized func(w, h int) (outH, outW int)
}

// background is the colour as 8-bit RGB; its own transparency is dropped.
func (o DecodeOptions) background() [3]uint8 {
	if o.Background == nil {
		return [3]uint8{255, 255, 255}
	}
	c := color.NRGBAModel.Convert(o.Background).(color.NRGBA)
	return [3]uint8{c.R, c.G, c.B}
}

const formatList = "PNG, JPEG, GIF, BMP, WebP and TIFF are read"

// Open reads the picture file at path. Errors name the path.
func Open(path string, o DecodeOptions) (*Image, error) {
	data, err := readFile(path)
	if err != nil {
		return nil, err
	}
	m, err := Decode(data, o)
	if err != nil {
		return nil, fmt.Errorf("read picture %s: %w", path, err)
	}
	return m, nil
}

// readFile reads a regular file. Others are refused before they are opened: a pipe
// may never end, or never begin.
func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read picture: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("read picture %s: is %s; expected a picture file", path, kindOfFile(info.Mode()))
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read picture: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read picture: %w", err)
	}
	if len(data) > maxFileBytes {
		return nil, fmt.Errorf("read picture %s: larger than the limit of %d MiB", path, maxFileBytes>>20)
	}
	return data, nil
}

// kindOfFile says what a file is that is no regular one.
func kindOfFile(m fs.FileMode) string {
	switch {
	case m.IsDir():
		return "a folder"
	case m&fs.ModeNamedPipe != 0:
		return "a pipe"
	case m&fs.ModeSocket != 0:
		return "a socket"
	case m&fs.ModeDevice != 0:
		return "a device"
	}
	return "no regular file"
}

// extensions of the formats that Decode reads, lower case.
var extensions = []string{".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}

// HasPictureExtension reports whether a file's name ends like a picture that
// Decode reads. Decode itself goes by content, never by name.
func HasPictureExtension(name string) bool {
	return slices.Contains(extensions, strings.ToLower(filepath.Ext(name)))
}

// Decode reads a picture file held in memory. The size in the header is checked
// against the limits before any pixel is decoded.
//
// Pixels become 8-bit RGB: grey is repeated, palettes are expanded, 16 bits are
// rounded to the nearest of 8 (Pillow's convert("RGB") drops the low byte of
// 16-bit colour, and clips 16-bit grey at 255, which loses the picture),
// transparency is composited over the background with Pillow's alpha_composite
// arithmetic, as transformers does (over white).
func Decode(data []byte, o DecodeOptions) (*Image, error) {
	f, err := sniff(data)
	if err != nil {
		return nil, err
	}
	kind := f
	w, h, err := headerSize(f, data)
	if err != nil {
		return nil, describe(f, data, err)
	}
	if err := checkSize(f, w, h, o); err != nil {
		return nil, err
	}
	if o.Resized != nil && f == formatJPEG {
		outH, outW := o.Resized(w, h)
		by := shrinks(w, h, outW, outH)
		f = &format{name: f.name, pixels: func(data []byte, _ [3]uint8) (*Image, error) { return decodeReduced(data, by) }}
	}
	m, err := f.decode(data, o.background())
	if err != nil {
		return nil, describe(f, data, err)
	}
	if !o.IgnoreOrientation {
		m = m.orient(orientation(kind, data))
	}
	return m, nil
}

// checkSize refuses empty pictures and those over the limits.
func checkSize(f *format, w, h int, o DecodeOptions) error {
	side, pixels := o.MaxSide, o.MaxPixels
	if side <= 0 {
		side = DefaultMaxSide
	}
	if pixels <= 0 {
		pixels = DefaultMaxPixels
	}
	switch {
	case w <= 0 || h <= 0:
		return fmt.Errorf("%s of %d×%d pixels: the picture is zero-sized", f.name, w, h)
	case w > side || h > side:
		return fmt.Errorf("%s of %d×%d pixels: more than the limit of %d pixels a side; scale the picture down first", f.name, w, h, side)
	case w > pixels/h:
		return fmt.Errorf("%s of %d×%d pixels: more than the limit of %g megapixels; scale the picture down first", f.name, w, h, float64(pixels)/1e6)
	}
	return nil
}

// endings are what the decoders say when the data ends early and the error does
// not wrap io.ErrUnexpectedEOF.
var endings = []string{"unexpected EOF", "not enough", "short chunk", "missing padding byte"}

// describe says in plain words what a decoder's error means.
func describe(f *format, data []byte, err error) error {
	text := err.Error()
	early := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
	if early || slices.ContainsFunc(endings, func(s string) bool { return strings.Contains(text, s) }) {
		return fmt.Errorf("truncated %s: the file's %d bytes end before the picture does", f.name, len(data))
	}
	return fmt.Errorf("damaged or unsupported %s: %s", f.name, strings.TrimPrefix(text, strings.ToLower(f.name)+": "))
}

// format is one of the file formats.
type format struct {
	name   string
	magic  []string // one of these begins the file; ? matches any byte
	size   func(data []byte) (w, h int, err error)
	pixels func(data []byte, background [3]uint8) (*Image, error)
}

var (
	formatPNG  = &format{"PNG", []string{pngSignature}, pngSize, decodePNG}
	formatJPEG = &format{"JPEG", []string{"\xff\xd8\xff"}, jpegSize, decodeJPEG}
	formatGIF  = &format{"GIF", []string{"GIF8?a"}, gifSize, decodeGIF}
	formatBMP  = &format{"BMP", []string{"BM"}, bmpSize, decodeBMP}
	formatWebP = &format{"WebP", []string{"RIFF????WEBPVP8"}, webpSize, decodeWebP}
	formatTIFF = &format{"TIFF", []string{"II*\x00", "MM\x00*"}, tiffSize, decodeTIFF}

	formats = []*format{formatPNG, formatJPEG, formatGIF, formatBMP, formatWebP, formatTIFF}
)

// decode runs the format's decoder. Other people's have panicked on crafted files
// before; one bad file must not stop a service.
func (f *format) decode(data []byte, background [3]uint8) (m *Image, err error) {
	defer func() {
		if r := recover(); r != nil {
			m, err = nil, fmt.Errorf("the decoder gave up: %v", r)
		}
	}()
	return f.pixels(data, background)
}

// paste copies src into m with its top left corner at (x, y); what sticks out
// is cut off.
func (m *Image) paste(src *Image, x, y int) {
	x0, x1 := max(x, 0), min(x+src.W, m.W)
	if x0 >= x1 {
		return
	}
	for sy := max(0, -y); sy < src.H && y+sy < m.H; sy++ {
		copy(m.row(y + sy)[3*x0:3*x1], src.row(sy)[3*(x0-x):])
	}
}
