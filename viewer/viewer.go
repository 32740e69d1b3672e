package viewer

import (
	"context"
	"errors"
	"fmt"
	"image"
	"sync"
	"sync/atomic"
	"time"

	"saccade/gpu"
	"saccade/shaders"
)

// ErrNoWindow is wrapped by Run when no window can be opened here.
var ErrNoWindow = errors.New("no window can be opened")

// Options are how a window begins.
type Options struct {
	Width, Height int // in the display's units; 960×720 if zero
	Smooth        bool
	FullScreen    bool
}

// Stats counts what a viewer did.
type Stats struct {
	Frames     int           // drawn
	Waits      int           // of the window's thread for events
	LongestGap time.Duration // between two of them
}

// Viewer shows a session.
type Viewer struct {
	session  Session
	options  Options
	dirty    chan struct{} // something changed that is to be drawn
	commands chan Command
	points   chan point // the latest only

	mu     sync.Mutex // guards what follows
	ui     ui
	view   View // as drawn last
	shown  []placed
	thumbs []thumb
	latest point
	quit   bool
	stats  Stats

	drawing sync.Mutex // guards types
	types   types
	title   atomic.Pointer[string]
}

// point is the cell under the pointer.
type point struct {
	cell image.Point
	ok   bool
}

// New makes a viewer of a session.
func New(s Session, o Options) *Viewer {
	if o.Width < 1 || o.Height < 1 {
		o.Width, o.Height = 960, 720
	}
	return &Viewer{
		session: s, options: o,
		dirty: make(chan struct{}, 1), commands: make(chan Command, 64), points: make(chan point, 1),
		ui: ui{scale: 1, zoom: 1, center: [2]float64{0.5, 0.5}, smooth: o.Smooth},
	}
}

// Stats returns the counters.
func (v *Viewer) Stats() Stats {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.stats
}

// Source is what [gpu.Device.NewCanvas] and NewSurface take.
func Source(constants map[string]int) (string, error) {
	return shaders.Source("view", shaders.Spec{Const: constants})
}

// Picture draws what a window of w×h pixels would show at a content scale.
func (v *Viewer) Picture(c *gpu.Canvas, w, h int, scale float64) (*image.RGBA, error) {
	v.mu.Lock()
	u := v.ui
	v.mu.Unlock()
	u.size, u.scale, u.inside = image.Pt(w, h), scale, false
	return c.Draw(w, h, ground, v.compose(v.session.View(), u).quads)
}

// compose makes a drawing.
func (v *Viewer) compose(view View, u ui) *scene {
	v.drawing.Lock()
	defer v.drawing.Unlock()
	s := &scene{view: view, ui: u, types: &v.types, known: v.session.Actions()}
	s.draw()
	return s
}

// touch asks for a drawing.
func (v *Viewer) touch() {
	select {
	case v.dirty <- struct{}{}:
	default:
	}
}

// Drawings are at most 30 a second; a window that shows nothing now is tried
// again at leisure.
const (
	frameTime = time.Second / 30
	retryTime = 200 * time.Millisecond
)

// redraw draws whenever something changed, until ctx ends. It calls drawn after
// each drawing.
func (v *Viewer) redraw(ctx context.Context, s *gpu.Surface, drawn func()) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-v.dirty:
		case <-v.session.Changed():
		}
		began := time.Now()
		err := v.frame(s)
		pause := frameTime
		if errors.Is(err, gpu.ErrNotShown) {
			v.touch()
			pause = retryTime
		} else if err != nil {
			return fmt.Errorf("drawing the window: %w", err)
		}
		drawn()
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause - time.Since(began)):
		}
	}
}

// frame draws once.
func (v *Viewer) frame(s *gpu.Surface) error {
	v.mu.Lock()
	u := v.ui
	v.mu.Unlock()
	view := v.session.View()
	text := title(view)
	v.title.Store(&text)
	if u.hidden || u.size.X < 1 || u.size.Y < 1 {
		return nil
	}
	c := v.compose(view, u)
	if err := s.Draw(u.size.X, u.size.Y, ground, c.quads); err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.view, v.shown, v.thumbs = view, c.shown, c.thumbs
	v.stats.Frames++
	v.hover() // the picture may have moved under the pointer
	return nil
}

// pass brings commands and the pointer's cell to the session, until ctx ends.
func (v *Viewer) pass(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case c := <-v.commands:
			v.session.Do(c)
		case p := <-v.points:
			v.session.Point(p.cell, p.ok)
		}
	}
}

// hover tells the session the cell under the pointer, if it is another. The
// caller holds v.mu.
func (v *Viewer) hover() {
	var p point
	p.cell, p.ok = v.ui.cellUnder(v.shown, v.view.Grid)
	if p == v.latest {
		return
	}
	v.latest = p
	select {
	case <-v.points: // an older one that nobody took
	default:
	}
	v.points <- p
}
