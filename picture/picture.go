package picture

import (
	"fmt"
	"image"
)

// Image is an 8-bit RGB picture. Pix holds H rows of W pixels of R, G, B
// without gaps: pixel (x, y) starts at Pix[3*(y*W+x)].
type Image struct {
	W, H int // pixels
	Pix  []uint8
}

// New returns a black picture of w×h pixels.
func New(w, h int) *Image {
	return &Image{W: w, H: h, Pix: make([]uint8, 3*w*h)}
}

// Check reports a picture whose size is not positive or does not match its
// pixels.
func (m *Image) Check() error {
	if m == nil {
		return fmt.Errorf("picture: no picture given")
	}
	if m.W <= 0 || m.H <= 0 || len(m.Pix) != 3*m.W*m.H {
		return fmt.Errorf("picture: %d×%d pixels with %d bytes; expected a positive size and 3 bytes a pixel", m.W, m.H, len(m.Pix))
	}
	return nil
}

// row returns the 3*W bytes of row y.
func (m *Image) row(y int) []uint8 {
	return m.Pix[3*m.W*y : 3*m.W*(y+1)]
}

// fill paints the whole picture with one colour.
func (m *Image) fill(c [3]uint8) {
	for i := 0; i < len(m.Pix); i += 3 {
		m.Pix[i], m.Pix[i+1], m.Pix[i+2] = c[0], c[1], c[2]
	}
}

// NRGBA returns a copy for Go's image packages, fully opaque.
func (m *Image) NRGBA() *image.NRGBA {
	out := image.NewNRGBA(image.Rect(0, 0, m.W, m.H))
	for i, o := 0, 0; i+2 < len(m.Pix); i, o = i+3, o+4 {
		out.Pix[o], out.Pix[o+1], out.Pix[o+2], out.Pix[o+3] = m.Pix[i], m.Pix[i+1], m.Pix[i+2], 255
	}
	return out
}

// orient returns the picture turned upright, given its EXIF orientation 1-8;
// other values, and 1, return it as it is. Orientation o says where the stored
// first row and first column belong (Exif 2.32, tag 0x0112).
func (m *Image) orient(o int) *Image {
	if o < 2 || o > 8 {
		return m
	}
	w, h := m.W, m.H
	if o >= 5 { // rows become columns
		w, h = h, w
	}
	out := New(w, h)
	for y := 0; y < h; y++ {
		for x := 0; x < w; x++ {
			var sx, sy int
			switch o {
			case 2: // mirrored
				sx, sy = w-1-x, y
			case 3: // half a turn
				sx, sy = w-1-x, h-1-y
			case 4: // upside down, mirrored
				sx, sy = x, h-1-y
			case 5: // transposed
				sx, sy = y, x
			case 6: // to be turned clockwise
				sx, sy = y, w-1-x
			case 7: // transposed along the other diagonal
				sx, sy = h-1-y, w-1-x
			case 8: // to be turned anticlockwise
				sx, sy = h-1-y, x
			}
			copy(out.Pix[3*(y*w+x):][:3], m.Pix[3*(sy*m.W+sx):][:3])
		}
	}
	return out
}
