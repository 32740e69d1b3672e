package viewer

import (
	"fmt"
	"image"
	"image/color"
	"slices"
	"strings"
	"time"

	"saccade/gpu"
)

// Colours, premultiplied.
var (
	ground = color.RGBA{20, 20, 24, 255}
	ink    = color.RGBA{232, 232, 236, 255}
	faint  = color.RGBA{150, 150, 160, 255}
	trough = color.RGBA{52, 52, 60, 255}
	accent = color.RGBA{94, 201, 98, 255} // of viridis
	shade  = color.RGBA{8, 8, 10, 236}    // behind text over pictures
	cursor = color.RGBA{255, 255, 255, 255}
)

// scene is a drawing in the making.
type scene struct {
	view  View
	ui    ui
	types *types
	known []Action

	quads  []gpu.Quad
	shown  []placed
	thumbs []thumb
}

// thumb is a step of the strip as it stands in the window.
type thumb struct {
	at   image.Rectangle
	step int
}

// draw lays out and draws everything.
func (s *scene) draw() {
	s.types.begin(s.ui.scale)
	l := layOut(s.ui.size, s.ui.scale, s.types.height(plain), s.types.height(small), len(s.view.Strip) > 0)
	s.pictures(l)
	s.strip(l)
	s.progress(l)
	s.notice(l)
	if s.ui.help {
		s.help()
	}
}

func (s *scene) fill(at image.Rectangle, c color.RGBA) {
	s.quads = append(s.quads, gpu.Quad{At: at, Color: c})
}

// frame draws the edge of a rectangle, so many pixels wide, inside it.
func (s *scene) frame(at image.Rectangle, width int, c color.RGBA) {
	s.fill(image.Rect(at.Min.X, at.Min.Y, at.Max.X, at.Min.Y+width), c)
	s.fill(image.Rect(at.Min.X, at.Max.Y-width, at.Max.X, at.Max.Y), c)
	s.fill(image.Rect(at.Min.X, at.Min.Y+width, at.Min.X+width, at.Max.Y-width), c)
	s.fill(image.Rect(at.Max.X-width, at.Min.Y+width, at.Max.X, at.Max.Y-width), c)
}

// text sets a line in the usual size.
func (s *scene) text(st style, text string, at image.Point, width int, c color.RGBA) {
	q, ok := s.types.set(s.types.font(st, 1), text, at, width, c)
	if ok {
		s.quads = append(s.quads, q)
	}
}

// unit is a length that follows the content scale, at least a pixel.
func (s *scene) unit(n float64) int { return max(1, int(n*s.ui.scale+0.5)) }

func (s *scene) pictures(l layout) {
	pictures := s.view.Shown
	if len(pictures) == 0 || pictures[0].size() == (image.Point{}) {
		return
	}
	size := pictures[0].size()
	for i, at := range tile(len(pictures), size, l.pictures, l.margin) {
		var part gpu.Rect
		if s.ui.zoom > 1 {
			part = zoomed(pictures[i].size(), s.ui.zoom, s.ui.center)
		}
		s.quads = append(s.quads, pictures[i].quad(at, part, s.ui.smooth))
		s.shown = append(s.shown, placed{at, pictures[i].size()})
	}
	if s.ui.framing && s.ui.dragged() {
		s.frame(image.Rectangle{s.ui.pressed, s.ui.pointer}.Canon().Intersect(s.shown[0].at), s.unit(2), cursor)
		return
	}
	if cell, over := s.ui.cellUnder(s.shown, s.view.Grid); over {
		for _, p := range s.shown {
			if at := s.ui.cellAt(p, cell, s.view.Grid); at.Dx() > s.unit(5) { // smaller ones would be all frame
				s.frame(at, s.unit(2), cursor)
			}
		}
	}
}

// strip draws as many thumbnails as there is room for.
func (s *scene) strip(l layout) {
	if l.strip.Empty() || len(s.view.Strip) == 0 {
		return
	}
	size := s.view.Strip[0].size()
	gap, label := s.unit(6), s.types.height(small)
	first := fit(size, image.Rect(0, 0, l.strip.Dx(), l.strip.Dy()-label))
	if first.Empty() {
		return
	}
	w := first.Dx()
	steps := stripped(len(s.view.Strip), (l.strip.Dx()+gap)/(w+gap), s.view.At)
	for i, step := range steps {
		at := first.Sub(first.Min).Add(l.strip.Min).Add(image.Pt(i*(w+gap), 0))
		if step == s.view.At {
			s.fill(at.Inset(-s.unit(2)), accent)
		}
		s.quads = append(s.quads, s.view.Strip[step].quad(at, gpu.Rect{}, true))
		c := faint
		if step == s.view.At {
			c = ink
		}
		s.text(small, s.view.Strip[step].Label, image.Pt(at.Min.X, at.Max.Y+s.unit(2)), w, c)
		s.thumbs = append(s.thumbs, thumb{at, step})
	}
}

