package picture

import (
	"encoding/binary"
	"fmt"
	"io"
)

const lookBits = 9 // codes up to this length are found by one look into a table

// huffmanTable decodes one Huffman code.
type huffmanTable struct {
	look [1 << lookBits]uint16 // length<<8 | symbol; 0: a longer code
	// ac holds, for code and value together of at most lookBits,
	// value<<16 | zeros before it<<8 | bits; 0: look.
	ac      [1 << lookBits]int32
	maxCode [18]int32 // largest code of a length; -1: none
	offset  [18]int32 // index of a length's first symbol less its code
	symbols [256]uint8
	largest uint8 // of the symbols
}

// newHuffmanTable makes a table of the number of codes of each length and their
// symbols (T.81, annex C).
func newHuffmanTable(counts *[16]uint8, symbols []uint8) (*huffmanTable, error) {
	t := new(huffmanTable)
	copy(t.symbols[:], symbols)
	code, p := int32(0), int32(0)
	for length := 1; length <= 16; length++ {
		t.maxCode[length] = -1
		t.offset[length] = p - code
		for range counts[length-1] {
			if length <= lookBits {
				first := code << (lookBits - length)
				for i := range int32(1) << (lookBits - length) {
					if int(first+i) < len(t.look) {
						t.look[first+i] = uint16(length)<<8 | uint16(t.symbols[p])
					}
				}
			}
			t.maxCode[length] = code
			t.largest = max(t.largest, t.symbols[p])
			code, p = code+1, p+1
		}
		if counts[length-1] > 0 && code >= 1<<length { // no code is all ones
			return nil, fmt.Errorf("a Huffman code (DHT) with too many codes of %d bits", length)
		}
		code <<= 1
	}
	t.maxCode[17] = 1 << 30 // ends the search for a code that is none
	t.joinValues()
	return t, nil
}

// joinValues fills ac.
func (t *huffmanTable) joinValues() {
	for i, l := range t.look {
		length, size := int(l>>8), int(l&15)
		if length == 0 || size == 0 || length+size > lookBits {
			continue
		}
		v := extend(uint32(i)>>(lookBits-length-size)&(1<<size-1), size)
		t.ac[i] = v<<16 | int32(l>>4&15)<<8 | int32(length+size)
	}
}

// extend gives the value of size bits: those that begin with 0 are negative.
func extend(bits uint32, size int) int32 {
	v := int32(bits)
	if size > 0 && v < 1<<(size-1) {
		v -= 1<<size - 1
	}
	return v
}

// readHuffman reads Huffman tables.
func (d *jpegDecoder) readHuffman(body []byte) error {
	for len(body) > 0 {
		if len(body) < 17 {
			return fmt.Errorf("a Huffman table (DHT) in %d bytes", len(body))
		}
		class, number, n := body[0]>>4, body[0]&15, 0
		counts := (*[16]uint8)(body[1:17])
		for _, c := range counts {
			n += int(c)
		}
		if class > 1 || number > 3 || n > 256 || n > len(body)-17 {
			return fmt.Errorf("a Huffman table (DHT) 0x%02x of %d codes in %d bytes", body[0], n, len(body))
		}
		t, err := newHuffmanTable(counts, body[17:17+n])
		if err != nil {
			return err
		}
		d.huffman[class][number] = t
		body = body[17+n:]
	}
	return nil
}

// prepareHuffman checks that the scan's tables are there. Sequential files, such as
// frames of Motion JPEG, may rely on the standard's example tables.
func (d *jpegDecoder) prepareHuffman() error {
	s := &d.scan
	if !d.progressive && d.scans == 1 {
		for class := range 2 {
			for number := range 2 {
				if d.huffman[class][number] == nil {
					d.huffman[class][number] = exampleTable(class, number)
				}
			}
		}
	}
	for _, c := range s.components {
		needDC, needAC := s.ss == 0 && s.ah == 0, s.se > 0
		if needDC && (c.dc > 3 || d.huffman[0][c.dc] == nil) || needAC && (c.ac > 3 || d.huffman[1][c.ac] == nil) {
			return fmt.Errorf("a scan with Huffman tables %d and %d, of which one is missing", c.dc, c.ac)
		}
		if needDC && d.huffman[0][c.dc].largest > 15 {
			return fmt.Errorf("a DC Huffman code with a value of %d bits", d.huffman[0][c.dc].largest)
		}
	}
	return nil
}

