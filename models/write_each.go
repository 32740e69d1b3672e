package models

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"saccade/models/nn"
	"saccade/picture"
)

// WriteEach writes a text about each of n pictures, asked as ask says, batch of them at a time
// or, if batch is 0, [Model.DefaultBatch]; batches are filled up with copies, so that no text
// depends on what stands beside it. They are read by open(i), in the background and from several
// goroutines, and reported in order; an error of a picture is reported and the others go on. A
// model that is talked to answers about one at a time.
func (m *Model) WriteEach(ctx context.Context, n, batch int, ask Ask, open func(i int) (*picture.Image, error), report func(i int, w Written, err error) error) (Spent, error) {
	ctx, cancel := context.WithCancel(ctx)
	var readers sync.WaitGroup
	defer readers.Wait()
	defer cancel()
	var spent Spent
	var prepared atomic.Int64
	w := &writing{m: m, ask: ask, batch: batch, report: report, spent: &spent}
	err := inOrder(ctx, readAhead(ctx, &readers, n, maxBatch, func(i int) (described, error) { return m.describe(open, i, &prepared) }),
		&spent.Waiting, nothing{}, func(x loaded[described]) error { return w.add(ctx, x) })
	if err == nil {
		err = w.flush(ctx)
	}
	compiled := m.WriteCompile()
	spent.Programs, spent.Forward = compiled, spent.Forward-compiled
	spent.Prepared = time.Duration(prepared.Load())
	return spent, err
}

// described is a picture that a text is written about: itself of a model that is talked to, else
// as an input.
type described struct {
	image  *picture.Image
	pixels Array
}

// describe reads a picture and prepares it.
func (m *Model) describe(open func(i int) (*picture.Image, error), i int, prepared *atomic.Int64) (described, error) {
	img, err := open(i)
	if err != nil || m.Converses() {
		return described{image: img}, err
	}
	began := time.Now()
	defer func() { prepared.Add(int64(time.Since(began))) }()
	pixels, err := m.pixels(img)
	return described{pixels: pixels}, err
}

// writing gathers pictures until there are as many as texts are written at a time.
type writing struct {
	m      *Model
	ask    Ask
	batch  int
	report func(i int, w Written, err error) error
	spent  *Spent

	waiting  []loaded[described] // in order, those with errors too
	reported int
}

// readable are the places of those waiting that could be read.
func (w *writing) readable() (places []int) {
	for k, x := range w.waiting {
		if x.err == nil {
			places = append(places, k)
		}
	}
	return places
}

func (w *writing) add(ctx context.Context, x loaded[described]) error {
	good := w.readable()
	if x.err == nil && len(good) > 0 && !slices.Equal(x.x.pixels.Shape, w.waiting[good[0]].x.pixels.Shape) {
		if err := w.flush(ctx); err != nil {
			return err
		}
	}
	w.waiting = append(w.waiting, x)
	if good = w.readable(); len(good) == 0 || len(good) < w.limit(x.x) {
		return nil
	}
	return w.flush(ctx)
}

// limit is how many texts are written at a time.
func (w *writing) limit(x described) int {
	switch s := x.pixels.Shape; {
	case w.m.Converses() || s == nil:
		return 1
	case w.batch > 0:
		return w.batch
	default:
		return w.m.DefaultBatch(s[2], s[3])
	}
}

// flush writes and reports all that wait.
func (w *writing) flush(ctx context.Context) error {
	texts := make([]Written, len(w.waiting))
	if good := w.readable(); len(good) > 0 {
		began := time.Now()
		some, err := w.write(ctx, good)
		if err != nil {
			return err
		}
		w.spent.Forward += time.Since(began)
		for k, i := range good {
			texts[i] = some[k]
		}
	}
	for k, x := range w.waiting {
		if err := w.report(w.reported, texts[k], x.err); err != nil {
			return err
		}
		w.reported++
	}
	w.waiting = w.waiting[:0]
	return nil
}

// write writes about the pictures in some places.
func (w *writing) write(ctx context.Context, places []int) ([]Written, error) {
	first := w.waiting[places[0]].x
	if w.m.Converses() {
		ask := w.ask
		ask.Image = first.image
		one, err := w.m.Write(ctx, ask)
		return []Written{one}, err
	}
	s, n := first.pixels.Shape, w.limit(first)
	batch := Array{Shape: []int{n, s[1], s[2], s[3]}}
	for k := range n {
		batch.Data = append(batch.Data, w.waiting[places[min(k, len(places)-1)]].x.pixels.Data...)
	}
	q, err := w.m.askOf(w.ask, nn.Images(batch), n)
	if err != nil {
		return nil, err
	}
	texts, err := w.m.writer.Write(ctx, q)
	if err != nil {
		return nil, err
	}
	t, err := w.m.tokenize()
	if err != nil {
		return nil, err
	}
	all := make([]Written, len(places))
	for k := range all {
		all[k] = Written{Text: texts[k], Words: w.m.words(t, texts[k].IDs)}
	}
	return all, nil
}
