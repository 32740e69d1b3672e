package typeset

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"strings"
	"unicode"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"
)

// Face is a font in one size.
type Face struct {
	face           font.Face
	Ascent, Height int // pixels
}

// Regular is Go Regular, so many pixels to the em.
func Regular(size float64) Face { return load(goregular.TTF, size) }

// Bold is Go Bold, so many pixels to the em.
func Bold(size float64) Face { return load(gobold.TTF, size) }

// load parses a font that is part of the program, so that it can't fail.
func load(ttf []byte, size float64) Face {
	parsed, err := opentype.Parse(ttf)
	if err != nil {
		panic(fmt.Sprintf("typeset: a font of the program: %v", err))
	}
	face, err := opentype.NewFace(parsed, &opentype.FaceOptions{Size: size, DPI: 72, Hinting: font.HintingFull})
	if err != nil {
		panic(fmt.Sprintf("typeset: a font of the program: %v", err))
	}
	m := face.Metrics()
	return Face{face: face, Ascent: m.Ascent.Ceil(), Height: m.Ascent.Ceil() + m.Descent.Ceil() + 1}
}

// Width of a text, pixels.
func (f Face) Width(s string) int { return font.MeasureString(f.face, s).Ceil() }

// Fit shortens a text to a width, with an ellipsis where something is left out;
// what can't be drawn becomes a space.
func (f Face) Fit(s string, width int) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s)
	if f.Width(s) <= width {
		return s
	}
	runes := []rune(s)
	for n := len(runes) - 1; n > 0; n-- {
		short := strings.TrimRight(string(runes[:n]), " ") + "…"
		if f.Width(short) <= width {
			return short
		}
	}
	return ""
}

// Draw sets a line whose top left corner is x, y.
func (f Face) Draw(on draw.Image, s string, x, y int, c color.Color) {
	d := font.Drawer{Dst: on, Src: image.NewUniform(c), Face: f.face, Dot: fixed.P(x, y+f.Ascent)}
	d.DrawString(s)
}
