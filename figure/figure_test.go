package figure

import (
	"fmt"
	"image/color"
	"math"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/figure/figuretest"
	"saccade/picture"
)

// sample is a picture with a bright disc before a gradient.
func sample(w, h int) *picture.Image {
	m := picture.New(w, h)
	for y := range h {
		for x := range w {
			c := [3]uint8{uint8(255 * x / w), uint8(255 * y / h), 90}
			if dx, dy := float64(x)-float64(0.7*float64(w)), float64(y)-float64(0.3*float64(h)); float64(dx*dx)+float64(dy*dy) < 0.03*float64(w*h) { // products that arm64 does not fuse
				c = [3]uint8{250, 240, 200}
			}
			copy(m.Pix[3*(y*w+x):], c[:])
		}
	}
	return m
}

// bump is a heat map with its largest value at a cell.
func bump(rows, columns, row, column int) *Heat {
	var v []float32
	for y := range rows {
		for x := range columns {
			v = append(v, float32(math.Exp(-0.3*float64((y-row)*(y-row)+(x-column)*(x-column)))))
		}
	}
	return NewHeat(Grid{Rows: rows, Columns: columns}, v, "attention of the class token")
}

func signed(h *Heat) *Heat {
	for i := range h.Values {
		h.Values[i] = 4*h.Values[i] - 1
	}
	return NewHeat(h.Grid, h.Values, "part of the logit")
}

// cases are figures with everything that can be drawn.
func cases(t testing.TB) map[string]Figure {
	rest := bump(4, 4, 1, 2)
	rest.Width, rest.Height = 0.8, 0.9
	g := Grid{Rows: 2, Columns: 3}
	mosaic, err := Mosaic(90, 60, g, []color.RGBA{{255, 0, 0, 255}, {0, 255, 0, 255}, {0, 0, 255, 255}, {255, 255, 0, 255}, {0, 255, 255, 255}, {90, 90, 90, 255}})
	require.NoError(t, err)
	heads := []Panel{}
	for i := range 5 {
		heads = append(heads, Panel{Title: fmt.Sprintf("head %d", i), Picture: sample(160, 160), Heat: bump(7, 7, i, i+1)})
	}
	return map[string]Figure{
		"small_picture": {Side: 128, Rows: []Row{{Panels: []Panel{{Title: "cat 88.5 %", Note: "rollout", Picture: sample(32, 32), Heat: bump(8, 8, 2, 5)}}}}},
		"titles": {Title: "A title that is a good deal longer than all of the figure is wide", Side: 128, Rows: []Row{{Title: "pictures/one.jpg", Panels: []Panel{
			{Title: "An exceedingly long name of a class", Note: "and a note that does not fit in", Picture: sample(80, 120)},
			{Title: "Ähre, γάτα, кот", Picture: sample(120, 80), Heat: signed(bump(6, 9, 1, 6))}}}}},
		"heads": {Side: 128, Rows: Wrap(heads, 3)},
		"table": {Side: 160, Rows: []Row{{Panels: []Panel{
			{Title: "vit", Picture: sample(64, 48), Lines: []Line{{"tiger cat", "71.3 %", 0.713}, {"Egyptian cat, the one of the sphinx", "20.1 %", 0.201}, {"forward", "9.7 ms", 0}}},
			{Title: "resnet", Picture: sample(64, 48), Heat: bump(7, 7, 3, 3), Lines: []Line{{"dog", "51 %", 0.51}}},
			{Title: "no picture", Lines: []Line{{"alone", "", 0}}}}}}},
		"rest": {Side: 128, Rows: []Row{{Panels: []Panel{{Picture: sample(100, 70), Heat: rest}, {Picture: mosaic}}}}},
	}
}

// TestReferences compares the figures with stored ones, each drawn three times:
// nothing that one drawing leaves behind may change the next.
func TestReferences(t *testing.T) {
	for name, f := range cases(t) {
		t.Run(name, func(t *testing.T) {
			got, err := f.Draw()
			require.NoError(t, err)
			for range 2 {
				again, err := f.Draw()
				require.NoError(t, err)
				require.Equal(t, got.Pix, again.Pix)
			}
			figuretest.Require(t, filepath.Join("testdata", name+".png"), got, figuretest.Drawn)
		})
	}
}

// A map moved by a cell, another title or other colours are found.
func TestComparisonFindsChanges(t *testing.T) {
	f := cases(t)["small_picture"]
	want, err := f.Draw()
	require.NoError(t, err)
	changes := map[string]func(p *Panel){
		"moved":  func(p *Panel) { p.Heat = bump(8, 8, 2, 4) },
		"title":  func(p *Panel) { p.Title = "cat 88.6 %" },
		"legend": func(p *Panel) { p.Heat.Legend = "Attention of the class token" },
		"none":   func(p *Panel) { p.Heat.Values[0] += 1e-6 },
	}
	for name, change := range changes {
		f := cases(t)["small_picture"]
		change(&f.Rows[0].Panels[0])
		got, err := f.Draw()
		require.NoError(t, err)
		most, _ := figuretest.Apart(got, want)
		assert.Equal(t, name == "none", most <= figuretest.Drawn.Sample, "%s: %d", name, most)
	}
}

