package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"saccade/figure"
	"saccade/live"
	"saccade/models"
	"saccade/models/nn"
	"saccade/picture"
	"saccade/sound"
	"saccade/viewer"
)

// maxDrawn is how many pictures a figure has at most: more are too small to see
// or too many to hold.
const maxDrawn = 64

// columns is how many panels of one picture stand side by side at most.
const columns = 6

// writtenJSON is a picture that was drawn.
type writtenJSON struct {
	Path   string `json:"path"`
	Width  int    `json:"width"`
	Height int    `json:"height"`
}

// drawnJSON is what all documents about a figure end with.
type drawnJSON struct {
	Written *writtenJSON `json:"written,omitempty"`
	Errors  []pathError  `json:"errors,omitempty"`
	MS      timesJSON    `json:"ms"`
}

// drawing is one call that draws a figure.
type drawing struct{ pass }

// seen is a picture as a network saw it.
type seen struct {
	*models.Seen
	path  string
	img   *picture.Image // all of it; nil of a sound
	sound bool           // it is a sound's spectrogram
}

// showAttention shows the pictures in a window.
func (a *app) showAttention(ctx context.Context, m *models.Model) error {
	s, err := live.NewAttention(ctx, m, a.pictures, a.decode)
	if err != nil {
		return err
	}
	return viewer.New(s, viewer.Options{Smooth: true}).Run(ctx, a.dev)
}

// draw draws what the flags ask for of one model.
func (a *app) draw(ctx context.Context, m *models.Model) error {
	d := &drawing{pass{app: a, m: m, bar: a.progress()}}
	switch {
	case a.explain != "":
		return d.drawExplanation(ctx)
	case a.pca:
		return d.drawParts(ctx)
	}
	return d.drawHeads(ctx)
}

// each runs the network on one picture after the other. A bad one of several is
// named and left out.
func (d *drawing) each(ctx context.Context, report func(s *seen) error) error {
	files := d.files()
	for i, path := range files {
		s, err := d.look(ctx, path)
		if u, ok := err.(unreadable); ok {
			err = d.bad(path, u.error, len(files) == 1)
		} else if err == nil {
			d.bar.pictures(i+1, len(files))
			err = report(s)
			d.bar.clear()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// unreadable is the error of a picture, where others of the network end all.
type unreadable struct{ error }

// look runs the network on a picture.
func (d *drawing) look(ctx context.Context, path string) (*seen, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s := &seen{path: path}
	in, err := d.inputs(ctx, s)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	if s.Outputs, err = d.m.Forward(ctx, in); err != nil {
		return nil, err
	}
	d.forward += time.Since(began)
	return s, nil
}

// inputs are the network's of a picture or sound.
func (d *drawing) inputs(ctx context.Context, s *seen) (in map[string]models.Array, err error) {
	if s.sound = d.m.TakesSounds(); s.sound {
		heard, err := sound.Open(ctx, s.path, sound.Options{Rate: d.m.SoundRate()})
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			return nil, unreadable{err}
		}
		if s.Seen, err = d.m.Hears(heard); err != nil {
			return nil, unreadable{ofSound(s.path, err)}
		}
		return d.m.SpectrogramInputs(s.Pixels), nil
	}
	if s.img, err = d.decode(s.path); err != nil {
		return nil, unreadable{err}
	}
	if s.Seen, err = d.m.See(s.img, figure.DefaultSide); err != nil {
		return nil, unreadable{err}
	}
	return nn.Images(s.Pixels), nil
}

// files are the pictures or sounds that are drawn.
func (d *drawing) files() []string {
	if d.m.TakesSounds() {
		return d.heard
	}
	return d.pictures
}

// heat lays a map over a picture.
func heat(at models.Map, legend string) *figure.Heat {
	return figure.NewHeat(grid(at), at.Values, legend)
}

func grid(at models.Map) figure.Grid {
	return figure.Grid{Rows: at.Rows, Columns: at.Columns, Width: at.Width, Height: at.Height}
}

// write draws a figure and writes it.
func (a *app) write(path string, f figure.Figure) (*writtenJSON, error) {
	m, err := f.Draw()
	if err == nil {
		err = picture.WritePNG(path, m)
	}
	if err != nil {
		return nil, err
	}
	return &writtenJSON{path, m.W, m.H}, nil
}

// finish writes the figure, if there is one, and prints the document, which ends with
// end, or the list and what was written.
func (d *drawing) finish(document any, end *drawnJSON, path string, f *figure.Figure, list func()) (err error) {
	if f != nil {
		if end.Written, err = d.write(path, *f); err != nil {
			return err
		}
	}
	end.Errors, end.MS = d.errors, times(d.m, d.forward)
	return d.conclude(document, func() {
		list()
		if end.Written != nil {
			end.Written.print(d.stdout)
		}
	}, len(d.files()))
}

// print tells what was written.
func (w *writtenJSON) print(o *output) {
	o.printf("%s: %d×%d pixels\n", w.Path, w.Width, w.Height)
}

// sees says in how many pixels the network sees what is drawn in more of them.
func sees(s *seen) string {
	if s.sound {
		return fmt.Sprintf("%d frames from the left, %d bins, the lowest at the bottom", s.W, s.H)
	}
	return fmt.Sprintf("seen in %d×%d pixels", s.W, s.H)
}

// base is a path's last part, for titles.
func base(path string) string { return filepath.Base(path) }

// arrange puts the panels of pictures, equally many of each, into rows: those of
// a few pictures side by side where there is room, those of one below each other
// where there is none; rows are about equally full.
func arrange(groups [][]figure.Panel) *figure.Figure {
	per := len(groups[0])
	if per > columns {
		f := &figure.Figure{}
		for _, g := range groups {
			f.Rows = append(f.Rows, figure.Wrap(g, even(per, columns))...)
		}
		f.Side = side(even(per, columns))
		return f
	}
	n := per * even(len(groups), columns/per)
	return &figure.Figure{Rows: figure.Wrap(slices.Concat(groups...), n), Side: side(min(n, per*len(groups)))}
}

// wide puts panels that are wider than high two in a row.
func wide(groups [][]figure.Panel) *figure.Figure {
	f := &figure.Figure{Side: wideSide}
	for _, g := range groups {
		f.Rows = append(f.Rows, figure.Wrap(g, 2)...)
	}
	return f
}

// wideSide is the width of a spectrogram, pixels.
const wideSide = 480

// even is how many of n things, at most so many, stand in a row so that rows are
// about equally full.
func even(n, most int) int {
	rows := (n + most - 1) / most
	return (n + rows - 1) / rows
}

// side is the size of the pictures of a figure with so many panels in a row.
func side(panels int) int {
	switch {
	case panels <= 4:
		return figure.DefaultSide
	case panels <= 8:
		return 224
	}
	return 160
}
