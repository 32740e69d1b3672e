// Package windows cuts maps into windows for attention, as Swin, ViTDet and Hiera do: the
// cyclic shift, the zeros that fill the last windows and the partition are one gather of
// rows, and the way back is another. It knows no network.
package windows

import (
	"saccade/gpu"
	"saccade/ops"
)

// Partition is how a map is cut.
type Partition struct {
	H, W      int    // of the map
	Window    [2]int // height and width
	Shift     [2]int // by which the map is rolled up and to the left; zero: not at all
	RollFirst bool   // it is rolled before zeros fill the last windows, not after
}

// Plan is a partition as constants for [ops.Rows] and [ops.Regions].
type Plan struct {
	Into    *gpu.Tensor // which row of the maps stands at each place: u32 [N·windows, h, w]
	Back    *gpu.Tensor // and which row of the windows at each place of the maps: [N, H, W]
	Regions *gpu.Tensor // that tokens of one map's windows are of, [windows, T]; nil without a shift
}

// Plans makes plans and keeps them: constants are shared by the layers that need the same.
type Plans struct {
	b    *ops.Builder
	made map[key]*Plan
}

type key struct {
	n int
	Partition
}

// NewPlans makes plans whose constants are of a builder.
func NewPlans(b *ops.Builder) *Plans { return &Plans{b: b, made: map[key]*Plan{}} }

// Of is the plan of a partition for n maps.
func (p *Plans) Of(n int, part Partition) *Plan {
	k := key{n, part}
	if plan, ok := p.made[k]; ok {
		return plan
	}
	into, back, regions := part.Indexes(n)
	tokens := part.Window[0] * part.Window[1]
	plan := &Plan{
		Into: p.b.Index("windows", into, len(into)/tokens, part.Window[0], part.Window[1]),
		Back: p.b.Index("map", back, n, part.H, part.W),
	}
	if part.Shift != [2]int{} {
		plan.Regions = p.b.Index("regions", regions, len(regions)/tokens, tokens)
	}
	p.made[k] = plan
	return plan
}

// Indexes are, for n maps, which row of the maps stands at each place of the windows,
// which row of those at each place of the maps, and the region of each place of the
// windows of one map. Places of different regions were no neighbours before the roll.
func (p Partition) Indexes(n int) (into, back, regions []uint32) {
	wh, ww := p.Window[0], p.Window[1]
	rows, columns := (p.H+wh-1)/wh, (p.W+ww-1)/ww // of windows
	back = make([]uint32, n*p.H*p.W)
	for item := range n {
		for at := range rows * columns * wh * ww {
			window, token := at/(wh*ww), at%(wh*ww)
			py, px := window/columns*wh+token/ww, window%columns*ww+token%ww
			y, okY := p.source(py, p.H, rows*wh, p.Shift[0])
			x, okX := p.source(px, p.W, columns*ww, p.Shift[1])
			from := uint32(ops.NoRow)
			if okY && okX {
				from = uint32((item*p.H+y)*p.W + x)
				back[from] = uint32(len(into))
			}
			into = append(into, from)
			if item == 0 {
				regions = append(regions, region(py, rows*wh, wh, p.Shift[0])*3+region(px, columns*ww, ww, p.Shift[1]))
			}
		}
	}
	return into, back, regions
}

// source is the place of a map's axis of a size that stands at place at of the padded one;
// false is a zero.
func (p Partition) source(at, size, padded, shift int) (int, bool) {
	if p.RollFirst {
		return (at + shift) % size, at < size
	}
	at = (at + shift) % padded
	return at, at < size
}

// region is that of place at of a padded axis.
func region(at, padded, window, shift int) uint32 {
	switch {
	case shift == 0 || at < padded-window:
		return 0
	case at < padded-shift:
		return 1
	}
	return 2
}
