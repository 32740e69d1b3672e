package main

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"saccade/cmd/internal/cli"
	"saccade/gpu"
)

// Row is one line of the report, with the names that scripts read.
type Row struct {
	Name         string   `json:"name"`
	Kind         string   `json:"kind"` // "model", "text", "op", "step" or "pipeline"
	Precision    string   `json:"precision"`
	Batch        int      `json:"batch"`
	Shape        string   `json:"shape"`
	MSMean       float64  `json:"ms_mean"` // warm
	MSSD         float64  `json:"ms_sd"`
	MSMin        float64  `json:"ms_min"`
	ColdMS       *float64 `json:"cold_ms"`       // null if not asked for
	GFLOPS       float64  `json:"gflops"`        // by ms_mean
	GBPS         float64  `json:"gbps"`          // 1e9 bytes that the dispatches read and wrote, by ms_mean
	PeakFraction float64  `json:"peak_fraction"` // median over the repetitions, of the peak around each
	CopyFraction float64  `json:"copy_fraction"` // gbps of the copy's; caches may make it more than 1
	MemMiB       float64  `json:"mem_mib"`       // weights and activations
	WeightsMiB   float64  `json:"weights_mib"`
	Verified     bool     `json:"verified"`
	Sampled      int      `json:"sampled"`               // operations so large that a sample of their rows was compared
	NMSE         *float64 `json:"nmse"`                  // the largest of any dispatch; null if it is not a number
	ItemsPerS    *float64 `json:"items_per_s,omitempty"` // of a text: tokens a second behind the first
	PrefillMS    *float64 `json:"prefill_ms,omitempty"`  // what a text is about is read, and the first token
	TunedGain    *float64 `json:"tuned_gain,omitempty"`  // with -tune: how many times as fast as by default, in turn
	Layers       []Layer  `json:"layers,omitempty"`
}

// Layer is one dispatch of a row, in the order of execution.
type Layer struct {
	Label  string  `json:"label"`
	Op     string  `json:"op"`
	Kernel string  `json:"kernel"`
	Shape  []int   `json:"shape"`
	MS     float64 `json:"ms"`
	GFLOPS float64 `json:"gflops"`
	GBPS   float64 `json:"gbps"`
}

// verdict is what a comparison in the same run found.
type verdict struct {
	verified bool
	mismatch error   // what is wrong
	nmse     float64 // the largest
	sampled  int     // operations compared in a sample of rows
}

// Op programs are repeated within a repetition for this long, or so often.
const (
	repeatTime  = 20 * time.Millisecond
	repeatTimes = 10
)

// measure verifies a subject and times it r times between measurements of the peak.
// The error mismatch tells what did not verify; the row is complete all the same.
func measure(ctx context.Context, m *meter, s *subject, r int, sample bool) (row Row, mismatch, err error) {
	row = Row{Name: s.Name, Kind: s.Kind, Precision: s.Precision, Batch: s.Batch, Shape: s.Shape, MemMiB: mib(s.weights + s.activations), WeightsMiB: mib(s.weights)}
	v, err := s.verify(ctx, sample)
	if err != nil {
		return row, nil, fmt.Errorf("verifying %s: %w", s, err)
	}
	row.take(v)
	if _, _, err = s.time(ctx); err != nil { // warm: caches, and the pace of submits
		return row, nil, err
	}
	for range 3 { // a fraction above one may be a machine that changed its speed: look again
		if err = row.fill(ctx, m, s, r); err != nil || row.PeakFraction <= 1 {
			break
		}
	}
	return row, v.mismatch, err
}

func mib(bytes int64) float64 { return float64(bytes) / (1 << 20) }

// take takes over what the comparison found.
func (row *Row) take(v verdict) {
	row.Verified, row.Sampled, row.NMSE = v.verified, v.sampled, cli.Number(v.nmse)
}

