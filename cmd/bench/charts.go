package main

import (
	"cmp"
	"fmt"
	"image/color"
	"maps"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
)

// charts are the plots of a report.
func (r *Report) charts() ([]chart, error) {
	if len(r.Rows) == 0 {
		return nil, nil
	}
	var all []chart
	for _, draw := range []func() (chart, error){r.roofline, r.fractions, r.times} {
		c, err := draw()
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	for i := range r.Rows {
		if row := &r.Rows[i]; len(row.Layers) > 0 {
			c, err := row.timeLine(r.Peak.GFLOPS)
			if err != nil {
				return nil, err
			}
			all = append(all, c)
		}
	}
	for i := range r.Sweeps {
		c, err := r.Sweeps[i].chart()
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, nil
}

// label names a row in a plot.
func (row Row) label() string {
	if row.Kind == kindOp || row.Kind == kindModel {
		return row.Name + " " + row.Shape
	}
	return row.Name + " " + row.Kind
}

// colour is a row's own unless it is wrong.
func (row Row) colour(c color.RGBA) color.RGBA {
	if !row.Verified {
		return wrong
	}
	return c
}

// roofline shows each row, and the dispatches of those that have layers, by the
// operations for a byte and the rate, below what the adapter can do: the slope of the
// copy's bandwidth, then the level of the fma rate (Williams et al. 2009).
func (r *Report) roofline() (chart, error) {
	p := newPlot("FLOP for each byte that dispatches read and write", "GFLOP/s")
	var points, small []point
	var labels []string
	xs, ys := []float64{r.Peak.GFLOPS / r.Peak.GBPS}, []float64{r.Peak.GFLOPS}
	for _, row := range r.Rows {
		if row.GFLOPS > 0 && row.GBPS > 0 {
			points, labels = append(points, point{X: row.GFLOPS / row.GBPS, Y: row.GFLOPS}), append(labels, row.label())
		}
		for _, l := range row.Layers {
			if l.GFLOPS > 0 && l.GBPS > 0 {
				small = append(small, point{X: l.GFLOPS / l.GBPS, Y: l.GFLOPS})
			}
		}
	}
	for _, at := range slices.Concat(points, small) {
		xs, ys = append(xs, at.X), append(ys, at.Y)
	}
	low, high := span(3, xs...)
	logarithmic(&p.X, low, high)
	bottom, top := span(2, ys...)
	logarithmic(&p.Y, bottom, top)
	roof := slices.DeleteFunc([]point{{X: max(low, bottom/r.Peak.GBPS), Y: max(low*r.Peak.GBPS, bottom)}, {X: r.Peak.GFLOPS / r.Peak.GBPS, Y: r.Peak.GFLOPS}, {X: high, Y: r.Peak.GFLOPS}},
		func(at point) bool { return !(at.X > 0 && at.Y > 0) })
	if len(roof) > 1 && r.Peak.GBPS > 0 {
		if err := line(p, wrong, true, roof...); err != nil {
			return chart{}, err
		}
	}
	if err := dots(p, grey, 1.5, small...); err != nil {
		return chart{}, err
	}
	for i, row := range r.Rows {
		if row.GFLOPS > 0 && row.GBPS > 0 {
			if err := dots(p, row.colour(hue(i)), 4, point{X: row.GFLOPS / row.GBPS, Y: row.GFLOPS}); err != nil {
				return chart{}, err
			}
		}
	}
	p.Add(apart{points, labels})
	return finished(p, 400, chart{Title: "Roofline.", About: "Rates below what this adapter can do; dashed: the copy's bandwidth, then the fma rate. Small dots are single dispatches."})
}

// fractions are bars of each row's fraction of the peak.
func (r *Report) fractions() (chart, error) {
	p := newPlot("% of the adapter's fma peak", "")
	labels := make([]string, len(r.Rows))
	most := 0.0
	var ends []point
	var texts []string
	for i, row := range r.Rows {
		labels[i] = row.label()
		percent := 100 * row.PeakFraction
		most = max(most, percent)
		if err := boxes(p, row.colour(hues[0]), box{0, percent, level(i) - 0.35, level(i) + 0.35}); err != nil {
			return chart{}, err
		}
		text := fmt.Sprintf("%.1f %%", percent)
		if !row.Verified {
			text += " WRONG"
		}
		ends, texts = append(ends, point{X: percent, Y: level(i)}), append(texts, text)
	}
	if err := words(p, ends, texts); err != nil {
		return chart{}, err
	}
	height := subjects(p, labels)
	p.X.Min, p.X.Max = 0, max(100, most)*1.12
	return finished(p, height, chart{Title: "Fraction of the peak."})
}

// times are dots of each row's warm and cold time.
func (r *Report) times() (chart, error) {
	p := newPlot("ms, logarithmic", "")
	labels := make([]string, len(r.Rows))
	var warm, bad, cold, ends []point
	var texts []string
	var all []float64
	for i, row := range r.Rows {
		labels[i] = row.label()
		at := point{X: row.MSMean, Y: level(i)}
		if !(at.X > 0) {
			continue
		}
		all = append(all, at.X)
		if row.Verified {
			warm = append(warm, at)
		} else {
			bad = append(bad, at)
		}
		ends, texts = append(ends, at), append(texts, fmt.Sprintf("%s ± %.2g", milliseconds(&row.MSMean), row.MSSD))
		if row.ColdMS != nil && *row.ColdMS > 0 {
			cold, all = append(cold, point{X: *row.ColdMS, Y: level(i)}), append(all, *row.ColdMS)
			ends, texts = append(ends, cold[len(cold)-1]), append(texts, milliseconds(row.ColdMS))
		}
	}
	low, high := span(2, all...)
	logarithmic(&p.X, low, high*2)
	c := chart{Title: "Times.", About: "Warm, with the deviation, and cold starts in a new process."}
	for _, s := range []struct {
		name   string
		color  color.RGBA
		points []point
	}{{"warm", hues[0], warm}, {"cold", hues[1], cold}, {"WRONG", wrong, bad}} {
		if len(s.points) > 0 {
			c.Keys = append(c.Keys, newKey(s.name, s.color))
		}
		if err := dots(p, s.color, 4, s.points...); err != nil {
			return chart{}, err
		}
	}
	if err := words(p, ends, texts); err != nil {
		return chart{}, err
	}
	height := subjects(p, labels)
	return finished(p, height, c)
}

// timeLine shows the dispatches of a row one after the other: as wide as they took,
// as high as their rate.
func (row *Row) timeLine(peak float64) (chart, error) {
	p := newPlot("ms from the beginning", "GFLOP/s")
	total, spent, rings := 0.0, map[string]float64{}, map[string][]box{}
	highest := peak
	for _, l := range row.Layers {
		highest = max(highest, l.GFLOPS)
	}
	for _, l := range row.Layers {
		// What does no arithmetic is a low bar.
		rings[l.Op] = append(rings[l.Op], box{total, total + l.MS, 0, max(l.GFLOPS, highest/50)})
		spent[l.Op] += l.MS
		total += l.MS
	}
	ops := slices.SortedFunc(maps.Keys(spent), func(a, b string) int {
		return cmp.Or(cmp.Compare(spent[b], spent[a]), cmp.Compare(a, b))
	})
	c := chart{Title: row.label() + ".", About: fmt.Sprintf("%d dispatches one after the other, as wide as they take, as high as their rate, or at 2 %% if they do no arithmetic; dashed: the fma peak.", len(row.Layers))}
	for i, op := range ops {
		if err := boxes(p, hue(i), rings[op]...); err != nil {
			return chart{}, err
		}
		if i < len(hues) {
			c.Keys = append(c.Keys, newKey(fmt.Sprintf("%s %.1f %%", op, 100*spent[op]/max(total, 1e-9)), hue(i)))
		}
	}
	if peak > 0 {
		if err := line(p, wrong, true, point{X: 0, Y: peak}, point{X: max(total, 1e-9), Y: peak}); err != nil {
			return chart{}, err
		}
	}
	p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = 0, max(total, 1e-9)*1.02, 0, highest*1.05
	return finished(p, 200, c)
}

// box is a rectangle.
type box struct{ left, right, bottom, top float64 }

// boxes adds rectangles of one colour.
func boxes(p *plot.Plot, c color.Color, all ...box) error {
	rings := make([]plotter.XYer, len(all))
	for i, b := range all {
		rings[i] = plotter.XYs{{X: b.left, Y: b.bottom}, {X: b.right, Y: b.bottom}, {X: b.right, Y: b.top}, {X: b.left, Y: b.top}}
	}
	polygon, err := plotter.NewPolygon(rings...)
	if err != nil {
		return err
	}
	polygon.Color, polygon.LineStyle.Width = c, 0
	p.Add(polygon)
	return nil
}

// finished draws a plot into its chart.
func finished(p *plot.Plot, height vg.Length, c chart) (chart, error) {
	var err error
	c.SVG, err = svg(p, plotWidth, height)
	return c, err
}
