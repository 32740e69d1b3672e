package ops

import (
	"fmt"

	"saccade/gpu"
)

// way is one way to compute an operation. Its dispatches are made only if it is
// taken or tried.
type way struct {
	name      string
	tolerance float64 // as in gpu.Op
	record    func() ([]gpu.Dispatch, error)
}

// or is w, or where the adapter can't have it another.
func (w way) or(other way) way {
	record := w.record
	w.record = func() ([]gpu.Dispatch, error) {
		dispatches, err := record()
		if err != nil {
			return other.record()
		}
		return dispatches, nil
	}
	return w
}

// do records an operation that can be computed in several ways: by the one that
// a tuner found to be the fastest on this adapter, else by the standard one. shape
// is what decides between them; others are asked for only then. For a tuner all
// are recorded.
func do(r *gpu.Recorder, op gpu.Op, shape string, standard way, others func() []way) {
	op.Key = fmt.Sprintf("%s %s %s", op.Kind, shape, r.Precision)
	taken := standard
	if name := r.Choice(op.Key); name != "" && name != standard.name {
		for _, w := range others() {
			if w.name == name { // what fitted when it was tuned need not fit now
				taken = w.or(standard)
			}
		}
	}
	dispatches, err := taken.record()
	if err != nil {
		r.Fail(fmt.Errorf("%s: %w", op.Label, err))
		return
	}
	op.Way, op.Tolerance, op.Dispatches = taken.name, taken.tolerance, dispatches
	if r.Tries(op.Key) {
		op.Others = tries(standard, others())
	}
	r.Do(op)
}

// tries are all ways but the standard one, each name once.
func tries(standard way, others []way) []gpu.Way {
	var all []gpu.Way
	seen := map[string]bool{standard.name: true}
	for _, w := range others {
		if seen[w.name] {
			continue
		}
		seen[w.name] = true
		dispatches, err := w.record()
		all = append(all, gpu.Way{Name: w.name, Dispatches: dispatches, Tolerance: w.tolerance, Err: err})
	}
	return all
}
