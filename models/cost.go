package models

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Cost is what a network takes for one picture.
type Cost struct {
	Parameters int64   // trained values
	FLOPs      float64 // of a forward pass as it is defined, a multiply-add counted as two
}

// Cost counts the parameters, and the arithmetic on pictures of h×w pixels.
func (m *Model) Cost(h, w int) (Cost, error) {
	if m.net == nil {
		return Cost{}, fmt.Errorf("%s: %w", m.Name, ErrNoPictures)
	}
	plain := m.plain()
	defer plain.Close()
	c, _, _ := m.net.Input()
	s := shape{1, c, h, w}
	p, err := plain.acquire(s)
	if err != nil {
		return Cost{}, err
	}
	defer plain.pictures.release(p)
	defined, _ := p.FLOPs()
	return Cost{m.b.Parameters(), defined}, nil
}

// TimeForward is the median time of so many warm forward passes on pictures
// [N, C, H, W], from upload to read-back, attention probabilities left out.
func (m *Model) TimeForward(ctx context.Context, pixels Array, runs int) (time.Duration, error) {
	plain := m.plain()
	defer plain.Close()
	took := make([]time.Duration, 0, runs)
	for i := range 1 + max(1, runs) { // the first compiles and fills the caches
		began := time.Now()
		if _, err := plain.Forward(ctx, pixels); err != nil {
			return 0, err
		}
		if i > 0 {
			took = append(took, time.Since(began))
		}
	}
	slices.Sort(took)
	return took[len(took)/2], nil
}
