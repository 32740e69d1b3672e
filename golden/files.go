package golden

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"strings"
)

// npy is NumPy's file format, version 1.0, of little-endian float32 values.
func npy(shape []int, values []float32) []byte {
	dims := strings.Trim(strings.Join(strings.Fields(fmt.Sprint(shape)), ", "), "[]")
	if len(shape) == 1 {
		dims += ","
	}
	header := fmt.Sprintf("{'descr': '<f4', 'fortran_order': False, 'shape': (%s), }", dims)
	const before = 10 // bytes of the magic, the version and the header's length
	header += strings.Repeat(" ", 63-(before+len(header))%64) + "\n"

	out := []byte("\x93NUMPY\x01\x00")
	out = binary.LittleEndian.AppendUint16(out, uint16(len(header)))
	out = append(out, header...)
	for _, v := range values {
		out = binary.LittleEndian.AppendUint32(out, math.Float32bits(v))
	}
	return out
}

// differencePicture is a PNG of pictures [N,3,H,W], one below the other: what
// was wanted, what was got, and |got-want|, scaled so that the largest
// difference is white. Wanted and got share want's range; what is not finite is
// magenta.
func differencePicture(shape []int, got, want []float32) ([]byte, error) {
	n, h, w := shape[0], shape[2], shape[3]
	low, high, furthest := math.Inf(1), math.Inf(-1), 0.0
	for i, v := range want {
		low, high = min(low, float64(v)), max(high, float64(v))
		if d := math.Abs(float64(got[i]) - float64(v)); finite(d) {
			furthest = max(furthest, d)
		}
	}
	span := high - low
	if span == 0 {
		span = 1
	}
	if furthest == 0 {
		furthest = 1
	}
	m := image.NewRGBA(image.Rect(0, 0, 3*w, n*h))
	for i := range n * h * w {
		picture, y, x := i/(h*w), i/w%h, i%w
		var wanted, had, off [3]float64
		for c := range 3 {
			at := ((picture*3+c)*h+y)*w + x
			g, t := float64(got[at]), float64(want[at])
			wanted[c], had[c], off[c] = (t-low)/span, (g-low)/span, math.Abs(g-t)/furthest
		}
		m.Set(x, picture*h+y, pixel(wanted))
		m.Set(w+x, picture*h+y, pixel(had))
		m.Set(2*w+x, picture*h+y, pixel(off))
	}
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// pixel makes a colour of red, green and blue from 0 to 1.
func pixel(rgb [3]float64) color.RGBA {
	var c [3]uint8
	for i, v := range rgb {
		if !finite(v) {
			return color.RGBA{255, 0, 255, 255}
		}
		c[i] = uint8(math.Round(255 * max(0, min(1, v))))
	}
	return color.RGBA{c[0], c[1], c[2], 255}
}