// The size of a figure does not depend on that of its pictures.
func TestSizes(t *testing.T) {
	var first *picture.Image
	for _, side := range []int{1, 7, 32, 256, 320, 2000} {
		got, err := Figure{Rows: []Row{{Panels: []Panel{{Picture: sample(side, side)}}}}}.Draw()
		require.NoError(t, err)
		if first == nil {
			first = got
		}
		assert.Equal(t, []int{first.W, first.H}, []int{got.W, got.H})
		assert.GreaterOrEqual(t, got.W, 256)
	}
	got, err := Figure{Rows: []Row{{Panels: []Panel{{Picture: sample(1000, 1)}, {Picture: sample(1, 1000)}}}}}.Draw()
	require.NoError(t, err)
	assert.Equal(t, DefaultSide+2*margin, got.H)
}

func TestErrors(t *testing.T) {
	pic := sample(8, 8)
	heat := func(change func(h *Heat)) *Heat { h := bump(2, 2, 0, 0); change(h); return h }
	draw := func(p Panel) error { _, err := Figure{Rows: []Row{{Panels: []Panel{p}}}}.Draw(); return err }
	for part, err := range map[string]error{
		"no panels":                draw0(Figure{}),
		"4 values on a grid of 3×": draw(Panel{Picture: pic, Heat: heat(func(h *Heat) { h.Rows = 3 })}),
		"NaN":                      draw(Panel{Picture: pic, Heat: heat(func(h *Heat) { h.Values[1] = float32(math.NaN()) })}),
		"over 2 of the width":      draw(Panel{Picture: pic, Heat: heat(func(h *Heat) { h.Width = 2 })}),
		"colours from 1 to 0":      draw(Panel{Picture: pic, Heat: heat(func(h *Heat) { h.Low, h.High = 1, 0 })}),
		"without a picture":        draw(Panel{Heat: bump(2, 2, 0, 0)}),
		"0×0 pixels":               draw(Panel{Picture: &picture.Image{}}),
		"expected 128 or more":     draw0(Figure{Side: 5, Rows: []Row{{Panels: []Panel{{Picture: pic}}}}}),
	} {
		assert.ErrorContains(t, err, part)
	}
	many := make([]Panel, 2000)
	for i := range many {
		many[i].Picture = pic
	}
	assert.ErrorContains(t, draw0(Figure{Rows: Wrap(many, 2)}), "fewer pictures at once")
}

func draw0(f Figure) error { _, err := f.Draw(); return err }

// Values between the centres of cells are the bilinear ones, by hand.
func TestBilinear(t *testing.T) {
	h := NewHeat(Grid{Rows: 2, Columns: 2}, []float32{0, 4, 8, 20}, "")
	for _, c := range []struct{ u, v, want float64 }{
		{0, 0, 0}, {0.25, 0.25, 0}, {0.75, 0.25, 4}, {1, 0, 4}, {0.5, 0.25, 2}, {0.5, 0.5, 8}, {0.25, 0.5, 4}, {1, 1, 20},
	} {
		assert.InDelta(t, c.want, h.at(c.u, c.v), 1e-12, "%v", c)
	}
	assert.Equal(t, []float64{0, 20}, []float64{h.Low, h.High})
}

// matplotlib's own table, by its entries at 0, 32, 64 … 255; the polynomials are
// off by at most 4.
func TestViridis(t *testing.T) {
	for i, want := range map[int][3]float64{
		0: {68.1, 1.2, 84}, 32: {71.1, 44.7, 123.3}, 64: {58.6, 82.2, 139.2}, 96: {44, 114.4, 142.3}, 128: {32.5, 144.6, 140.4},
		160: {40.3, 174.4, 127.9}, 192: {94.1, 201.2, 97.6}, 224: {173, 220.3, 48.3}, 255: {253.3, 231.1, 36.7},
	} {
		c := Viridis(float64(i) / 255)
		for k, got := range []uint8{c.R, c.G, c.B} {
			assert.InDelta(t, want[k], float64(got), 4, "entry %d", i)
		}
	}
	assert.Equal(t, Viridis(0), Viridis(-1))
	assert.Equal(t, Viridis(1), Viridis(2))
	for i := range 255 { // lighter at each step, in grey too
		a, b := Viridis(float64(i)/255), Viridis(float64(i+1)/255)
		assert.GreaterOrEqual(t, luma([]uint8{b.R, b.G, b.B}), luma([]uint8{a.R, a.G, a.B})-0.5)
	}
}

func TestNumber(t *testing.T) {
	for want, v := range map[string]float64{"0": 0, "0.123": 0.12345, "12.3": 12.345, "1234": 1234.4, "-0.5": -0.5, "1.23e-05": 1.234e-5, "1.23e+07": 12345678} {
		assert.Equal(t, want, Number(v))
	}
}

func ExampleWrap() {
	fmt.Println(len(Wrap(make([]Panel, 5), 2)))
	// Output: 3
}
