package queue

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/gpu"
	"saccade/gpu/gputest"
	"saccade/models"
	"saccade/picture"
	"saccade/zoo"
)

func TestMain(m *testing.M) { os.Exit(gputest.Main(m)) }

// open makes a queue of embedded models.
func open(t *testing.T, budget int64, families ...string) *Queue {
	t.Helper()
	d := gputest.Open(t, gpu.Options{})
	var entries []Entry
	for _, f := range families {
		entries = append(entries, Entry{ID: f, Family: f})
	}
	q := New(entries, Options{
		Load: func(ctx context.Context, e Entry) (*models.Model, error) {
			return models.Load(ctx, d, e.Family, e.Weights, models.Options{Embedded: zoo.All()})
		},
		Bytes: func() int64 { return d.Stats().BufferBytes }, Budget: budget, Depth: 8, Log: slog.New(slog.NewTextHandler(io.Discard, nil)), Meters: NewMeters(prometheus.NewRegistry()),
	})
	t.Cleanup(q.Close)
	for _, m := range q.Models {
		require.NoError(t, m.Load(t.Context()))
	}
	return q
}

// vector is that of one text.
func vector(t *testing.T, m *Model, text string) []float32 {
	row, _, _, err := m.Text(text)
	require.NoError(t, err)
	v, err := m.Vectors(t.Context(), []*Row{row})
	require.NoError(t, err)
	return v[0]
}

// hold keeps a lane busy until what it gives is closed.
func hold(t *testing.T, m *Model) (release chan bool) {
	held := make(chan bool)
	release = make(chan bool)
	go func() {
		assert.NoError(t, m.Do(context.Background(), func(context.Context, *models.Model, *Turn) error { close(held); <-release; return nil }))
	}()
	<-held
	return release
}

// Texts of callers that come at once are computed together, to the bits of each alone.
func TestRowsTogether(t *testing.T) {
	q := open(t, 0, "clip")
	m := q.Models[0]
	texts := make([]string, 64)
	want := make([][]float32, len(texts))
	for i := range texts {
		if texts[i] = fmt.Sprintf("the picture number %d", i); i%5 == 0 {
			texts[i] += " of a long row of pictures that are all of another thing"
		}
		want[i] = vector(t, m, texts[i])
	}
	release := hold(t, m) // so that all of them wait
	var all sync.WaitGroup
	for i, text := range texts {
		all.Go(func() { assert.Equal(t, want[i], vector(t, m, text), text) })
	}
	require.Eventually(t, func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		return len(m.jobs) == len(texts)
	}, time.Minute, time.Millisecond)
	close(release)
	all.Wait()
	together := 0
	for _, l := range m.ladders {
		for _, s := range sizes[1:] {
			if l.warm[s] && !l.refused[s] {
				together++
			}
		}
	}
	assert.Positive(t, together, "no batch was tried")
}

// Callers whose rows were together are waited for a little; a lone one waits for nobody.
func TestGather(t *testing.T) {
	q := open(t, 0, "clip")
	m := q.Models[0]
	vector(t, m, "a cat")
	row, _, _, err := m.Text("a cat")
	require.NoError(t, err)
	slow := func() { // what passes took: a batch would save most of a minute
		l := m.ladders[row.shape()]
		for size, d := range map[int]time.Duration{1: 30 * time.Second, 4: 31 * time.Second} {
			l.warm[size], l.cost[size] = true, d
		}
	}
	slow()
	m.callers = 2
	first := make(chan bool)
	go func() { vector(t, m, "a cat"); close(first) }()
	time.Sleep(100 * time.Millisecond)
	select {
	case <-first:
		assert.Fail(t, "it did not wait for the other")
	default:
	}
	vector(t, m, "a dog")
	<-first
	require.NoError(t, m.Load(t.Context())) // behind which the lane is at its end
	assert.Equal(t, 2, m.callers)
	m.callers = 1
	slow()
	began := time.Now()
	vector(t, m, "a cat")
	assert.Less(t, time.Since(began), 10*time.Second)
}

// A request of many rows leaves others their turn.
func TestRowsOfMany(t *testing.T) {
	q := open(t, 0, "clip")
	m := q.Models[0]
	var rows []*Row
	for i := range 500 {
		row, _, _, err := m.Text(fmt.Sprint("number ", i))
		require.NoError(t, err)
		rows = append(rows, row)
	}
	long := make(chan time.Time, 1)
	go func() {
		assert.NoError(t, m.Rows(t.Context(), rows))
		long <- time.Now()
	}()
	time.Sleep(20 * time.Millisecond)
	vector(t, m, "a cat")
	assert.Empty(t, long, "it waited for all of the other's rows")
	<-long
	for _, r := range rows {
		require.NotNil(t, r.Vector)
	}
}

