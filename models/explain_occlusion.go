package models

import (
	"context"
	"fmt"
)

// occlusionCells is how many cells of the map the shorter side of a picture has:
// 10×10 cells of a square take 121 forward passes.
const occlusionCells = 10

// occlusionMost is how many times as many cells the longer side of a narrow picture has at most.
const occlusionMost = 4

// Occlude is what hiding a part of one picture [1, C, H, W] takes from a class's
// probability (Zeiler and Fergus, 2014): a window of two by two cells of the
// picture's mean colour slides over it cell by cell, and a cell's value is the
// mean drop over the four windows that hide it; negative where hiding helps.
// batch is as in [Model.Each]; report hears of forward passes done, or is nil.
func (m *Model) Occlude(ctx context.Context, pixels Array, class, batch int, report func(done, total int)) (Map, error) {
	if m.spectrogram() != nil {
		return m.occludeSound(ctx, pixels, class, report)
	}
	s, err := m.imageShape(pixels)
	switch {
	case err != nil:
		return Map{}, err
	case s[0] != 1:
		return Map{}, fmt.Errorf("occlusion: found %d pictures, expected one", s[0])
	case class < 0 || class >= m.classes:
		return Map{}, fmt.Errorf("occlusion of %s: class %d of %d: %w", m.Name, class, m.classes, ErrNoClasses)
	}
	o := newOccluder(pixels, occlusionCells)
	total := 1 + o.windows()
	scores := make([]float64, 0, total) // the picture's own first
	err = m.each(ctx, total, batching{size: batch, outputs: []string{"logits"}}, func(i int) (input, error) {
		return input{pixels: o.hidden(i - 1), size: [3]int(s[1:])}, nil
	}, func(r Result) error {
		if r.Err != nil {
			return r.Err
		}
		scores = append(scores, m.score(r.Outputs["logits"].Data, class))
		if report != nil {
			report(len(scores), total)
		}
		return nil
	})
	if err != nil {
		return Map{}, err
	}
	return o.drops(scores), nil
}

// score is the probability of a class.
func (m *Model) score(logits []float32, class int) float64 {
	for _, p := range m.Rank(logits, 0) {
		if p.Index == class {
			return p.Score
		}
	}
	return 0
}

// occluder hides parts of a picture.
type occluder struct {
	pixels        []float32
	c, h, w       int
	rows, columns int       // cells
	mean          []float32 // colour
}

// newOccluder cuts a picture [1, C, H, W] into cells, so many along its shorter side.
func newOccluder(pixels Array, least int) *occluder {
	o := &occluder{pixels: pixels.Data, c: pixels.Shape[1], h: pixels.Shape[2], w: pixels.Shape[3]}
	short := min(o.h, o.w)
	cells := func(side int) int {
		return min(side, max(1, min(occlusionMost*least, (side*least+short/2)/short)))
	}
	o.rows, o.columns = cells(o.h), cells(o.w)
	for c := range o.c {
		var sum float64
		for _, v := range o.channel(o.pixels, c) {
			sum += float64(v)
		}
		o.mean = append(o.mean, float32(sum/float64(o.h*o.w)))
	}
	return o
}

func (o *occluder) channel(pixels []float32, c int) []float32 {
	return pixels[c*o.h*o.w : (c+1)*o.h*o.w]
}

// windows is their number: the first begin a cell before the picture's edge and
// the last end a cell behind it, so that each cell is hidden by four.
func (o *occluder) windows() int { return (o.rows + 1) * (o.columns + 1) }

// hidden is a copy of the picture with a window hidden, the picture itself for -1.
func (o *occluder) hidden(window int) []float32 {
	if window < 0 {
		return o.pixels
	}
	out := append([]float32(nil), o.pixels...)
	row, column := window/(o.columns+1)-1, window%(o.columns+1)-1 // of the first cell
	y0, y1 := edges(row, row+2, o.rows, o.h)
	x0, x1 := edges(column, column+2, o.columns, o.w)
	for c, v := range o.mean {
		plane := o.channel(out, c)
		for y := y0; y < y1; y++ {
			for x := x0; x < x1; x++ {
				plane[y*o.w+x] = v
			}
		}
	}
	return out
}

// edges are the pixels at which a run of cells begins and ends, of n in a side.
func edges(from, to, n, side int) (first, end int) {
	at := func(i int) int { return min(n, max(0, i)) * side / n }
	return at(from), at(to)
}

// drops averages over the windows of each cell how far scores fall from the first.
func (o *occluder) drops(scores []float64) Map {
	at := Map{Rows: o.rows, Columns: o.columns, Height: 1, Width: 1}
	for row := range o.rows {
		for column := range o.columns {
			sum := 0.0
			for _, d := range [][2]int{{0, 0}, {0, 1}, {1, 0}, {1, 1}} {
				sum += scores[0] - scores[1+(row+d[0])*(o.columns+1)+column+d[1]]
			}
			at.Values = append(at.Values, float32(sum/4))
		}
	}
	return at
}
