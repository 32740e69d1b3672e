package models

import (
	"context"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"saccade/models/nn"
	"saccade/picture"
)

// Result is what the network computed for one picture.
type Result struct {
	Index   int
	Outputs map[string]Array // by name, shaped as a batch of one
	Err     error            // why there are none: this picture could not be read
	Took    time.Duration    // its share of the forward pass, recording left out
}

// Each runs the network over n pictures, batch in one forward pass or, if batch
// is 0, [Model.DefaultBatch]. Picture i is read by open(i), in the background
// and from several goroutines, while earlier ones are computed; only a few
// batches are in memory at a time. report gets the results one by one, in the
// order of the pictures. An error of a picture is reported and the others go
// on; one of the network, of report or of ctx ends all.
func (m *Model) Each(ctx context.Context, n, batch int, open func(i int) (*picture.Image, error), report func(Result) error) error {
	return m.each(ctx, n, batching{size: batch}, m.loader(open), report)
}

// Spent is what a pass over many pictures took its time for.
type Spent struct {
	Waiting  time.Duration // for pictures that were not yet read, with nothing to compute
	Programs time.Duration // recording and compiling
	Forward  time.Duration // computing and reading back, and uploading where nothing is computed beside
	Prepared time.Duration // resizing and normalising: the sum of several goroutines, beside all else
}

// EachWhole is [Model.Each] with every forward pass taking a whole batch, the last filled up
// with copies: then no output depends on how many pictures there are or on where a picture
// stands among them, not by a bit. It says what it took its time for.
func (m *Model) EachWhole(ctx context.Context, n, batch int, open func(i int) (*picture.Image, error), report func(Result) error) (Spent, error) {
	var spent Spent
	var prepared atomic.Int64
	err := m.each(ctx, n, batching{size: batch, whole: true, spent: &spent}, m.preparing(open, &prepared), report)
	spent.Prepared = time.Duration(prepared.Load())
	return spent, err
}

// EachPixels is [Model.Each] for pictures as PyTorch has them, preprocessed:
// [N, C, H, W].
func (m *Model) EachPixels(ctx context.Context, pixels Array, batch int, report func(Result) error) error {
	s, err := m.imageShape(pixels)
	if err != nil {
		return err
	}
	one := s[1] * s[2] * s[3]
	return m.each(ctx, s[0], batching{size: batch}, func(i int) (input, error) {
		return input{pixels: pixels.Data[i*one : (i+1)*one], size: [3]int(s[1:])}, nil
	}, report)
}

// input is a preprocessed picture.
type input struct {
	pixels []float32
	size   [3]int // C, H, W
}

// batching says how images are put into batches.
type batching struct {
	size    int      // 0: the default for the images' size
	whole   bool     // batches are filled up with copies
	outputs []string // that are wanted; nil: the model's
	// about makes what goes with n images beside them; nil: nothing does.
	about func(n int) map[string]Array
	spent *Spent // adds up what it takes its time for, if not nil
}

// each is the pipeline behind Each: readers prepare inputs in order, up to a
// bounded number ahead; a batcher gathers those of one size and runs them, so that
// a batch is gathered and uploaded while the one before is computed.
func (m *Model) each(ctx context.Context, n int, how batching, load func(i int) (input, error), report func(Result) error) error {
	ctx, cancel := context.WithCancel(ctx)
	var readers sync.WaitGroup
	defer readers.Wait()
	if how.spent == nil {
		how.spent = &Spent{}
	}
	b := &batcher{m: m, ctx: ctx, batching: how, report: report, waiting: map[[3]int][]int{}, inputs: map[int]input{}, done: map[int]Result{}}
	defer b.abandon()
	defer cancel()
	err := inOrder(ctx, readAhead(ctx, &readers, n, maxBatch, load), &how.spent.Waiting, b, b.add)
	if err != nil {
		return err
	}
	return b.flush()
}

// loaded is something that was read, or the reason why it was not.
type loaded[T any] struct {
	x   T
	err error
}

// work is what goes on while something else is waited for.
type work interface {
	under() <-chan struct{} // closed when it is done; nil: there is none
	collect() error         // takes its results
}

// nothing is no work.
type nothing struct{}

func (nothing) under() <-chan struct{} { return nil }
func (nothing) collect() error         { return nil }

