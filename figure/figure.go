package figure

import (
	"fmt"
	"image"
	"image/color"
	"image/draw"

	"saccade/picture"
)

// Figure is panels in rows.
type Figure struct {
	Title string // above all, or ""
	Rows  []Row
	// Side is the longer side of the pictures, pixels; 0 is DefaultSide.
	// Smaller and larger pictures are brought to it.
	Side int
}

// Row is panels side by side.
type Row struct {
	Title  string // above them, or ""
	Panels []Panel
}

// Panel is a picture with what is over, above and below it.
type Panel struct {
	Title, Note string         // lines above the picture, shortened to its width; or ""
	Picture     *picture.Image // or nil
	Heat        *Heat          // over the picture, with a legend below it; or nil
	Lines       []Line         // a table below
}

// Line is a line of a table.
type Line struct {
	Left, Right string
	Bar         float64 // 0 to 1: the part of the line that has a bar behind it
}

// Wrap puts panels into rows of a number of columns.
func Wrap(panels []Panel, columns int) []Row {
	var rows []Row
	for len(panels) > 0 {
		n := min(max(1, columns), len(panels))
		rows = append(rows, Row{Panels: panels[:n]})
		panels = panels[n:]
	}
	return rows
}

// Sizes, pixels.
const (
	DefaultSide = 320
	LeastSide   = 128 // legends and titles need so much
	margin      = 16  // around a figure
	gap         = 14  // between panels
	barHeight   = 10  // of a legend
)

// maxPixels is what a figure may have: 64 megapixels are 256 MB while it is drawn.
const maxPixels = 64_000_000

var (
	paper = color.RGBA{255, 255, 255, 255}
	ink   = color.RGBA{20, 20, 20, 255}
	faint = color.RGBA{100, 100, 100, 255}
	tint  = color.RGBA{214, 229, 241, 255} // of bars in tables
)

// Draw draws the figure.
func (f Figure) Draw() (*picture.Image, error) {
	side := f.Side
	if side == 0 {
		side = DefaultSide
	}
	if side < LeastSide {
		return nil, fmt.Errorf("figure: pictures of %d pixels; expected %d or more", side, LeastSide)
	}
	if err := f.check(); err != nil {
		return nil, err
	}
	l := layout{side: side, fonts: loadFonts()}
	w, h := l.size(f)
	if w > maxPixels/h {
		return nil, fmt.Errorf("figure of %d×%d pixels: more than the limit of %d megapixels; draw fewer pictures at once", w, h, maxPixels/1_000_000)
	}
	l.on = image.NewRGBA(image.Rect(0, 0, w, h))
	draw.Draw(l.on, l.on.Bounds(), image.NewUniform(paper), image.Point{}, draw.Src)
	if err := l.figure(f); err != nil {
		return nil, err
	}
	return flat(l.on), nil
}

// check finds what can't be drawn.
func (f Figure) check() error {
	panels := 0
	for _, row := range f.Rows {
		for _, p := range row.Panels {
			panels++
			if err := p.check(); err != nil {
				return fmt.Errorf("figure: panel %q: %w", p.Title, err)
			}
		}
	}
	if panels == 0 {
		return fmt.Errorf("figure: there are no panels")
	}
	return nil
}

func (p Panel) check() error {
	if p.Picture == nil {
		if p.Heat != nil {
			return fmt.Errorf("a heat map without a picture below it")
		}
		return nil
	}
	if err := p.Picture.Check(); err != nil {
		return err
	}
	if p.Heat == nil {
		return nil
	}
	return p.Heat.check()
}

// layout places the parts of a figure; the same steps that draw, without a place
// to draw on, measure.
type layout struct {
	side  int
	fonts *fonts
	on    *image.RGBA
}

// size is the width and height of the whole figure.
func (l layout) size(f Figure) (w, h int) {
	columns := 0
	h = 2 * margin
	if f.Title != "" {
		h += l.fonts.heading.Height + gap/2
	}
	for i, row := range f.Rows {
		columns = max(columns, len(row.Panels))
		h += l.rowHeight(row)
		if i > 0 {
			h += gap
		}
	}
	return 2*margin + columns*l.side + (columns-1)*gap, h
}

func (l layout) rowHeight(row Row) int {
	most := 0
	for _, p := range row.Panels {
		most = max(most, l.panelHeight(row, p))
	}
	if row.Title != "" {
		most += l.fonts.bold.Height + gap/2
	}
	return most
}

