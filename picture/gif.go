package picture

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// gifFrame is the first frame of a GIF.
type gifFrame struct {
	w, h        int // of the canvas, which a larger frame widens
	x, y        int // the frame's place
	fw, fh      int // its size
	interlaced  bool
	palette     []byte // RGB; none: grey
	transparent int    // palette index; -1: none
	codeBits    int    // a pixel, for LZW
	data        []byte // LZW in blocks, and what follows
}

// readGIF reads up to the first frame's pixels. Go's reader wants a palette and at
// most 8 bits a pixel; Pillow does not.
func readGIF(data []byte) (f gifFrame, err error) {
	if len(data) < 13 {
		return f, io.ErrUnexpectedEOF
	}
	le := binary.LittleEndian
	f.w, f.h, f.transparent = int(le.Uint16(data[6:])), int(le.Uint16(data[8:])), -1
	flags := data[10]
	data = data[13:]
	if flags&0x80 != 0 {
		if f.palette, data, err = gifPalette(flags, data); err != nil {
			return f, err
		}
	}
	for {
		if len(data) == 0 {
			return f, io.ErrUnexpectedEOF
		}
		switch kind := data[0]; kind {
		case '!':
			if data, err = f.extension(data[1:]); err != nil {
				return f, err
			}
		case ',':
			return f, f.describe(data[1:])
		case ';':
			return f, errors.New("there is no picture in it")
		default:
			data = data[1:] // stray bytes, such as ends of blocks
		}
	}
}

func gifPalette(flags byte, data []byte) (palette, rest []byte, err error) {
	n := 3 << (flags&7 + 1)
	if len(data) < n {
		return nil, nil, io.ErrUnexpectedEOF
	}
	return data[:n], data[n:], nil
}

// extension reads an extension block; of these only the transparent colour counts.
func (f *gifFrame) extension(data []byte) (rest []byte, err error) {
	const graphicControl = 0xf9
	if len(data) < 2 {
		return nil, io.ErrUnexpectedEOF
	}
	kind := data[0]
	data = data[1:]
	for first := true; ; first = false {
		if len(data) == 0 || len(data) < 1+int(data[0]) {
			return nil, io.ErrUnexpectedEOF
		}
		n := int(data[0])
		block := data[1 : 1+n]
		data = data[1+n:]
		if n == 0 {
			return data, nil
		}
		if first && kind == graphicControl && n >= 4 && block[0]&1 != 0 {
			f.transparent = int(block[3])
		}
	}
}

// describe reads the frame's own header.
func (f *gifFrame) describe(data []byte) (err error) {
	if len(data) < 10 {
		return io.ErrUnexpectedEOF
	}
	le := binary.LittleEndian
	f.x, f.y = int(le.Uint16(data)), int(le.Uint16(data[2:]))
	f.fw, f.fh = int(le.Uint16(data[4:])), int(le.Uint16(data[6:]))
	f.w, f.h = max(f.w, f.x+f.fw), max(f.h, f.y+f.fh)
	flags := data[8]
	data = data[9:]
	f.interlaced = flags&0x40 != 0
	if flags&0x80 != 0 {
		if f.palette, data, err = gifPalette(flags, data); err != nil {
			return err
		}
	}
	if len(data) == 0 {
		return io.ErrUnexpectedEOF
	}
	f.codeBits, f.data = int(data[0]), data[1:]
	return nil
}

func gifSize(data []byte) (w, h int, err error) {
	f, err := readGIF(data)
	return f.w, f.h, err
}

// decodeGIF reads the first frame onto the file's canvas. What the frame leaves
// free is transparent if the frame has a transparent colour, and otherwise of
// the palette's first colour, as Pillow has it.
func decodeGIF(data []byte, background [3]uint8) (*Image, error) {
	f, err := readGIF(data)
	if err != nil {
		return nil, err
	}
	if f.codeBits > lzwBits {
		return nil, fmt.Errorf("%d bits a pixel; expected at most %d", f.codeBits, lzwBits)
	}
	indices := make([]uint8, f.fw*f.fh)
	if err := decodeLZW(indices, f.codeBits, f.data); err != nil {
		return nil, err
	}
	colours := f.colours(background)
	out := New(f.w, f.h)
	if len(indices) < f.w*f.h {
		out.fill(colours[max(f.transparent, 0)])
	}
	for i := range f.fh {
		row := out.row(f.y + f.rowOf(i))[3*f.x:]
		for x, v := range indices[i*f.fw : (i+1)*f.fw] {
			*(*[3]uint8)(row[3*x:]) = colours[v]
		}
	}
	return out, nil
}

