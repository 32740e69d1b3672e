package figure

import (
	"image"
	"image/color"
	"image/draw"
	"math"

	"saccade/picture"
	"saccade/typeset"
)

// Marked is a text and where it stands in a page: the corners, from the top left one on
// clockwise, pixels.
type Marked struct {
	Text    string
	Corners [4][2]float64
}

// Page draws the outlines of texts over a page, and beside it what they say, each in its
// place. A page with a side of more than most pixels is brought to that.
func Page(m *picture.Image, texts []Marked, most int) (*picture.Image, error) {
	scale := math.Min(1, float64(most)/float64(max(m.W, m.H)))
	w, h := max(1, int(float64(m.W)*scale)), max(1, int(float64(m.H)*scale))
	m, err := m.Resize(w, h, picture.Bilinear)
	if err != nil {
		return nil, err
	}
	on := image.NewNRGBA(image.Rect(0, 0, 2*w, h))
	draw.Draw(on, on.Bounds(), image.NewUniform(paper), image.Point{}, draw.Src)
	draw.Draw(on, image.Rect(0, 0, w, h), m.NRGBA(), image.Point{}, draw.Src)
	for _, t := range texts {
		for i := range t.Corners {
			for k := range 2 {
				t.Corners[i][k] *= scale
			}
		}
		outline(on, t.Corners, 0)
		outline(on, t.Corners, w)
		words(on, t, w)
	}
	out := picture.New(2*w, h)
	for i := range 2 * w * h {
		copy(out.Pix[3*i:3*i+3], on.Pix[4*i:4*i+3])
	}
	return out, nil
}

// Below puts pages one below the other.
func Below(pages []*picture.Image) *picture.Image {
	if len(pages) == 1 {
		return pages[0]
	}
	w, h := 0, gap*(len(pages)-1)
	for _, p := range pages {
		w, h = max(w, p.W), h+p.H
	}
	out := picture.New(w, h)
	for i := range out.Pix {
		out.Pix[i] = 255
	}
	y := 0
	for _, p := range pages {
		for row := range p.H {
			copy(out.Pix[3*(y+row)*w:], p.Pix[3*row*p.W:3*(row+1)*p.W])
		}
		y += p.H + gap
	}
	return out
}

var mark = color.NRGBA{200, 30, 30, 255}

// outline draws the sides of a quadrilateral, so far to the right.
func outline(on *image.NRGBA, q [4][2]float64, right int) {
	within := image.Rect(right, 0, right+on.Bounds().Dx()/2, on.Bounds().Dy())
	for i, a := range q {
		b := q[(i+1)%4]
		steps := math.Max(1, math.Max(math.Abs(b[0]-a[0]), math.Abs(b[1]-a[1])))
		for s := 0.0; s <= steps; s++ {
			p := image.Pt(right+int(math.Round(a[0]+(b[0]-a[0])*s/steps)), int(math.Round(a[1]+(b[1]-a[1])*s/steps)))
			if p.In(within) {
				on.Set(p.X, p.Y, mark)
			}
		}
	}
}

// words sets a text into its quadrilateral, in the size that its height gives.
func words(on *image.NRGBA, t Marked, right int) {
	q := t.Corners
	height := math.Max(math.Hypot(q[3][0]-q[0][0], q[3][1]-q[0][1]), math.Hypot(q[2][0]-q[1][0], q[2][1]-q[1][1]))
	width := math.Max(math.Hypot(q[1][0]-q[0][0], q[1][1]-q[0][1]), math.Hypot(q[2][0]-q[3][0], q[2][1]-q[3][1]))
	if height > 1.5*width { // a line that stands is set lying
		height, width = width, height
	}
	face := typeset.Regular(math.Min(math.Max(0.75*height, 7), 72))
	x, y := q[0][0], (q[0][1]+q[3][1])/2-float64(face.Height)/2
	room := math.Max(width, 40)
	half := on.SubImage(image.Rect(right, 0, on.Bounds().Dx(), on.Bounds().Dy())).(*image.NRGBA)
	face.Draw(half, face.Fit(t.Text, int(room)), right+int(x), int(y), ink)
}
