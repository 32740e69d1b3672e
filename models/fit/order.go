package fit

import (
	"math/rand/v2"
	"slices"
	"sync"
)

// Order is the order of n examples in batches, epoch after epoch, each epoch in an order of
// its own that follows from Seed. The last batch of an epoch has what is left.
type Order struct {
	N, Size int // examples, and those of a batch
	Seed    uint64

	mu    sync.Mutex
	epoch int // that order is of, plus one
	order []int
}

// PerEpoch is the number of batches in an epoch.
func (o *Order) PerEpoch() int { return (o.N + o.Size - 1) / o.Size }

// Batch is the examples of a micro-step, and its epoch. It may be called from several
// goroutines.
func (o *Order) Batch(micro int) (examples []int, epoch int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	epoch = micro / o.PerEpoch()
	if o.epoch != epoch+1 {
		o.order, o.epoch = rand.New(rand.NewPCG(o.Seed, uint64(epoch))).Perm(o.N), epoch+1
	}
	first := micro % o.PerEpoch() * o.Size
	return slices.Clone(o.order[first:min(first+o.Size, o.N)]), epoch
}
