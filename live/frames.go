package live

import (
	"image"
	"image/draw"
	"sync"

	"saccade/picture"
	"saccade/viewer"
)

// Frames is the frames of a video or camera with what was found in them, as they are given by
// [Frames.Show].
type Frames struct {
	changed changes

	mu   sync.Mutex // guards what follows
	view viewer.View
}

// NewFrames shows those of a name.
func NewFrames(name string) *Frames {
	return &Frames{changed: make(changes, 1), view: viewer.View{Name: name}}
}

// Show shows a frame in place of the one before, with facts about it.
func (s *Frames) Show(m *picture.Image, facts ...string) {
	on := image.NewRGBA(image.Rect(0, 0, m.W, m.H))
	draw.Draw(on, on.Bounds(), m.NRGBA(), image.Point{}, draw.Src)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.view.Shown, s.view.Facts = []viewer.Picture{{Image: on}}, facts
	s.changed.tell()
}

// Notice says something over the frame, such as why there are no more.
func (s *Frames) Notice(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.view.Notice = text
	s.changed.tell()
}

// View implements [viewer.Session].
func (s *Frames) View() viewer.View {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.view
}

// Actions implements [viewer.Session].
func (s *Frames) Actions() []viewer.Action { return nil }

// Do implements [viewer.Session].
func (s *Frames) Do(viewer.Command) {}

// Point implements [viewer.Session].
func (s *Frames) Point(image.Point, bool) {}

// Changed implements [viewer.Session].
func (s *Frames) Changed() <-chan struct{} { return s.changed }
