package learn

import (
	"context"
	"maps"
	"math"
	"math/rand/v2"
	"slices"

	"saccade/gpu"
	"saccade/models/nn"
)

// someRate is the learning rate of steps that are looked at, whose changes are put back.
const someRate = 1e-3

// Verify runs a step on a batch operation by operation, recomputing each on the CPU: see
// [gpu.Program.Verify]. It changes no trained value.
func (l *Learner) Verify(ctx context.Context, b Batch, stopAtFirst bool) (checks []gpu.OpCheck, err error) {
	err = l.unchanged(b, func(r ready) error {
		checks, err = r.Verify(ctx, r.values(l.settings(someRate, l.options.Accumulate-1)), stopAtFirst)
		return err
	})
	return checks, err
}

// VerifySample is Verify that compares a sample of the rows of smaller operations too: see
// [gpu.Program.VerifySample].
func (l *Learner) VerifySample(ctx context.Context, b Batch) (checks []gpu.OpCheck, err error) {
	err = l.unchanged(b, func(r ready) error {
		checks, err = r.VerifySample(ctx, r.values(l.settings(someRate, l.options.Accumulate-1)))
		return err
	})
	return checks, err
}

// Profile times each dispatch of a step on a batch; it changes no trained value.
func (l *Learner) Profile(ctx context.Context, b Batch) (timings []gpu.Timing, err error) {
	err = l.unchanged(b, func(r ready) error {
		timings, err = r.Program.Profile(ctx, r.values(l.settings(someRate, l.options.Accumulate-1)))
		return err
	})
	return timings, err
}

// unchanged calls f with the program of a batch, and puts back what it changes.
func (l *Learner) unchanged(b Batch, f func(ready) error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.bring(); err != nil {
		return err
	}
	r, err := l.ready(b)
	if err != nil {
		return err
	}
	kept, err := l.arrays()
	if err != nil {
		return err
	}
	err = f(r)
	if back := l.write(kept); err == nil {
		err = back
	}
	return err
}

// slopeStep is how far from the parameters losses are compared, by these' length, and
// slopePoints are the steps and weights of the five-point derivative, whose error is of the
// fourth order.
const slopeStep = 1.5e-3

// slopeChange is the most that the nearer points change the loss, as a part of it.
const slopeChange = 2e-4

var slopePoints = []struct{ at, weight float64 }{{-2, 1. / 12}, {-1, -8. / 12}, {1, 8. / 12}, {2, -1. / 12}}

// Slope compares, on this adapter, the derivative of the loss of a batch along a direction d of
// all parameters, by five points, with the gradients' g·d. d is the gradient, each
// number times a random one of 0 to 2, of length one. It changes nothing.
func (l *Learner) Slope(ctx context.Context, b Batch, seed uint64) (measured, computed float64, err error) {
	err = l.unchanged(b, func(r ready) error {
		here, err := l.lossOf(ctx, r)
		if err != nil {
			return err
		}
		grads, err := l.each(func(p *parameter) *gpu.Tensor { return p.grad })
		if err != nil {
			return err
		}
		at, err := l.each(func(p *parameter) *gpu.Tensor { return p.value })
		if err != nil {
			return err
		}
		d, size := direction(grads, seed), 0.0
		for _, name := range slices.Sorted(maps.Keys(at)) {
			if _, moves := grads[name]; !moves {
				continue // a running statistic
			}
			for i, g := range grads[name].Data {
				computed += float64(g) * d[name][i]
				size += math.Pow(float64(at[name].Data[i]), 2)
			}
		}
		step := slopeStep * max(0.1, math.Sqrt(size))
		if l.options.Precision == gpu.F32 { // whose losses tell apart what is nearer, with fewer corners between
			step = min(step, slopeChange*max(0.1, here)/math.Abs(computed))
		}
		for _, x := range slopePoints {
			moved := map[string]nn.Array{}
			for name, a := range at {
				v := slices.Clone(a.Data)
				for i := range d[name] {
					v[i] += float32(x.at * step * d[name][i])
				}
				moved[name] = nn.Array{Shape: a.Shape, Data: v}
			}
			if err := l.write(moved); err != nil {
				return err
			}
			loss, err := l.lossOf(ctx, r)
			if err != nil {
				return err
			}
			measured += x.weight * loss / step
		}
		return nil
	})
	return measured, computed, err
}

// direction is one of all parameters, of length one.
func direction(grads map[string]nn.Array, seed uint64) map[string][]float64 {
	rng := rand.New(rand.NewPCG(seed, 2))
	d, length := map[string][]float64{}, 0.0
	for _, name := range slices.Sorted(maps.Keys(grads)) {
		v := make([]float64, len(grads[name].Data))
		for i, g := range grads[name].Data {
			v[i] = 2 * rng.Float64() * float64(g)
			length += v[i] * v[i]
		}
		d[name] = v
	}
	for _, v := range d {
		for i := range v {
			v[i] /= math.Max(math.Sqrt(length), math.SmallestNonzeroFloat32)
		}
	}
	return d
}

// lossOf is that of a batch, and leaves its gradients, but does no step.
func (l *Learner) lossOf(ctx context.Context, r ready) (float64, error) {
	s := l.settings(someRate, 0)
	s.Apply = false
	r.seed = float32(l.progress.Scale)
	out, err := r.run(ctx, s)
	return mean(out["loss"]), err
}
