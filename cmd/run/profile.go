package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"saccade/cmd/internal/cli"
	"saccade/gpu"
	"saccade/models"
)

// dispatchJSON is one kernel run.
type dispatchJSON struct {
	Op      string  `json:"op"`
	Label   string  `json:"label"`
	Shape   []int   `json:"shape"` // of the first output
	Variant string  `json:"variant"`
	US      float64 `json:"us"`
	GFLOPS  float64 `json:"gflops"`
	GBPS    float64 `json:"gbps"`
}

// totalJSON is the sum over the dispatches of one kind of operation.
type totalJSON struct {
	Op         string  `json:"op"`
	Dispatches int     `json:"dispatches"`
	US         float64 `json:"us"`
	Fraction   float64 `json:"fraction"` // of all microseconds
	GFLOPS     float64 `json:"gflops"`
	GBPS       float64 `json:"gbps"`

	took         time.Duration
	flops, bytes float64
}

// memoryJSON is what a forward pass takes on the device, in bytes.
type memoryJSON struct {
	Weights     int64 `json:"weights"`
	Activations int64 `json:"activations"` // the arena: their peak as planned
	Live        int64 `json:"live"`        // the most that are alive at once
	Unshared    int64 `json:"unshared"`    // were none to share a place
	IO          int64 `json:"io"`
}

// shapeOf is the shape of the input, of several the one of most dimensions.
func shapeOf(in map[string]models.Array) []int {
	var largest []int
	for _, name := range slices.Sorted(maps.Keys(in)) {
		if s := in[name].Shape; len(s) > len(largest) {
			largest = s
		}
	}
	return largest
}

// printProfile prints the time of every dispatch of a warm forward pass.
func (a *app) printProfile(ctx context.Context, m *models.Model) error {
	in, err := a.sample(ctx, m)
	if err != nil {
		return err
	}
	if _, err := m.Forward(ctx, in); err != nil { // compiles, fills the caches
		return err
	}
	timings, err := m.Profile(ctx, in)
	if err != nil {
		return err
	}
	plan, err := m.Plan(in)
	if err != nil {
		return err
	}
	weights, _ := m.Memory()
	return a.showProfile(a.head(m), shapeOf(in), timings, weights, plan)
}

// showProfile prints the dispatches of a forward pass on an input of a shape.
func (a *app) showProfile(h head, shape []int, timings []gpu.Timing, weights int64, plan gpu.Memory) error {
	memory := memoryJSON{weights, plan.Arena, plan.Live, plan.Sum, plan.IO}
	if a.json {
		return a.documentProfile(h, shape, timings, memory)
	}
	var rows [][]string
	for _, t := range timings {
		rows = append(rows, []string{t.Op, t.Label, cli.Dims(t.Shape), t.Kernel, fmt.Sprintf("%.1f", micro(t.Took)), rate(t.FLOPs, t.Took), rate(t.Bytes, t.Took)})
	}
	a.stdout.table([]string{"op", "label", "shape", "variant", ">µs", ">GFLOP/s", ">GB/s"}, rows)
	a.stdout.printf("\n")
	rows = nil
	all := totals(timings)
	for _, t := range all {
		rows = append(rows, []string{t.Op, fmt.Sprint(t.Dispatches), fmt.Sprintf("%.1f", t.US), fmt.Sprintf("%.1f %%", 100*t.Fraction), rate(t.flops, t.took), rate(t.bytes, t.took)})
	}
	sum := sumOf(timings)
	rows = append(rows, []string{"all", fmt.Sprint(sum.Dispatches), fmt.Sprintf("%.1f", sum.US), "", rate(sum.flops, sum.took), rate(sum.bytes, sum.took)})
	a.stdout.table([]string{"op", ">dispatches", ">µs", ">of all", ">GFLOP/s", ">GB/s"}, rows)
	a.stdout.printf("\nmemory: weights %s; activations %s at their peak (alive at once %s, without sharing places %s); inputs, outputs and parameters %s\n",
		gpu.MiB(memory.Weights), gpu.MiB(memory.Activations), gpu.MiB(memory.Live), gpu.MiB(memory.Unshared), gpu.MiB(memory.IO))
	fmt.Fprintf(a.stderr, "%s (%s), %s, batch of %d, on %s\n", h.Model, h.Weights, h.Precision, shape[0], a.dev.Info())
	return nil
}

func (a *app) documentProfile(h head, shape []int, timings []gpu.Timing, memory memoryJSON) error {
	doc := struct {
		head
		Input      []int          `json:"input"` // N, C, H, W
		US         float64        `json:"us"`
		Memory     memoryJSON     `json:"memory"`
		Dispatches []dispatchJSON `json:"dispatches"`
		Totals     []totalJSON    `json:"totals"`
	}{head: h, Input: shape, US: sumOf(timings).US, Memory: memory, Totals: totals(timings)}
	for _, t := range timings {
		doc.Dispatches = append(doc.Dispatches, dispatchJSON{t.Op, t.Label, t.Shape, t.Kernel, micro(t.Took), giga(t.FLOPs, t.Took), giga(t.Bytes, t.Took)})
	}
	return a.stdout.document(doc)
}

// totals sums the dispatches by operation, the longest first.
func totals(timings []gpu.Timing) []totalJSON {
	index := map[string]int{}
	var out []totalJSON
	for _, t := range timings {
		i, ok := index[t.Op]
		if !ok {
			i = len(out)
			index[t.Op], out = i, append(out, totalJSON{Op: t.Op})
		}
		out[i].add(t)
	}
	sum := sumOf(timings)
	for i := range out {
		out[i].finish(sum.took)
	}
	slices.SortStableFunc(out, func(a, b totalJSON) int { return int(b.took - a.took) })
	return out
}

// sumOf is the total of all dispatches.
func sumOf(timings []gpu.Timing) totalJSON {
	t := totalJSON{Op: "all"}
	for _, x := range timings {
		t.add(x)
	}
	t.finish(t.took)
	return t
}

func (t *totalJSON) add(x gpu.Timing) {
	t.Dispatches++
	t.took += x.Took
	t.flops += x.FLOPs
	t.bytes += x.Bytes
}

func (t *totalJSON) finish(all time.Duration) {
	t.US, t.GFLOPS, t.GBPS = micro(t.took), giga(t.flops, t.took), giga(t.bytes, t.took)
	if all > 0 {
		t.Fraction = float64(t.took) / float64(all)
	}
}

func micro(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }

// giga is work a second in thousands of millions, 0 where nothing was timed.
func giga(work float64, took time.Duration) float64 {
	if took <= 0 {
		return 0
	}
	return work / took.Seconds() / 1e9
}
