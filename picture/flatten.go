package picture

import (
	"image"
	"image/color"
)

// FromImage converts any Go picture to RGB, transparent pixels over the
// background. JPEG and WebP files are better read by Decode: their chroma is
// interpolated there as libjpeg and libwebp do, and here as Go does.
func FromImage(m image.Image, background color.Color) *Image {
	return flatten(m, DecodeOptions{Background: background}.background())
}

// flatten converts what Go's decoders return; the common types by rows.
func flatten(m image.Image, bg [3]uint8) *Image {
	b := m.Bounds()
	out := New(b.Dx(), b.Dy())
	for y := range out.H {
		dst, sy := out.row(y), b.Min.Y+y
		switch s := m.(type) {
		case *image.Gray:
			flattenGray(dst, s.Pix[s.PixOffset(b.Min.X, sy):])
		case *image.Gray16:
			flattenGray16(dst, s.Pix[s.PixOffset(b.Min.X, sy):])
		case *image.RGBA:
			if !flattenOpaque(dst, s.Pix[s.PixOffset(b.Min.X, sy):]) {
				flattenAny(dst, m, b.Min.X, sy, bg)
			}
		case *image.NRGBA:
			flattenNRGBA(dst, s.Pix[s.PixOffset(b.Min.X, sy):], bg)
		case *image.NRGBA64:
			flattenNRGBA64(dst, s.Pix[s.PixOffset(b.Min.X, sy):], bg)
		case *image.CMYK:
			flattenCMYK(dst, s.Pix[s.PixOffset(b.Min.X, sy):])
		case *image.Paletted:
			if y == 0 {
				flattenPaletted(out, s, bg)
			}
		default:
			flattenAny(dst, m, b.Min.X, sy, bg)
		}
	}
	return out
}

func flattenGray(dst, src []uint8) {
	for x := 0; x < len(dst)/3; x++ {
		v := src[x]
		dst[3*x], dst[3*x+1], dst[3*x+2] = v, v, v
	}
}

func flattenGray16(dst, src []uint8) {
	for x := 0; x < len(dst)/3; x++ {
		v := round16(src[2*x:])
		dst[3*x], dst[3*x+1], dst[3*x+2] = v, v, v
	}
}

// round16 rounds a big-endian 16-bit sample to 8 bits: v*255/65535 = v/257.
func round16(p []uint8) uint8 {
	return uint8((uint32(p[0])<<8 + uint32(p[1]) + 128) / 257)
}

// flattenOpaque copies RGBA pixels; it returns false if one is transparent.
func flattenOpaque(dst, src []uint8) bool {
	for x := 0; x < len(dst)/3; x++ {
		if src[4*x+3] != 255 {
			return false
		}
		copy(dst[3*x:3*x+3], src[4*x:])
	}
	return true
}

func flattenNRGBA(dst, src []uint8, bg [3]uint8) {
	for x := 0; x < len(dst)/3; x++ {
		a := uint32(src[4*x+3])
		for c := range 3 {
			dst[3*x+c] = over(src[4*x+c], bg[c], a)
		}
	}
}

// over composites one 8-bit sample with alpha a over an opaque one. It is
// Pillow's alpha_composite for an opaque backdrop, where its 7 extra bits of
// precision hold exact values.
func over(s, d uint8, a uint32) uint8 {
	const extra = 7 // bits
	t := (uint32(s)*a+uint32(d)*(255-a))<<extra + 0x80<<extra
	return uint8(((t >> 8) + t) >> 8 >> extra)
}

func flattenNRGBA64(dst, src []uint8, bg [3]uint8) {
	const one = 65535
	for x := 0; x < len(dst)/3; x++ {
		p := src[8*x : 8*x+8]
		a := uint64(p[6])<<8 | uint64(p[7])
		for c := range 3 {
			v := uint64(p[2*c])<<8 | uint64(p[2*c+1])
			sum := v*a + uint64(bg[c])*257*(one-a)
			dst[3*x+c] = uint8((sum + one*257/2) / (one * 257))
		}
	}
}

// flattenCMYK is Pillow's conversion: each ink dims what the black lets through.
func flattenCMYK(dst, src []uint8) {
	for x := 0; x < len(dst)/3; x++ {
		light := 255 - uint32(src[4*x+3])
		for c := range 3 {
			t := uint32(src[4*x+c])*light + 128
			dst[3*x+c] = uint8(light - min(light, ((t>>8)+t)>>8))
		}
	}
}

func flattenPaletted(out *Image, s *image.Paletted, bg [3]uint8) {
	var table [256][3]uint8 // indices past the palette's end are black
	for i, c := range s.Palette[:min(256, len(s.Palette))] {
		table[i] = paletteColour(c, bg)
	}
	b := s.Bounds()
	for y := range out.H {
		dst, src := out.row(y), s.Pix[s.PixOffset(b.Min.X, b.Min.Y+y):]
		for x := range out.W {
			copy(dst[3*x:3*x+3], table[src[x]][:])
		}
	}
}

func paletteColour(c color.Color, bg [3]uint8) [3]uint8 {
	n := color.NRGBAModel.Convert(c).(color.NRGBA)
	a := uint32(n.A)
	return [3]uint8{over(n.R, bg[0], a), over(n.G, bg[1], a), over(n.B, bg[2], a)}
}

// flattenAny handles every other type, in 16 bits.
func flattenAny(dst []uint8, m image.Image, x0, y int, bg [3]uint8) {
	var p [8]uint8
	for x := 0; x < len(dst)/3; x++ {
		n := color.NRGBA64Model.Convert(m.At(x0+x, y)).(color.NRGBA64)
		for c, v := range [4]uint16{n.R, n.G, n.B, n.A} {
			p[2*c], p[2*c+1] = uint8(v>>8), uint8(v)
		}
		flattenNRGBA64(dst[3*x:3*x+3], p[:], bg)
	}
}