// inOrder takes what readAhead reads, and adds up how long it waits for it with no work under way.
func inOrder[T any](ctx context.Context, places <-chan chan loaded[T], waiting *time.Duration, w work, take func(loaded[T]) error) error {
	for place := range places {
		for taken := false; !taken; {
			idle, began := w.under() == nil, time.Now()
			var err error
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-w.under():
				err = w.collect()
			case x := <-place:
				if idle {
					*waiting += time.Since(began)
				}
				taken, err = true, take(x)
			}
			if err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

// readAhead loads 0 to n in as many goroutines as there are processors. The
// channel gives a place for each in order, which is filled when it is loaded;
// its capacity, ahead, bounds how far reading runs ahead.
func readAhead[T any](ctx context.Context, readers *sync.WaitGroup, n, ahead int, load func(i int) (T, error)) <-chan chan loaded[T] {
	places := make(chan chan loaded[T], ahead)
	loading := make(chan struct{}, runtime.GOMAXPROCS(0))
	readers.Go(func() {
		defer close(places)
		for i := range n {
			place := make(chan loaded[T], 1)
			select {
			case <-ctx.Done():
				return
			case places <- place:
			}
			select {
			case <-ctx.Done():
				return
			case loading <- struct{}{}:
			}
			readers.Go(func() {
				x, err := load(i)
				place <- loaded[T]{x, err}
				<-loading
			})
		}
	})
	return places
}

// batcher gathers inputs of one size into batches, and puts the results back
// into order.
type batcher struct {
	batching
	m      *Model
	ctx    context.Context
	report func(Result) error

	count    int              // inputs so far
	reported int              // results reported so far
	waiting  map[[3]int][]int // inputs to be run, by size
	inputs   map[int]input    // those waiting
	done     map[int]Result   // not yet reported

	now   *pass     // under way
	ended time.Time // of the pass before
}

// pass is a forward pass of a batch.
type pass struct {
	indices      []int
	began, ended time.Time
	out          map[string]Array
	err          error
	done         chan struct{}
}

func (b *batcher) add(x loaded[input]) error {
	i := b.count
	b.count++
	if x.err != nil {
		b.done[i] = Result{Index: i, Err: x.err}
		return b.emit()
	}
	size := x.x.size
	b.inputs[i] = x.x
	b.waiting[size] = append(b.waiting[size], i)
	if len(b.waiting[size]) >= b.limit(size) {
		return b.run(size)
	}
	if len(b.inputs) >= 2*b.limit(size) { // many sizes: do not let the first wait for ever
		return b.runOldest()
	}
	return nil
}

// limit is the number of pictures of a size in one forward pass.
func (b *batcher) limit(size [3]int) int {
	if b.batching.size > 0 {
		return b.batching.size
	}
	return b.m.DefaultBatch(size[1], size[2])
}

// flush runs all that is left.
func (b *batcher) flush() error {
	for len(b.inputs) > 0 {
		if err := b.runOldest(); err != nil {
			return err
		}
	}
	if err := b.collect(); err != nil {
		return err
	}
	return b.emit()
}

func (b *batcher) runOldest() error {
	oldest := b.count
	var size [3]int
	for s, indices := range b.waiting {
		if len(indices) > 0 && indices[0] < oldest {
			oldest, size = indices[0], s
		}
	}
	return b.run(size)
}

// run begins to compute the waiting pictures of a size, and then takes the results of
// the pass before. A batch that is not full is filled with copies of its last picture
// where that saves recording a program; their results are dropped.
func (b *batcher) run(size [3]int) error {
	indices := b.waiting[size]
	delete(b.waiting, size)
	in := b.gather(indices, size)
	began := time.Now()
	if err := b.m.module.Ready(in, b.m.wants(b.outputs)); err != nil { // before the clock starts
		return err
	}
	b.spent.Programs += time.Since(began)
	p := &pass{indices: indices, began: time.Now(), done: make(chan struct{})}
	go func() {
		defer close(p.done)
		p.out, p.err = b.m.Forward(b.ctx, in, b.outputs...)
		p.ended = time.Now()
	}()
	err := b.collect()
	b.now = p
	return err
}

// gather makes a batch of the waiting pictures of a size.
func (b *batcher) gather(indices []int, size [3]int) map[string]Array {
	n := b.limit(size)
	if !b.whole {
		n = b.m.padded(len(indices), size, b.outputs)
	}
	one := size[0] * size[1] * size[2]
	pixels := make([]float32, 0, n*one)
	for k := range n {
		pixels = append(pixels, b.inputs[indices[min(k, len(indices)-1)]].pixels...)
	}
	for _, i := range indices {
		delete(b.inputs, i)
	}
	in := nn.Images(Array{Shape: []int{n, size[0], size[1], size[2]}, Data: pixels})
	if b.about != nil {
		maps.Copy(in, b.about(n))
	}
	return in
}

func (b *batcher) under() <-chan struct{} {
	if b.now == nil {
		return nil
	}
	return b.now.done
}

// collect waits for the pass under way, if there is one, and reports what has become complete.
func (b *batcher) collect() error {
	p := b.now
	if p == nil {
		return nil
	}
	<-p.done
	b.now = nil
	if p.err != nil {
		return p.err
	}
	if p.began.Before(b.ended) { // it was uploaded beside the pass before
		p.began = b.ended
	}
	b.ended = p.ended
	took := p.ended.Sub(p.began)
	b.spent.Forward += took
	for k, i := range p.indices {
		b.done[i] = Result{Index: i, Outputs: row(p.out, k), Took: took / time.Duration(len(p.indices))}
	}
	return b.emit()
}

// abandon waits for a pass whose results nobody takes.
func (b *batcher) abandon() {
	if b.now != nil {
		<-b.now.done
	}
}

// row takes the outputs of one picture out of a batch's.
func row(batch map[string]Array, k int) map[string]Array {
	out := map[string]Array{}
	for name, a := range batch {
		one := len(a.Data) / a.Shape[0]
		out[name] = Array{Shape: append([]int{1}, a.Shape[1:]...), Data: a.Data[k*one : (k+1)*one]}
	}
	return out
}

// emit reports the results whose turn it is.
func (b *batcher) emit() error {
	for {
		r, ok := b.done[b.reported]
		if !ok {
			return nil
		}
		delete(b.done, b.reported)
		b.reported++
		if err := b.report(r); err != nil {
			return err
		}
	}
}

// Classify gives the top classes of each picture, best first; top 0 means all.
func (m *Model) Classify(ctx context.Context, images []*picture.Image, top int) ([][]Prediction, error) {
	out := make([][]Prediction, 0, len(images))
	err := m.Each(ctx, len(images), 0, func(i int) (*picture.Image, error) { return images[i], nil }, func(r Result) error {
		if r.Err != nil {
			return fmt.Errorf("picture %d: %w", r.Index, r.Err)
		}
		p, err := m.Top(r.Outputs, top)
		out = append(out, p)
		return err
	})
	if err != nil {
		return nil, err
	}
	return slices.Clip(out), nil
}
