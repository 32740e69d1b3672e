package figure

import (
	"image"
	"image/color"
	"image/draw"
	"math"

	"saccade/picture"
	"saccade/typeset"
)

// Box is a rectangle to draw on a picture.
type Box struct {
	Corners [4]float64 // x0, y0, x1, y1, pixels; may reach beyond the picture
	Label   string     // beside its upper left corner, or ""
	Kind    int        // boxes of one kind have one colour
}

// DrawBoxes draws boxes on a copy of a picture, the first on top. Lines and letters are
// of a size that the picture's allows to see.
func DrawBoxes(m *picture.Image, boxes []Box) *picture.Image {
	on := image.NewRGBA(image.Rect(0, 0, m.W, m.H))
	draw.Draw(on, on.Bounds(), m.NRGBA(), image.Point{}, draw.Src)
	side := float64(max(m.W, m.H))
	line, face := max(1, int(side/400+0.5)), typeset.Bold(max(9, min(side/48, 40)))
	for i := len(boxes) - 1; i >= 0; i-- {
		drawBox(on, boxes[i], line, face)
	}
	return flat(on)
}

func drawBox(on *image.RGBA, b Box, line int, face typeset.Face) {
	at := func(v float64) int { return int(math.Floor(min(max(v, -1), 1<<20))) }
	r := image.Rect(at(b.Corners[0]), at(b.Corners[1]), at(b.Corners[2])+1, at(b.Corners[3])+1)
	c := KindColor(b.Kind)
	fill := func(r image.Rectangle) { draw.Draw(on, r, image.NewUniform(c), image.Point{}, draw.Src) }
	fill(image.Rect(r.Min.X, r.Min.Y, r.Max.X, r.Min.Y+line))
	fill(image.Rect(r.Min.X, r.Max.Y-line, r.Max.X, r.Max.Y))
	fill(image.Rect(r.Min.X, r.Min.Y, r.Min.X+line, r.Max.Y))
	fill(image.Rect(r.Max.X-line, r.Min.Y, r.Max.X, r.Max.Y))
	if b.Label == "" {
		return
	}
	text := face.Fit(b.Label, on.Rect.Dx())
	w, h := face.Width(text)+2*line, face.Height
	x := max(0, min(r.Min.X, on.Rect.Dx()-w))
	y := r.Min.Y - h // above the box, or where there is no room within
	if y < 0 {
		y = max(0, r.Min.Y)
	}
	fill(image.Rect(x, y, x+w, y+h))
	letters := color.RGBA{0, 0, 0, 255}
	if 299*int(c.R)+587*int(c.G)+114*int(c.B) < 128_000 {
		letters = color.RGBA{255, 255, 255, 255}
	}
	face.Draw(on, text, x+line, y, letters)
}

// KindColor is a colour for each of a row of kinds, neighbours far from each other.
func KindColor(kind int) color.RGBA {
	hue := math.Mod(float64(kind)*0.61803398875+0.02, 1) * 6
	value := 1 - 0.25*float64(kind/7%2)
	channel := func(shift float64) uint8 {
		d := math.Mod(hue+shift, 6)
		v := min(max(2-math.Abs(d-3), 0), 1) // 1 within a sixth of the circle around 3
		return uint8(255*value*(0.15+0.85*v) + 0.5)
	}
	return color.RGBA{channel(3), channel(1), channel(5), 255}
}
