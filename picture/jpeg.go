package picture

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/jpeg"
)

// decodeJPEG decodes with Go's reader and makes RGB of its planes as libjpeg
// does, down to the rounding of the inverse DCT. Go repeats each chroma sample over the pixels that share it; libjpeg,
// with which the reference pipelines read their pictures, interpolates.
func decodeJPEG(data []byte, background [3]uint8) (*Image, error) {
	m, err := jpeg.Decode(bytes.NewReader(withAdobe(data)))
	if err != nil {
		return nil, err
	}
	steps := quantisation(data)
	switch m := m.(type) {
	case *image.YCbCr:
		if len(steps) == 3 {
			redoIDCT(m.Y, m.YStride, &steps[0])
			redoIDCT(m.Cb, m.CStride, &steps[1])
			redoIDCT(m.Cr, m.CStride, &steps[2])
		}
		return fromYCbCr(m), nil
	case *image.Gray:
		if len(steps) == 1 {
			redoIDCT(m.Pix, m.Stride, &steps[0])
		}
	}
	return flatten(m, background), nil
}

// fromYCbCr upsamples a JPEG's chroma and converts to RGB.
func fromYCbCr(m *image.YCbCr) *Image {
	b := m.Bounds()
	out := New(b.Dx(), b.Dy())
	h, v := subsampling(m.SubsampleRatio)
	cw, ch := (out.W+h-1)/h, (out.H+v-1)/v // chroma samples that stand for pixels
	cb, cr := make([]uint8, cw*h), make([]uint8, cw*h)
	sums := make([]int32, cw)
	for y := range out.H {
		upsample(cb, m.Cb, m.CStride, cw, ch, y, h, v, sums)
		upsample(cr, m.Cr, m.CStride, cw, ch, y, h, v, sums)
		jpegRow(out.row(y), m.Y[y*m.YStride:], cb, cr)
	}
	return out
}

// subsampling returns how many pixels share a chroma sample, across and down.
func subsampling(r image.YCbCrSubsampleRatio) (h, v int) {
	switch r {
	case image.YCbCrSubsampleRatio422:
		return 2, 1
	case image.YCbCrSubsampleRatio420:
		return 2, 2
	case image.YCbCrSubsampleRatio440:
		return 1, 2
	case image.YCbCrSubsampleRatio411:
		return 4, 1
	case image.YCbCrSubsampleRatio410:
		return 4, 2
	}
	return 1, 1
}

// upsample writes the chroma of pixel row y. 2:1 across, down or both is
// libjpeg's "fancy upsampling" (jdsample.c): a triangle filter of 3/4 the nearer
// and 1/4 the farther sample in each direction, its rounding alternating so
// that no bias builds up. Other ratios, and planes of one or two columns, are
// repeated, as there. sums is scratch space of cw elements.
func upsample(dst, plane []uint8, stride, cw, ch, y, h, v int, sums []int32) {
	cy := y / v
	near := plane[cy*stride:][:cw]
	far := near // the nearest row on the other side; the edge rows are repeated
	if v == 2 {
		far = plane[min(max(cy-1+2*(y%2), 0), ch-1)*stride:][:cw]
	}
	switch {
	case h == 2 && cw > 2 && v == 1:
		upsampleH2(dst, near)
	case h == 2 && cw > 2 && v == 2:
		for i := range sums {
			sums[i] = 3*int32(near[i]) + int32(far[i])
		}
		upsampleH2V2(dst, sums)
	case h == 1 && v == 2:
		bias := int32(1 + y%2)
		for i := range near {
			dst[i] = uint8((3*int32(near[i]) + int32(far[i]) + bias) >> 2)
		}
	default:
		for i := range dst {
			dst[i] = near[i/h]
		}
	}
}

// upsampleH2 doubles a row of at least two samples.
func upsampleH2(dst, src []uint8) {
	last := len(src) - 1
	for i, s := range src {
		left, right := src[max(i-1, 0)], src[min(i+1, last)]
		dst[2*i] = uint8((3*int32(s) + int32(left) + 1) >> 2)
		dst[2*i+1] = uint8((3*int32(s) + int32(right) + 2) >> 2)
	}
}

// upsampleH2V2 doubles a row of column sums (3·near + far row).
func upsampleH2V2(dst []uint8, sums []int32) {
	last := len(sums) - 1
	for i, s := range sums {
		left, right := sums[max(i-1, 0)], sums[min(i+1, last)]
		dst[2*i] = uint8((3*s + left + 8) >> 4)
		dst[2*i+1] = uint8((3*s + right + 7) >> 4)
	}
}

// jpegRow converts a row of full-range BT.601 to RGB with libjpeg's 16-bit
// fixed-point constants (jdcolor.c).
func jpegRow(dst, y, cb, cr []uint8) {
	const half = 1 << 15
	for x := 0; x < len(dst)/3; x++ {
		l, b, r := int32(y[x]), int32(cb[x])-128, int32(cr[x])-128
		dst[3*x] = clip8(l + (91881*r+half)>>16)            // 1.40200
		dst[3*x+1] = clip8(l + (-22554*b-46802*r+half)>>16) // 0.34414, 0.71414
		dst[3*x+2] = clip8(l + (116130*b+half)>>16)         // 1.77200
	}
}

// clip8 limits v to 0..255.
func clip8(v int32) uint8 {
	return uint8(min(max(v, 0), 255))
}

// jpegSegments calls visit with each marker segment before the first scan: the
// marker, where the segment starts, and its body without the length.
func jpegSegments(data []byte, visit func(marker byte, at int, body []byte) bool) {
	for at := 2; at+4 <= len(data); {
		if data[at] != 0xff {
			at++ // stray bytes between segments
			continue
		}
		marker := data[at+1]
		if marker == 0xff || marker == 0 || marker == 0x01 || marker >= 0xd0 && marker <= 0xd8 {
			at++ // fill bytes and markers without a body
			continue
		}
		n := int(binary.BigEndian.Uint16(data[at+2:]))
		if marker == 0xda || marker == 0xd9 || n < 2 || at+2+n > len(data) {
			return
		}
		if !visit(marker, at, data[at+4:at+2+n]) {
			return
		}
		at += 2 + n
	}
}

// withAdobe gives a four-component JPEG without Adobe's marker the one that
// says CMYK with inverted inks. That is how Pillow reads such files; Go's reader
// refuses them.
func withAdobe(data []byte) []byte {
	four, adobe := false, false
	jpegSegments(data, func(marker byte, _ int, body []byte) bool {
		switch marker {
		case 0xc0, 0xc1, 0xc2:
			four = len(body) > 5 && body[5] == 4
		case 0xee:
			adobe = adobe || bytes.HasPrefix(body, []byte("Adobe"))
		}
		return true
	})
	if !four || adobe {
		return data
	}
	const app14 = "\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00"
	return append(append(data[:2:2], app14...), data[2:]...)
}
