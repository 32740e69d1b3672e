package diffusion

import (
	"context"
	"errors"
	"math"
	"slices"

	"saccade/gpu"
)

// Snapshot is a run between two steps, kept on the device.
type Snapshot struct {
	Done    int // steps
	tensors []*gpu.Tensor
}

// states are all that a step changes.
func (r *Run) states() []*gpu.Tensor { return append([]*gpu.Tensor{r.loop.latents}, r.loop.kept...) }

// Snapshot keeps what the next step depends on. Release frees it.
func (r *Run) Snapshot() (*Snapshot, error) {
	s := &Snapshot{Done: r.step}
	for _, t := range r.states() {
		c, err := r.p.dev.State(t.Name, t.Type, t.Groups, t.Shape...)
		if err == nil {
			s.tensors = append(s.tensors, c)
			err = r.p.dev.Copy(c, t)
		}
		if err != nil {
			s.Release()
			return nil, err
		}
	}
	return s, nil
}

// Restore takes the run back to a snapshot of it.
func (r *Run) Restore(s *Snapshot) error {
	states := r.states()
	if len(states) != len(s.tensors) {
		return errors.New("the snapshot is of another run")
	}
	for i, t := range states {
		if err := r.p.dev.Copy(t, s.tensors[i]); err != nil {
			return err
		}
	}
	r.step = s.Done
	return nil
}

// Release frees the snapshot.
func (s *Snapshot) Release() {
	for _, t := range s.tensors {
		t.Release()
	}
	s.tensors = nil
}

// Reseed begins again with other seeds, one for each item.
func (r *Run) Reseed(ctx context.Context, seeds []uint64) error {
	if len(seeds) != r.Request.Items {
		return requestErrorf("%d seeds for %d pictures; expected one for each", len(seeds), r.Request.Items)
	}
	if r.Request.From > 0 {
		return requestErrorf("the run goes on from another, whose latents have no seed")
	}
	r.Request.Seeds, r.Request.Latents, r.Request.Noise = seeds, nil, nil
	return r.Restart(ctx)
}

// SetGuidance sets the weight of the prompt from the next step on. A run that began
// without guidance has none.
func (r *Run) SetGuidance(guidance float64) error {
	if !r.guided() && r.p.config.TimeCond == 0 {
		return requestErrorf("the run began without guidance")
	}
	r.Request.Guidance = max(1, guidance)
	return nil
}

// SetControl sets the weight of what ControlNet or T2I-Adapter i gives, from the next step on.
func (r *Run) SetControl(i int, weight float64) error {
	if i < 0 || i >= len(r.Request.Controls) || !(weight >= 0) || math.IsInf(weight, 0) {
		return requestErrorf("weight %v of ControlNet %d, of %d", weight, i, len(r.Request.Controls))
	}
	r.Request.Controls = slices.Clone(r.Request.Controls) // which are the caller's too
	r.Request.Controls[i].Weight = weight
	return nil
}
