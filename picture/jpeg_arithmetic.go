package picture

import "io"

// arithmeticState is a state of the probability estimation of T.81, annex D.
type arithmeticState struct {
	estimate   int32 // of the less probable symbol's probability
	less, more uint8 // next state after it, and after the more probable symbol
	exchange   bool  // the less probable symbol becomes the more probable one
}

// statistic is what was learnt about one decision: its state, and in the highest
// bit the more probable symbol.
type statistic = uint8

const fixedState = 113 // of arithmeticStates: a probability of a half that stays

// arithmeticDecoder reads blocks in arithmetic coding (T.81, annexes D and F.2.4,
// G.2), as libjpeg does where a file is damaged.
type arithmeticDecoder struct {
	d     *jpegDecoder
	a     int64 // size of the interval
	c     int64 // place in it, and bits read ahead
	shift int   // bits read ahead
	short bool  // the file ended
	bad   bool  // something that can't be was decoded: nothing until the next restart
	dc    [16][64]statistic
	ac    [16][256]statistic
	fixed statistic
}

func (m *arithmeticDecoder) start() {
	m.a, m.c, m.shift, m.bad = 0, 0, -16, false // two bytes are read before the first decision
	m.fixed = fixedState
	s := &m.d.scan
	for _, c := range s.components {
		if s.ss == 0 && s.ah == 0 {
			m.dc[c.dc] = [64]statistic{}
			c.last, c.context = 0, 0
		}
		if s.se > 0 {
			m.ac[c.ac] = [256]statistic{}
		}
	}
}

func (m *arithmeticDecoder) end() error {
	if m.short {
		return io.ErrUnexpectedEOF
	}
	return nil
}

// next reads a byte of data; behind a marker there are zeros, without end.
func (m *arithmeticDecoder) next() int64 {
	d := m.d
	if d.marker != 0 {
		return 0
	}
	if d.at == len(d.data) {
		m.short = true
		return 0
	}
	b := d.data[d.at]
	d.at++
	if b != 0xff {
		return int64(b)
	}
	for b == 0xff {
		if d.at == len(d.data) {
			m.short = true
			return 0
		}
		b = d.data[d.at]
		d.at++
	}
	if b == 0 {
		return 0xff
	}
	d.marker = b
	return 0
}

// decide decodes one decision and learns from it.
func (m *arithmeticDecoder) decide(st *statistic) int {
	for m.a < 0x8000 {
		if m.shift--; m.shift < 0 {
			m.c = m.c<<8 | m.next()
			if m.shift += 8; m.shift < 0 {
				if m.shift++; m.shift == 0 {
					m.a = 0x8000 // both first bytes are here; doubled below
				}
			}
		}
		m.a <<= 1
	}
	state, symbol := &arithmeticStates[*st&0x7f], *st>>7
	estimate := int64(state.estimate)
	m.a -= estimate
	less := false
	if at := m.a << m.shift; m.c >= at { // the upper part, usually the less probable symbol's
		m.c -= at
		less = m.a >= estimate
		m.a = estimate
	} else if m.a < 0x8000 {
		less = m.a < estimate
	} else {
		return int(symbol)
	}
	if !less {
		*st = symbol<<7 | state.more
		return int(symbol)
	}
	next := symbol
	if state.exchange {
		next ^= 1
	}
	*st = next<<7 | state.less
	return int(symbol ^ 1)
}

// block reads the block's coefficients, or those of the scan's band.
func (m *arithmeticDecoder) block(c *jpegComponent, b *[64]int16) {
	s := &m.d.scan
	switch {
	case s.ss == 0 && s.ah > 0:
		b[0] |= int16(m.decide(&m.fixed) << s.al)
	case m.bad:
	case s.ah > 0:
		m.refine(c, b)
	default:
		if s.ss == 0 {
			m.difference(c)
			if m.bad {
				return
			}
			b[0] = int16(c.last << s.al)
		}
		m.band(c, b, max(s.ss, 1))
	}
}

// difference reads a DC value.
func (m *arithmeticDecoder) difference(c *jpegComponent) {
	bins := &m.dc[c.dc]
	at := c.context
	if m.decide(&bins[at]) == 0 {
		c.context = 0
		return
	}
	sign := m.decide(&bins[at+1])
	at += 2 + sign
	size := m.decide(&bins[at])
	if size != 0 {
		at = 20
		if at, size = m.magnitude(bins[:], at, size); m.bad {
			return
		}
	}
	bounds := m.d.conditioning[0][c.dc]
	switch lower, upper := 1<<(bounds&15)>>1, 1<<(bounds>>4)>>1; {
	case size < lower:
		c.context = 0
	case size > upper:
		c.context = 12 + 4*sign
	default:
		c.context = 4 + 4*sign
	}
	c.last = int32(int16(c.last + m.value(&bins[at+14], size, sign)))
}

// magnitude reads how large a value is, in powers of two, from the bin at on.
func (m *arithmeticDecoder) magnitude(bins []statistic, at, size int) (int, int) {
	for m.decide(&bins[at]) == 1 {
		if size <<= 1; size == 0x8000 {
			m.bad = true
			break
		}
		at++
	}
	return at, size
}

// value reads the bits below the highest, all with one statistic.
func (m *arithmeticDecoder) value(st *statistic, size, sign int) int32 {
	v := size
	for size >>= 1; size > 0; size >>= 1 {
		if m.decide(st) == 1 {
			v |= size
		}
	}
	if v++; sign == 1 {
		v = -v
	}
	return int32(v)
}

// band reads coefficients from k on.
func (m *arithmeticDecoder) band(c *jpegComponent, b *[64]int16, k int) {
	bins, s := &m.ac[c.ac], &m.d.scan
	for ; k <= s.se; k++ {
		at := 3 * (k - 1)
		if m.decide(&bins[at]) == 1 { // end of block
			return
		}
		for m.decide(&bins[at+1]) == 0 {
			at += 3
			if k++; k > s.se {
				m.bad = true
				return
			}
		}
		sign := m.decide(&m.fixed)
		at += 2
		size := m.decide(&bins[at])
		if size != 0 && m.decide(&bins[at]) == 1 {
			at = 217
			if k <= int(m.d.conditioning[1][c.ac]) {
				at = 189
			}
			if at, size = m.magnitude(bins[:], at, 2); m.bad {
				return
			}
		}
		b[zigzag[k]] = int16(m.value(&bins[at+14], size, sign) << s.al)
	}
}

// refine reads one more bit of the band's coefficients.
func (m *arithmeticDecoder) refine(c *jpegComponent, b *[64]int16) {
	bins, s := &m.ac[c.ac], &m.d.scan
	known := s.se // up to here the block had coefficients before
	for known > 0 && b[zigzag[known]] == 0 {
		known--
	}
	for k := s.ss; k <= s.se; k++ {
		at := 3 * (k - 1)
		if k > known && m.decide(&bins[at]) == 1 {
			return
		}
		for !m.refineOne(&b[zigzag[k]], bins, at) {
			at += 3
			if k++; k > s.se {
				m.bad = true
				return
			}
		}
	}
}

// refineOne reads a bit of one coefficient; false: it stays zero.
func (m *arithmeticDecoder) refineOne(v *int16, bins *[256]statistic, at int) bool {
	bit := int16(1) << m.d.scan.al
	if *v != 0 {
		if m.decide(&bins[at+2]) == 1 {
			if *v < 0 {
				bit = -bit
			}
			*v += bit
		}
		return true
	}
	if m.decide(&bins[at+1]) == 0 {
		return false
	}
	if m.decide(&m.fixed) == 1 {
		bit = -bit
	}
	*v = bit
	return true
}
