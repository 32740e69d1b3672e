package live

import (
	"context"
	"fmt"
	"image"
	"path/filepath"
	"strings"
	"sync"

	"saccade/gpu"
	"saccade/models"
	"saccade/picture"
	"saccade/viewer"
)

// Caption is images with the texts that a model writes about them, word by word. Once a
// text is there, a word of the strip shows where the model looked for it, and the pointer
// the word for which it looked there most.
type Caption struct {
	m       *models.Model
	paths   []string
	open    func(path string) (*picture.Image, error)
	ask     models.Ask // but for the image
	changed changes

	mu     sync.Mutex // guards what follows
	view   viewer.View
	at     int // of the paths
	text   string
	words  []models.WordMap
	shown  int // of the words; len(words): none
	over   int // the word under the pointer, -1: none
	hide   bool
	all    *image.RGBA // the image as the network sees it
	stop   context.CancelFunc
	writes sync.WaitGroup
	ctx    context.Context
}

// NewCaption shows the first of the images at paths, one or more; open reads one. ask is
// what is asked about each. The model stays open; Close ends its passes, and so does ctx.
func NewCaption(ctx context.Context, m *models.Model, paths []string, open func(path string) (*picture.Image, error), ask models.Ask) (*Caption, error) {
	s := &Caption{m: m, paths: paths, open: open, ask: ask, changed: make(changes, 1), ctx: ctx, stop: func() {}}
	return s, s.show(0)
}

// Close ends what is being written.
func (s *Caption) Close() {
	s.stop()
	s.writes.Wait()
}

// show begins a text about an image. The caller holds mu or is alone.
func (s *Caption) show(i int) error {
	img, err := s.open(s.paths[i])
	if err != nil {
		return err
	}
	seen, err := s.m.See(img, leastSide)
	if err != nil {
		return fmt.Errorf("picture %s: %w", s.paths[i], err)
	}
	s.stop()
	var ctx context.Context
	ctx, s.stop = context.WithCancel(s.ctx)
	whole := models.Map{Width: 1, Height: 1}
	s.at, s.all, s.text, s.words, s.shown, s.over = i, covered(seen.View, whole), "", nil, 0, -1
	s.draw()
	ask := s.ask
	ask.Image = img
	ask.Each = func(_ uint32, words string) { s.says(ctx, words) }
	s.writes.Add(1)
	go func() {
		defer s.writes.Done()
		s.write(ctx, ask)
	}()
	return nil
}

// write writes a text and finds its words' maps.
func (s *Caption) write(ctx context.Context, ask models.Ask) {
	t, err := s.m.Write(ctx, ask)
	var words []models.WordMap
	if err == nil {
		s.says(ctx, t.Words)
		words, err = s.m.WordMaps(ctx, ask, t)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if ctx.Err() != nil {
		return
	}
	if s.words, s.shown = words, len(words); err != nil {
		s.view.Notice = err.Error()
		s.changed.tell()
		return
	}
	s.draw()
}

// says takes the words so far.
func (s *Caption) says(ctx context.Context, words string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ctx.Err() == nil {
		s.text = words
		s.draw()
	}
}

// draw brings the view up to date. The caller holds mu or is alone.
func (s *Caption) draw() {
	v := viewer.View{Name: filepath.Base(s.paths[s.at]), Facts: []string{s.m.Name}}
	if s.ask.Words != "" {
		v.Facts = append(v.Facts, fmt.Sprintf("%q", s.ask.Words))
	}
	text := s.text
	if s.words == nil {
		text += " …"
	}
	v.Facts = append(v.Facts, strings.TrimSpace(text))
	if len(s.paths) > 1 {
		v.Facts = append(v.Facts, fmt.Sprintf("picture %d of %d", s.at+1, len(s.paths)))
	}
	now := s.shown
	if s.over >= 0 {
		now = s.over
	}
	shown := viewer.Picture{Image: s.all}
	for _, w := range s.words {
		v.Grid = image.Pt(w.Map.Columns, w.Map.Rows)
		v.Strip = append(v.Strip, viewer.Picture{Image: s.all, Heat: heatOf(w.Map), Label: w.Word})
	}
	if v.At = now; now < len(s.words) {
		v.Facts = append(v.Facts, fmt.Sprintf("looked at for %q", s.words[now].Word))
		if !s.hide {
			shown.Heat = heatOf(s.words[now].Map)
		}
	}
	v.Shown = []viewer.Picture{shown}
	s.view = v
	s.changed.tell()
}

// heatOf is a map as colours.
func heatOf(m models.Map) *gpu.Heat {
	h := &gpu.Heat{Rows: m.Rows, Columns: m.Columns, Values: m.Values, Low: m.Values[0], High: m.Values[0]}
	for _, v := range m.Values {
		h.Low, h.High = min(h.Low, v), max(h.High, v)
	}
	return h
}

// View implements [viewer.Session].
func (s *Caption) View() viewer.View {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.view
}

// Actions implements [viewer.Session].
func (s *Caption) Actions() []viewer.Action {
	all := []viewer.Action{viewer.ToggleHeat, viewer.NextHeat, viewer.ShowStep}
	if len(s.paths) > 1 {
		all = append(all, viewer.Back, viewer.Forward)
	}
	return all
}

// Do implements [viewer.Session].
func (s *Caption) Do(c viewer.Command) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var err error
	switch c.Action {
	case viewer.ToggleHeat:
		s.hide = !s.hide
	case viewer.NextHeat:
		s.shown = (s.shown + 1) % (len(s.words) + 1)
	case viewer.ShowStep:
		s.shown = min(max(0, c.Step), len(s.words))
	case viewer.Back:
		err = s.show((s.at + len(s.paths) - 1) % len(s.paths))
	case viewer.Forward:
		err = s.show((s.at + 1) % len(s.paths))
	}
	if err != nil {
		s.view.Notice = err.Error()
		s.changed.tell()
		return
	}
	s.draw()
}

// Point implements [viewer.Session].
func (s *Caption) Point(cell image.Point, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = -1
	if ok {
		best := float32(0)
		for i, w := range s.words {
			if v := w.Map.Values[cell.Y*w.Map.Columns+cell.X]; v > best {
				best, s.over = v, i
			}
		}
	}
	s.draw()
}

// Changed implements [viewer.Session].
func (s *Caption) Changed() <-chan struct{} { return s.changed }
