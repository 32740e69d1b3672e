package main

import (
	"bytes"
	"fmt"
	"html/template"
	"image/color"
	"math"
	"slices"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// The colours of series: those of Okabe and Ito, which the colour-blind can tell
// apart, and grey for what is left. wrong marks rows that were not verified.
var (
	hues  = []color.RGBA{rgb(0x0072b2), rgb(0xe69f00), rgb(0x009e73), rgb(0xcc79a7), rgb(0x56b4e9), rgb(0xb8a800), rgb(0x7a5195)}
	grey  = rgb(0x999999)
	wrong = rgb(0xd00000)
)

func rgb(v uint32) color.RGBA { return color.RGBA{uint8(v >> 16), uint8(v >> 8), uint8(v), 0xff} }

// hue is the colour of series i.
func hue(i int) color.RGBA {
	if i < len(hues) {
		return hues[i]
	}
	return grey
}

// The size of plots in points.
const (
	plotWidth = 780
	rowHeight = 17 // of one line of a plot with a line for each subject
)

// point is a value at a place.
type point = plotter.XY

// newPlot is a plot in the page's font with a grid.
func newPlot(x, y string) *plot.Plot {
	p := plot.New()
	sans := func(s *text.Style, size vg.Length) {
		s.Font = font.Font{Typeface: "Liberation", Variant: "Sans", Size: size}
	}
	sans(&p.X.Label.TextStyle, 11)
	sans(&p.Y.Label.TextStyle, 11)
	sans(&p.X.Tick.Label, 10)
	sans(&p.Y.Tick.Label, 10)
	p.X.Label.Text, p.Y.Label.Text = x, y
	grid := plotter.NewGrid()
	grid.Vertical.Color, grid.Horizontal.Color = rgb(0xe4e4e4), rgb(0xe4e4e4)
	p.Add(grid)
	return p
}

// logarithmic makes an axis logarithmic from low to high, both above 0.
func logarithmic(a *plot.Axis, low, high float64) {
	a.Min, a.Max, a.Scale = low, high, plot.LogScale{}
	steps := []float64{1, 2, 5}
	if high/low > 1e4 {
		steps = steps[:1]
	}
	var ticks []plot.Tick
	for e := math.Floor(math.Log10(low)); e <= math.Ceil(math.Log10(high)); e++ {
		for _, s := range steps {
			if v := s * math.Pow(10, e); v >= low && v <= high {
				ticks = append(ticks, plot.Tick{Value: v, Label: strconv.FormatFloat(v, 'g', -1, 64)})
			}
		}
	}
	a.Tick.Marker = plot.ConstantTicks(ticks)
}

// span is the range of positive values with room on both sides, by a factor; 1 to
// 10 if there are none.
func span(room float64, values ...float64) (low, high float64) {
	low, high = math.Inf(1), 0
	for _, v := range values {
		if v > 0 && !math.IsInf(v, 0) {
			low, high = min(low, v), max(high, v)
		}
	}
	if high == 0 {
		return 1, 10
	}
	return low / room, high * room
}

// dots adds a series of points.
func dots(p *plot.Plot, c color.Color, radius vg.Length, points ...point) error {
	if len(points) == 0 {
		return nil
	}
	s, err := plotter.NewScatter(plotter.XYs(points))
	if err != nil {
		return err
	}
	s.GlyphStyle = draw.GlyphStyle{Color: c, Radius: radius, Shape: draw.CircleGlyph{}}
	p.Add(s)
	return nil
}

// words adds a text to the right of each point.
func words(p *plot.Plot, points []point, labels []string) error {
	if len(points) == 0 {
		return nil
	}
	l, err := plotter.NewLabels(plotter.XYLabels{XYs: points, Labels: labels})
	if err != nil {
		return err
	}
	l.Offset = vg.Point{X: 5, Y: -3}
	for i := range l.TextStyle {
		l.TextStyle[i].Font = wordFont
	}
	p.Add(l)
	return nil
}

// wordFont is that of texts beside points.
var wordFont = font.Font{Typeface: "Liberation", Variant: "Sans", Size: 9}

// apart are texts beside points that lie anywhere, so that texts to their right
// would cover each other: each is moved up or down to where it is free, with a line
// to its point.
type apart struct {
	points []point
	labels []string
}

// Plot draws them.
func (a apart) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	style := text.Style{Font: wordFont, Handler: plot.DefaultTextHandler}
	const high = 10
	var taken []vg.Rectangle
	free := func(r vg.Rectangle) bool {
		return !slices.ContainsFunc(taken, func(t vg.Rectangle) bool {
			return r.Min.X < t.Max.X && t.Min.X < r.Max.X && r.Min.Y < t.Max.Y && t.Min.Y < r.Max.Y
		})
	}
	for i, label := range a.labels {
		at := vg.Point{X: x(a.points[i].X), Y: y(a.points[i].Y)}
		box := vg.Rectangle{Min: at.Add(vg.Point{X: 5, Y: -3}), Max: at.Add(vg.Point{X: 5 + style.Width(label), Y: high - 3})}
		for step := 1; !free(box) && step <= 2*len(a.labels); step++ { // up one, down two, up three …
			move := vg.Length(step * high)
			if step%2 == 0 {
				move = -move
			}
			box.Min.Y, box.Max.Y = box.Min.Y+move, box.Max.Y+move
		}
		taken = append(taken, box)
		if box.Min.Y != at.Y-3 {
			c.StrokeLine2(draw.LineStyle{Color: grey, Width: vg.Points(0.5)}, at.X, at.Y, box.Min.X-1, box.Min.Y+3)
		}
		c.FillText(style, box.Min, label)
	}
}

// line adds a line through points, dashed if that is asked for.
func line(p *plot.Plot, c color.Color, dashed bool, points ...point) error {
	l, err := plotter.NewLine(plotter.XYs(points))
	if err != nil {
		return err
	}
	l.Color, l.Width = c, vg.Points(1.2)
	if dashed {
		l.Dashes = []vg.Length{4, 3}
	}
	p.Add(l)
	return nil
}

// subjects gives the y axis a line for each label, the first at the top, and tells
// the height that this takes.
func subjects(p *plot.Plot, labels []string) vg.Length {
	ticks := make([]plot.Tick, len(labels))
	for i, l := range labels {
		ticks[i] = plot.Tick{Value: level(i), Label: l}
	}
	p.Y.Tick.Marker = plot.ConstantTicks(ticks)
	p.Y.Min, p.Y.Max = level(len(labels)), level(-1)
	return vg.Length(len(labels)*rowHeight + 75)
}

// level is the height of the line of subject i.
func level(i int) float64 { return -float64(i) }

// svg draws a plot as an element of a page.
func svg(p *plot.Plot, width, height vg.Length) (template.HTML, error) {
	c := vgsvg.New(width, height)
	p.Draw(draw.New(c))
	var out bytes.Buffer
	if _, err := c.WriteTo(&out); err != nil {
		return "", fmt.Errorf("drawing a plot: %w", err)
	}
	i := bytes.Index(out.Bytes(), []byte("<svg")) // after the prologue of a file of its own
	return template.HTML(out.Bytes()[max(0, i):]), nil
}
