package picture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// JPEG markers (T.81, table B.1), the second byte after 0xff.
const (
	markerSOF0  = 0xc0 // start of frame: 0 baseline, 1 extended, 2 progressive; 9 and 10 with arithmetic coding
	markerSOF15 = 0xcf
	markerDHT   = 0xc4
	markerJPG   = 0xc8
	markerDAC   = 0xcc
	markerRST0  = 0xd0
	markerRST7  = 0xd7
	markerSOI   = 0xd8
	markerEOI   = 0xd9
	markerSOS   = 0xda
	markerDQT   = 0xdb
	markerDNL   = 0xdc
	markerDRI   = 0xdd
	markerAPP0  = 0xe0
	markerAPP1  = 0xe1
	markerAPP14 = 0xee
	markerAPP15 = 0xef
	markerCOM   = 0xfe
	markerTEM   = 0x01
)

// maxScans bounds how often a progressive file of a few bytes a scan can make us
// walk a large picture; encoders write some ten scans.
const maxScans = 200

// jpegReader reads the marker segments of a JPEG file.
type jpegReader struct {
	data   []byte
	at     int  // the next byte
	marker byte // found but not yet acted upon; 0: none. at is behind it
}

// nextMarker goes on to the next marker, unless one is waiting. What stands before
// it is passed over, as libjpeg does.
func (r *jpegReader) nextMarker() error {
	for r.marker == 0 {
		i := bytes.IndexByte(r.data[r.at:], 0xff)
		if i < 0 {
			r.at = len(r.data)
			return io.ErrUnexpectedEOF
		}
		r.at += i
		for r.at < len(r.data) && r.data[r.at] == 0xff {
			r.at++
		}
		if r.at == len(r.data) {
			return io.ErrUnexpectedEOF
		}
		r.marker = r.data[r.at] // 0: a stuffed byte, not a marker
		r.at++
	}
	return nil
}

// segment returns the body of the marker's segment, without its length.
func (r *jpegReader) segment() ([]byte, error) {
	if r.at+2 > len(r.data) {
		return nil, io.ErrUnexpectedEOF
	}
	n := int(binary.BigEndian.Uint16(r.data[r.at:]))
	if n < 2 {
		return nil, fmt.Errorf("a segment of %d bytes", n)
	}
	if r.at+n > len(r.data) {
		return nil, io.ErrUnexpectedEOF
	}
	body := r.data[r.at+2 : r.at+n]
	r.at += n
	return body, nil
}

// bare reports a marker without a segment.
func bare(marker byte) bool {
	return marker == markerTEM || marker >= markerRST0 && marker <= markerSOI
}

// jpegSegments calls visit with each marker segment before the first scan, until
// it returns false.
func jpegSegments(data []byte, visit func(marker byte, body []byte) bool) error {
	r := jpegReader{data: data}
	for {
		if err := r.nextMarker(); err != nil {
			return err
		}
		marker := r.marker
		r.marker = 0
		switch {
		case bare(marker):
			continue
		case marker == markerSOS || marker == markerEOI:
			return nil
		}
		body, err := r.segment()
		if err != nil {
			return err
		}
		if !visit(marker, body) {
			return nil
		}
	}
}

// startsFrame reports a marker that gives the picture's size.
func startsFrame(marker byte) bool {
	return marker >= markerSOF0 && marker <= markerSOF15 && marker != markerDHT && marker != markerJPG && marker != markerDAC
}

// jpegSize reads the width and height of a JPEG.
func jpegSize(data []byte) (w, h int, err error) {
	found := false
	err = jpegSegments(data, func(marker byte, body []byte) bool {
		if startsFrame(marker) && len(body) >= 6 {
			h, w = int(binary.BigEndian.Uint16(body[1:])), int(binary.BigEndian.Uint16(body[3:]))
			found = true
		}
		return !found
	})
	if err == nil && !found {
		err = errors.New("there is no frame header (SOF) before its first scan")
	}
	return w, h, err
}

// jpegComponent is one plane of a JPEG.
type jpegComponent struct {
	id               byte
	h, v             int // samples across and down in the unit in which planes are interleaved
	tq               int // number of its quantisation table
	width, height    int // samples
	blocksX, blocksY int // 8×8 blocks with samples in them
	stride           int // columns of the coefficients, a multiple of 8·h; blocks past blocksX are padding
	rows             int // of the coefficients, a multiple of 8·v
	plane            []uint8
	points           int        // samples across and down that a block becomes: 8, or fewer of a reduced picture
	across, down     int        // samples of the plane that are of the picture
	line             int        // samples a row of the plane
	coefficients     []int16    // [rows/8][stride/8][64] in natural order; nil if blocks are transformed as they are read
	steps            *[64]int16 // quantisation steps as they stood at the component's first scan; nil before it

	dc, ac     int      // numbers of the entropy coder's tables in the current scan
	last       int32    // DC value of the block before
	context    int      // of the arithmetic coder's DC statistics
	bits, prev [64]int8 // lowest bits sent of the coefficients, now and before the component's last scan; -1: none
}

