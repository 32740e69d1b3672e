package picture

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/bits"
)

// Compressions of a BMP's header.
const (
	bmpRaw       = 0
	bmpRLE8      = 1
	bmpRLE4      = 2
	bmpBitFields = 3
)

// bmpHeader is what a BMP's two headers say.
type bmpHeader struct {
	w, h        int // pixels
	upright     bool
	bits        int // a pixel
	compression uint32
	colours     int // in the palette
	entry       int // bytes a palette entry
	palette     int // where it starts
	pixels      int // where they start
	masks       [4]uint32
}

// readBMPHeader reads the headers of Windows (40 bytes and more) and OS/2 (12 and
// 64 bytes), with no look at the palette.
func readBMPHeader(data []byte) (h bmpHeader, err error) {
	if len(data) < 26 {
		return h, io.ErrUnexpectedEOF
	}
	le := binary.LittleEndian
	size := int(le.Uint32(data[14:]))
	h.pixels, h.palette = int(le.Uint32(data[10:])), 14+size
	switch size {
	case 12:
		h.w, h.h, h.bits = int(le.Uint16(data[18:])), int(le.Uint16(data[20:])), int(le.Uint16(data[24:]))
		h.entry = 3
		return h, nil
	case 40, 52, 56, 64, 108, 124:
	default:
		return h, fmt.Errorf("its header has %d bytes; expected 12, 40, 52, 56, 64, 108 or 124", size)
	}
	if len(data) < 14+size {
		return h, io.ErrUnexpectedEOF
	}
	h.w, h.h = int(int32(le.Uint32(data[18:]))), int(int32(le.Uint32(data[22:])))
	if h.h < 0 {
		h.h, h.upright = -h.h, true
	}
	h.bits, h.compression, h.entry = int(le.Uint16(data[28:])), le.Uint32(data[30:]), 4
	h.colours = int(le.Uint32(data[46:]))
	if h.compression == bmpBitFields {
		n := 3 // the header of 40 bytes is followed by three, longer ones hold three or four
		if size >= 56 {
			n = 4
		}
		h.palette = max(h.palette, 54+4*n)
		if len(data) < 54+4*n {
			return h, io.ErrUnexpectedEOF
		}
		for i := range n {
			h.masks[i] = le.Uint32(data[54+4*i:])
		}
	}
	return h, nil
}

func bmpSize(data []byte) (w, h int, err error) {
	header, err := readBMPHeader(data)
	return header.w, header.h, err
}

// decodeBMP reads a BMP as Pillow does: colours of 15 and 16 bits are scaled to 8 by
// rounding down, alpha counts only where bit masks name it.
func decodeBMP(data []byte, background [3]uint8) (*Image, error) {
	h, err := readBMPHeader(data)
	if err != nil {
		return nil, err
	}
	if err := h.check(); err != nil {
		return nil, err
	}
	var palette [256][3]uint8
	if h.bits <= 8 {
		if err := h.readPalette(data, &palette); err != nil {
			return nil, err
		}
	}
	if h.pixels == 0 {
		h.pixels = h.palette + h.entry*h.colours
	}
	pixels := data[min(h.pixels, len(data)):]
	if h.compression == bmpRLE8 || h.compression == bmpRLE4 {
		return h.runs(pixels, &palette)
	}
	out := New(h.w, h.h)
	stride, used := (h.w*h.bits+31)/32*4, (h.w*h.bits+7)/8
	if len(pixels) < stride*(h.h-1)+used {
		return nil, io.ErrUnexpectedEOF
	}
	for y := range h.h {
		src, dst := pixels[y*stride:][:used], out.row(h.row(y))
		switch {
		case h.bits <= 8:
			h.indices(dst, src, &palette)
		case h.bits == 24:
			for x := 0; x < len(dst); x += 3 {
				dst[x], dst[x+1], dst[x+2] = src[x+2], src[x+1], src[x]
			}
		default:
			h.fields(dst, src, background)
		}
	}
	return out, nil
}

