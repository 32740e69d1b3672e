package main

import (
	"context"
	"fmt"
	"image"
	"slices"
	"sync"

	"saccade/gpu"
	"saccade/models"
	"saccade/picture"
	"saccade/viewer"
)

// hovering is pictures with what the last layer of a network attends to from the
// patch under the mouse pointer, or where there is none from the class token.
type hovering struct {
	*drawing
	changed chan struct{}

	mu   sync.Mutex // guards what follows
	view viewer.View
	at   int   // of the pictures
	seen *seen // that one
	head int   // counted from 1; 0: the mean of all
	hide bool  // the heat map
	cell image.Point
	over bool // the pointer is over cell
	ctx  context.Context
}

// viewAttention shows the pictures in a window.
func (a *app) viewAttention(ctx context.Context, m *models.Model) error {
	s := &hovering{drawing: &drawing{app: a, m: m, bar: &progress{}}, changed: make(chan struct{}, 1), ctx: ctx}
	if err := s.open(0); err != nil {
		return err
	}
	return viewer.New(s, viewer.Options{Smooth: true}).Run(ctx, a.dev)
}

// open shows a picture. The caller holds mu or is alone.
func (s *hovering) open(i int) error {
	seen, err := s.look(s.ctx, s.pictures[i])
	if u, ok := err.(unreadable); ok {
		err = naming(s.pictures[i], u.error)
	}
	if err != nil {
		return err
	}
	s.at, s.seen, s.over = i, seen, false
	return s.draw()
}

// draw brings the view up to date. The caller holds mu or is alone.
func (s *hovering) draw() error {
	maps, err := s.m.Heads(s.seen.outputs, s.seen.h, s.seen.w)
	from := "from all patches"
	if s.m.ClassQuery() {
		from = "from the class token"
	}
	if err == nil && s.over {
		maps, err = s.m.PatchHeads(s.seen.outputs, s.seen.h, s.seen.w, s.cell.Y, s.cell.X)
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
	shown := viewer.Picture{Image: covered(s.seen.view, maps[0])}
	if !s.hide {
		shown.Heat = &gpu.Heat{Rows: maps[0].Rows, Columns: maps[0].Columns, Low: slices.Min(values), High: slices.Max(values), Values: values}
	}
	s.view = viewer.View{Name: base(s.seen.path), Shown: []viewer.Picture{shown}, Grid: image.Pt(maps[0].Columns, maps[0].Rows),
		Facts: []string{s.m.Name, head, from, sees(s.seen)}}
	if len(s.pictures) > 1 {
		s.view.Facts = append(s.view.Facts, fmt.Sprintf("picture %d of %d", s.at+1, len(s.pictures)))
	}
	select {
	case s.changed <- struct{}{}:
	default:
	}
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
func (s *hovering) View() viewer.View {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.view
}

// Actions implements [viewer.Session].
func (s *hovering) Actions() []viewer.Action {
	all := []viewer.Action{viewer.ToggleHeat, viewer.NextHeat}
	if len(s.pictures) > 1 {
		all = append(all, viewer.Back, viewer.Forward)
	}
	return all
}

// Do implements [viewer.Session].
func (s *hovering) Do(c viewer.Command) {
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
		err = s.open((s.at + len(s.pictures) - 1) % len(s.pictures))
	case viewer.Forward:
		err = s.open((s.at + 1) % len(s.pictures))
	}
	s.say(err)
}

// headCount is the number of heads.
func (s *hovering) headCount() int {
	maps, err := s.m.Heads(s.seen.outputs, s.seen.h, s.seen.w)
	if err != nil {
		return 0
	}
	return len(maps)
}

// say shows an error over the picture. The caller holds mu.
func (s *hovering) say(err error) {
	if err == nil {
		return
	}
	s.view.Notice = err.Error()
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// Point implements [viewer.Session].
func (s *hovering) Point(cell image.Point, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cell, s.over = cell, ok
	s.say(s.draw())
}

// Changed implements [viewer.Session].
func (s *hovering) Changed() <-chan struct{} { return s.changed }
