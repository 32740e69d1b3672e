package picture

import (
	"errors"
	"fmt"
)

// jpegScan is what a scan header says, and how far the scan is.
type jpegScan struct {
	components []*jpegComponent
	ss, se     int  // first and last coefficient, in zigzag order
	ah, al     uint // bits before and after this scan of successive approximation
	restart    byte // number of the next restart marker
	toGo       int  // units until it
	empty      bool // a marker came before the data was complete: the rest of the segment stays as it is
	goodRow    int  // last row of interleaved units with data
}

// entropyDecoder reads the coefficients of blocks.
type entropyDecoder interface {
	start()                               // begins a scan or a segment behind a restart marker
	block(c *jpegComponent, b *[64]int16) // reads one
	end() error                           // checks after each unit that there was data
}

// readScan reads a scan header and the scan.
func (d *jpegDecoder) readScan(body []byte) error {
	switch d.scans++; {
	case d.components == nil:
		return errors.New("a scan (SOS) before the frame header (SOF)")
	case d.complete:
		return errors.New("a scan (SOS) behind a complete picture")
	case d.scans > maxScans:
		return fmt.Errorf("more than %d scans", maxScans)
	}
	if err := d.readScanHeader(body); err != nil {
		return err
	}
	single := d.scans == 1 && len(d.scan.components) == len(d.components) && !d.progressive
	for _, c := range d.components {
		if c.plane == nil {
			c.plane = make([]uint8, c.line*c.rows/8*c.points)
		}
		if c.coefficients == nil && !single {
			c.coefficients = make([]int16, c.stride*c.rows)
		}
	}
	var e entropyDecoder = &d.huff
	if d.arithmetic {
		e = &d.arith
	} else if err := d.prepareHuffman(); err != nil {
		return err
	}
	d.huff.d, d.arith.d = d, d
	err := d.walk(e)
	d.complete = single && err == nil
	return err
}

func (d *jpegDecoder) readScanHeader(body []byte) error {
	if len(body) == 0 || len(body) != 4+2*int(body[0]) || body[0] < 1 || body[0] > 4 {
		return fmt.Errorf("a scan header (SOS) of %d bytes", len(body))
	}
	s := jpegScan{}
	for b := body[1 : len(body)-3]; len(b) > 0; b = b[2:] {
		c := d.component(b[0], s.components)
		if c == nil {
			return fmt.Errorf("a scan of a component %d that the frame has not, or twice", b[0])
		}
		c.dc, c.ac = int(b[1]>>4), int(b[1]&15)
		s.components = append(s.components, c)
	}
	b := body[len(body)-3:]
	s.ss, s.se, s.ah, s.al = int(b[0]), int(b[1]), uint(b[2]>>4), uint(b[2]&15)
	d.scan = s
	if !d.progressive {
		d.scan.ss, d.scan.se, d.scan.ah, d.scan.al = 0, 63, 0, 0 // whatever the header says, as libjpeg
	} else if err := d.startProgression(); err != nil {
		return err
	}
	blocks := 0
	for _, c := range s.components {
		blocks += c.h * c.v
		if c.steps == nil {
			if c.tq > 3 || d.quantisation[c.tq] == nil {
				return fmt.Errorf("quantisation table %d is missing", c.tq)
			}
			c.steps = d.quantisation[c.tq]
		}
	}
	if len(s.components) > 1 && blocks > 10 {
		return fmt.Errorf("%d blocks interleaved; expected at most 10", blocks)
	}
	return nil
}

// component finds the component of an identifier that is not yet in the list.
func (d *jpegDecoder) component(id byte, taken []*jpegComponent) *jpegComponent {
next:
	for _, c := range d.components {
		if c.id != id {
			continue
		}
		for _, t := range taken {
			if t == c {
				continue next
			}
		}
		return c
	}
	return nil
}

