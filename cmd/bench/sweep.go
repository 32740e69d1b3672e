package main

import (
	"context"
	"fmt"
	"math"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/plot"
)

// What -sweep goes over.
const (
	overBatch    = "batch"    // pictures or texts in one forward pass, of -models
	overSize     = "size"     // side of square pictures in pixels, of -models
	overSequence = "sequence" // tokens, of the attention of 12 heads of 64
)

// sweepValues are the points of each.
var sweepValues = map[string][]int{
	overBatch:    {1, 2, 4, 8, 16, 32, 64},
	overSize:     {224, 320, 448, 640, 1024},
	overSequence: {64, 128, 256, 512, 1024, 2048, 4096},
}

// wanted are the largest exponents that memory may grow by: linear in batch, in
// pixels and in tokens.
var wanted = map[string]float64{overBatch: 1, overSize: 2, overSequence: 1}

// exponentSlack is how far an exponent may be above what is wanted, 10 % of linear.
const exponentSlack = 0.1

// Sweep is how one subject grows.
type Sweep struct {
	Over      string       `json:"over"`
	Name      string       `json:"name"`
	Precision string       `json:"precision"`
	Points    []SweepPoint `json:"points"`
	// Growth is the exponents e of x^e, fitted to all points; null with one point.
	Growth *Growth `json:"growth"`
	// Stopped says why points are missing at the end, such as too little memory.
	Stopped string `json:"stopped,omitempty"`
}

// SweepPoint is one measurement.
type SweepPoint struct {
	X              int     `json:"x"`
	MSMin          float64 `json:"ms_min"`
	GFLOP          float64 `json:"gflop"`
	WeightsMiB     float64 `json:"weights_mib"`
	ActivationsMiB float64 `json:"activations_mib"` // with inputs and outputs
}

// Growth is exponents: 1 is linear, 2 quadratic.
type Growth struct {
	Time        float64 `json:"time"`
	Arithmetic  float64 `json:"arithmetic"`
	Activations float64 `json:"activations"`
}

// sweepOne times one subject at all points, as far as they can be had.
func (b *bench) sweepOne(ctx context.Context, m *meter, report *Report, s spec) (mismatches []error, err error) {
	w := Sweep{Over: b.sweep, Name: s.Name, Precision: s.Precision}
	for _, x := range sweepValues[b.sweep] {
		b.say("opening " + s.at(b.sweep, x).String())
		subject, err := s.at(b.sweep, x).open(ctx, b.dev)
		if err != nil {
			if ctx.Err() != nil || len(w.Points) == 0 {
				return mismatches, err
			}
			w.Stopped = fmt.Sprintf("at %d: %v", x, err)
			break
		}
		row, mismatch, err := b.timed(ctx, m, subject, true)
		if err != nil {
			return mismatches, err
		}
		if mismatch != nil {
			mismatches = append(mismatches, mismatch)
		}
		report.Rows = append(report.Rows, row)
		w.Points = append(w.Points, SweepPoint{X: x, MSMin: row.MSMin, GFLOP: row.GFLOPS * row.MSMean / 1e3, WeightsMiB: row.WeightsMiB, ActivationsMiB: row.MemMiB - row.WeightsMiB})
	}
	w.Growth = w.fit()
	report.Sweeps = append(report.Sweeps, w)
	return mismatches, nil
}

// at is the spec at a point of a sweep.
func (s spec) at(over string, x int) spec {
	switch over {
	case overBatch:
		s.Batch = x
	case overSize:
		s.Side = x
	case overSequence:
		s.Shape = fmt.Sprintf("12x64x%d", x)
	}
	return s
}

// fit finds the exponents.
func (w *Sweep) fit() *Growth {
	if len(w.Points) < 2 {
		return nil
	}
	of := func(f func(SweepPoint) float64) float64 { return exponent(w.Points, f) }
	return &Growth{
		Time:        of(func(p SweepPoint) float64 { return p.MSMin }),
		Arithmetic:  of(func(p SweepPoint) float64 { return p.GFLOP }),
		Activations: of(func(p SweepPoint) float64 { return p.ActivationsMiB }),
	}
}

