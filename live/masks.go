package live

import (
	"context"
	"fmt"
	"image"
	"path/filepath"
	"sync"
	"time"

	"saccade/figure"
	"saccade/models"
	"saccade/picture"
	"saccade/viewer"
	"saccade/weights"
)

// MaskOptions are how masks are made in a window.
type MaskOptions struct {
	Open func(path string) (*picture.Image, error)
	// Save writes what a mask cuts out of the image at path and says where.
	Save func(path string, img *picture.Image, m models.Mask) (file string, err error)
}

// Masks is images with the mask of what is clicked: of points and boxes, or without any
// of what is under the pointer. One goroutine runs the network, for the latest of what was
// asked; what the window reads is behind mu.
type Masks struct {
	m       *models.Model
	paths   []string
	o       MaskOptions
	changed changes
	ask     chan struct{} // of one: there is something to compute
	ended   chan struct{}
	cancel  context.CancelFunc
	ctx     context.Context

	mu      sync.Mutex // guards what follows
	view    viewer.View
	at      int // of the paths
	img     *picture.Image
	small   *picture.Image // as it is shown
	encoded *models.Encoded
	marks   []mark
	pointer *models.MaskPoint // in pixels of small, nil: beside it
	asked   []mark            // what the masks are of
	found   []models.Mask     // of the shown size
	which   int               // of them is shown
	took    time.Duration
}

// mark is a click or a box, in pixels of the shown picture.
type mark struct {
	models.MaskPoint
	box *[4]float64 // in place of the point
}

// mostSide is the longer side that pictures are shown with at most, pixels: masks follow
// the pointer at that size.
const mostSide = 1024

// NewMasks shows the first of the images at paths, one or more. The model stays open;
// Close ends its passes, and so does ctx.
func NewMasks(ctx context.Context, m *models.Model, paths []string, o MaskOptions) (*Masks, error) {
	s := &Masks{m: m, paths: paths, o: o, changed: make(changes, 1), ask: make(chan struct{}, 1), ended: make(chan struct{})}
	s.ctx, s.cancel = context.WithCancel(ctx)
	if err := s.show(0); err != nil {
		s.cancel()
		return nil, err
	}
	go s.compute()
	return s, nil
}

// Close ends what is being computed.
func (s *Masks) Close() {
	s.cancel()
	<-s.ended
}

// show encodes an image. Of the goroutines only one calls it.
func (s *Masks) show(i int) error {
	img, err := s.o.Open(s.paths[i])
	if err != nil {
		return err
	}
	e, err := s.m.EncodePicture(s.ctx, img)
	if err != nil {
		return fmt.Errorf("picture %s: %w", s.paths[i], err)
	}
	w, h := img.W, img.H
	if side := max(w, h); side > mostSide {
		w, h = max(1, w*mostSide/side), max(1, h*mostSide/side)
	}
	small, err := img.Resize(w, h, picture.Bilinear)
	if err != nil {
		return fmt.Errorf("picture %s: %w", s.paths[i], err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at, s.img, s.small, s.encoded = i, img, small, e.As(w, h)
	s.marks, s.found, s.pointer, s.took = nil, nil, nil, 0
	s.draw()
	return nil
}

// compute runs the decoder until the context ends.
func (s *Masks) compute() {
	defer close(s.ended)
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-s.ask:
		}
		s.mu.Lock()
		e, marks := s.encoded, s.wanted()
		s.mu.Unlock()
		var found []models.Mask
		var err error
		began := time.Now()
		if len(marks) > 0 {
			found, err = e.Masks(s.ctx, prompt(marks))
		}
		s.mu.Lock()
		switch {
		case s.ctx.Err() != nil || e != s.encoded:
		case err != nil:
			s.view.Notice = weights.Line(err)
			s.changed.tell()
		default:
			if s.found, s.asked, s.took = found, marks, time.Since(began); s.which >= len(found) {
				s.which = 0
			}
			s.view.Notice = ""
			s.draw()
		}
		s.mu.Unlock()
	}
}

// wanted is what is to be masked: the marks, or without any what is under the pointer. The
// caller holds mu.
func (s *Masks) wanted() []mark {
	if len(s.marks) == 0 && s.pointer != nil {
		return []mark{{MaskPoint: *s.pointer}}
	}
	return append([]mark{}, s.marks...)
}

// prompt is that of marks: all points, and the last box.
func prompt(marks []mark) (p models.MaskPrompt) {
	for _, k := range marks {
		if k.box != nil {
			p.Box = k.box
			continue
		}
		p.Points = append(p.Points, k.MaskPoint)
	}
	return p
}

// want has the masks computed of what is wanted now. The caller holds mu.
func (s *Masks) want() {
	select {
	case s.ask <- struct{}{}:
	default:
	}
}

