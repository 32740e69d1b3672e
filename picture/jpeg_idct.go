package picture

import (
	"encoding/binary"
	"math"
)

// Go's inverse DCT and libjpeg's round differently: one value in thirty of
// small pictures is off by one, which is enough to turn a few classes in ten
// thousand. Go does not give out coefficients, but they are multiples of the
// quantisation steps, so that the decoded samples tell them: a forward DCT,
// rounded to the steps. From those libjpeg's integer transform makes its own
// samples.

// redoIDCT replaces the samples of a plane, 8×8 blocks of a row of stride, by
// those that libjpeg's inverse DCT makes of the same coefficients. steps are the
// plane's quantisation steps in natural order. A block whose coefficients can't
// be told, as when samples were clipped or the steps are too fine, is left.
func redoIDCT(plane []uint8, stride int, steps *[64]int32) {
	var found [64]float64
	var coefficients [64]int32
	var samples [64]uint8
	for top := 0; (top+8)*stride <= len(plane); top += 8 {
		for left := 0; left+8 <= stride; left += 8 {
			block := plane[top*stride+left:]
			forwardDCT(&found, block, stride)
			for i, f := range found {
				coefficients[i] = int32(math.RoundToEven(f/float64(steps[i]))) * steps[i]
			}
			inverseDCT(&samples, &coefficients)
			if alike(&samples, block, stride) {
				for y := range 8 {
					copy(block[y*stride:y*stride+8], samples[8*y:8*y+8])
				}
			}
		}
	}
}

// alike says that samples are those of a block but for the rounding.
func alike(samples *[64]uint8, block []uint8, stride int) bool {
	for i, s := range samples {
		if d := int(s) - int(block[i/8*stride+i%8]); d < -1 || d > 1 {
			return false
		}
	}
	return true
}

// cosines is the orthonormal DCT of eight values.
var cosines = func() (c [8][8]float64) {
	for u := range 8 {
		for x := range 8 {
			c[u][x] = math.Cos(float64(2*x+1)*float64(u)*math.Pi/16) / 2
			if u == 0 {
				c[u][x] /= math.Sqrt2
			}
		}
	}
	return c
}()

// forwardDCT is the two-dimensional DCT of a block of samples less 128.
func forwardDCT(out *[64]float64, block []uint8, stride int) {
	var rows [64]float64
	for y := range 8 {
		line := block[y*stride : y*stride+8]
		for u := range 8 {
			c, sum := &cosines[u], 0.0
			for x, s := range line {
				sum += c[x] * (float64(s) - 128)
			}
			rows[8*y+u] = sum
		}
	}
	for v := range 8 {
		c := &cosines[v]
		for u := range 8 {
			sum := 0.0
			for y := range 8 {
				sum += c[y] * rows[8*y+u]
			}
			out[8*v+u] = sum
		}
	}
}

// inverseDCT is the integer transform of libjpeg's jidctint.c (after Loeffler,
// Ligtenberg & Moschytz 1989), with its 13 bits of fraction and two more between
// the passes.
func inverseDCT(out *[64]uint8, in *[64]int32) {
	var columns [64]int32
	for u := range 8 {
		line := idct8([8]int32{in[u], in[8+u], in[16+u], in[24+u], in[32+u], in[40+u], in[48+u], in[56+u]})
		for y, v := range line {
			columns[8*y+u] = (v + 1<<10) >> 11
		}
	}
	for y := range 8 {
		line := idct8([8]int32(columns[8*y : 8*y+8]))
		for x, v := range line {
			out[8*y+x] = clip8((v+1<<17)>>18 + 128)
		}
	}
}

// idct8 transforms eight values; the result has 13 bits of fraction.
func idct8(in [8]int32) [8]int32 {
	z := (in[2] + in[6]) * 4433 // 0.541196100
	even2 := z - in[6]*15137    // 1.847759065
	even3 := z + in[2]*6270     // 0.765366865
	even0 := (in[0] + in[4]) << 13
	even1 := (in[0] - in[4]) << 13
	e := [4]int32{even0 + even3, even1 + even2, even1 - even2, even0 - even3}

	z5 := (in[7] + in[3] + in[5] + in[1]) * 9633 // 1.175875602
	z1 := (in[7] + in[1]) * -7373                // 0.899976223
	z2 := (in[5] + in[3]) * -20995               // 2.562915447
	z3 := (in[7]+in[3])*-16069 + z5              // 1.961570560
	z4 := (in[5]+in[1])*-3196 + z5               // 0.390180644
	o := [4]int32{
		in[1]*12299 + z1 + z4, // 1.501321110
		in[3]*25172 + z2 + z3, // 3.072711026
		in[5]*16819 + z2 + z4, // 2.053119869
		in[7]*2446 + z1 + z3,  // 0.298631336
	}
	return [8]int32{e[0] + o[0], e[1] + o[1], e[2] + o[2], e[3] + o[3], e[3] - o[3], e[2] - o[2], e[1] - o[1], e[0] - o[0]}
}

// zigzag is where the i-th quantisation step of a file stands in a block.
var zigzag = func() (z [64]int) {
	x, y, up := 0, 0, true
	for i := range z {
		z[i] = 8*y + x
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
	return z
}()

// quantisation reads the steps of each component, in natural order; nil if the
// header does not tell them for all.
func quantisation(data []byte) [][64]int32 {
	var tables [4][64]int32
	var known [4]bool
	var which []int // table of each component
	jpegSegments(data, func(marker byte, _ int, body []byte) bool {
		switch marker {
		case 0xdb:
			for len(body) > 0 {
				size, t := 1+int(body[0]>>4), body[0]&3
				if size > 2 || len(body) < 1+64*size {
					return false
				}
				for i := range 64 {
					if step := body[1+i*size:]; size == 2 {
						tables[t][zigzag[i]] = int32(binary.BigEndian.Uint16(step))
					} else {
						tables[t][zigzag[i]] = int32(step[0])
					}
				}
				known[t] = true
				body = body[1+64*size:]
			}
		case 0xc0, 0xc1, 0xc2:
			for i := 6; i+3 <= len(body); i += 3 {
				which = append(which, int(body[i+2]&3))
			}
		}
		return true
	})
	var steps [][64]int32
	for _, t := range which {
		if !known[t] {
			return nil
		}
		for _, s := range tables[t] {
			if s == 0 {
				return nil
			}
		}
		steps = append(steps, tables[t])
	}
	return steps
}
