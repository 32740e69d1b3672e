package queue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"

	"saccade/models"
)

// Errors of requests that are not done.
var (
	ErrFull    = errors.New("too many requests are waiting; try again later")
	ErrStopped = errors.New("the server is stopping")
)

// Entry is a model that is served.
type Entry struct {
	ID      string // by which it is asked for
	Family  string // or architecture
	Weights string // folder, file or hub id; "": the embedded ones
}

// Options say how requests are done.
type Options struct {
	Load   func(ctx context.Context, e Entry) (*models.Model, error)
	Bytes  func() int64 // that are taken of the device's memory now
	Budget int64        // of those, 0: as many as there are
	Depth  int          // how many requests may be there at once, of all models
	Log    *slog.Logger
	Meters *Meters
}

// Queue is the lanes of all models.
type Queue struct {
	Options
	Models []*Model

	turns   turns
	loading sync.Mutex    // held while a model comes to the device
	freed   chan struct{} // told when a lane lets go of its model
	there   atomic.Int64
	ctx     context.Context // ends when work is to end
	stop    context.CancelFunc
	lanes   sync.WaitGroup
}

// New makes lanes of models, none of which is loaded yet.
func New(entries []Entry, o Options) *Queue {
	q := &Queue{Options: o, freed: make(chan struct{}, 1)}
	q.ctx, q.stop = context.WithCancel(context.Background())
	for _, e := range entries {
		m := &Model{Entry: e, q: q, wake: make(chan struct{}, 1), ladders: map[string]*ladder{}}
		q.Models = append(q.Models, m)
		q.lanes.Go(m.loop)
	}
	return q
}

// Enter counts a request that begins; what it gives is called when the request ends.
func (q *Queue) Enter() (leave func(), err error) {
	if n := q.there.Add(1); n > int64(q.Depth) {
		q.there.Add(-1)
		return nil, ErrFull
	}
	q.Meters.There.Set(float64(q.there.Load()))
	return sync.OnceFunc(func() { q.Meters.There.Set(float64(q.there.Add(-1))) }), nil
}

// There is how many requests are there.
func (q *Queue) There() int { return int(q.there.Load()) }

// Close ends the lanes, after the step that each is at, and frees the models.
func (q *Queue) Close() {
	q.stop()
	q.lanes.Wait()
	for _, m := range q.Models {
		m.unload()
	}
}

// Model is the lane of a model.
type Model struct {
	Entry

	q       *Queue
	front   atomic.Pointer[models.Model] // the last that was loaded
	ladders map[string]*ladder           // by the shape of rows; the lane's alone
	callers int                          // whose rows were computed last, and who waited meanwhile; the lane's alone

	mu    sync.Mutex // of the two below
	jobs  []*job
	ended bool
	wake  chan struct{}

	// at is held while the lane works with the model, so that nobody takes it away.
	at     sync.Mutex
	loaded *models.Model // nil: not on the device
	need   int64         // bytes of the device that it was last seen to take
	last   int64         // when it was last used, by a count
	spent  tag           // of the device's time; turns.mu guards it
}

// Front is the model for what needs no device, such as preprocessing and tokens: it may
// have left the device. It is nil before the first loading.
func (m *Model) Front() *models.Model { return m.front.Load() }

// job is a request of a lane.
type job struct {
	ctx  context.Context
	work func(ctx context.Context, m *models.Model, t *Turn) error // or nil
	rows []*Row                                                    // in its place
	next int                                                       // the first that is not done
	done chan struct{}
	err  error
}

func (j *job) finish(err error) {
	j.err = err
	close(j.done)
}

// Do has work done with the model, which nobody else uses meanwhile. Work begins without
// a turn on the device and takes one before it computes. Do returns when work has, or
// when ctx ends, as work then should.
func (m *Model) Do(ctx context.Context, work func(ctx context.Context, m *models.Model, t *Turn) error) error {
	return m.wait(&job{ctx: ctx, work: work, done: make(chan struct{})})
}

// Rows has rows computed, together with those of others where that is faster.
func (m *Model) Rows(ctx context.Context, rows []*Row) error {
	if len(rows) == 0 {
		return nil
	}
	return m.wait(&job{ctx: ctx, rows: rows, done: make(chan struct{})})
}

// wait puts a job into the lane and waits for its end.
func (m *Model) wait(j *job) error {
	if err := m.put(j); err != nil {
		return err
	}
	select {
	case <-j.done:
		return j.err
	case <-j.ctx.Done():
		return context.Cause(j.ctx)
	}
}

// put puts a job at the lane's end.
func (m *Model) put(j *job) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ended {
		return ErrStopped
	}
	m.jobs = append(m.jobs, j)
	select {
	case m.wake <- struct{}{}:
	default:
	}
	return nil
}

// take gives the first job that somebody waits for, or if that has rows it and the others
// that have some; nil when the lane ends.
func (m *Model) take() []*job {
	for {
		if some := m.first(); len(some) > 0 {
			return some
		}
		select {
		case <-m.wake:
		case <-m.q.ctx.Done():
			m.end()
			return nil
		}
	}
}

// first is take of what is there.
func (m *Model) first() (some []*job) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.jobs = slices.DeleteFunc(m.jobs, func(j *job) bool { return j.ctx.Err() != nil })
	if len(m.jobs) == 0 || m.q.ctx.Err() != nil {
		return nil
	}
	if m.jobs[0].rows == nil {
		some, m.jobs = m.jobs[:1:1], m.jobs[1:]
		return some
	}
	return m.withRows(nil)
}

// withRows adds the jobs that have rows. The lock is held.
func (m *Model) withRows(some []*job) []*job {
	m.jobs = slices.DeleteFunc(m.jobs, func(j *job) bool {
		if j.rows == nil || len(some) == mostRows {
			return false
		}
		some = append(some, j)
		return true
	})
	return some
}

// waiting is how many requests of rows wait.
func (m *Model) waiting() (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, j := range m.jobs {
		if j.rows != nil {
			n++
		}
	}
	return n
}

// end refuses what waits, and what comes later.
func (m *Model) end() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ended = true
	for _, j := range m.jobs {
		j.finish(ErrStopped)
	}
	m.jobs = nil
}

// loop is the lane.
func (m *Model) loop() {
	for some := m.take(); some != nil; some = m.take() {
		if some[0].rows != nil {
			m.doRows(m.gather(some))
			continue
		}
		j := some[0]
		ctx, cancel := context.WithCancelCause(j.ctx)
		stop := context.AfterFunc(m.q.ctx, func() { cancel(ErrStopped) })
		err := m.with(ctx, func(loaded *models.Model, t *Turn) error { return j.work(ctx, loaded, t) })
		if cause := context.Cause(ctx); err != nil && cause != nil {
			err = cause
		}
		stop()
		cancel(nil)
		j.finish(err)
	}
}

// with calls work with the model on the device.
func (m *Model) with(ctx context.Context, work func(loaded *models.Model, t *Turn) error) (err error) {
	m.at.Lock()
	defer m.release()
	t := &Turn{m: m}
	defer t.Give()
	defer func() {
		if p := recover(); p != nil {
			m.q.Log.Error("panic", "model", m.ID, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = fmt.Errorf("%s: an internal error, which the log tells", m.ID)
		}
	}()
	if m.loaded == nil {
		if err := m.load(m.q.ctx); err != nil { // for those who come later too
			return err
		}
	}
	return work(m.loaded, t)
}

// Load brings the model to the device, if it is not there.
func (m *Model) Load(ctx context.Context) error {
	return m.Do(ctx, func(context.Context, *models.Model, *Turn) error { return nil })
}
