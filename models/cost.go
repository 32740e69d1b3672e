package models

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"saccade/models/nn"
)

// Cost is what a network takes for one picture.
type Cost struct {
	Parameters int64   // trained values
	FLOPs      float64 // of a forward pass as it is defined, a multiply-add counted as two
}

// usual are the outputs of a classifier or an encoder without what Load was asked
// for beside them, for many forward passes.
func (m *Model) usual() []string {
	_, shapes, err := m.module.Outputs(m.example, m.wants(nil))
	if err != nil {
		return nil
	}
	var names []string
	for name := range shapes {
		if !slices.ContainsFunc(m.outputs, func(o string) bool { return o == name || strings.HasPrefix(name, o+".") }) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Cost counts the parameters, and the arithmetic on images of h×w pixels.
func (m *Model) Cost(h, w int) (Cost, error) {
	if m.images == nil {
		return Cost{}, fmt.Errorf("%s: %w", m.Name, ErrNoImages)
	}
	in, err := m.images.Example(1, map[string]int{"H": h, "W": w}, 1)
	if err != nil {
		return Cost{}, err
	}
	flops, err := m.module.FLOPs(in, m.wants(m.usual()))
	return Cost{m.module.Parameters(), flops}, err
}

// TimeForward is the median time of so many warm forward passes on images
// [N, C, H, W], from upload to read-back, of the usual outputs.
func (m *Model) TimeForward(ctx context.Context, pixels Array, runs int) (time.Duration, error) {
	took, outputs := make([]time.Duration, 0, runs), m.usual()
	for i := range 1 + max(1, runs) { // the first compiles and fills the caches
		began := time.Now()
		if _, err := m.Forward(ctx, nn.Images(pixels), outputs...); err != nil {
			return 0, err
		}
		if i > 0 {
			took = append(took, time.Since(began))
		}
	}
	slices.Sort(took)
	return took[len(took)/2], nil
}
