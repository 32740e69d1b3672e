package ppocr

import (
	"math"

	"saccade/picture"
)

// Bend is how a line runs that no rectangle holds: as in a photograph of an open book.
type Bend struct {
	From, To float64    // pixels of the image, from the left
	Middle   [4]float64 // its middle's height is the sum of Middle[i]·t^i, t from −1 to 1 between From and To
	Height   float64    // pixels
}

const (
	// leastBend is how many times longer than high a line is that may bend.
	leastBend = 8
	// mostOff is how far the middle of a line may be from its curve, heights of the line.
	mostOff = 0.5
	// usualHeight is that of lines before a recogniser, pixels.
	usualHeight = 48
)

// bent is the box of a contour whose least rectangle is mostly empty as the line bends; the
// reference leaves out such lines. What counts is the mean between the contour's upper and
// lower edge.
func bent(probability []float32, w int, contour []Point) (b Box, ok bool) {
	spans := map[int][2]int{} // of rows, by column
	left, right := math.MaxInt, math.MinInt
	for _, p := range contour {
		x, y := int(p.X), int(p.Y)
		span, seen := spans[x]
		if !seen {
			span = [2]int{y, y}
		}
		spans[x] = [2]int{min(span[0], y), max(span[1], y)}
		left, right = min(left, x), max(right, x)
	}
	var sum, n float64
	var places, middles []float64
	for x := left; x <= right; x++ {
		span, seen := spans[x]
		if !seen {
			return b, false
		}
		for y := span[0]; y <= span[1]; y++ {
			sum += float64(probability[y*w+x])
			n++
		}
		places = append(places, 2*float64(x-left)/float64(max(1, right-left))-1)
		middles = append(middles, float64(span[0]+span[1])/2)
	}
	length := float64(right - left + 1)
	height := n / length
	if length < leastBend*height || height < leastSide || sum/n < boxAbove {
		return b, false
	}
	c := Bend{From: float64(left), To: float64(right), Middle: cubicThrough(places, middles)}
	for i, t := range places {
		if math.Abs(c.at(t)-middles[i]) > mostOff*height {
			return b, false
		}
	}
	by := length * height * growth / (2 * (length + height))
	c.Height = height + 2*by
	c.lengthen(min(by, float64(left), float64(w-1-right))) // within the map
	return Box{Score: sum / n, Bend: &c}, true
}

// at is the middle's height.
func (c *Bend) at(t float64) float64 {
	return c.Middle[0] + t*(c.Middle[1]+t*(c.Middle[2]+t*c.Middle[3]))
}

// lengthen moves both ends outwards; the curve stays.
func (c *Bend) lengthen(by float64) {
	half := (c.To - c.From) / 2
	s := (half + by) / max(half, 1) // of t
	for i, f := 1, s; i < len(c.Middle); i, f = i+1, f*s {
		c.Middle[i] *= f
	}
	c.From, c.To = c.From-by, c.To+by
}

// scale brings a curve of a map to an image that is so many times larger.
func (c *Bend) scale(x, y float64) {
	c.From, c.To, c.Height = c.From*x, c.To*x, c.Height*y
	for i := range c.Middle {
		c.Middle[i] *= y
	}
}

// around is the least rectangle around the line.
func (c *Bend) around() Quad {
	var edge []Point
	for i := range 17 {
		t := float64(i)/8 - 1
		x, y := (c.From+c.To)/2+t*(c.To-c.From)/2, c.at(t)
		edge = append(edge, Point{x, y - c.Height/2}, Point{x, y + c.Height/2})
	}
	q, _ := leastRectangle(edge)
	return q
}

// cut straightens a line: columns of the image, moved to its middle, between pixels. It is
// not lower than readers take lines, so that pixels are not drawn twice from others.
func (c *Bend) cut(m *picture.Image) *picture.Image {
	scale := max(1, usualHeight/c.Height)
	out := picture.New(max(1, int((c.To-c.From)*scale)), max(1, int(c.Height*scale)))
	for x := range out.W {
		along := (float64(x) + 0.5) / float64(out.W)
		at := Point{X: c.From + along*(c.To-c.From) - 0.5}
		top := c.at(2*along-1) - c.Height/2
		for y := range out.H {
			at.Y = top + (float64(y)+0.5)/scale
			between(m, at, out.Pix[3*(y*out.W+x):][:3])
		}
	}
	return out
}

// between is the colour at a place, bilinear: what is enlarged by cubics has edges that
// lines before a recogniser have not.
func between(m *picture.Image, at Point, to []uint8) {
	x, y := math.Floor(at.X), math.Floor(at.Y)
	u, v := at.X-x, at.Y-y
	for c := range 3 {
		value := func(x, y float64) float64 { return float64(m.Pix[3*(clamp(y, m.H)*m.W+clamp(x, m.W))+c]) }
		upper := value(x, y)*(1-u) + value(x+1, y)*u
		lower := value(x, y+1)*(1-u) + value(x+1, y+1)*u
		to[c] = uint8(math.RoundToEven(upper*(1-v) + lower*v))
	}
}

// cubicThrough is the polynomial of the least squares through values at places: the sum of
// c[i]·t^i.
func cubicThrough(places, values []float64) (c [4]float64) {
	var a [4][5]float64 // normal equations
	for k, t := range places {
		power := [4]float64{1, t, t * t, t * t * t}
		for i := range a {
			for j := range power {
				a[i][j] += power[i] * power[j]
			}
			a[i][4] += power[i] * values[k]
		}
	}
	for i := range a { // positive definite: no pivots are looked for
		for row := i + 1; row < len(a); row++ {
			f := a[row][i] / a[i][i]
			for j := i; j < len(a[i]); j++ {
				a[row][j] -= f * a[i][j]
			}
		}
	}
	for i := len(a) - 1; i >= 0; i-- {
		c[i] = a[i][4]
		for j := i + 1; j < len(a); j++ {
			c[i] -= a[i][j] * c[j]
		}
		c[i] /= a[i][i]
	}
	return c
}