// colours are what the indices stand for. Without a palette they are greys.
func (f *gifFrame) colours(background [3]uint8) (c [256][3]uint8) {
	for i := range c {
		v := uint8(i)
		if f.palette == nil {
			c[i] = [3]uint8{v, v, v}
		} else if 3*i < len(f.palette) {
			c[i] = [3]uint8(f.palette[3*i:])
		}
	}
	if f.transparent >= 0 {
		c[f.transparent] = background
	}
	return c
}

// rowOf is where the i-th row of the data belongs: interlaced frames have every
// eighth first.
func (f *gifFrame) rowOf(i int) int {
	if !f.interlaced {
		return i
	}
	for _, pass := range [4]struct{ first, step int }{{0, 8}, {4, 8}, {2, 4}, {1, 2}} {
		n := max(0, ceilDiv(f.fh-pass.first, pass.step))
		if i < n {
			return pass.first + i*pass.step
		}
		i -= n
	}
	return i
}

const lzwBits = 12 // of the longest code

// lzwReader reads the codes of a GIF's frame and keeps the strings they stand for:
// each is another string and one more pixel.
type lzwReader struct {
	data   []byte // blocks of their length and as many bytes
	block  int    // bytes left of the block
	acc, n uint32 // bits read ahead, and how many

	clear, next int    // code that forgets all strings, and the first that is free
	size        uint32 // bits a code
	prefix      [1 << lzwBits]uint16
	suffix      [1 << lzwBits]uint8
	stack       [1 << lzwBits]uint8
}

// decodeLZW fills out.
func decodeLZW(out []uint8, codeBits int, data []byte) error {
	z := &lzwReader{data: data, clear: 1 << codeBits}
	last, first := -1, uint8(0) // the code before, and its string's first pixel
	for len(out) > 0 {
		if last < 0 {
			z.next, z.size = z.clear+2, uint32(codeBits)+1
		}
		code, err := z.code()
		switch {
		case err != nil:
			return err
		case code == z.clear:
			last = -1
			continue
		case code == z.clear+1: // the end, before all pixels are there
			return io.ErrUnexpectedEOF
		case code > z.next || last < 0 && code > z.clear:
			return fmt.Errorf("an LZW code %d, of which %d is the next", code, z.next)
		}
		from, depth := code, 0
		if last >= 0 && code == z.next { // the string before, and its first pixel again
			z.stack[0] = first
			from, depth = last, 1
		}
		if first, depth, err = z.expand(from, depth); err != nil {
			return err
		}
		out[0], out = first, out[1:]
		for depth--; depth >= 0 && len(out) > 0; depth-- {
			out[0], out = z.stack[depth], out[1:]
		}
		if last >= 0 {
			z.learn(last, first)
		}
		last = code
	}
	return nil
}

// code reads the next code.
func (z *lzwReader) code() (int, error) {
	for z.n < z.size {
		if len(z.data) == 0 {
			return 0, io.ErrUnexpectedEOF
		}
		b := z.data[0]
		z.data = z.data[1:]
		if z.block == 0 {
			if z.block = int(b); len(z.data) < z.block {
				return 0, io.ErrUnexpectedEOF
			}
			continue
		}
		z.acc |= uint32(b) << z.n
		z.n, z.block = z.n+8, z.block-1
	}
	code := z.acc & (1<<z.size - 1)
	z.acc, z.n = z.acc>>z.size, z.n-z.size
	return int(code), nil
}

// expand puts a code's string onto the stack, its end first and without its first
// pixel, which it returns.
func (z *lzwReader) expand(code, depth int) (uint8, int, error) {
	for code >= z.clear {
		if code >= len(z.prefix) || depth == len(z.stack) {
			return 0, 0, fmt.Errorf("an LZW code %d without a string", code)
		}
		z.stack[depth] = z.suffix[code]
		depth, code = depth+1, int(z.prefix[code])
	}
	return uint8(code), depth, nil
}

// learn adds a string; codes grow with their number.
func (z *lzwReader) learn(prefix int, suffix uint8) {
	if z.next >= len(z.prefix) {
		return
	}
	z.prefix[z.next], z.suffix[z.next] = uint16(prefix), suffix
	if z.next == 1<<z.size-1 && z.size < lzwBits {
		z.size++
	}
	z.next++
}