// huffmanDecoder reads Huffman-coded blocks.
type huffmanDecoder struct {
	d    *jpegDecoder
	acc  uint64 // next bits, from the highest on
	n    int    // how many of them are known; below 0: so many zeros were read past the data's end
	done bool   // the data's end is reached: a marker, or the file's
	eob  int    // blocks still to come without coefficients
}

func (h *huffmanDecoder) start() {
	h.acc, h.n, h.eob = 0, 0, 0
	h.done = h.d.marker != 0
	for _, c := range h.d.scan.components {
		c.last = 0
	}
}

// end of a unit: more was read than there is. Before a marker, the rest of the
// segment is taken as empty, as libjpeg does.
func (h *huffmanDecoder) end() error {
	if h.n >= 0 {
		return nil
	}
	if h.d.marker == 0 {
		return io.ErrUnexpectedEOF
	}
	h.d.scan.empty = true
	return nil
}

// fill reads more bits: 32 or more, if there are as many.
func (h *huffmanDecoder) fill() {
	if h.done {
		return
	}
	d := h.d
	if d.at+8 <= len(d.data) {
		v := binary.BigEndian.Uint64(d.data[d.at:])
		if const01, not := uint64(0x0101010101010101), ^v; (not-const01)&v&(const01<<7) == 0 { // no byte is 0xff
			h.acc |= v >> h.n
			d.at += (63 - h.n) >> 3
			h.n |= 56
			return
		}
	}
	for h.n <= 56 {
		if d.at == len(d.data) {
			h.done = true
			return
		}
		b := d.data[d.at]
		d.at++
		if b == 0xff {
			for b == 0xff && d.at < len(d.data) {
				b = d.data[d.at]
				d.at++
			}
			if b != 0 {
				h.done = true
				if b != 0xff {
					d.marker = b
				}
				return
			}
			b = 0xff
		}
		h.acc |= uint64(b) << (56 - h.n)
		h.n += 8
	}
}

// bits takes size bits, up to 16.
func (h *huffmanDecoder) bits(size int) uint32 {
	if h.n < size {
		h.fill()
	}
	v := uint32(h.acc >> (64 - size))
	h.acc <<= size
	h.n -= size
	return v
}

// symbol decodes one code.
func (h *huffmanDecoder) symbol(t *huffmanTable) uint8 {
	if h.n < 17 {
		h.fill()
	}
	if l := t.look[h.acc>>(64-lookBits)]; l != 0 {
		h.acc <<= l >> 8
		h.n -= int(l >> 8)
		return uint8(l)
	}
	return h.longSymbol(t)
}

// longSymbol decodes a code longer than the table's look. What is no code gives 0,
// as in libjpeg.
func (h *huffmanDecoder) longSymbol(t *huffmanTable) uint8 {
	length := lookBits + 1
	for length < 17 && int32(h.acc>>(64-length)) > t.maxCode[length] {
		length++
	}
	code := int32(h.acc >> (64 - length))
	h.acc <<= length
	h.n -= length
	if length > 16 {
		return 0
	}
	return t.symbols[(code+t.offset[length])&255]
}

func (h *huffmanDecoder) block(c *jpegComponent, b *[64]int16) {
	d := h.d
	switch s := &d.scan; {
	case !d.progressive:
		h.sequential(c, b, d.huffman[0][c.dc], d.huffman[1][c.ac])
	case s.ss == 0 && s.ah == 0:
		h.difference(c, d.huffman[0][c.dc])
		b[0] = int16(c.last << s.al)
	case s.ss == 0:
		b[0] |= int16(h.bits(1) << s.al)
	case s.ah == 0:
		h.band(b, d.huffman[1][c.ac], s)
	default:
		h.refine(b, d.huffman[1][c.ac], s)
	}
}

