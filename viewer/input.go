package viewer

import (
	"image"
	"math"
	"slices"
)

// The window's thread calls these when something happens.

// press takes a key: the letter that it types, or a Key constant.
func (v *Viewer) press(key rune) {
	action, ok := actionOf(key, v.session.Actions())
	if !ok {
		return
	}
	defer v.touch()
	v.mu.Lock()
	defer v.mu.Unlock()
	middle := v.ui.center
	switch action {
	case zoomIn:
		v.ui.zoomBy(zoomStep, middle)
	case zoomOut:
		v.ui.zoomBy(1/zoomStep, middle)
	case zoomFit:
		v.ui.zoom, v.ui.center = 1, [2]float64{0.5, 0.5}
	case toggleSmooth:
		v.ui.smooth = !v.ui.smooth
	case fullScreen:
		v.ui.full = !v.ui.full
	case toggleHelp:
		v.ui.help = !v.ui.help
	case escape:
		v.escape()
	case quit:
		v.quit = true
	default:
		v.command(Command{Action: action})
	}
}

// escape leaves one thing after the other. The caller holds v.mu.
func (v *Viewer) escape() {
	switch {
	case v.ui.help:
		v.ui.help = false
	case v.ui.full:
		v.ui.full = false
	default:
		v.quit = true
	}
}

// command passes on what the session knows. Of more than fit, while it is
// busy, the rest is dropped: nobody means a hundred presses.
func (v *Viewer) command(c Command) {
	if !v.knows(c.Action) {
		return
	}
	select {
	case v.commands <- c:
	default:
	}
}

// knows says whether the session knows an action.
func (v *Viewer) knows(a Action) bool { return slices.Contains(v.session.Actions(), a) }

// resize takes the pixels that the window has, and its content scale.
func (v *Viewer) resize(size image.Point, scale float64) {
	v.mu.Lock()
	v.ui.size = size
	if scale > 0 && !math.IsInf(scale, 0) {
		v.ui.scale = min(8, max(0.5, scale))
	}
	v.mu.Unlock()
	v.touch()
}

// hide says that the window was minimised, or shown again.
func (v *Viewer) hide(hidden bool) {
	v.mu.Lock()
	v.ui.hidden = hidden
	v.mu.Unlock()
	v.touch()
}

// move takes the pointer's place, in pixels.
func (v *Viewer) move(to image.Point, inside bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	from := v.ui.pointer
	v.ui.pointer, v.ui.inside = to, inside
	if p, ok := v.pictureAt(from); v.ui.dragging && ok && !v.ui.framing {
		a, b := v.ui.under(p, from), v.ui.under(p, to)
		for i := range v.ui.center {
			v.ui.center[i] += a[i] - b[i]
		}
		v.ui.keepInside()
		v.touch()
	}
	before := v.latest
	if v.hover(); v.latest != before || v.ui.framing {
		v.touch()
	}
}

// button takes a press or a release of a mouse button: the first marks and frames in a
// session that knows so, else it moves the picture, as others always do.
func (v *Viewer) button(down, first, shift bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !down {
		framing := v.ui.framing
		v.ui.dragging, v.ui.framing = false, false
		if framing && first {
			v.mark(shift)
		}
		return
	}
	v.ui.dragging = true
	if !first {
		return
	}
	for _, t := range v.thumbs {
		if v.ui.pointer.In(t.at) {
			v.command(Command{Action: ShowStep, Step: t.step})
		}
	}
	if _, ok := v.pictureAt(v.ui.pointer); ok && v.knows(Mark) {
		v.ui.framing, v.ui.pressed = true, v.ui.pointer
	}
}

// slack is how many pixels the pointer may move within a click, at a content scale of 1.
const slack = 4

// mark passes on a click, or a drag as a frame. The caller holds v.mu.
func (v *Viewer) mark(shift bool) {
	defer v.touch()
	if len(v.shown) == 0 {
		return
	}
	p, grid := v.shown[0], v.view.Grid
	from, to := v.ui.cell(p, v.ui.pressed, grid), v.ui.cell(p, v.ui.pointer, grid)
	area := image.Rectangle{from, to}.Canon()
	area.Max = area.Max.Add(image.Pt(1, 1))
	switch {
	case v.ui.dragged():
		v.command(Command{Action: Frame, Area: area})
	case shift:
		v.command(Command{Action: MarkOutside, Area: image.Rectangle{from, from.Add(image.Pt(1, 1))}})
	default:
		v.command(Command{Action: Mark, Area: image.Rectangle{from, from.Add(image.Pt(1, 1))}})
	}
}

// scroll zooms about the pointer, up is positive.
func (v *Viewer) scroll(up float64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	about := v.ui.center
	if p, ok := v.pictureAt(v.ui.pointer); ok {
		about = v.ui.under(p, v.ui.pointer)
	}
	v.ui.zoomBy(math.Pow(zoomStep, min(4, max(-4, up))), about)
	v.touch()
}

// pictureAt is the picture at a pixel; while dragging, the nearest is the first.
func (v *Viewer) pictureAt(at image.Point) (placed, bool) {
	for _, p := range v.shown {
		if at.In(p.at) {
			return p, true
		}
	}
	if v.ui.dragging && len(v.shown) > 0 {
		return v.shown[0], true
	}
	return placed{}, false
}
