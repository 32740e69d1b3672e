package picture

import (
	"runtime"
	"sync"
)

// output upsamples the planes and makes RGB of them, as libjpeg and Pillow do, in
// bands of rows side by side.
func (d *jpegDecoder) output() (*Image, error) {
	out := New(d.outW, d.outH)
	const least = 64 // rows that are worth a band
	bands := min(runtime.GOMAXPROCS(0), ceilDiv(d.outH, least))
	var wait sync.WaitGroup
	for i := range bands {
		wait.Go(func() { d.outputRows(out, i*d.outH/bands, (i+1)*d.outH/bands) })
	}
	wait.Wait()
	return out, nil
}

// outputRows makes the rows from y0 to before y1.
func (d *jpegDecoder) outputRows(out *Image, y0, y1 int) {
	planes := make([]upsampler, len(d.components))
	for i, c := range d.components {
		planes[i] = newUpsampler(c, d.hMax*d.reduced/(c.h*c.points), d.vMax*d.reduced/(c.v*c.points))
	}
	isRGB, isYCCK := d.isRGB(), d.adobe > 0
	var inks []uint8
	if len(planes) == 4 {
		inks = make([]uint8, 4*d.outW)
	}
	for y := y0; y < y1; y++ {
		dst := out.row(y)
		var rows [4][]uint8
		for i := range planes {
			rows[i] = planes[i].row(y)
		}
		switch {
		case len(planes) == 1:
			flattenGray(dst, rows[0])
		case len(planes) == 4:
			inverseInks(inks, rows, isYCCK, dst)
			flattenCMYK(dst, inks)
		case isRGB:
			interleave(dst, rows[0], rows[1], rows[2])
		default:
			jpegRow(dst, rows[0], rows[1], rows[2])
		}
	}
}

// isRGB guesses what three components are, in libjpeg's order (jdapimin.c): JFIF
// means YCbCr, then Adobe's word counts, then the components' names.
func (d *jpegDecoder) isRGB() bool {
	if d.jfif || len(d.components) != 3 {
		return false
	}
	c := d.components
	return d.adobe == 0 || d.adobe < 0 && c[0].id == 'R' && c[1].id == 'G' && c[2].id == 'B'
}

// inverseInks writes the CMYK of a row: files hold inks as light, 255 for none.
// Those of YCCK hold that of the light as YCbCr; scratch is a row of RGB.
func inverseInks(inks []uint8, rows [4][]uint8, isYCCK bool, scratch []uint8) {
	if isYCCK {
		jpegRow(scratch, rows[0], rows[1], rows[2])
		for i, v := range scratch {
			inks[i/3*4+i%3] = v
		}
	}
	for x := range len(inks) / 4 {
		for i, row := range rows {
			if i == 3 || !isYCCK {
				inks[4*x+i] = 255 - row[x]
			}
		}
	}
}

func interleave(dst, r, g, b []uint8) {
	for x := range len(dst) / 3 {
		dst[3*x], dst[3*x+1], dst[3*x+2] = r[x], g[x], b[x]
	}
}

// upsampler makes a plane's rows as wide as the picture.
type upsampler struct {
	c    *jpegComponent
	h, v int     // pixels a sample, across and down
	wide []uint8 // a row
}

func newUpsampler(c *jpegComponent, h, v int) upsampler {
	u := upsampler{c: c, h: h, v: v}
	if h > 1 || v > 1 {
		u.wide = make([]uint8, c.across*h)
	}
	return u
}

// row returns the plane at pixel row y, valid until the next call. 2:1 across, down
// or both is libjpeg's "fancy upsampling" (jdsample.c): a triangle filter of 3/4
// the nearer and 1/4 the farther sample in each direction, its rounding alternating
// so that no bias builds up. Other ratios, and planes of one or two columns, are
// repeated, as there.
func (u *upsampler) row(y int) []uint8 {
	c, cy := u.c, y/u.v
	near := c.plane[cy*c.line:][:c.across]
	if u.h == 1 && u.v == 1 {
		return near
	}
	far := near // the nearest row on the other side; the edge rows are repeated
	if u.v == 2 {
		far = c.plane[min(max(cy-1+2*(y%2), 0), c.down-1)*c.line:][:c.across]
	}
	switch {
	case u.h == 2 && c.across > 2 && u.v == 1:
		upsampleH2(u.wide, near)
	case u.h == 2 && c.across > 2 && u.v == 2:
		upsampleH2V2(u.wide, near, far)
	case u.h == 1 && u.v == 2:
		bias := int32(1 + y%2)
		for i, s := range near {
			u.wide[i] = uint8((3*int32(s) + int32(far[i]) + bias) >> 2)
		}
	default:
		for i := range u.wide {
			u.wide[i] = near[i/u.h]
		}
	}
	return u.wide
}

// upsampleH2 doubles a row of at least two samples.
func upsampleH2(dst, src []uint8) {
	last := len(src) - 1
	left := int32(src[0])
	for i, s := range src {
		s, right := int32(s), int32(src[min(i+1, last)])
		pair := dst[2*i : 2*i+2]
		pair[0], pair[1] = uint8((3*s+left+1)>>2), uint8((3*s+right+2)>>2)
		left = s
	}
}

// upsampleH2V2 doubles a row of column sums, 3·near + far.
func upsampleH2V2(dst, near, far []uint8) {
	s := 3*int32(near[0]) + int32(far[0])
	left := s
	far = far[1:len(near)]
	for i, v := range near[1:] {
		right := 3*int32(v) + int32(far[i])
		pair := (*[2]uint8)(dst)
		pair[0], pair[1] = uint8((3*s+left+8)>>4), uint8((3*s+right+7)>>4)
		left, s, dst = s, right, dst[2:]
	}
	dst[0], dst[1] = uint8((3*s+left+8)>>4), uint8((4*s+7)>>4)
}

// jpegRow converts a row of full-range BT.601 to RGB with libjpeg's 16-bit
// fixed-point constants (jdcolor.c).
func jpegRow(dst, y, cb, cr []uint8) {
	n := len(dst) / 3
	y, cb, cr = y[:n], cb[:n], cr[:n]
	for x, l := range y {
		l, b, r := int32(l)<<16+1<<15, int32(cb[x])-128, int32(cr[x])-128
		pixel := (*[3]uint8)(dst)
		pixel[0] = clipped[uint32(l+91881*r)>>16%1024]         // 1.40200
		pixel[1] = clipped[uint32(l-22554*b-46802*r)>>16%1024] // 0.34414, 0.71414
		pixel[2] = clipped[uint32(l+116130*b)>>16%1024]        // 1.77200
		dst = dst[3:]
	}
}

// clipped holds 0 to 255 and what they are limited to around: 0 for -512 to -1,
// modulo 1024. Looking up is faster than branches that saturated colours mislead.
var clipped = func() (t [1024]uint8) {
	for i := range int32(512) {
		t[i] = clip8(i)
	}
	return t
}()

// clip8 limits v to 0..255.
func clip8(v int32) uint8 {
	if uint32(v) > 255 {
		return ^uint8(v >> 31) // seldom: faster than a minimum and a maximum
	}
	return uint8(v)
}
