package figure

import (
	"image/color"

	"saccade/typeset"
)

// fonts are those that figures are set in. A face keeps buffers, so that each
// figure has its own.
type fonts struct{ heading, bold, regular, small typeset.Face }

func loadFonts() *fonts {
	return &fonts{
		heading: typeset.Bold(18),
		bold:    typeset.Bold(14),
		regular: typeset.Regular(14),
		small:   typeset.Regular(12),
	}
}

// align is the side of its place that a text is set to.
type align int

const (
	left align = iota
	toRight
)

// text sets a line whose top left corner is x, y, in a place so wide, and says
// how wide it became.
func (l layout) text(f typeset.Face, s string, x, y, width int, c color.Color, to align) int {
	s = f.Fit(s, width)
	w := f.Width(s)
	if to == toRight {
		x += width - w
	}
	f.Draw(l.on, s, x, y, c)
	return w
}
