package main

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"saccade/gpu"
)

// Row is one line of the report, with the names that scripts read.
type Row struct {
	Name         string   `json:"name"`
	Kind         string   `json:"kind"` // "model" or "op"
	Precision    string   `json:"precision"`
	Batch        int      `json:"batch"`
	Shape        string   `json:"shape"`
	MSMean       float64  `json:"ms_mean"`
	MSSD         float64  `json:"ms_sd"`
	MSMin        float64  `json:"ms_min"`
	ColdMS       *float64 `json:"cold_ms"`       // null if not asked for
	GFLOPS       float64  `json:"gflops"`        // by ms_mean
	PeakFraction float64  `json:"peak_fraction"` // median over the repetitions, of the peak around each
	MemMiB       float64  `json:"mem_mib"`
	Verified     bool     `json:"verified"`
	NMSE         *float64 `json:"nmse"` // the largest of any dispatch; null if it is not a number
}

// Op programs are repeated within a repetition for this long, or so often.
const (
	repeatTime  = 20 * time.Millisecond
	repeatTimes = 10
)

// measure verifies a subject and times it r times between measurements of the peak.
// The error mismatch tells what did not verify; the row is complete all the same.
func measure(ctx context.Context, m *meter, s *subject, r int) (row Row, mismatch, err error) {
	row = Row{Name: s.Name, Kind: s.Kind, Precision: s.Precision, Batch: s.Batch, Shape: s.Shape, MemMiB: s.memMiB()}
	if mismatch, err = verify(ctx, s, &row); err != nil {
		return row, nil, err
	}
	if _, _, err = s.time(ctx); err != nil { // warm: caches, and the pace of submits
		return row, nil, err
	}
	for range 3 { // a fraction above one may be a machine that changed its speed: look again
		if err = row.fill(ctx, m, s, r); err != nil || row.PeakFraction <= 1 {
			break
		}
	}
	return row, mismatch, err
}

// fill times s r times, each between two measurements of the peak.
func (row *Row) fill(ctx context.Context, m *meter, s *subject, r int) error {
	var took, fractions []float64
	var defined float64
	before, err := m.now(ctx)
	if err != nil {
		return err
	}
	for range r {
		t, work, err := s.time(ctx)
		if err != nil {
			return err
		}
		after, err := m.now(ctx)
		if err != nil {
			return err
		}
		defined = work.defined
		took = append(took, t.Seconds()*1e3)
		fractions = append(fractions, (work.defined-work.saved)/t.Seconds()/1e9/max(before, after))
		before = after
	}
	row.MSMean, row.MSSD, row.MSMin = statistics(took)
	row.GFLOPS = defined / row.MSMean / 1e6
	row.PeakFraction = median(fractions)
	return nil
}

// verify recomputes every dispatch on the CPU in f64 from the GPU's own inputs.
func verify(ctx context.Context, s *subject, row *Row) (mismatch, err error) {
	checks, err := s.program.Verify(ctx, s.in, false)
	if err != nil {
		return nil, fmt.Errorf("verifying %s: %w", s, err)
	}
	var worst float64
	for _, c := range checks {
		if mismatch == nil && c.Err != nil {
			mismatch = fmt.Errorf("%s: %w", s, c.Err)
		}
		if s.mine(c.Op) {
			worst = math.Max(worst, c.NMSE) // NaN stays
		}
	}
	row.Verified = mismatch == nil && len(checks) > 0
	if !math.IsNaN(worst) && !math.IsInf(worst, 0) {
		row.NMSE = &worst
	}
	return mismatch, nil
}

// flops is arithmetic: of operations as they are defined, by which rates compare,
// and what the kernels do without (Winograd's convolutions), which no adapter
// gets credit for.
type flops struct{ defined, saved float64 }

// time is one repetition: the time of a run and its operations. A model's is by
// the clock, from the upload of its input to the read-back of its output; an
// operation's is that of its dispatches, the mean of several runs.
func (s *subject) time(ctx context.Context) (took time.Duration, work flops, err error) {
	if s.Kind == "model" {
		began := time.Now()
		_, err := s.program.Run(ctx, s.in)
		took = time.Since(began)
		work.defined, work.saved = s.program.FLOPs()
		return took, work, err
	}
	began, runs := time.Now(), 0
	for ; runs < repeatTimes && (runs == 0 || time.Since(began) < repeatTime); runs++ {
		timings, err := s.program.Profile(ctx, s.in)
		if err != nil {
			return 0, flops{}, err
		}
		t, f := s.sum(timings)
		took, work = took+t, f
	}
	took /= time.Duration(runs)
	if took <= 0 {
		return 0, flops{}, fmt.Errorf("%s took no measurable time", s)
	}
	return took, work, nil
}

func (s *subject) sum(timings []gpu.Timing) (took time.Duration, work flops) {
	for _, t := range timings {
		if s.mine(t.Op) {
			took += t.Took
			work.defined += t.FLOPs
			work.saved += t.Saved
		}
	}
	return took, work
}

// statistics are mean, standard deviation (of a sample) and minimum.
func statistics(v []float64) (mean, sd, low float64) {
	for _, x := range v {
		mean += x / float64(len(v))
	}
	for _, x := range v {
		sd += (x - mean) * (x - mean)
	}
	if len(v) > 1 {
		sd = math.Sqrt(sd / float64(len(v)-1))
	}
	return mean, sd, slices.Min(v)
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}
