package picture

import (
	"bytes"
	"fmt"
	"image"

	"golang.org/x/image/tiff"
)

// tiffFields are the fields that decide whether Go's reader gives the right pixels,
// and their values where it does. The first value of a field counts.
var tiffFields = map[uint16]struct {
	name   string
	read   []int
	others map[int]string
}{
	258: {"bits a sample", []int{1, 8, 16}, nil},
	259: {"compression", []int{1, 3, 4, 5, 8, 32773, 32946}, map[int]string{2: "CCITT 1D", 6: "JPEG", 7: "JPEG", 34925: "LZMA", 50000: "Zstandard", 50001: "WebP"}},
	262: {"colours", []int{0, 1, 2, 3}, map[int]string{4: "a mask", 5: "CMYK", 6: "YCbCr", 8: "Lab", 9: "Lab", 10: "Lab"}},
	266: {"order of bits", []int{1}, map[int]string{2: "the lowest first"}},
	284: {"arrangement", []int{1}, map[int]string{2: "colours in planes of their own"}},
	339: {"sample format", []int{1, 4}, map[int]string{2: "signed", 3: "floating-point"}},
}

// checkTIFF refuses by name what is not read.
func checkTIFF(data []byte) (err error) {
	fax := false
	tiffEntries(data, func(e tiffEntry) {
		field, ok := tiffFields[e.tag]
		if !ok || err != nil {
			return
		}
		v := e.first()
		fax = fax || e.tag == 259 && (v == 3 || v == 4)
		for _, r := range field.read {
			if r == v {
				return
			}
		}
		if e.tag == 266 && fax { // Go's reader minds the order of bits there
			return
		}
		name := ""
		if field.others[v] != "" {
			name = " (" + field.others[v] + ")"
		}
		err = fmt.Errorf("%s %d%s: not read; convert it to PNG", field.name, v, name)
	})
	return err
}

// tiffSize reads a TIFF's size, and refuses those that can't be read.
func tiffSize(data []byte) (w, h int, err error) {
	if err := checkTIFF(data); err != nil {
		return 0, 0, err
	}
	c, err := tiff.DecodeConfig(bytes.NewReader(data))
	return c.Width, c.Height, err
}

// decodeTIFF decodes the first page with Go's reader: grey, palettes and RGB with and
// without alpha, uncompressed, LZW, deflate, PackBits or fax.
func decodeTIFF(data []byte, background [3]uint8) (*Image, error) {
	m, err := tiff.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	if dimmed, ok := m.(*image.RGBA); ok {
		m = brighten(dimmed)
	}
	out := flatten(m, background)
	if faxOfLight(data) {
		for i, v := range out.Pix {
			out.Pix[i] = 255 - v
		}
	}
	return out, nil
}

// brighten undoes what alpha has dimmed, rounding down as Pillow does.
func brighten(m *image.RGBA) *image.NRGBA {
	for i := 0; i+3 < len(m.Pix); i += 4 {
		if a := uint32(m.Pix[i+3]); a != 0 && a != 255 {
			for c, v := range m.Pix[i : i+3] {
				m.Pix[i+c] = uint8(min(255*uint32(v)/a, 255))
			}
		}
	}
	return &image.NRGBA{Pix: m.Pix, Stride: m.Stride, Rect: m.Rect}
}

// faxOfLight reports fax compression whose bits 0, the code's white, are to be
// black. Go's reader makes them white.
func faxOfLight(data []byte) bool {
	fax, blackIsZero := false, false
	tiffEntries(data, func(e tiffEntry) {
		v := e.first()
		fax = fax || e.tag == 259 && (v == 3 || v == 4)
		blackIsZero = blackIsZero || e.tag == 262 && v == 1
	})
	return fax && blackIsZero
}
