package picture

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"

	"golang.org/x/image/webp"
)

// webpSize reads a WebP's size; of an animation, its canvas.
func webpSize(data []byte) (w, h int, err error) {
	c, err := webp.DecodeConfig(bytes.NewReader(data))
	return c.Width, c.Height, err
}

// decodeWebP decodes with Go's reader and makes RGB of lossy pictures as
// libwebp does. Go's own conversion takes WebP's studio-range colours for full
// range and repeats chroma samples.
func decodeWebP(data []byte, background [3]uint8) (*Image, error) {
	if a, ok := firstFrame(data); ok {
		return decodeAnimated(a, background)
	}
	m, err := webp.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	return flattenWebP(m, background), nil
}

func flattenWebP(m image.Image, background [3]uint8) *Image {
	switch m := m.(type) {
	case *image.YCbCr:
		return fromVP8(m)
	case *image.NYCbCrA:
		out := fromVP8(&m.YCbCr)
		for y := range out.H {
			row, alpha := out.row(y), m.A[y*m.AStride:]
			for i := range row {
				row[i] = over(row[i], background[i%3], uint32(alpha[i/3]))
			}
		}
		return out
	}
	return flatten(m, background)
}

// fromVP8 upsamples a lossy WebP's chroma (always 4:2:0) and converts to RGB.
func fromVP8(m *image.YCbCr) *Image {
	b := m.Bounds()
	out := New(b.Dx(), b.Dy())
	cw, ch := (out.W+1)/2, (out.H+1)/2
	cb, cr := make([]uint8, out.W), make([]uint8, out.W)
	for y := range out.H {
		cy := y / 2
		other := min(max(cy-1+2*(y%2), 0), ch-1)
		vp8Upsample(cb, m.Cb[cy*m.CStride:][:cw], m.Cb[other*m.CStride:][:cw])
		vp8Upsample(cr, m.Cr[cy*m.CStride:][:cw], m.Cr[other*m.CStride:][:cw])
		vp8Row(out.row(y), m.Y[y*m.YStride:], cb, cr)
	}
	return out
}

// vp8Upsample writes one row of chroma: 9/16 the nearest sample, 3/16 its
// neighbours and 1/16 the diagonal one, in libwebp's order of rounding
// (upsampling.c), which is not libjpeg's.
func vp8Upsample(dst, near, far []uint8) {
	last := len(near) - 1
	for x := range dst {
		i := x / 2
		j := i - 1 + 2*(x%2) // the other column
		if j < 0 || j > last {
			dst[x] = uint8((3*int32(near[i]) + int32(far[i]) + 2) >> 2)
			continue
		}
		n, side, below, diagonal := int32(near[i]), int32(near[j]), int32(far[i]), int32(far[j])
		mean := (n + side + below + diagonal + 8 + 2*(side+below)) >> 3
		dst[x] = uint8((mean + n) >> 1)
	}
}

// vp8Row converts a row of studio-range BT.601 to RGB in libwebp's fixed point
// (yuv.h): products keep 6 bits below the point.
func vp8Row(dst, y, cb, cr []uint8) {
	for x := 0; x < len(dst)/3; x++ {
		l, u, v := int32(y[x])*19077>>8, int32(cb[x]), int32(cr[x])
		dst[3*x] = clip8((l + v*26149>>8 - 14234) >> 6)
		dst[3*x+1] = clip8((l - u*6419>>8 - v*13320>>8 + 8708) >> 6)
		dst[3*x+2] = clip8((l + u*33050>>8 - 17685) >> 6)
	}
}

// animated is the first frame of an animation.
type animated struct {
	w, h           int    // canvas, pixels
	x, y           int    // the frame's place on it
	frameW, frameH int    // the frame's size
	file           []byte // the frame as a WebP file of its own
}

// firstFrame looks for an animation's first frame (chunk ANMF).
func firstFrame(data []byte) (a animated, ok bool) {
	riffChunks(data[12:], func(kind string, body []byte) bool {
		switch {
		case kind == "VP8X" && len(body) >= 10:
			a.w, a.h = uint24(body[4:])+1, uint24(body[7:])+1
			return true
		case kind == "ANMF" && len(body) > 16:
			a.x, a.y = 2*uint24(body), 2*uint24(body[3:])
			a.frameW, a.frameH = uint24(body[6:])+1, uint24(body[9:])+1
			a.file = standAlone(body[6:12], body[16:])
			ok = true
		}
		return !ok
	})
	return a, ok
}

func uint24(b []byte) int { return int(b[0]) | int(b[1])<<8 | int(b[2])<<16 }

// standAlone wraps a frame's chunks in a file; size is width-1 and height-1 of
// 24 bits each.
func standAlone(size, chunks []byte) []byte {
	const alphaFlag = 0x10
	header := []byte("RIFF????WEBPVP8X\x0a\x00\x00\x00\x00\x00\x00\x00")
	if bytes.HasPrefix(chunks, []byte("ALPH")) {
		header[20] = alphaFlag
	}
	file := append(append(header, size...), chunks...)
	binary.LittleEndian.PutUint32(file[4:], uint32(len(file)-8))
	return file
}

// decodeAnimated draws the first frame on its canvas; what it leaves free is
// transparent.
func decodeAnimated(a animated, background [3]uint8) (*Image, error) {
	// Only the canvas has been checked against the limits so far.
	if a.x+a.frameW > a.w || a.y+a.frameH > a.h {
		return nil, fmt.Errorf("its first frame of %d×%d pixels at %d,%d sticks out of the canvas of %d×%d", a.frameW, a.frameH, a.x, a.y, a.w, a.h)
	}
	m, err := webp.Decode(bytes.NewReader(a.file))
	if err != nil {
		return nil, err
	}
	canvas := New(a.w, a.h)
	canvas.fill(background)
	canvas.paste(flattenWebP(m, background), a.x, a.y)
	return canvas, nil
}
