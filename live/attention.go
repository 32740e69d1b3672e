package live

import (
	"context"
	"fmt"
	"image"
	"path/filepath"
	"slices"
	"sync"

	"saccade/gpu"
	"saccade/models"
	"saccade/models/nn"
	"saccade/picture"
	"saccade/viewer"
)

// Attention is images with what the last layer of a network attends to from the
// patch under the mouse pointer, or where there is none from the class token.
type Attention struct {
	m       *models.Model
	paths   []string
	open    func(path string) (*picture.Image, error)
	changed changes

	mu   sync.Mutex // guards what follows
	view viewer.View
	at   int // of the paths
	seen *models.Seen
	head int  // counted from 1; 0: the mean of all
	hide bool // the heat map
	cell image.Point
	over bool // the pointer is over cell
	ctx  context.Context
}

// leastSide is that of an image's longer side in the window.
const leastSide = 320

// NewAttention shows the first of the images at paths, one or more; open reads one.
// The model was loaded with [models.LastAttention] or [models.Attentions] among its
// outputs; it stays open. ctx ends its forward passes.
func NewAttention(ctx context.Context, m *models.Model, paths []string, open func(path string) (*picture.Image, error)) (*Attention, error) {
	s := &Attention{m: m, paths: paths, open: open, changed: make(changes, 1), ctx: ctx}
	return s, s.show(0)
}

// show runs the network on an image. The caller holds mu or is alone.
func (s *Attention) show(i int) error {
	img, err := s.open(s.paths[i])
	if err != nil {
		return err
	}
	seen, err := s.m.See(img, leastSide)
	if err != nil {
		return fmt.Errorf("picture %s: %w", s.paths[i], err)
	}
	if seen.Outputs, err = s.m.Forward(s.ctx, nn.Images(seen.Pixels)); err != nil {
		return err
	}
	s.at, s.seen, s.over = i, seen, false
	return s.draw()
}

// draw brings the view up to date. The caller holds mu or is alone.
func (s *Attention) draw() error {
	maps, err := s.m.Heads(s.seen.Outputs, s.seen.H, s.seen.W)
	from := "from all patches"
	if s.m.ClassQuery() {
		from = "from the class token"
	}
	if err == nil && s.over {
		maps, err = s.m.PatchHeads(s.seen.Outputs, s.seen.H, s.seen.W, s.cell.Y, s.cell.X)
		from = fmt.Sprintf("from row %d, column %d", s.cell.Y+1, s.cell.X+1)
	}
	if err != nil {
		return err
	}
	head := "mean of the heads"
	values := slices.Clone(maps[0].Values)
	if s.head > 0 {
		s.head = (s.head-1)%len(maps) + 1
		values, head = maps[s.head-1].Values, fmt.Sprintf("head %d of %d", s.head, len(maps))
	} else {
		for i := range values {
			var sum float32
			for _, m := range maps {
				sum += m.Values[i]
			}
			values[i] = sum / float32(len(maps))
		}
	}
	shown := viewer.Picture{Image: covered(s.seen.View, maps[0])}
	if !s.hide {
		shown.Heat = &gpu.Heat{Rows: maps[0].Rows, Columns: maps[0].Columns, Low: slices.Min(values), High: slices.Max(values), Values: values}
	}
	s.view = viewer.View{Name: filepath.Base(s.paths[s.at]), Shown: []viewer.Picture{shown}, Grid: image.Pt(maps[0].Columns, maps[0].Rows),
		Facts: []string{s.m.Name, head, from, fmt.Sprintf("seen in %d×%d pixels", s.seen.W, s.seen.H)}}
	if len(s.paths) > 1 {
		s.view.Facts = append(s.view.Facts, fmt.Sprintf("picture %d of %d", s.at+1, len(s.paths)))
	}
	s.changed.tell()
	return nil
}

// covered is the part of a picture that the cells of a map cover.
func covered(img *picture.Image, at models.Map) *image.RGBA {
	w, h := img.W, img.H
	if at.Width > 0 && at.Height > 0 {
		w, h = int(float64(w)*at.Width+0.5), int(float64(h)*at.Height+0.5)
	}
	out := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			p := out.Pix[out.PixOffset(x, y):]
			copy(p[:3], img.Pix[3*(y*img.W+x):])
			p[3] = 255
		}
	}
	return out
}

// View implements [viewer.Session].
func (s *Attention) View() viewer.View {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.view
}

// Actions implements [viewer.Session].
func (s *Attention) Actions() []viewer.Action {
	all := []viewer.Action{viewer.ToggleHeat, viewer.NextHeat}
	if len(s.paths) > 1 {
		all = append(all, viewer.Back, viewer.Forward)
	}
	return all
}

// Do implements [viewer.Session].
func (s *Attention) Do(c viewer.Command) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var err error
	switch c.Action {
	case viewer.ToggleHeat:
		s.hide = !s.hide
		err = s.draw()
	case viewer.NextHeat:
		if s.head++; s.head > s.headCount() {
			s.head = 0
		}
		err = s.draw()
	case viewer.Back:
		err = s.show((s.at + len(s.paths) - 1) % len(s.paths))
	case viewer.Forward:
		err = s.show((s.at + 1) % len(s.paths))
	}
	s.say(err)
}

// headCount is the number of heads.
func (s *Attention) headCount() int {
	maps, err := s.m.Heads(s.seen.Outputs, s.seen.H, s.seen.W)
	if err != nil {
		return 0
	}
	return len(maps)
}

// say shows an error over the picture. The caller holds mu.
func (s *Attention) say(err error) {
	if err == nil {
		return
	}
	s.view.Notice = err.Error()
	s.changed.tell()
}

// Point implements [viewer.Session].
func (s *Attention) Point(cell image.Point, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cell, s.over = cell, ok
	s.say(s.draw())
}

// Changed implements [viewer.Session].
func (s *Attention) Changed() <-chan struct{} { return s.changed }