// fill times s r times, each between two measurements of the peak.
func (row *Row) fill(ctx context.Context, m *meter, s *subject, r int) error {
	var took, fractions []float64
	var done work
	before, err := m.now(ctx)
	if err != nil {
		return err
	}
	if s.pace != nil {
		*s.pace = pace{}
	}
	for range r {
		t, w, err := s.time(ctx)
		if err != nil {
			return err
		}
		after, err := m.now(ctx)
		if err != nil {
			return err
		}
		done = w
		took = append(took, t.Seconds()*1e3)
		fractions = append(fractions, (w.flops-w.saved)/t.Seconds()/1e9/max(before, after))
		before = after
	}
	row.MSMean, row.MSSD, row.MSMin = statistics(took)
	row.GFLOPS, row.GBPS = done.flops/row.MSMean/1e6, done.bytes/row.MSMean/1e6
	row.PeakFraction = median(fractions)
	if s.pace != nil {
		s.pace.fill(row)
	}
	return nil
}

// judge is the verdict on the dispatches of a run, recomputed on the CPU in f64 from
// the GPU's own inputs.
func (s *subject) judge(checks []gpu.OpCheck) verdict {
	var v verdict
	for _, c := range checks {
		if v.mismatch == nil && c.Err != nil {
			v.mismatch = fmt.Errorf("%s: %w", s, c.Err)
		}
		if s.mine(c.Op) {
			v.nmse = math.Max(v.nmse, c.NMSE) // NaN stays
			if c.Rows > 0 {
				v.sampled++
			}
		}
	}
	v.verified = v.mismatch == nil && len(checks) > 0
	return v
}

// work is what was done: arithmetic of operations as they are defined, by which
// rates compare, what of it the kernels do without (Winograd's convolutions), which
// no adapter gets credit for, and the bytes that dispatches read and wrote.
type work struct{ flops, saved, bytes float64 }

// time is one repetition: the time of a run and its work. An operation's is that of
// its dispatches, the mean of several runs; that of all else is by the clock, from
// the upload of the input to the read-back of the output.
func (s *subject) time(ctx context.Context) (took time.Duration, w work, err error) {
	if s.Kind != kindOp {
		return s.clock(ctx)
	}
	began, runs := time.Now(), 0
	for ; runs < repeatTimes && (runs == 0 || time.Since(began) < repeatTime); runs++ {
		timings, err := s.profile(ctx)
		if err != nil {
			return 0, work{}, err
		}
		var t time.Duration
		t, w = s.sum(timings)
		took += t
	}
	took /= time.Duration(runs)
	if took <= 0 {
		return 0, work{}, fmt.Errorf("%s took no measurable time", s)
	}
	return took, w, nil
}

func (s *subject) clock(ctx context.Context) (took time.Duration, w work, err error) {
	if s.ready != nil {
		if err := s.ready(ctx); err != nil {
			return 0, work{}, err
		}
	}
	before, began := s.dev.Stats(), time.Now()
	err = s.run(ctx)
	took = time.Since(began)
	after := s.dev.Stats()
	return took, work{after.FLOPs - before.FLOPs, after.Saved - before.Saved, after.Bytes - before.Bytes}, err
}

func (s *subject) sum(timings []gpu.Timing) (took time.Duration, w work) {
	for _, t := range timings {
		if s.mine(t.Op) {
			took += t.Took
			w.flops += t.FLOPs
			w.saved += t.Saved
			w.bytes += t.Bytes
		}
	}
	return took, w
}

// layers times the dispatches of one run; none of a whole pipeline.
func (s *subject) layers(ctx context.Context) ([]Layer, error) {
	if s.profile == nil {
		return nil, nil
	}
	timings, err := s.profile(ctx)
	if err != nil {
		return nil, fmt.Errorf("timing the layers of %s: %w", s, err)
	}
	layers := make([]Layer, len(timings))
	for i, t := range timings {
		layers[i] = Layer{Label: t.Label, Op: t.Op, Kernel: t.Kernel, Shape: t.Shape, MS: t.Took.Seconds() * 1e3}
		if seconds := t.Took.Seconds(); seconds > 0 {
			layers[i].GFLOPS, layers[i].GBPS = t.FLOPs/seconds/1e9, t.Bytes/seconds/1e9
		}
	}
	return layers, nil
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
