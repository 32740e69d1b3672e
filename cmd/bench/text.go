package main

import (
	"context"
	"fmt"
	"time"

	"saccade/cmd/internal/cli"
	"saccade/gpu"
	"saccade/models"
)

// pace is how fast texts were written: what was read and the first token, and the tokens
// behind it.
type pace struct {
	runs          int
	first, others time.Duration
	tokens        int // behind the first, of all items and runs
}

// fill puts the means of the runs into a row.
func (p *pace) fill(row *Row) {
	if p.runs == 0 || p.others <= 0 {
		return
	}
	first, rate := p.first.Seconds()*1e3/float64(p.runs), float64(p.tokens)/p.others.Seconds()
	row.PrefillMS, row.ItemsPerS = &first, &rate
}

// openText makes the subject of texts that an architecture writes.
func (s spec) openText(dev *gpu.Device, precision gpu.DType) (*subject, error) {
	t, err := models.NewStandardText(dev, s.Name, precision, s.Batch, seed)
	if err != nil {
		return nil, s.typed(err)
	}
	planned, err := t.Writer.Plan(t.Request)
	if err != nil {
		t.Close()
		return nil, s.typed(err)
	}
	s.Shape = fmt.Sprintf("%s, %d tokens", cli.Dims(t.Shape), t.Tokens)
	x := &subject{spec: s, dev: dev, pace: &pace{}, weights: t.WeightBytes(), activations: planned.Sum(), drawn: t.Drawn, close: t.Close}
	x.run = func(ctx context.Context) error {
		q := t.Request
		began, n := time.Now(), 0
		var first time.Time
		q.Each = func(int, uint32) {
			if n++; n == s.Batch {
				first = time.Now()
			}
		}
		if _, err := t.Writer.Write(ctx, q); err != nil {
			return err
		}
		x.pace.runs++
		x.pace.first += first.Sub(began)
		x.pace.others += time.Since(first)
		x.pace.tokens += n - s.Batch
		return nil
	}
	x.verify = func(ctx context.Context, _ bool) (verdict, error) { // always in samples: an image's encoder takes minutes
		last := t.Begun + t.Tokens - 1
		checks, err := t.Writer.VerifySample(ctx, t.Request, []int{t.Begun + 1, (t.Begun + last) / 2, last})
		return x.judge(checks), err
	}
	x.profile = func(ctx context.Context) ([]gpu.Timing, error) {
		return t.Writer.Profile(ctx, t.Request, []int{0, t.Begun, t.Begun + 1})
	}
	return x, nil
}