// exponent is the slope of a straight line through the logarithms.
func exponent(points []SweepPoint, f func(SweepPoint) float64) float64 {
	var xs, ys []float64
	for _, p := range points {
		xs, ys = append(xs, math.Log(float64(p.X))), append(ys, math.Log(max(f(p), math.SmallestNonzeroFloat64)))
	}
	_, slope := stat.LinearRegression(xs, ys, nil, false)
	return slope
}

// remark says what is wrong with the growth.
func (w *Sweep) remark() string {
	text := "as wanted"
	switch most := wanted[w.Over]; {
	case w.Growth == nil:
		text = "too few points"
	case w.Growth.Activations > most+exponentSlack:
		text = fmt.Sprintf("MEMORY GROWS FASTER than x^%g", most)
	case w.Growth.Time > w.Growth.Arithmetic+exponentSlack:
		text = "TIME GROWS FASTER than the arithmetic"
	}
	if w.Stopped != "" {
		text += "; stopped " + w.Stopped
	}
	return text
}

// growth is the table of the sweeps.
func (r *Report) growth() *grid {
	g := &grid{
		title:  []string{"growth"},
		header: []string{"name", "precision", "over", "from", "to", "weights MiB", "activations MiB", "time ~", "arithmetic ~", "activations ~", "growth"},
		left:   map[int]bool{0: true, 1: true, 2: true, 10: true},
		notes:  []string{"~: the exponent e of x^e that fits all points; 1 is linear, 2 quadratic. Weights are those of the last point, activations of the first and the last"},
	}
	for _, w := range r.Sweeps {
		first, last := w.Points[0], w.Points[len(w.Points)-1]
		cells := []string{w.Name, w.Precision, w.Over, fmt.Sprint(first.X), fmt.Sprint(last.X), fmt.Sprintf("%.1f", last.WeightsMiB),
			fmt.Sprintf("%.4g – %.4g", first.ActivationsMiB, last.ActivationsMiB)}
		if w.Growth == nil {
			cells = append(cells, "", "", "")
		} else {
			for _, e := range []float64{w.Growth.Time, w.Growth.Arithmetic, w.Growth.Activations} {
				cells = append(cells, fmt.Sprintf("x^%.2f", e))
			}
		}
		g.rows = append(g.rows, append(cells, w.remark()))
	}
	return g
}

// chart shows time, arithmetic and activations as multiples of the first point's.
func (w *Sweep) chart() (chart, error) {
	p := newPlot(w.Over, "times the first")
	c := chart{Title: w.Name + " over " + w.Over + "."}
	var xs, ys []float64
	first := w.Points[0]
	for i, s := range []struct {
		name string
		f    func(SweepPoint) float64
	}{
		{"time", func(p SweepPoint) float64 { return p.MSMin / first.MSMin }},
		{"arithmetic", func(p SweepPoint) float64 { return p.GFLOP / first.GFLOP }},
		{"activations", func(p SweepPoint) float64 { return p.ActivationsMiB / first.ActivationsMiB }},
	} {
		var points []point
		for _, at := range w.Points {
			if y := s.f(at); y > 0 && !math.IsInf(y, 0) {
				points = append(points, point{X: float64(at.X), Y: y})
				xs, ys = append(xs, float64(at.X)), append(ys, y)
			}
		}
		name := s.name
		if w.Growth != nil {
			name += fmt.Sprintf(" ~ x^%.2f", []float64{w.Growth.Time, w.Growth.Arithmetic, w.Growth.Activations}[i])
		}
		c.Keys = append(c.Keys, newKey(name, hue(i)))
		if len(points) > 1 {
			if err := line(p, hue(i), false, points...); err != nil {
				return c, err
			}
		}
		if err := dots(p, hue(i), 3, points...); err != nil {
			return c, err
		}
	}
	low, high := span(1.1, xs...)
	logarithmic(&p.X, low, high)
	low, high = span(1.3, ys...)
	logarithmic(&p.Y, low, high)
	var ticks []plot.Tick
	for _, at := range w.Points {
		ticks = append(ticks, plot.Tick{Value: float64(at.X), Label: fmt.Sprint(at.X)})
	}
	p.X.Tick.Marker = plot.ConstantTicks(ticks)
	return finished(p, 300, c)
}
