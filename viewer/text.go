package viewer

import (
	"image"
	"image/color"

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
	faces       map[style]typeset.Face
	kept, fresh map[line]*image.RGBA
}

// line is what makes a line of text what it is.
type line struct {
	text  string
	style style
	scale float64
	color color.RGBA
}

// begin starts a drawing at a scale.
func (t *types) begin(scale float64) {
	if t.faces == nil || t.scale != scale {
		t.scale, t.faces = scale, facesAt(scale)
	}
	t.kept, t.fresh = t.fresh, map[line]*image.RGBA{}
}

func facesAt(scale float64) map[style]typeset.Face {
	return map[style]typeset.Face{
		plain: typeset.Regular(styleSizes[plain] * scale),
		bold:  typeset.Bold(styleSizes[bold] * scale),
		small: typeset.Regular(styleSizes[small] * scale),
	}
}

// height of a line, pixels.
func (t *types) height(s style) int { return t.faces[s].Height }

// set makes a quad of a line whose top left corner is at, shortened to a width;
// ok is false if nothing of it fits.
func (t *types) set(s style, text string, at image.Point, width int, c color.RGBA) (q gpu.Quad, ok bool) {
	f := t.faces[s]
	text = f.Fit(text, width)
	if f.Width(text) < 1 {
		return gpu.Quad{}, false
	}
	k := line{text, s, t.scale, c}
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
