package picture

// A progressive file may end before all bits of its coefficients were sent.
// libjpeg then guesses low frequencies that are still zero from the mean values of
// the 5×5 blocks around (jdcoefct.c, after T.81, section K.8); so do we.

// smoothTerm is how one coefficient is guessed.
type smoothTerm struct {
	zigzag int
	// Weights of the blocks' means, in units of a 256th of a quantisation step:
	// where AC coefficients are known in part, and where none are.
	some, none [25]int64
}

// mirrored returns the weights with rows and columns exchanged.
func mirrored(w [25]int64) (m [25]int64) {
	for i, v := range w {
		m[i%5*5+i/5] = v
	}
	return m
}

var smoothTerms = func() []smoothTerm {
	across := smoothTerm{zigzag: 1,
		some: [25]int64{10: -7, 11: 50, 13: -50, 14: 7},
		none: [25]int64{
			-1, -1, 0, 1, 1,
			-3, 13, 0, -13, 3,
			-3, 38, 0, -38, 3,
			-3, 13, 0, -13, 3,
			-1, -1, 0, 1, 1}}
	down := smoothTerm{zigzag: 2, some: mirrored(across.some), none: [25]int64{
		-1, -3, -3, -3, -1,
		-1, 13, 38, 13, -1,
		0, 0, 0, 0, 0,
		1, -13, -38, -13, 1,
		1, 3, 3, 3, 1}}
	down2 := smoothTerm{zigzag: 3,
		some: [25]int64{2: -1, 7: 13, 12: -24, 17: 13, 22: -1},
		none: [25]int64{2: 1, 6: 2, 7: 7, 8: 2, 11: -5, 12: -14, 13: -5, 16: 2, 17: 7, 18: 2, 22: 1}}
	both := smoothTerm{zigzag: 4,
		some: [25]int64{
			0, -1, 0, 1, 0,
			-1, 10, 0, -10, 1,
			0, 0, 0, 0, 0,
			1, -10, 0, 10, -1,
			0, 1, 0, -1, 0},
		none: [25]int64{0: -1, 4: 1, 6: 9, 8: -9, 16: -9, 18: 9, 20: 1, 24: -1}}
	across2 := smoothTerm{zigzag: 5, some: mirrored(down2.some), none: mirrored(down2.none)}
	across3 := smoothTerm{zigzag: 6, none: [25]int64{6: 1, 8: -1, 11: 2, 13: -2, 16: 1, 18: -1}}
	across2down := smoothTerm{zigzag: 7, none: [25]int64{6: 1, 7: -3, 8: 1, 16: -1, 17: 3, 18: -1}}
	acrossDown2 := smoothTerm{zigzag: 8, none: mirrored(across2down.none)}
	down3 := smoothTerm{zigzag: 9, none: mirrored(across3.none)}
	return []smoothTerm{across, down, down2, both, across2, across3, across2down, acrossDown2, down3}
}()

// meanWeights smooth the mean itself, where no AC coefficient is known.
var meanWeights = [25]int64{
	-2, -6, -8, -6, -2,
	-6, 6, 42, 6, -6,
	-8, 42, 152, 42, -8,
	-6, 6, 42, 6, -6,
	-2, -6, -8, -6, -2}

// smoothable reports whether coefficients are to be guessed.
func (d *jpegDecoder) smoothable() bool {
	if !d.progressive {
		return false
	}
	useful := false
	for _, c := range d.components {
		if c.steps == nil || c.bits[0] < 0 {
			return false
		}
		for i := range 10 {
			if c.steps[zigzag[i]] == 0 {
				return false
			}
			useful = useful || i > 0 && c.bits[i] != 0
		}
	}
	return useful
}

// smoothed returns a block with its guesses.
func (d *jpegDecoder) smoothed(c *jpegComponent, x, y int) [64]int16 {
	b := *c.block(x, y)
	bits := &c.bits
	if y/c.v > d.scan.goodRow { // the last scan did not come so far
		bits = &c.prev
	}
	none := true
	for i := 1; i < 10; i++ {
		none = none && bits[i] == -1
	}
	means := c.means(x, y)
	first := uint16(c.steps[0])
	for _, t := range smoothTerms {
		weights := &t.some
		if none {
			weights = &t.none
		} else if t.zigzag > 5 {
			break
		}
		at := zigzag[t.zigzag]
		if known := bits[t.zigzag]; known != 0 && b[at] == 0 {
			limit := int64(1<<31 - 1)
			if known > 0 {
				limit = 1<<known - 1
			}
			b[at] = guess(&means, weights, first, uint16(c.steps[at]), limit)
		}
	}
	if none {
		b[0] = guess(&means, &meanWeights, first, first, 1<<31-1)
	}
	return b
}

// means returns the DC coefficients of the 5×5 blocks around one, those past the
// border repeated. What libjpeg takes for the border is so: from above the last row
// of interleaved units its padding is seen, and a last row that is not full counts
// as if all were of its height.
func (c *jpegComponent) means(x, y int) (m [25]int64) {
	unit := y / c.v
	full := min(c.v, c.blocksY-unit*c.v)
	above := unit*full + y%c.v
	below := full*(c.rows/8/c.v) - 1 - above
	for i := range m {
		bx := min(max(x+i%5-2, 0), c.blocksX-1)
		by := y + min(max(i/5-2, -above), below)
		m[i] = int64(c.block(bx, by)[0])
	}
	return m
}

// guess weighs the means; first and step are the quantisation steps of the mean and
// of the coefficient. The result is rounded, and at most limit.
func guess(means, weights *[25]int64, first, step uint16, limit int64) int16 {
	sum := int64(0)
	for i, w := range weights {
		sum += w * means[i]
	}
	sum *= int64(first)
	size := min((int64(step)<<7+max(sum, -sum))/(int64(step)<<8), limit)
	if sum < 0 {
		size = -size
	}
	return int16(size)
}
