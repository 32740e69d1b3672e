package viewer

import (
	"image"
	"image/color"
	"math"

	"saccade/gpu"
	"saccade/typeset"
)

// style is a way to set text.
type style int

const (
	plain style = iota
	bold
	small
)

// Sizes of text, in units of the content scale.
var styleSizes = map[style]float64{plain: 14, bold: 14, small: 11}

// types sets lines of text at a content scale, in whole pixels, so that they
// are sharp. Lines that the latest drawing showed are kept, and so stay on the
// device.
type types struct {
	scale       float64
	faces       map[font]typeset.Face
	kept, fresh map[line]*image.RGBA
}

// font is a style in a size, a tenth of a pixel being one.
type font struct {
	style style
	size  int
}

// line is what makes a line of text what it is.
type line struct {
	text  string
	font  font
	color color.RGBA
}

// begin starts a drawing at a scale.
func (t *types) begin(scale float64) {
	if t.faces == nil || t.scale != scale {
		t.scale, t.faces = scale, map[font]typeset.Face{}
	}
	t.kept, t.fresh = t.fresh, map[line]*image.RGBA{}
}

// font of a style, so many times its usual size.
func (t *types) font(s style, times float64) font {
	f := font{s, int(math.Round(10 * styleSizes[s] * t.scale * times))}
	if _, ok := t.faces[f]; !ok {
		of := typeset.Regular
		if s == bold {
			of = typeset.Bold
		}
		t.faces[f] = of(float64(f.size) / 10)
	}
	return f
}

func (t *types) face(f font) typeset.Face { return t.faces[f] }

// height of a line in the usual size, pixels.
func (t *types) height(s style) int { return t.face(t.font(s, 1)).Height }

// width of a line in the usual size, pixels.
func (t *types) width(s style, text string) int { return t.face(t.font(s, 1)).Width(text) }

// set makes a quad of a line whose top left corner is at, shortened to a width;
// ok is false if nothing of it fits.
func (t *types) set(of font, text string, at image.Point, width int, c color.RGBA) (q gpu.Quad, ok bool) {
	f := t.face(of)
	text = f.Fit(text, width)
	if f.Width(text) < 1 {
		return gpu.Quad{}, false
	}
	k := line{text, of, c}
	m := t.fresh[k]
	if m == nil {
		if m = t.kept[k]; m == nil {
			m = image.NewRGBA(image.Rect(0, 0, f.Width(text), f.Height))
			f.Draw(m, text, 0, 0, c)
		}
		t.fresh[k] = m
	}
	return gpu.Quad{At: m.Rect.Add(at), Image: m}, true
}