// head is the height of the lines above the pictures of a row, which stand on one
// line.
func (l layout) head(row Row) int {
	title, note := 0, 0
	for _, p := range row.Panels {
		if p.Title != "" {
			title = l.fonts.bold.Height
		}
		if p.Note != "" {
			note = l.fonts.small.Height
		}
	}
	if title+note == 0 {
		return 0
	}
	return title + note + 4
}

// foot is the top of what is below the pictures of a row, from their own top.
func (l layout) foot(row Row) int {
	most := 0
	for _, p := range row.Panels {
		_, h := l.pictureSize(p.Picture)
		most = max(most, h)
	}
	return most
}

// legendHeight is that of the legends of a row: tables below it stand on one line.
func (l layout) legendHeight(row Row) int {
	for _, p := range row.Panels {
		if p.Heat != nil {
			return 6 + barHeight + 2 + 2*l.fonts.small.Height
		}
	}
	return 0
}

func (l layout) panelHeight(row Row, p Panel) int {
	h := l.head(row) + l.foot(row) + l.legendHeight(row)
	if len(p.Lines) > 0 {
		h += 8 + len(p.Lines)*l.lineHeight()
	}
	return h
}

func (l layout) lineHeight() int { return l.fonts.regular.Height + 2 }

// pictureSize is the size that a picture is drawn in.
func (l layout) pictureSize(m *picture.Image) (w, h int) {
	if m == nil {
		return 0, 0
	}
	if m.W >= m.H {
		return l.side, max(1, (m.H*l.side+m.W/2)/m.W)
	}
	return max(1, (m.W*l.side+m.H/2)/m.H), l.side
}

func (l layout) figure(f Figure) error {
	y := margin
	if f.Title != "" {
		l.text(l.fonts.heading, f.Title, margin, y, l.on.Rect.Dx()-2*margin, ink, left)
		y += l.fonts.heading.Height + gap/2
	}
	for _, row := range f.Rows {
		top := y
		if row.Title != "" {
			l.text(l.fonts.bold, row.Title, margin, top, l.on.Rect.Dx()-2*margin, ink, left)
			top += l.fonts.bold.Height + gap/2
		}
		for i, p := range row.Panels {
			if err := l.panel(row, p, margin+i*(l.side+gap), top); err != nil {
				return err
			}
		}
		y += l.rowHeight(row) + gap
	}
	return nil
}

// panel draws a panel whose left upper corner is x, y.
func (l layout) panel(row Row, p Panel, x, y int) error {
	above := y
	if p.Title != "" {
		l.text(l.fonts.bold, p.Title, x, above, l.side, ink, left)
		above += l.fonts.bold.Height
	}
	if p.Note != "" {
		l.text(l.fonts.small, p.Note, x, above, l.side, faint, left)
	}
	y += l.head(row)
	if p.Picture != nil {
		if err := l.picture(p, x, y); err != nil {
			return err
		}
	}
	y += l.foot(row)
	if p.Heat != nil {
		l.legend(p.Heat, x, y+6)
	}
	y += l.legendHeight(row) + 8
	for _, line := range p.Lines {
		l.line(line, x, y)
		y += l.lineHeight()
	}
	return nil
}

// picture draws the picture with its heat map.
func (l layout) picture(p Panel, x, y int) error {
	w, h := l.pictureSize(p.Picture)
	m, err := p.Picture.Resize(w, h, picture.Bicubic)
	if err != nil {
		return err
	}
	if p.Heat != nil {
		m = p.Heat.over(m)
	}
	draw.Draw(l.on, image.Rect(x, y, x+w, y+h), m.NRGBA(), image.Point{}, draw.Src)
	return nil
}

// line draws a line of a table: what is at the right stays whole.
func (l layout) line(line Line, x, y int) {
	if line.Bar > 0 {
		w := int(min(line.Bar, 1)*float64(l.side) + 0.5)
		l.fill(x, y, w, l.lineHeight()-2, tint)
	}
	right := 0
	if line.Right != "" {
		right = l.text(l.fonts.regular, line.Right, x, y, l.side-4, ink, toRight) + 8
	}
	l.text(l.fonts.regular, line.Left, x+4, y, l.side-4-right, ink, left)
}

// fill paints a rectangle.
func (l layout) fill(x, y, w, h int, c color.RGBA) {
	draw.Draw(l.on, image.Rect(x, y, x+w, y+h), image.NewUniform(c), image.Point{}, draw.Src)
}

// flat drops the alpha of an opaque picture.
func flat(from *image.RGBA) *picture.Image {
	m := picture.New(from.Rect.Dx(), from.Rect.Dy())
	for i := range m.W * m.H {
		copy(m.Pix[3*i:3*i+3], from.Pix[4*i:])
	}
	return m
}
