package live

import (
	"image"
	"image/color"
	stddraw "image/draw"
	"math"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
)

// Colours of the curve: of Okabe and Ito, which the colour-blind can tell apart.
var (
	lossColor = color.NRGBA{0x00, 0x72, 0xb2, 0x50}
	meanColor = color.NRGBA{0x00, 0x72, 0xb2, 0xff}
	heldColor = color.NRGBA{0xe6, 0x9f, 0x00, 0xff}
	gridColor = color.NRGBA{0xe4, 0xe4, 0xe4, 0xff}
)

// mostPoints is how many points of a line are drawn: more than that are pixels on each other.
const mostPoints = 2000

// draw draws the curve of a training of so many steps.
func (c *curve) draw(size image.Point, steps int) (*image.RGBA, error) {
	p := plot.New()
	for _, s := range []*font.Font{&p.X.Label.TextStyle.Font, &p.Y.Label.TextStyle.Font, &p.X.Tick.Label.Font, &p.Y.Tick.Label.Font, &p.Legend.TextStyle.Font} {
		*s = font.Font{Typeface: "Liberation", Variant: "Sans", Size: 11}
	}
	p.X.Label.Text, p.Y.Label.Text, p.Legend.Top = "step", "loss", true
	grid := plotter.NewGrid()
	grid.Vertical.Color, grid.Horizontal.Color = gridColor, gridColor
	p.Add(grid)
	for _, l := range []struct {
		name   string
		x, y   []float64
		color  color.Color
		width  vg.Length
		points bool
	}{
		{"each step", c.steps, c.losses, lossColor, 1, false},
		{"running mean", c.steps, c.means, meanColor, 2, false},
		{"validation", c.heldSteps, c.held, heldColor, 2, true},
	} {
		if len(l.x) == 0 {
			continue
		}
		line, dots, err := plotter.NewLinePoints(thinned(l.x, l.y))
		if err != nil {
			return nil, err
		}
		line.Color, line.Width = l.color, l.width
		p.Add(line)
		p.Legend.Add(l.name, line)
		if l.points {
			dots.GlyphStyle = draw.GlyphStyle{Color: l.color, Radius: 3, Shape: draw.CircleGlyph{}}
			p.Add(dots)
		}
	}
	p.X.Min, p.X.Max = 0, math.Max(1, float64(steps))
	if p.Y.Min = math.Min(0, p.Y.Min); !(p.Y.Max > p.Y.Min) || math.IsInf(p.Y.Max, 0) || len(c.steps) == 0 {
		p.Y.Min, p.Y.Max = 0, 1
	}
	p.Y.Max += 0.15 * (p.Y.Max - p.Y.Min) // room for the legend over a line at the top
	p.X.Tick.Marker, p.Y.Tick.Marker = plot.TickerFunc(ticks), plot.TickerFunc(ticks)
	p.Legend.XOffs, p.Legend.YOffs = -8, -4
	const dpi = 96
	on := vgimg.NewWith(vgimg.UseWH(vg.Length(size.X)*vg.Inch/dpi, vg.Length(size.Y)*vg.Inch/dpi), vgimg.UseDPI(dpi))
	p.Draw(draw.New(on))
	m := image.NewRGBA(image.Rectangle{Max: size})
	stddraw.Draw(m, m.Rect, on.Image(), image.Point{}, stddraw.Src)
	return m, nil
}

// ticks are plot's with the shortest labels.
func ticks(low, high float64) []plot.Tick {
	all := plot.DefaultTicks{}.Ticks(low, high)
	for i, t := range all {
		if !t.IsMinor() {
			all[i].Label = strconv.FormatFloat(t.Value, 'g', 4, 64)
		}
	}
	return all
}

// thinned are the points of a line, or of more than can be told apart some at even distances.
func thinned(x, y []float64) plotter.XYs {
	every := (len(x) + mostPoints - 1) / mostPoints
	var all plotter.XYs
	for i := range x {
		if i%every == 0 || i == len(x)-1 {
			all = append(all, plotter.XY{X: x[i], Y: y[i]})
		}
	}
	return all
}
