package main

import (
	"context"
	"fmt"

	"saccade/cmd/internal/cli"
	"saccade/gpu"
)

// tune has each row run once on a device that tries all ways of its operations,
// before any is timed.
func (b *bench) tune(ctx context.Context) error {
	dev, err := b.choice.Open(b.getenv, b.stderr)
	if err != nil {
		return err
	}
	defer dev.Close()
	for _, s := range b.specs() {
		if err := s.once(ctx, dev); err != nil {
			return fmt.Errorf("tuning %s: %w", s, err)
		}
	}
	err = b.choice.Finish(dev, b.stderr)
	b.choice.Tune = false
	return err
}

// once runs a row a single time.
func (s spec) once(ctx context.Context, dev *gpu.Device) error {
	x, err := s.open(ctx, dev)
	if err != nil {
		return err
	}
	defer x.close()
	if x.ready != nil {
		if err := x.ready(ctx); err != nil {
			return err
		}
	}
	return x.run(ctx)
}

// openPlain opens the adapter a second time, for the ways that operations take by default.
func (b *bench) openPlain() (err error) {
	plain := b.choice
	plain.Tuning = cli.Tuning{File: cli.NoTuning}
	b.plain, err = plain.Open(b.getenv, b.stderr)
	return err
}

// gain is how many times as fast a subject is as the same by default: the median
// of r repetitions, by turns.
func (b *bench) gain(ctx context.Context, x *subject, r int) (float64, error) {
	y, err := x.spec.open(ctx, b.plain)
	if err != nil {
		return 0, err
	}
	defer y.close()
	var ratios []float64
	for i := range r + 1 { // the first warms
		standard, _, err := y.time(ctx)
		if err != nil {
			return 0, err
		}
		tuned, _, err := x.time(ctx)
		if err != nil {
			return 0, err
		}
		if i > 0 {
			ratios = append(ratios, standard.Seconds()/tuned.Seconds())
		}
	}
	return median(ratios), nil
}
