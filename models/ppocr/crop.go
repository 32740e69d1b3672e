package ppocr

import (
	"math"

	"saccade/picture"
)

// upright lines are at most so much higher than wide; others are turned.
const turnedFrom = 1.5

// Crop cuts a line out of an image, straightened by perspective between pixels
// (bicubic); a line that stands is turned a quarter anticlockwise, as PaddleOCR does.
func Crop(m *picture.Image, q Quad) *picture.Image {
	w := max(1, int(max(distance(q[0], q[1]), distance(q[2], q[3]))))
	h := max(1, int(max(distance(q[0], q[3]), distance(q[1], q[2]))))
	t := perspective(q, float64(w), float64(h))
	out := picture.New(w, h)
	for y := range h {
		for x := range w {
			d := t[6]*float64(x) + t[7]*float64(y) + 1
			at := Point{(t[0]*float64(x) + t[1]*float64(y) + t[2]) / d, (t[3]*float64(x) + t[4]*float64(y) + t[5]) / d}
			sample(m, at, out.Pix[3*(y*w+x):][:3])
		}
	}
	if float64(h) >= turnedFrom*float64(w) {
		return quarter(out)
	}
	return out
}

// perspective maps the rectangle of w×h to a quadrilateral: (x, y) comes to
// (t0·x + t1·y + t2, t3·x + t4·y + t5)/(t6·x + t7·y + 1) (Heckbert 1989).
func perspective(q Quad, w, h float64) [8]float64 {
	sx, sy := q[0].X-q[1].X+q[2].X-q[3].X, q[0].Y-q[1].Y+q[2].Y-q[3].Y
	dx1, dy1, dx2, dy2 := q[1].X-q[2].X, q[1].Y-q[2].Y, q[3].X-q[2].X, q[3].Y-q[2].Y
	var g, k float64
	if d := dx1*dy2 - dx2*dy1; d != 0 {
		g, k = (sx*dy2-dx2*sy)/d, (dx1*sy-sx*dy1)/d
	}
	return [8]float64{
		(q[1].X - q[0].X + g*q[1].X) / w, (q[3].X - q[0].X + k*q[3].X) / h, q[0].X,
		(q[1].Y - q[0].Y + g*q[1].Y) / w, (q[3].Y - q[0].Y + k*q[3].Y) / h, q[0].Y,
		g / w, k / h,
	}
}

// sample is the colour at a place between pixels; beyond the border the border's go on.
func sample(m *picture.Image, at Point, to []uint8) {
	if at.X-at.X != 0 || at.Y-at.Y != 0 {
		return // of a quadrilateral without an inside
	}
	x, y := math.Floor(at.X), math.Floor(at.Y)
	wx, wy := cubic(at.X-x), cubic(at.Y-y)
	for c := range 3 {
		var sum float64
		for j := range 4 {
			row := clamp(y+float64(j-1), m.H) * m.W
			for i := range 4 {
				sum += wy[j] * wx[i] * float64(m.Pix[3*(row+clamp(x+float64(i-1), m.W))+c])
			}
		}
		to[c] = uint8(math.RoundToEven(min(max(sum, 0), 255)))
	}
}

// clamp is a whole coordinate kept within a size.
func clamp(v float64, size int) int { return int(min(max(v, 0), float64(size-1))) }

// cubic are the weights of four pixels around a place between the middle two (Keys 1981,
// a = −0.75).
func cubic(t float64) [4]float64 {
	const a = -0.75
	near := func(x float64) float64 { return ((a+2)*x-(a+3))*x*x + 1 }
	far := func(x float64) float64 { return ((a*x-5*a)*x+8*a)*x - 4*a }
	return [4]float64{far(t + 1), near(t), near(1 - t), far(2 - t)}
}

// quarter turns an image anticlockwise.
func quarter(m *picture.Image) *picture.Image {
	out := picture.New(m.H, m.W)
	for y := range m.H {
		for x := range m.W {
			copy(out.Pix[3*((m.W-1-x)*m.H+y):][:3], m.Pix[3*(y*m.W+x):][:3])
		}
	}
	return out
}