// draw brings the view up to date. The caller holds mu or is alone.
func (s *Masks) draw() {
	var o figure.Overlay
	facts := []string{s.m.Name}
	if len(s.found) > 0 {
		m := s.found[s.which]
		o.Masks = append(o.Masks, m.Mask().On)
		facts = append(facts, fmt.Sprintf("mask %d of %d", s.which+1, len(s.found)), fmt.Sprintf("score %.2f", m.Score), fmt.Sprintf("%.3g ms", float64(s.took.Microseconds())/1e3))
	}
	for _, k := range s.marks {
		if b := k.box; b != nil {
			o.Boxes = append(o.Boxes, image.Rect(int(b[0]), int(b[1]), int(b[2]), int(b[3])))
			continue
		}
		o.Points = append(o.Points, figure.Mark{At: image.Pt(int(k.X), int(k.Y)), Outside: k.Outside})
	}
	if len(s.marks) == 0 {
		facts = append(facts, "click what to mask")
	}
	if len(s.paths) > 1 {
		facts = append(facts, fmt.Sprintf("picture %d of %d", s.at+1, len(s.paths)))
	}
	notice := s.view.Notice
	s.view = viewer.View{Name: filepath.Base(s.paths[s.at]), Facts: facts, Notice: notice, Grid: image.Pt(s.small.W, s.small.H),
		Shown: []viewer.Picture{{Image: covered(o.Draw(s.small), models.Map{Width: 1, Height: 1})}}}
	s.changed.tell()
}

// View implements [viewer.Session].
func (s *Masks) View() viewer.View {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.view
}

// Actions implements [viewer.Session].
func (s *Masks) Actions() []viewer.Action {
	all := []viewer.Action{viewer.Mark, viewer.MarkOutside, viewer.Frame, viewer.TakeBack, viewer.NextMask, viewer.Save}
	if len(s.paths) > 1 {
		all = append(all, viewer.Back, viewer.Forward)
	}
	return all
}

// Do implements [viewer.Session].
func (s *Masks) Do(c viewer.Command) {
	switch c.Action {
	case viewer.Back, viewer.Forward:
		step := 1
		if c.Action == viewer.Back {
			step = len(s.paths) - 1
		}
		if err := s.show((s.at + step) % len(s.paths)); err != nil {
			s.say(weights.Line(err))
		}
		return
	case viewer.Save:
		s.say(s.save())
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch c.Action {
	case viewer.Mark, viewer.MarkOutside:
		s.marks = append(s.marks, mark{MaskPoint: models.MaskPoint{X: float64(c.Area.Min.X) + 0.5, Y: float64(c.Area.Min.Y) + 0.5, Outside: c.Action == viewer.MarkOutside}})
		s.which = 0
	case viewer.Frame:
		box := [4]float64{float64(c.Area.Min.X), float64(c.Area.Min.Y), float64(c.Area.Max.X), float64(c.Area.Max.Y)}
		s.marks, s.which = append(s.marks, mark{box: &box}), 0
	case viewer.TakeBack:
		if n := len(s.marks); n > 0 {
			s.marks, s.which = s.marks[:n-1], 0
		}
	case viewer.NextMask:
		s.which = (s.which + 1) % max(1, len(s.found))
		s.draw()
		return
	}
	s.want()
}

// say shows a line over the picture.
func (s *Masks) say(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.view.Notice = line
	s.changed.tell()
}

// save cuts the shown mask out of the image, at its own size, and says where it is.
func (s *Masks) save() string {
	s.mu.Lock()
	e, img, path, which, marks := s.encoded, s.img, s.paths[s.at], s.which, s.asked
	none := len(s.found) == 0
	s.mu.Unlock()
	if none {
		return "there is no mask to save: click something"
	}
	full := e.As(img.W, img.H)
	scaled := make([]mark, len(marks))
	for i, k := range marks {
		scaled[i] = k.scaled(float64(img.W)/float64(e.Width), float64(img.H)/float64(e.Height))
	}
	found, err := full.Masks(s.ctx, prompt(scaled))
	if err == nil {
		path, err = s.o.Save(path, img, found[which])
	}
	if err != nil {
		return weights.Line(err)
	}
	return "saved " + path
}

// scaled is the mark in a picture that is larger by those factors.
func (k mark) scaled(x, y float64) mark {
	k.X, k.Y = k.X*x, k.Y*y
	if b := k.box; b != nil {
		k.box = &[4]float64{b[0] * x, b[1] * y, b[2] * x, b[3] * y}
	}
	return k
}

// Point implements [viewer.Session].
func (s *Masks) Point(cell image.Point, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pointer = nil; ok {
		s.pointer = &models.MaskPoint{X: float64(cell.X) + 0.5, Y: float64(cell.Y) + 0.5}
	}
	if len(s.marks) == 0 {
		s.want()
	}
}

// Changed implements [viewer.Session].
func (s *Masks) Changed() <-chan struct{} { return s.changed }
