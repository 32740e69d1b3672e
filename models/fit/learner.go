package fit

import (
	"context"

	"saccade/models/learn"
	"saccade/models/nn"
)

// Learner is what steps change: see [learn.Learner], whose methods these are.
type Learner interface {
	Step(ctx context.Context, rate float64, batches ...learn.Batch) (learn.Outcome, error)
	Forward(ctx context.Context, in map[string]nn.Array) (map[string]nn.Array, error)
	Parameters() (map[string]nn.Array, error)
	Gradients() (map[string]nn.Array, error)
	State() (map[string]nn.Array, learn.Progress, error)
	Restore(arrays map[string]nn.Array, p learn.Progress) error
}

var (
	_ Learner = (*learn.Learner)(nil)
	_ Learner = (*Head)(nil)
)

// Batches are the examples of micro-steps 0, 1, ….
type Batches interface {
	// Batch is that of a micro-step; of the same one it is always the same. A batch may be
	// empty where no example of it could be read.
	Batch(ctx context.Context, micro int) (learn.Batch, error)
}