// row is where the y-th row of a file belongs.
func (h *bmpHeader) row(y int) int {
	if h.upright {
		return y
	}
	return h.h - 1 - y
}

// check refuses kinds that are not read, and completes what the header leaves open.
func (h *bmpHeader) check() error {
	depth := h.bits == 1 || h.bits == 4 || h.bits == 8
	switch h.compression {
	case bmpRaw:
		if !depth && h.bits != 16 && h.bits != 24 && h.bits != 32 {
			return fmt.Errorf("%d bits a pixel; 1, 4, 8, 16, 24 and 32 are read", h.bits)
		}
		if h.bits == 16 {
			h.masks = [4]uint32{0x7c00, 0x3e0, 0x1f}
		} else {
			h.masks = [4]uint32{0xff0000, 0xff00, 0xff}
		}
	case bmpRLE8, bmpRLE4:
		if want := 8 / int(h.compression); h.bits != want {
			return fmt.Errorf("run lengths with %d bits a pixel; expected %d", h.bits, want)
		}
	case bmpBitFields:
		return h.checkMasks()
	default:
		return fmt.Errorf("compression %d is not read (as JPEG or PNG inside it); convert it to PNG", h.compression)
	}
	if h.colours == 0 && h.bits <= 8 {
		h.colours = 1 << h.bits
	}
	return nil
}

// checkMasks refuses bit masks that are not read. Alpha counts with 32 bits only.
func (h *bmpHeader) checkMasks() error {
	bgr := [4]uint32{0xff0000, 0xff00, 0xff}
	rgb := [4]uint32{h.masks[0], h.masks[1], h.masks[2]}
	readable := true
	switch h.bits {
	case 16:
		readable = rgb == [4]uint32{0xf800, 0x7e0, 0x1f} || rgb == [4]uint32{0x7c00, 0x3e0, 0x1f}
		h.masks[3] = 0
	case 24:
		readable = rgb == bgr
	case 32:
		if h.masks == [4]uint32{} {
			h.masks = bgr
			h.masks[3] = 0xff000000
		}
		for i, m := range h.masks {
			low := m >> bits.TrailingZeros32(m)
			readable = readable && (i == 3 || m != 0) && low <= 255 && low&(low+1) == 0
		}
	default:
		readable = false
	}
	if !readable {
		return fmt.Errorf("bit masks %x with %d bits a pixel are not read; convert it to PNG", h.masks, h.bits)
	}
	return nil
}

// readPalette reads the colours; those past the file's number are black.
func (h *bmpHeader) readPalette(data []byte, palette *[256][3]uint8) error {
	if h.colours < 1 || h.colours > 65536 {
		return fmt.Errorf("a palette of %d colours", h.colours)
	}
	if h.pixels == h.palette { // nobody counted the palette
		h.pixels += h.entry * h.colours
	}
	n := min(h.colours, 256)
	if len(data) < h.palette+n*h.entry {
		return io.ErrUnexpectedEOF
	}
	for i := range n {
		p := data[h.palette+i*h.entry:]
		palette[i] = [3]uint8{p[2], p[1], p[0]}
	}
	return nil
}

// indices expands a row of palette indices of 1, 4 or 8 bits, the first pixel in
// the highest bits.
func (h *bmpHeader) indices(dst, src []uint8, palette *[256][3]uint8) {
	perByte := 8 / h.bits
	for x := range h.w {
		i := src[x/perByte] >> (8 - h.bits*(x%perByte+1)) & (1<<h.bits - 1)
		copy(dst[3*x:3*x+3], palette[i][:])
	}
}

