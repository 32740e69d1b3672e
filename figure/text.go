package figure

import (
	"fmt"
	"image"
	"image/color"
	"strings"
	"unicode"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"
)

// typeface is a font in one size.
type typeface struct {
	face           font.Face
	ascent, height int // pixels
}

// fonts are those that figures are set in. A face keeps buffers, so that each
// figure has its own.
type fonts struct{ heading, bold, regular, small typeface }

func loadFonts() *fonts {
	return &fonts{
		heading: load(gobold.TTF, 18),
		bold:    load(gobold.TTF, 14),
		regular: load(goregular.TTF, 14),
		small:   load(goregular.TTF, 12),
	}
}

// load parses a font that is part of the program, so that it can't fail.
func load(ttf []byte, size float64) typeface {
	parsed, err := opentype.Parse(ttf)
	if err != nil {
		panic(fmt.Sprintf("figure: a font of the program: %v", err))
	}
	face, err := opentype.NewFace(parsed, &opentype.FaceOptions{Size: size, DPI: 72, Hinting: font.HintingFull})
	if err != nil {
		panic(fmt.Sprintf("figure: a font of the program: %v", err))
	}
	m := face.Metrics()
	return typeface{face: face, ascent: m.Ascent.Ceil(), height: m.Ascent.Ceil() + m.Descent.Ceil() + 1}
}

// width of a text, pixels.
func (t typeface) width(s string) int { return font.MeasureString(t.face, s).Ceil() }

// fit shortens a text to a width, with an ellipsis where something is left out;
// what can't be drawn becomes a space.
func (t typeface) fit(s string, width int) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, s)
	if t.width(s) <= width {
		return s
	}
	runes := []rune(s)
	for n := len(runes) - 1; n > 0; n-- {
		short := strings.TrimRight(string(runes[:n]), " ") + "…"
		if t.width(short) <= width {
			return short
		}
	}
	return ""
}

// align is the side of its place that a text is set to.
type align int

const (
	left align = iota
	toRight
)

// text sets a line whose top left corner is x, y, in a place so wide, and says
// how wide it became.
func (l layout) text(t typeface, s string, x, y, width int, c color.Color, to align) int {
	s = t.fit(s, width)
	w := t.width(s)
	if to == toRight {
		x += width - w
	}
	d := font.Drawer{Dst: l.on, Src: image.NewUniform(c), Face: t.face, Dot: fixed.P(x, y+t.ascent)}
	d.DrawString(s)
	return w
}
