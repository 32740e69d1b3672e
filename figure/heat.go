package figure

import (
	"fmt"
	"image/color"
	"math"

	"saccade/picture"
)

// Grid is cells over a picture, row by row from the top left.
type Grid struct {
	Rows, Columns int
	// Width and Height are the parts of the picture's that the cells cover, from
	// the top left; 0 means all of it. Patches may leave a rest.
	Width, Height float64
}

// cover is the part of the picture that the cells cover.
func (g Grid) cover() (w, h float64) {
	w, h = g.Width, g.Height
	if w == 0 {
		w = 1
	}
	if h == 0 {
		h = 1
	}
	return w, h
}

func (g Grid) check(values int) error {
	w, h := g.cover()
	if g.Rows < 1 || g.Columns < 1 || values != g.Rows*g.Columns {
		return fmt.Errorf("%d values on a grid of %d×%d (rows×columns)", values, g.Rows, g.Columns)
	}
	if !(w > 0 && w <= 1 && h > 0 && h <= 1) {
		return fmt.Errorf("a grid over %v of the width and %v of the height; expected 0 to 1", w, h)
	}
	return nil
}

// Heat is a value for each cell of a grid, to be seen as colours over a picture.
type Heat struct {
	Grid
	Values    []float32 // [Rows*Columns]
	Low, High float64   // what the first and the last colour stand for
	Legend    string    // what the values are
}

// NewHeat is a heat map whose colours go from its least to its largest value.
func NewHeat(g Grid, values []float32, legend string) *Heat {
	h := &Heat{Grid: g, Values: values, Low: math.Inf(1), High: math.Inf(-1), Legend: legend}
	for _, v := range values {
		h.Low, h.High = min(h.Low, float64(v)), max(h.High, float64(v))
	}
	return h
}

func (h *Heat) check() error {
	if err := h.Grid.check(len(h.Values)); err != nil {
		return fmt.Errorf("heat map: %w", err)
	}
	for _, v := range h.Values {
		if v-v != 0 {
			return fmt.Errorf("heat map: it holds NaN or Inf")
		}
	}
	if !(h.Low <= h.High) || math.IsInf(h.Low, 0) || math.IsInf(h.High, 0) {
		return fmt.Errorf("heat map: colours from %v to %v", h.Low, h.High)
	}
	return nil
}

// share is where a value stands between Low and High, 0 to 1.
func (h *Heat) share(v float64) float64 {
	if h.High == h.Low {
		return 0
	}
	return min(1, max(0, (v-h.Low)/(h.High-h.Low)))
}

// opacity is that of the colours over the picture, which is grey so that no
// colour but the map's is seen.
const opacity = 0.6

// over lays the map over a copy of a picture.
func (h *Heat) over(m *picture.Image) *picture.Image {
	out := picture.New(m.W, m.H)
	coverW, coverH := h.cover()
	for y := range m.H {
		v := (float64(y) + 0.5) / float64(m.H) / coverH
		for x := range m.W {
			at := 3 * (y*m.W + x)
			p := m.Pix[at : at+3]
			grey := luma(p)
			u := (float64(x) + 0.5) / float64(m.W) / coverW
			if u > 1 || v > 1 { // the network does not see it
				for i := range 3 {
					out.Pix[at+i] = round(255 - float64((255-grey)*(1-opacity)))
				}
				continue
			}
			c := Viridis(h.share(h.at(u, v)))
			for i, s := range []uint8{c.R, c.G, c.B} {
				out.Pix[at+i] = round(float64(opacity*float64(s)) + float64((1-opacity)*grey))
			}
		}
	}
	return out
}

// luma is the grey of a pixel, by the weights of Rec. 601.
func luma(p []uint8) float64 {
	return float64(0.299*float64(p[0])) + float64(0.587*float64(p[1])) + float64(0.114*float64(p[2]))
}

func round(v float64) uint8 { return uint8(min(255, max(0, v)) + 0.5) }

// at is the value at a place of the covered part, u and v from 0 to 1:
// bilinear between the centres of the cells, constant beyond the outer ones.
func (h *Heat) at(u, v float64) float64 {
	x0, x1, fx := between(u, h.Columns)
	y0, y1, fy := between(v, h.Rows)
	value := func(y, x int) float64 { return float64(h.Values[y*h.Columns+x]) }
	top := value(y0, x0) + float64(fx*(value(y0, x1)-value(y0, x0)))
	bottom := value(y1, x0) + float64(fx*(value(y1, x1)-value(y1, x0)))
	return top + float64(fy*(bottom-top))
}

// between finds the two of n cells whose centres a place lies between, and how
// far it is from the first.
func between(u float64, n int) (first, second int, f float64) {
	at := min(float64(n-1), max(0, float64(u*float64(n))-0.5))
	first = int(at)
	return first, min(first+1, n-1), at - float64(first)
}

// legend draws the colour bar: what its ends stand for, zero if it lies between
// them, and what the values are.
func (l layout) legend(h *Heat, x, y int) {
	for i := range l.side {
		l.fill(x+i, y, 1, barHeight, Viridis((float64(i)+0.5)/float64(l.side)))
	}
	small := l.fonts.small
	low, high := Number(h.Low), Number(h.High)
	below := y + barHeight + 2
	a := l.text(small, low, x, below, l.side/2, ink, left)
	b := l.text(small, high, x+l.side/2, below, l.side-l.side/2, ink, toRight)
	if h.Low < 0 && h.High > 0 {
		at := int(h.share(0) * float64(l.side))
		l.fill(x+at, y, 1, barHeight, paper)
		if w := small.Width("0"); at-w/2 > a+4 && at+w/2 < l.side-b-4 {
			l.fill(x+at, y+barHeight, 1, 3, ink)
			l.text(small, "0", x+at-w/2, below, w, ink, left)
		}
	}
	l.text(small, h.Legend, x, below+small.Height, l.side, faint, left)
}

// Number writes a value with three digits.
func Number(v float64) string {
	if v == 0 {
		return "0"
	}
	s := fmt.Sprintf("%.3g", v)
	if a := math.Abs(v); a >= 1000 && a < 1e6 {
		s = fmt.Sprintf("%.0f", v)
	}
	return s
}

// Mosaic is a picture of w×h pixels with a colour for each cell of a grid; what
// the cells leave is white.
func Mosaic(w, h int, g Grid, colors []color.RGBA) (*picture.Image, error) {
	if err := g.check(len(colors)); err != nil {
		return nil, fmt.Errorf("mosaic: %w", err)
	}
	m := picture.New(w, h)
	coverW, coverH := g.cover()
	for y := range h {
		row := int((float64(y) + 0.5) / float64(h) / coverH * float64(g.Rows))
		for x := range w {
			column := int((float64(x) + 0.5) / float64(w) / coverW * float64(g.Columns))
			c := paper
			if row < g.Rows && column < g.Columns {
				c = colors[row*g.Columns+column]
			}
			at := 3 * (y*w + x)
			m.Pix[at], m.Pix[at+1], m.Pix[at+2] = c.R, c.G, c.B
		}
	}
	return m, nil
}
