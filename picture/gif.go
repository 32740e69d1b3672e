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

// decodeLZW fills out from the blocks of a GIF's frame.
func decodeLZW(out []uint8, codeBits int, data []byte) error {
	var prefix [1 << lzwBits]uint16
	var suffix, stack [1 << lzwBits]uint8
	clear, end := 1<<codeBits, 1<<codeBits+1
	next, size := clear+2, codeBits+1
	last, first := -1, uint8(0)
	acc, n := uint32(0), 0
	block := 0 // bytes left of it
	for at := 0; at < len(out); {
		for n < size {
			if len(data) == 0 {
				return io.ErrUnexpectedEOF
			}
			if block == 0 {
				block = int(data[0])
				if data = data[1:]; len(data) < block {
					return io.ErrUnexpectedEOF
				}
				continue
			}
			acc |= uint32(data[0]) << n
			n += 8
			data, block = data[1:], block-1
		}
		code := int(acc & (1<<size - 1))
		acc, n = acc>>size, n-size
		switch {
		case code == clear:
			next, size, last = clear+2, codeBits+1, -1
			continue
		case code == end:
			return io.ErrUnexpectedEOF
		case last < 0 && code > clear || code > next:
			return fmt.Errorf("an LZW code %d of %d", code, next)
		case last < 0:
			last, first = code, uint8(code)
			out[at] = first
			at++
			continue
		}
		depth, c := 0, code
		if code == next { // the string before, and its first pixel again
			stack[0] = first
			depth, c = 1, last
		}
		for c >= clear {
			if c >= len(prefix) || depth == len(stack) {
				return fmt.Errorf("an LZW code %d of %d", code, next)
			}
			stack[depth] = suffix[c]
			depth, c = depth+1, int(prefix[c])
		}
		first = uint8(c)
		if at < len(out) {
			out[at] = first
			at++
		}
		for depth--; depth >= 0 && at < len(out); depth-- {
			out[at] = stack[depth]
			at++
		}
		if next < len(prefix) {
			prefix[next], suffix[next] = uint16(last), first
			if next == 1<<size-1 && size < lzwBits {
				size++
			}
			next++
		}
		last = code
	}
	return nil
}