// fields expands a row of pixels of 16 or 32 bits by their masks.
func (h *bmpHeader) fields(dst, src []uint8, background [3]uint8) {
	var shift [4]int
	var largest [4]uint32
	for i, m := range h.masks {
		if m != 0 {
			shift[i] = bits.TrailingZeros32(m)
			largest[i] = m >> shift[i]
		}
	}
	for x := range h.w {
		var v uint32
		if h.bits == 16 {
			v = uint32(binary.LittleEndian.Uint16(src[2*x:]))
		} else {
			v = binary.LittleEndian.Uint32(src[4*x:])
		}
		alpha := uint32(255)
		if largest[3] > 0 {
			alpha = (v & h.masks[3] >> shift[3]) * 255 / largest[3]
		}
		for c := range 3 {
			s := (v & h.masks[c] >> shift[c]) * 255 / largest[c]
			dst[3*x+c] = over(uint8(s), background[c], alpha)
		}
	}
}

// runs reads run lengths. What they leave out is of the palette's first colour.
func (h *bmpHeader) runs(src []byte, palette *[256][3]uint8) (*Image, error) {
	r := bmpRuns{w: h.w, four: h.compression == bmpRLE4, odd: h.pixels & 1, pixels: make([]uint8, h.w*h.h)}
	if err := r.read(src); err != nil {
		return nil, err
	}
	out := New(h.w, h.h)
	for y := range h.h {
		dst := out.row(h.row(y))
		for x, i := range r.pixels[y*h.w : (y+1)*h.w] {
			copy(dst[3*x:3*x+3], palette[i][:])
		}
	}
	return out, nil
}

// bmpRuns decodes run lengths into palette indices, rows in the file's order.
type bmpRuns struct {
	w      int
	four   bool // two pixels a byte
	odd    int  // 1: the data starts at an odd byte of the file
	pixels []uint8
	at     int // the next pixel
	x      int // how far the runs of its row are
}

// read decodes until all pixels are there or the end is marked.
func (r *bmpRuns) read(src []byte) error {
	for i := 0; r.at < len(r.pixels); {
		if i+2 > len(src) {
			return io.ErrUnexpectedEOF
		}
		count, value := int(src[i]), src[i+1]
		i += 2
		switch {
		case count > 0:
			r.run(min(count, max(0, r.w-r.x)), value)
		case value == 0: // end of row
			if r.at%r.w != 0 {
				r.at += r.w - r.at%r.w
			}
			r.x = 0
		case value == 1: // end of picture
			return nil
		case value == 2: // step to the right and up
			if i+2 > len(src) {
				return io.ErrUnexpectedEOF
			}
			r.at = min(r.at+int(src[i])+int(src[i+1])*r.w, len(r.pixels))
			r.x = r.at % r.w
			i += 2
		default:
			used := r.bytes(int(value))
			if i+used > len(src) {
				return io.ErrUnexpectedEOF
			}
			r.copy(src[i:i+used], int(value))
			i += used
			i += (i + r.odd) & 1 // up to an even byte of the file
		}
	}
	return nil
}

// bytes says how many bytes hold n pixels.
func (r *bmpRuns) bytes(n int) int {
	n = min(n, len(r.pixels)-r.at)
	if r.four {
		return (n + 1) / 2
	}
	return n
}

// run writes n pixels of a value, or of its halves in turn.
func (r *bmpRuns) run(n int, value uint8) {
	r.x += n
	for i := range min(n, len(r.pixels)-r.at) {
		r.pixels[r.at] = r.half(value, i)
		r.at++
	}
}

// copy writes n pixels as they stand.
func (r *bmpRuns) copy(src []byte, n int) {
	r.x += n
	for i := range min(n, len(r.pixels)-r.at) {
		b := i
		if r.four {
			b = i / 2
		}
		r.pixels[r.at] = r.half(src[b], i)
		r.at++
	}
}

// half is the i-th pixel's part of a byte.
func (r *bmpRuns) half(v uint8, i int) uint8 {
	switch {
	case !r.four:
		return v
	case i%2 == 0:
		return v >> 4
	}
	return v & 15
}
