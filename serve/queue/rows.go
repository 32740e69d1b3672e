package queue

import (
	"context"
	"fmt"
	"slices"
	"time"

	"saccade/models"
)

// Row is a text, or the pixels of an image, of which a forward pass takes several.
type Row struct {
	Text   string
	Pixels []float32 // preprocessed; nil: it is a text
	Size   [3]int    // of them: channels, height, width
	Padded int       // of a text: the length to which it is padded ([models.Model.TextLength])

	Vector  []float32               // what a text comes to
	Outputs map[string]models.Array // what an image comes to, as of a batch of one
}

// shape tells rows apart that are not computed together.
func (r *Row) shape() string {
	if r.Pixels == nil {
		return fmt.Sprint("text ", r.Padded)
	}
	return fmt.Sprint("image ", r.Size)
}

// mostRows are gathered at a time, share of them of one request before another has its
// turn.
const (
	mostRows = 64
	share    = 16
)

// gather waits a little for callers who were there a moment ago, and who ask again, where
// their batch saves more than the wait takes. Of a lone caller there are none.
func (m *Model) gather(some []*job) []*job {
	before := m.callers
	l := m.ladders[some[0].rows[some[0].next].shape()]
	if l == nil || len(some) >= before {
		return some
	}
	enough := time.NewTimer(l.wait(before))
	defer enough.Stop()
	for len(some) < before {
		select {
		case <-m.wake:
			m.mu.Lock()
			some = m.withRows(some)
			m.mu.Unlock()
		case <-enough.C:
			return some
		case <-m.q.ctx.Done():
			return some
		}
	}
	return some
}

// doRows computes the next rows of some requests, and puts those back that have more.
func (m *Model) doRows(some []*job) {
	var rows []*Row
	for _, j := range some {
		end := min(j.next+share, len(j.rows))
		rows = append(rows, j.rows[j.next:end]...)
		j.next = end
	}
	err := m.with(m.q.ctx, func(loaded *models.Model, t *Turn) error { return m.compute(loaded, t, rows) })
	if m.q.ctx.Err() != nil {
		err = ErrStopped
	}
	m.callers = len(some) + m.waiting() // those who wait would else go on in batches of their own
	for _, j := range some {
		if err == nil && j.next < len(j.rows) {
			if err := m.put(j); err != nil {
				j.finish(err)
			}
			continue
		}
		j.finish(err)
	}
}

// compute computes rows, those of one shape together.
func (m *Model) compute(loaded *models.Model, t *Turn, rows []*Row) error {
	shapes := map[string][]*Row{}
	var order []string
	for _, r := range rows {
		s := r.shape()
		if shapes[s] == nil {
			order = append(order, s)
		}
		shapes[s] = append(shapes[s], r)
	}
	for _, s := range order {
		l := m.ladders[s]
		if l == nil {
			if len(m.ladders) >= mostShapes {
				clear(m.ladders)
			}
			l = newLadder()
			m.ladders[s] = l
		}
		for left := shapes[s]; len(left) > 0; {
			if err := t.Yield(m.q.ctx); err != nil {
				return err
			}
			n, err := m.step(l, loaded, left)
			if err != nil {
				return err
			}
			left = left[n:]
		}
	}
	return nil
}

// mostShapes are those of which it is kept what batches gain.
const mostShapes = 64

// step computes the first of some rows of one shape: as many as it gives.
func (m *Model) step(l *ladder, loaded *models.Model, rows []*Row) (n int, err error) {
	size, trial := l.pick(len(rows))
	n = min(size, len(rows))
	some := rows[:n]
	m.q.Meters.Rows.WithLabelValues(m.ID).Observe(float64(n))
	if trial {
		return n, m.try(l, loaded, size, some)
	}
	began := time.Now()
	if err := m.forward(loaded, size, some); err != nil {
		return 0, err
	}
	l.took(size, time.Since(began))
	return n, nil
}

// try computes rows in a batch of a new size, and the first and the last alone too:
// kernels are chosen by shape, and where another sums in another order the batch is not
// taken.
func (m *Model) try(l *ladder, loaded *models.Model, size int, rows []*Row) error {
	if err := m.forward(loaded, size, rows); err != nil {
		return err
	}
	first, last := *rows[0], *rows[len(rows)-1]
	for _, r := range []*Row{&first, &last} {
		if err := m.forward(loaded, 1, []*Row{r}); err != nil {
			return err
		}
	}
	l.tried(size, same(&first, rows[0]) && same(&last, rows[len(rows)-1]))
	if l.refused[size] {
		m.q.Log.Info("a batch computes other bits, and is not taken", "model", m.ID, "rows", size, "shape", first.shape())
		for _, r := range rows {
			if err := m.forward(loaded, 1, []*Row{r}); err != nil {
				return err
			}
		}
	}
	return nil
}

// same says that two rows came to the same bits.
func same(a, b *Row) bool {
	if !slices.Equal(a.Vector, b.Vector) || len(a.Outputs) != len(b.Outputs) {
		return false
	}
	for name, x := range a.Outputs {
		if !slices.Equal(x.Data, b.Outputs[name].Data) {
			return false
		}
	}
	return true
}

// forward computes at most size rows in one forward pass of so many: the rest are copies.
func (m *Model) forward(loaded *models.Model, size int, rows []*Row) error {
	padded := slices.Clone(rows)
	for len(padded) < size {
		padded = append(padded, rows[len(rows)-1])
	}
	if rows[0].Pixels == nil {
		texts := make([]string, size)
		for i, r := range padded {
			texts[i] = r.Text
		}
		vectors, _, err := loaded.EmbedTexts(m.q.ctx, texts, nil)
		if err != nil {
			return err
		}
		for i, r := range rows {
			r.Vector = vectors[i]
		}
		return nil
	}
	x := models.Array{Shape: append([]int{size}, rows[0].Size[:]...)}
	for _, r := range padded {
		x.Data = append(x.Data, r.Pixels...)
	}
	return loaded.EachPixels(m.q.ctx, x, size, func(r models.Result) error {
		if r.Err == nil && r.Index < len(rows) {
			rows[r.Index].Outputs = r.Outputs
		}
		return r.Err
	})
}

// Text makes a row of a text.
func (m *Model) Text(text string) (r *Row, tokens int, truncated bool, err error) {
	tokens, padded, truncated, err := m.Front().TextLength(text)
	return &Row{Text: text, Padded: padded}, tokens, truncated, err
}

// Vectors are those of rows, as run has them: of a text of a dual encoder the mean of
// itself alone, which is of unit length more nearly.
func (m *Model) Vectors(ctx context.Context, rows []*Row) ([][]float32, error) {
	if err := m.Rows(ctx, rows); err != nil {
		return nil, err
	}
	out := make([][]float32, len(rows))
	for i, r := range rows {
		var err error
		switch {
		case r.Pixels != nil:
			out[i], err = m.Front().Embedding(r.Outputs)
		case m.Front().Dual():
			out[i] = models.MeanVector([][]float32{r.Vector})
		default:
			out[i] = r.Vector
		}
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}
