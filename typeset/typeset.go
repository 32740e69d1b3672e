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
	"golang.org/x/text/unicode/norm"
)

// Face is a font in one size.
type Face struct {
	face           *fallback
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
	return Face{face: &fallback{Face: face, own: parsed, size: size, system: systemFonts, found: map[rune]font.Face{}}, Ascent: m.Ascent.Ceil(), Height: m.Ascent.Ceil() + m.Descent.Ceil() + 1}
}

// Width of a text, pixels: of what Fit returns it is that of what Draw draws.
func (f Face) Width(s string) int { return font.MeasureString(f.face, s).Ceil() }

// Fit shortens a text to a width, with an ellipsis where something is left out. A
// control character becomes a space, and what neither this font nor one of the system
// draws its number: U+0628.
func (f Face) Fit(s string, width int) string {
	s = f.spell(s)
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

// spell leaves of a text what can be drawn.
func (f Face) spell(s string) string {
	var b strings.Builder
	number := false // was written last
	for _, r := range norm.NFC.String(s) {
		switch {
		case unicode.IsControl(r):
			b.WriteByte(' ')
		case unicode.In(r, unicode.Cf, unicode.Variation_Selector): // tells a shaper something
			continue
		case f.face.of(r) != nil:
			b.WriteRune(r)
		default:
			if number {
				b.WriteByte(' ')
			}
			fmt.Fprintf(&b, "%U", r)
			number = true
			continue
		}
		number = false
	}
	return b.String()
}

// Draw sets a line, of [Face.Fit], whose top left corner is x, y.
func (f Face) Draw(on draw.Image, s string, x, y int, c color.Color) {
	d := font.Drawer{Dst: on, Src: image.NewUniform(c), Face: f.face, Dot: fixed.P(x, y+f.Ascent)}
	d.DrawString(s)
}
