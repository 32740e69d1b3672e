package picture

// shrinks is the most by which a JPEG of w×h pixels may be reduced that is then resized to
// outW×outH: so that it is still twice as large, and the filter of the resize has enough to
// take means of.
func shrinks(w, h, outW, outH int) int {
	for by := 8; by > 1; by /= 2 {
		if min(w, h)/by >= 2*min(outW, outH) && max(w, h)/by >= 2*max(outW, outH) {
			return by
		}
	}
	return 1
}

// reduce lays out the plane of a component. One that has fewer samples than others is reduced
// less, as libjpeg does it (jdmaster.c): then there is less to make up again.
func (d *jpegDecoder) reduce(c *jpegComponent) {
	c.points = d.reduced
	for c.points < 8 && d.hMax*d.reduced%(2*c.h*c.points) == 0 && d.vMax*d.reduced%(2*c.v*c.points) == 0 {
		c.points *= 2
	}
	c.across, c.down = ceilDiv(d.w*c.h*c.points, 8*d.hMax), ceilDiv(d.h*c.v*c.points, 8*d.vMax)
	c.line = c.stride / 8 * c.points
}

// transform writes the samples of a block of coefficients. A reduced block is the transform of
// the low frequencies alone, with as many points as it has samples (libjpeg's jidctint.c).
func (c *jpegComponent) transform(x, y int, b *[64]int16) {
	switch c.points {
	case 8:
		c.inverseDCT(x, y, b)
	case 4:
		c.inverse4(x, y, b)
	case 2:
		c.inverse2(x, y, b)
	case 1:
		c.plane[y*c.line+x] = clip8((c.coefficient(b, 0)+4)>>3 + 128)
	}
}

// coefficient is one of a block, times its step.
func (c *jpegComponent) coefficient(b *[64]int16, i int) int32 {
	return int32(b[i]) * int32(c.steps[i])
}

func (c *jpegComponent) inverse2(x, y int, b *[64]int16) {
	const half = 4
	a, right := c.coefficient(b, 0)+half, c.coefficient(b, 1)
	below, both := c.coefficient(b, 8), c.coefficient(b, 9)
	out := c.plane[2*y*c.line+2*x:]
	out[0], out[1] = clip8((a+right+below+both)>>3+128), clip8((a-right+below-both)>>3+128)
	out = out[c.line:]
	out[0], out[1] = clip8((a+right-below-both)>>3+128), clip8((a-right-below+both)>>3+128)
}

func (c *jpegComponent) inverse4(x, y int, b *[64]int16) {
	var columns [4][4]int32 // with two bits of fraction
	for u := range 4 {
		v := four(c.coefficient(b, u), c.coefficient(b, 8+u), c.coefficient(b, 16+u), c.coefficient(b, 24+u), 1<<10)
		for row := range 4 {
			columns[row][u] = v[row] >> 11
		}
	}
	for row, r := range columns {
		v := four(r[0], r[1], r[2], r[3], 1<<17)
		out := c.plane[(4*y+row)*c.line+4*x:]
		for i := range 4 {
			out[i] = clip8(v[i]>>18 + 128)
		}
	}
}

// four is the transform of four values, with 13 bits of fraction more and round added.
func four(in0, in1, in2, in3, round int32) [4]int32 {
	z := (in1 + in3) * fix0541
	odd0, odd1 := z+in1*fix0765, z-in3*fix1847
	even0, even1 := (in0+in2)<<13+round, (in0-in2)<<13+round
	return [4]int32{even0 + odd0, even1 + odd1, even1 - odd1, even0 - odd0}
}
