package fit

import (
	"context"
	"sync"
	"time"

	"saccade/models/learn"
)

// ahead reads batches while earlier ones are computed.
type ahead struct {
	from   Batches
	places chan chan got
	cancel context.CancelFunc
	wait   sync.WaitGroup
	waited time.Duration
}

type got struct {
	learn.Batch
	err error
}

// readers is how many batches are read at the same time.
const readers = 2

// readAhead reads the batches from a micro-step on.
func readAhead(ctx context.Context, from Batches, micro, end int) *ahead {
	ctx, cancel := context.WithCancel(ctx)
	a := &ahead{from: from, places: make(chan chan got, readers), cancel: cancel}
	reading := make(chan struct{}, readers)
	a.wait.Go(func() {
		for micro := micro; micro < end; micro++ {
			place := make(chan got, 1)
			select {
			case <-ctx.Done():
				return
			case a.places <- place:
			}
			select {
			case <-ctx.Done():
				return
			case reading <- struct{}{}:
			}
			a.wait.Go(func() {
				b, err := from.Batch(ctx, micro)
				place <- got{b, err}
				<-reading
			})
		}
	})
	return a
}

// next is the next batch.
func (a *ahead) next(ctx context.Context) (learn.Batch, error) {
	began := time.Now()
	defer func() { a.waited += time.Since(began) }()
	select {
	case <-ctx.Done():
		return learn.Batch{}, ctx.Err()
	case place := <-a.places:
		select {
		case <-ctx.Done():
			return learn.Batch{}, ctx.Err()
		case b := <-place:
			return b.Batch, b.err
		}
	}
}

// close ends the reading.
func (a *ahead) close() {
	a.cancel()
	a.wait.Wait()
}