var unknownBits = func() (b [64]int8) {
	for i := range b {
		b[i] = -1
	}
	return b
}()

// block returns the coefficients of a block.
func (c *jpegComponent) block(x, y int) *[64]int16 {
	return (*[64]int16)(c.coefficients[64*(y*(c.stride/8)+x):])
}

// jpegDecoder decodes a JPEG to the samples that libjpeg-turbo makes of it:
// Huffman or arithmetic coding, sequential or progressive.
type jpegDecoder struct {
	jpegReader
	w, h        int // pixels
	reduced     int // samples that a block of the finest component becomes: 8, 4, 2 or 1
	outW, outH  int // pixels, reduced
	hMax, vMax  int // largest sampling factors
	progressive bool
	arithmetic  bool
	components  []*jpegComponent
	jfif        bool
	adobe       int // colour transform of the Adobe segment; -1: no segment

	quantisation [4]*[64]int16
	huffman      [2][4]*huffmanTable // DC, AC
	conditioning [2][16]uint8        // of arithmetic coding: DC bounds (lower, upper nibble), AC Kx
	interval     int                 // units between restart markers; 0: none
	scans        int
	complete     bool // all pixels are there, after the scan of a file that has one
	scan         jpegScan
	scratch      [64]int16
	huff         huffmanDecoder
	arith        arithmeticDecoder
}

// decodeJPEG decodes a JPEG. It has no transparency.
func decodeJPEG(data []byte, _ [3]uint8) (*Image, error) { return decodeReduced(data, 1) }

// decodeReduced decodes a JPEG at a half, a fourth or an eighth of its size, or as it is.
func decodeReduced(data []byte, by int) (*Image, error) {
	d := &jpegDecoder{jpegReader: jpegReader{data: data}, adobe: -1, reduced: 8 / by}
	for i := range 16 {
		d.conditioning[0][i], d.conditioning[1][i] = 1<<4, 5 // T.81, F.1.4.4: L = 0, U = 1, Kx = 5
	}
	err := d.readMarkers()
	if err != nil && !(d.complete && err == io.ErrUnexpectedEOF) {
		return nil, err
	}
	if !d.complete {
		d.transform()
	}
	return d.output()
}

// readMarkers acts upon all markers up to the end of the picture.
func (d *jpegDecoder) readMarkers() error {
	for {
		if err := d.nextMarker(); err != nil {
			return err
		}
		marker := d.marker
		d.marker = 0
		switch {
		case bare(marker):
		case marker == markerEOI && d.scans > 0:
			return nil
		case marker == markerEOI:
			return errors.New("it ends without a scan")
		default:
			if err := d.expected(marker); err != nil {
				return err
			}
			body, err := d.segment()
			if err != nil {
				return err
			}
			if err := d.act(marker, body); err != nil {
				return err
			}
		}
	}
}

// expected refuses markers that can't be acted upon, whatever follows them.
func (d *jpegDecoder) expected(marker byte) error {
	switch marker {
	case markerDHT, markerDAC, markerSOS, markerDQT, markerDNL, markerDRI, markerCOM:
		return nil
	}
	kind := marker - markerSOF0
	switch {
	case marker >= markerAPP0 && marker <= markerAPP15:
		return nil
	case !startsFrame(marker):
		return fmt.Errorf("unknown marker 0x%02x", marker)
	case frameKinds[kind] != "":
		return fmt.Errorf("%s JPEG (SOF%d) is not read; convert it to a baseline or progressive one", frameKinds[kind], kind)
	case d.components != nil:
		return errors.New("it has two frame headers (SOF)")
	}
	return nil
}

// act does what a marker segment says; those that say nothing of the pixels are
// passed over.
func (d *jpegDecoder) act(marker byte, body []byte) error {
	switch {
	case startsFrame(marker):
		return d.readFrame(marker, body)
	case marker == markerSOS:
		return d.readScan(body)
	case marker == markerDQT:
		return d.readQuantisation(body)
	case marker == markerDHT:
		return d.readHuffman(body)
	case marker == markerDAC:
		return d.readConditioning(body)
	case marker == markerDRI:
		if len(body) != 2 {
			return fmt.Errorf("a restart interval (DRI) of %d bytes; expected 2", len(body))
		}
		d.interval = int(binary.BigEndian.Uint16(body))
	case marker == markerAPP0:
		d.jfif = d.jfif || len(body) >= 12 && string(body[:5]) == "JFIF\x00"
	case marker == markerAPP14:
		if len(body) >= 12 && string(body[:5]) == "Adobe" {
			d.adobe = int(body[11])
		}
	}
	return nil
}

// frameKinds are the frames that are not read, and what they are called.
var frameKinds = map[byte]string{
	3: "lossless", 5: "hierarchical", 6: "hierarchical", 7: "hierarchical", 11: "lossless",
	13: "hierarchical", 14: "hierarchical", 15: "hierarchical",
}