// progress draws the bar and the line of text at the foot.
func (s *scene) progress(l layout) {
	if l.line.Empty() {
		return
	}
	s.fill(l.bar, trough)
	if s.view.Steps > 0 {
		done := l.bar
		done.Max.X = done.Min.X + l.bar.Dx()*min(s.view.Step, s.view.Steps)/s.view.Steps
		s.fill(done, accent)
	}
	const hint = "? keys"
	text, width := strings.Join(facts(s.view), " · "), l.line.Dx()
	if w := s.types.width(plain, hint); s.types.width(plain, text)+l.margin+w <= width {
		s.text(plain, hint, image.Pt(l.line.Max.X-w, l.line.Min.Y), w, faint)
	}
	s.text(plain, text, l.line.Min, width, ink)
}

// facts are the parts of the progress line, the most important first.
func facts(v View) []string {
	var out []string
	if v.Steps > 0 {
		out = append(out, fmt.Sprintf("step %d/%d", v.Step, v.Steps))
	}
	if v.Paused {
		out = append(out, "paused")
	}
	if v.StepTime > 0 {
		out = append(out, span(v.StepTime)+" a step")
	}
	return append(out, v.Facts...)
}

// span writes a time with three digits.
func span(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%.3g ms", float64(d)/1e6)
	case d < 100*time.Second:
		return fmt.Sprintf("%.3g s", d.Seconds())
	}
	return fmt.Sprintf("%.0f s", d.Seconds())
}

// title is the window's.
func title(v View) string {
	parts := facts(v)
	if v.Name != "" {
		parts = append([]string{v.Name}, parts...)
	}
	return strings.Join(parts, ", ")
}

// notice draws a line over the top of the pictures.
func (s *scene) notice(l layout) {
	if s.view.Notice == "" || l.line.Empty() {
		return
	}
	at := l.pictures.Min.Add(image.Pt(l.margin/2, l.margin/2))
	width := l.pictures.Dx() - 2*l.margin
	q, ok := s.types.set(s.types.font(plain, 1), s.view.Notice, at.Add(image.Pt(l.margin/2, l.margin/4)), width, ink)
	if !ok {
		return
	}
	s.fill(image.Rectangle{at, q.At.Max.Add(image.Pt(l.margin/2, l.margin/4))}, shade)
	s.quads = append(s.quads, q)
}

// list is how the list of keys is set.
type list struct {
	name, does           font
	nameWidth, doesWidth int
	gap, step            int // between columns, from line to line
	columns, rows        int
	size                 image.Point
}

// listOf sets keys in a size, in as many columns as the height takes.
func (s *scene) listOf(keys []Key, times float64) list {
	l := list{name: s.types.font(bold, times), does: s.types.font(plain, times)}
	for _, k := range keys {
		l.nameWidth = max(l.nameWidth, s.types.face(l.name).Width(k.Name))
		l.doesWidth = max(l.doesWidth, s.types.face(l.does).Width(k.Does))
	}
	l.gap, l.step = s.unit(12*times), s.types.face(l.does).Height+s.unit(4*times)
	most := max(1, (s.ui.size.Y-3*l.gap)/l.step)
	l.columns = (len(keys) + most - 1) / most
	l.rows = (len(keys) + l.columns - 1) / l.columns
	l.size = image.Pt(l.columns*(l.nameWidth+l.doesWidth+2*l.gap)+l.gap, l.rows*l.step+2*l.gap)
	return l
}

// help lists the keys in the middle, smaller in a small window, but legible.
func (s *scene) help() {
	var keys []Key
	for _, k := range Keys() {
		if k.Action == zoomIn && slices.Contains(s.known, TakeBack) { // which has the letter
			k.Name, k.Does = "wheel", "zoom in; drag with another button to move"
		}
		if k.offers(s.known) {
			keys = append(keys, k)
		}
	}
	const least = 0.5
	times := 1.0
	l := s.listOf(keys, times)
	for ; times > least && (l.size.X > s.ui.size.X || l.size.Y > s.ui.size.Y); l = s.listOf(keys, times) {
		times -= 0.1
	}
	corner := s.ui.size.Sub(l.size).Div(2)
	corner = image.Pt(max(0, corner.X), max(0, corner.Y))
	s.fill(image.Rectangle{corner, corner.Add(l.size)}, shade)
	for i, k := range keys {
		at := corner.Add(image.Pt(l.gap+i/l.rows*(l.nameWidth+l.doesWidth+2*l.gap), l.gap+i%l.rows*l.step))
		for _, part := range []struct {
			font  font
			text  string
			at    image.Point
			width int
			color color.RGBA
		}{{l.name, k.Name, at, l.nameWidth, accent}, {l.does, k.Does, at.Add(image.Pt(l.nameWidth+l.gap, 0)), l.doesWidth, ink}} {
			if q, ok := s.types.set(part.font, part.text, part.at, part.width, part.color); ok {
				s.quads = append(s.quads, q)
			}
		}
	}
}