// difference reads a DC value.
func (h *huffmanDecoder) difference(c *jpegComponent, t *huffmanTable) {
	if size := int(h.symbol(t)); size > 0 {
		c.last += extend(h.bits(size), size)
	}
}

// sequential reads all coefficients of a block. It is symbol and bits with the
// decoder's state in variables of its own: half of the time is spent here.
func (h *huffmanDecoder) sequential(c *jpegComponent, b *[64]int16, dc, ac *huffmanTable) {
	h.difference(c, dc)
	b[0] = int16(c.last)
	acc, n := h.acc, h.n
	for k := 1; k < 64; k++ {
		if n < 32 { // a code and its value have at most 17 + 15 bits
			h.acc, h.n = acc, n
			h.fill()
			acc, n = h.acc, h.n
		}
		if v := ac.ac[acc>>(64-lookBits)]; v != 0 {
			k += int(v >> 8 & 15)
			acc <<= uint(v & 15)
			n -= int(v & 15)
			b[zigzag[k]&63] = int16(v >> 16)
			continue
		}
		symbol := ac.look[acc>>(64-lookBits)]
		if symbol != 0 {
			acc <<= symbol >> 8 & 15
			n -= int(symbol >> 8)
		} else {
			h.acc, h.n = acc, n
			symbol = uint16(h.longSymbol(ac))
			acc, n = h.acc, h.n
		}
		zeros, size := int(symbol>>4&15), int(symbol&15)
		if size == 0 {
			if zeros < 15 {
				break
			}
			k += 15
			continue
		}
		k += zeros
		b[zigzag[k]&63] = int16(extend(uint32(acc>>(64-uint(size))), size))
		acc <<= uint(size)
		n -= size
	}
	h.acc, h.n = acc, n
}

// band reads the first bits of coefficients ss to se.
func (h *huffmanDecoder) band(b *[64]int16, t *huffmanTable, s *jpegScan) {
	if h.eob > 0 {
		h.eob--
		return
	}
	for k := s.ss; k <= s.se; k++ {
		symbol := h.symbol(t)
		zeros, size := int(symbol>>4), int(symbol&15)
		switch {
		case size > 0:
			k += zeros
			b[zigzag[k]] = int16(extend(h.bits(size), size) << s.al)
		case zeros == 15:
			k += 15
		default:
			h.eob = h.run(zeros) - 1
			return
		}
	}
}

// run reads how many blocks an end-of-band symbol covers.
func (h *huffmanDecoder) run(size int) int {
	if size == 0 {
		return 1
	}
	return 1<<size + int(h.bits(size))
}

// refine reads one more bit of coefficients ss to se.
func (h *huffmanDecoder) refine(b *[64]int16, t *huffmanTable, s *jpegScan) {
	k := s.ss
	for ; h.eob == 0 && k <= s.se; k++ {
		symbol := h.symbol(t)
		zeros, size, fresh := int(symbol>>4), symbol&15, int16(0)
		switch {
		case size > 0:
			fresh = -1 << s.al
			if h.bits(1) == 1 {
				fresh = 1 << s.al
			}
		case zeros < 15:
			h.eob = h.run(zeros)
		}
		if h.eob > 0 {
			break
		}
		k = h.correct(b, s, k, zeros)
		if fresh != 0 {
			b[zigzag[k]] = fresh
		}
	}
	if h.eob > 0 {
		h.correct(b, s, k, 64)
		h.eob--
	}
}

// correct reads a bit for each coefficient that is not zero, from k on until more
// than so many zeros were passed, and returns where it stopped.
func (h *huffmanDecoder) correct(b *[64]int16, s *jpegScan, k, zeros int) int {
	for ; k <= s.se; k++ {
		v := &b[zigzag[k]]
		if *v == 0 {
			if zeros--; zeros < 0 {
				break
			}
			continue
		}
		if h.bits(1) == 1 && *v&(1<<s.al) == 0 {
			if *v >= 0 {
				*v += 1 << s.al
			} else {
				*v -= 1 << s.al
			}
		}
	}
	return k
}