// startProgression checks what a progressive scan adds and notes how many bits of
// the coefficients are unknown after it.
func (d *jpegDecoder) startProgression() error {
	s := &d.scan
	bad := s.ss == 0 && s.se != 0 || s.ss > s.se || s.se > 63 || s.ss > 0 && len(s.components) != 1 ||
		s.ah != 0 && s.al != s.ah-1 || s.al > 13
	if bad {
		return fmt.Errorf("a progressive scan of coefficients %d to %d, bits %d to %d, %d components", s.ss, s.se, s.ah, s.al, len(s.components))
	}
	for _, c := range s.components {
		for i := min(s.ss, 1); i <= max(s.se, 9); i++ {
			c.prev[i] = 0
			if d.scans > 1 {
				c.prev[i] = c.bits[i]
			}
		}
		for i := s.ss; i <= s.se; i++ {
			c.bits[i] = int8(s.al)
		}
	}
	return nil
}

// walk reads the scan's blocks in the file's order.
func (d *jpegDecoder) walk(e entropyDecoder) error {
	s := &d.scan
	s.toGo = d.interval
	e.start()
	if len(s.components) == 1 {
		c := s.components[0]
		for y := range c.blocksY {
			for x := range c.blocksX {
				if err := d.before(e, y/c.v); err != nil {
					return err
				}
				d.place(e, c, x, y)
				if err := e.end(); err != nil {
					return err
				}
			}
		}
		return nil
	}
	unitsX, unitsY := ceilDiv(d.w, 8*d.hMax), ceilDiv(d.h, 8*d.vMax)
	for uy := range unitsY {
		for ux := range unitsX {
			if err := d.before(e, uy); err != nil {
				return err
			}
			for _, c := range s.components {
				for y := range c.v {
					for x := range c.h {
						d.place(e, c, ux*c.h+x, uy*c.v+y)
					}
				}
			}
			if err := e.end(); err != nil {
				return err
			}
		}
	}
	return nil
}

// before a unit comes a restart marker, if it is its turn.
func (d *jpegDecoder) before(e entropyDecoder, row int) error {
	s := &d.scan
	if !s.empty {
		s.goodRow = row
	}
	if d.interval == 0 {
		return nil
	}
	if s.toGo == 0 {
		if err := d.restart(); err != nil {
			return err
		}
		s.toGo = d.interval
		s.empty = s.empty && d.marker != 0
		e.start()
	}
	s.toGo--
	return nil
}

// place reads a block: into the coefficients, or at once into the plane.
func (d *jpegDecoder) place(e entropyDecoder, c *jpegComponent, x, y int) {
	if c.coefficients != nil {
		if !d.scan.empty {
			e.block(c, c.block(x, y))
		}
		return
	}
	b := &d.scratch
	clear(b[:])
	if !d.scan.empty {
		e.block(c, b)
	}
	c.transform(x, y, b)
}

// restart reads the restart marker that is due. If another stands there, it is
// left for later, passed over or taken for the one wanted, as libjpeg does
// (jdmarker.c, jpeg_resync_to_restart).
func (d *jpegDecoder) restart() error {
	want := d.scan.restart
	d.scan.restart = (want + 1) & 7
	for {
		if err := d.nextMarker(); err != nil {
			return err
		}
		ahead := (d.marker - markerRST0 - want) & 7
		switch {
		case d.marker < markerSOF0 || restarts(d.marker) && ahead >= 6: // no marker, or one that is past
			d.marker = 0
		case !restarts(d.marker) || ahead == 1 || ahead == 2: // one that belongs behind the one wanted
			return nil
		default:
			d.marker = 0
			return nil
		}
	}
}

func restarts(marker byte) bool { return marker >= markerRST0 && marker <= markerRST7 }

// transform makes the samples of a file of several scans.
func (d *jpegDecoder) transform() {
	smooth := d.smoothable()
	if d.scans == 1 {
		for _, c := range d.components {
			c.prev = unknownBits
		}
	}
	for _, c := range d.components {
		if c.steps == nil {
			c.steps = new([64]int16) // never sent: grey
		}
		for y := range c.blocksY {
			for x := range c.blocksX {
				if smooth {
					b := d.smoothed(c, x, y)
					c.transform(x, y, &b)
				} else {
					c.transform(x, y, c.block(x, y))
				}
			}
		}
		c.coefficients = nil
	}
}