// readFrame reads the frame header: size and components.
func (d *jpegDecoder) readFrame(marker byte, body []byte) error {
	kind := marker - markerSOF0
	d.progressive, d.arithmetic = kind == 2 || kind == 10, kind >= 9
	if len(body) < 6 || len(body) != 6+3*int(body[5]) {
		return fmt.Errorf("a frame header (SOF) of %d bytes", len(body))
	}
	if body[0] != 8 {
		return fmt.Errorf("%d bits a sample; 8 are read", body[0])
	}
	d.h, d.w = int(binary.BigEndian.Uint16(body[1:])), int(binary.BigEndian.Uint16(body[3:]))
	if n := body[5]; n != 1 && n != 3 && n != 4 {
		return fmt.Errorf("%d components; 1 (grey), 3 (colour) and 4 (CMYK) are read", n)
	}
	d.hMax, d.vMax = 1, 1
	for b := body[6:]; len(b) > 0; b = b[3:] {
		c := &jpegComponent{id: b[0], h: int(b[1] >> 4), v: int(b[1] & 15), tq: int(b[2])}
		if c.h < 1 || c.h > 4 || c.v < 1 || c.v > 4 {
			return fmt.Errorf("a sampling factor of %d×%d; expected 1 to 4", c.h, c.v)
		}
		d.hMax, d.vMax = max(d.hMax, c.h), max(d.vMax, c.v)
		d.components = append(d.components, c)
	}
	return d.layOut()
}

// layOut computes the planes' sizes.
func (d *jpegDecoder) layOut() error {
	if d.w == 0 || d.h == 0 {
		return errors.New("the picture is zero-sized")
	}
	blocks := 0
	for _, c := range d.components {
		if d.hMax%c.h != 0 || d.vMax%c.v != 0 {
			return fmt.Errorf("%d of %d samples across or %d of %d down; expected a divisor", c.h, d.hMax, c.v, d.vMax)
		}
		c.width, c.height = ceilDiv(d.w*c.h, d.hMax), ceilDiv(d.h*c.v, d.vMax)
		c.blocksX, c.blocksY = ceilDiv(c.width, 8), ceilDiv(c.height, 8)
		c.stride, c.rows = 8*c.h*ceilDiv(d.w, 8*d.hMax), 8*c.v*ceilDiv(d.h, 8*d.vMax)
		blocks += c.blocksX * c.blocksY
		c.bits = unknownBits
		d.reduce(c)
	}
	d.outW, d.outH = ceilDiv(d.w*d.reduced, 8), ceilDiv(d.h*d.reduced, 8)
	// A Huffman code has at least a bit a block: what can't be complete is refused
	// before memory is taken for it.
	if !d.arithmetic && blocks/8 > len(d.data) {
		return io.ErrUnexpectedEOF
	}
	return nil
}

func ceilDiv(a, b int) int { return (a + b - 1) / b }

// readQuantisation reads tables of quantisation steps.
func (d *jpegDecoder) readQuantisation(body []byte) error {
	for len(body) > 0 {
		size, t := 1, int(body[0]&15)
		if body[0]>>4 != 0 {
			size = 2
		}
		if t > 3 || len(body) < 1+64*size {
			return fmt.Errorf("a quantisation table (DQT) %d in %d bytes", t, len(body))
		}
		steps := new([64]int16)
		for i := range 64 {
			if b := body[1+i*size:]; size == 2 {
				steps[zigzag[i]] = int16(binary.BigEndian.Uint16(b))
			} else {
				steps[zigzag[i]] = int16(b[0])
			}
		}
		d.quantisation[t] = steps
		body = body[1+64*size:]
	}
	return nil
}

// readConditioning reads how arithmetic coding conditions its statistics.
func (d *jpegDecoder) readConditioning(body []byte) error {
	for ; len(body) >= 2; body = body[2:] {
		class, t, v := body[0]>>4, body[0]&15, body[1]
		if class > 1 || class == 0 && v&15 > v>>4 {
			return fmt.Errorf("arithmetic conditioning (DAC) 0x%02x 0x%02x", body[0], v)
		}
		d.conditioning[class][t] = v
	}
	if len(body) != 0 {
		return errors.New("an odd number of bytes in its arithmetic conditioning (DAC)")
	}
	return nil
}

// zigzag is where the i-th coefficient of a file stands in a block. What a damaged
// file puts past the end lands on the last.
var zigzag = func() (z [80]uint8) {
	x, y, up := 0, 0, true
	for i := range 64 {
		z[i] = uint8(8*y + x)
		switch {
		case up && x == 7:
			y, up = y+1, false
		case up && y == 0:
			x, up = x+1, false
		case up:
			x, y = x+1, y-1
		case y == 7:
			x, up = x+1, true
		case x == 0:
			y, up = y+1, true
		default:
			x, y = x-1, y+1
		}
	}
	for i := 64; i < len(z); i++ {
		z[i] = 63
	}
	return z
}()