// Who was not asked for longest leaves the device, and comes back.
func TestBudget(t *testing.T) {
	probe := open(t, 0, "clip", "vit")
	clip, vit := probe.Models[0].need, probe.Models[1].need
	base := probe.Bytes() - clip - vit
	probe.Close()

	q := open(t, base+max(clip, vit)+min(clip, vit)/2, "clip", "vit")
	assert.Equal(t, 1.0, testutil.ToFloat64(q.Meters.Evictions.WithLabelValues("clip")))
	first := vector(t, q.Models[0], "a cat")
	assert.Equal(t, 2.0, testutil.ToFloat64(q.Meters.Loads.WithLabelValues("clip")))
	assert.Equal(t, 1.0, testutil.ToFloat64(q.Meters.Evictions.WithLabelValues("vit")))
	assert.LessOrEqual(t, q.Bytes(), q.Budget)
	assert.Equal(t, first, vector(t, q.Models[0], "a cat"), "again, as it stays")
	assert.Equal(t, 2.0, testutil.ToFloat64(q.Meters.Loads.WithLabelValues("clip")))

	// what left is asked what needs no device, and comes back for the rest
	vitModel := q.Models[1]
	require.Nil(t, vitModel.loaded)
	img, err := picture.Open("../../zoo/pictures/cat.jpg", picture.DecodeOptions{})
	require.NoError(t, err)
	pixels, h, w, err := vitModel.Front().Preprocess(img)
	require.NoError(t, err)
	row := &Row{Pixels: pixels, Size: [3]int{3, h, w}}
	require.NoError(t, vitModel.Rows(t.Context(), []*Row{row}))
	top, err := vitModel.Front().Top(row.Outputs, 1)
	require.NoError(t, err)
	assert.Equal(t, "cat", top[0].Label)

	// both at once, of which only one has room, end
	var all sync.WaitGroup
	for range 3 {
		for _, m := range q.Models {
			all.Go(func() { assert.NoError(t, m.Load(t.Context())) })
		}
	}
	all.Wait()
	assert.LessOrEqual(t, q.Bytes(), q.Budget)

	var tooMuch *BudgetError
	small := New([]Entry{{ID: "clip", Family: "clip"}}, q.Options)
	defer small.Close()
	small.Budget = clip / 2
	assert.ErrorAs(t, small.Models[0].Load(t.Context()), &tooMuch)
}

// Work ends with who asked for it, and a lane goes on behind it.
func TestLeaving(t *testing.T) {
	q := open(t, 0, "clip")
	m := q.Models[0]
	ctx, cancel := context.WithCancel(t.Context())
	begun, ended := make(chan bool), make(chan error, 1)
	go func() {
		_ = m.Do(ctx, func(ctx context.Context, _ *models.Model, turn *Turn) error {
			close(begun)
			var err error
			for err == nil {
				err = turn.Yield(ctx)
				time.Sleep(time.Millisecond)
			}
			ended <- err
			return err
		})
	}()
	<-begun
	gone, left := context.WithCancel(t.Context())
	left()
	called := false
	err := m.Do(gone, func(context.Context, *models.Model, *Turn) error { called = true; return nil })
	assert.ErrorIs(t, err, context.Canceled)
	cancel()
	assert.ErrorIs(t, <-ended, context.Canceled)
	vector(t, m, "a cat")
	assert.False(t, called, "what nobody waits for was done")
}

// A panic of work is an error of that alone.
func TestPanic(t *testing.T) {
	q := open(t, 0, "clip")
	err := q.Models[0].Do(t.Context(), func(ctx context.Context, _ *models.Model, turn *Turn) error {
		require.NoError(t, turn.Take(ctx))
		panic("at the disco")
	})
	assert.ErrorContains(t, err, "an internal error")
	vector(t, q.Models[0], "a cat")
}

func TestDepth(t *testing.T) {
	q := open(t, 0)
	var leave func()
	for range q.Depth {
		var err error
		leave, err = q.Enter()
		require.NoError(t, err)
	}
	_, err := q.Enter()
	assert.ErrorIs(t, err, ErrFull)
	leave()
	leave() // counts once
	_, err = q.Enter()
	require.NoError(t, err)
	_, err = q.Enter()
	assert.ErrorIs(t, err, ErrFull)
}

// Close ends what is under way and what waits.
func TestClose(t *testing.T) {
	q := open(t, 0, "clip")
	m := q.Models[0]
	begun, errs := make(chan bool), make(chan error, 2)
	go func() {
		errs <- m.Do(t.Context(), func(ctx context.Context, _ *models.Model, _ *Turn) error {
			close(begun)
			<-ctx.Done()
			return context.Cause(ctx)
		})
	}()
	<-begun
	go func() {
		errs <- m.Do(t.Context(), func(context.Context, *models.Model, *Turn) error { return errors.New("done") })
	}()
	require.Eventually(t, func() bool { m.mu.Lock(); defer m.mu.Unlock(); return len(m.jobs) == 1 }, time.Second, time.Millisecond)
	q.Close()
	assert.ErrorIs(t, <-errs, ErrStopped)
	assert.ErrorIs(t, <-errs, ErrStopped)
	assert.ErrorIs(t, m.Load(t.Context()), ErrStopped)
}
