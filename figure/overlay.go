package figure

import (
	"image"
	"image/color"

	"saccade/picture"
)

// Overlay is what is laid over a picture of which it tells: masks, each in a colour of its
// own with its edge, boxes and points.
type Overlay struct {
	Masks  [][]bool // of each pixel, row by row, whether it belongs; later ones lie over earlier
	Boxes  []image.Rectangle
	Points []Mark
}

// Mark is a point: a disc if it is within what is meant, else a ring.
type Mark struct {
	At      image.Point
	Outside bool
}

// shade is how much of a mask's colour lies over the picture.
const shade = 0.5

// Draw lays all over a copy of a picture. Masks must be of its size.
func (o Overlay) Draw(m *picture.Image) *picture.Image {
	out := picture.New(m.W, m.H)
	copy(out.Pix, m.Pix)
	for i, on := range o.Masks {
		tinted(out, on, KindColor(i+1))
	}
	side := max(m.W, m.H)
	for _, b := range o.Boxes {
		frame(out, b, max(1, side/300))
	}
	for _, p := range o.Points {
		dot(out, p, max(3, side/90))
	}
	return out
}

// tinted lays a mask over a picture, its edge in the full colour.
func tinted(m *picture.Image, on []bool, c color.RGBA) {
	rgb := [3]uint8{c.R, c.G, c.B}
	for i, in := range on {
		if !in {
			continue
		}
		x, y := i%m.W, i/m.W
		part := shade
		if x == 0 || x == m.W-1 || y == 0 || y == m.H-1 || !on[i-1] || !on[i+1] || !on[i-m.W] || !on[i+m.W] {
			part = 1
		}
		for k, v := range rgb {
			m.Pix[3*i+k] = round(part*float64(v) + (1-part)*float64(m.Pix[3*i+k]))
		}
	}
}

// frame draws a box, so many pixels thick, white in black.
func frame(m *picture.Image, b image.Rectangle, thick int) {
	for y := b.Min.Y - thick; y < b.Max.Y+thick; y++ {
		for x := b.Min.X - thick; x < b.Max.X+thick; x++ {
			beyond := max(b.Min.X-x, x-b.Max.X+1, b.Min.Y-y, y-b.Max.Y+1) // from the edge, outwards
			switch {
			case beyond > -thick && beyond <= 0:
				put(m, x, y, 255)
			case beyond > 0 || beyond == -thick:
				put(m, x, y, 0)
			}
		}
	}
}

// dot draws a point of a radius, white in black.
func dot(m *picture.Image, p Mark, radius int) {
	for dy := -radius - 1; dy <= radius+1; dy++ {
		for dx := -radius - 1; dx <= radius+1; dx++ {
			switch far := dx*dx + dy*dy; {
			case far > (radius+1)*(radius+1):
			case far > (radius-1)*(radius-1) || p.Outside && 4*far <= radius*radius:
				put(m, p.At.X+dx, p.At.Y+dy, 0)
			default:
				put(m, p.At.X+dx, p.At.Y+dy, 255)
			}
		}
	}
}

// put sets a pixel to a grey if it is in the picture.
func put(m *picture.Image, x, y int, grey uint8) {
	if x >= 0 && x < m.W && y >= 0 && y < m.H {
		at := m.Pix[3*(y*m.W+x):][:3]
		at[0], at[1], at[2] = grey, grey, grey
	}
}
