package picture

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/image/bmp"
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
	IgnoreOrientation bool        // leave the pixels as stored, whatever EXIF says
	MaxSide           int         // largest width and height, pixels; 0 = DefaultMaxSide
	MaxPixels         int         // largest width×height, pixels; 0 = DefaultMaxPixels
}

// background is the colour as 8-bit RGB; its own transparency is dropped.
func (o DecodeOptions) background() [3]uint8 {
	if o.Background == nil {
		return [3]uint8{255, 255, 255}
	}
	c := color.NRGBAModel.Convert(o.Background).(color.NRGBA)
	return [3]uint8{c.R, c.G, c.B}
}

const formatList = "PNG, JPEG, GIF, BMP and WebP are read"

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

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read picture: %w", err)
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return nil, fmt.Errorf("read picture %s: is a folder; expected a picture file", path)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFileBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read picture: %w", err)
	}
	if len(data) > maxFileBytes {
		return nil, fmt.Errorf("read picture %s: larger than the limit of %d MiB", path, maxFileBytes>>20)
	}
	return data, nil
}

// extensions of the formats that Decode reads, lower case.
var extensions = []string{".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".png", ".webp"}

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
	w, h, err := headerSize(f, data)
	if err != nil {
		return nil, describe(f, data, err)
	}
	if err := checkSize(f, w, h, o); err != nil {
		return nil, err
	}
	m, err := f.decode(data, o.background())
	if err != nil {
		return nil, describe(f, data, err)
	}
	if !o.IgnoreOrientation {
		m = m.orient(orientation(f, data))
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
var endings = []string{"unexpected EOF", "not enough", "short Huffman data", "short chunk", "missing padding byte"}

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
	magic  string // of the first bytes; ? matches any
	config func(io.Reader) (image.Config, error)
	pixels func(data []byte, background [3]uint8) (*Image, error)
}

var (
	formatPNG  = &format{"PNG", "\x89PNG\r\n\x1a\n", png.DecodeConfig, plain(png.Decode)}
	formatJPEG = &format{"JPEG", "\xff\xd8\xff", nil, decodeJPEG}
	formatGIF  = &format{"GIF", "GIF8?a", gif.DecodeConfig, decodeGIF}
	formatBMP  = &format{"BMP", "BM????\x00\x00\x00\x00", bmp.DecodeConfig, plain(bmp.Decode)}
	formatWebP = &format{"WebP", "RIFF????WEBPVP8", webpConfig, decodeWebP}

	formats = []*format{formatPNG, formatJPEG, formatGIF, formatBMP, formatWebP}
)

// plain makes a format's decoder from Go's.
func plain(decode func(io.Reader) (image.Image, error)) func([]byte, [3]uint8) (*Image, error) {
	return func(data []byte, background [3]uint8) (*Image, error) {
		m, err := decode(bytes.NewReader(data))
		if err != nil {
			return nil, err
		}
		return flatten(m, background), nil
	}
}

// decode runs the format's decoder. The decoders are other people's and have
// panicked on crafted files before; one bad file must not stop a service.
func (f *format) decode(data []byte, background [3]uint8) (m *Image, err error) {
	defer func() {
		if r := recover(); r != nil {
			m, err = nil, fmt.Errorf("the decoder gave up: %v", r)
		}
	}()
	return f.pixels(data, background)
}

// decodeGIF reads the first frame onto the file's canvas. What the frame leaves
// free is transparent if the frame has a transparent colour, and otherwise of
// the palette's first colour, as Pillow has it.
func decodeGIF(data []byte, background [3]uint8) (*Image, error) {
	decoded, err := gif.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	frame, ok := decoded.(*image.Paletted)
	if !ok {
		return nil, fmt.Errorf("a frame of type %T; expected a palette", decoded)
	}
	config, err := gif.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	b := frame.Bounds()
	if b == image.Rect(0, 0, config.Width, config.Height) {
		return flatten(frame, background), nil
	}
	canvas := New(config.Width, config.Height)
	canvas.fill(freeColour(frame.Palette, background))
	canvas.paste(flatten(frame, background), b.Min.X, b.Min.Y)
	return canvas, nil
}

func freeColour(p color.Palette, background [3]uint8) [3]uint8 {
	for _, c := range p {
		if _, _, _, a := c.RGBA(); a == 0 {
			return background
		}
	}
	if len(p) == 0 {
		return background
	}
	return paletteColour(p[0], background)
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
