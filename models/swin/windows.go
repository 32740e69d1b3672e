package swin

import (
	"saccade/gpu"
	"saccade/ops"
)

// plan is how a map becomes windows and windows the map, as constant indexes of rows: the
// cyclic shift, the zeros that fill the last windows and the partition in one gather.
type plan struct {
	window  [2]int
	into    *gpu.Tensor // [N·windows T]
	back    *gpu.Tensor // [N H W]
	regions *gpu.Tensor // [windows T], or nil
}

// mapSize is a batch of maps, N, H and W.
type mapSize [3]int

type planKey struct {
	size          mapSize
	window, shift [2]int
}

func sizeOf(shape []int) mapSize { return mapSize{shape[0], shape[1], shape[2]} }

// plan is that of block i of a stage for maps [N, H, W, C], made at the first use.
func (m *Model) plan(shape []int, s StageConfig, i int) *plan {
	key := planKey{size: sizeOf(shape), window: s.Window}
	if i%2 == 1 {
		key.shift = m.shift(s, shape[1], shape[2])
	}
	if p, ok := m.plans[key]; ok {
		return p
	}
	g := gather{h: shape[1], w: shape[2], window: key.window, shift: key.shift, rollFirst: m.RollFirst}
	into, back, regions := g.indexes(shape[0])
	tokens := key.window[0] * key.window[1]
	p := &plan{window: key.window,
		into: m.b.Index("windows", into, len(into)/tokens, tokens),
		back: m.b.Index("map", back, shape[0], shape[1], shape[2]),
	}
	if key.shift != [2]int{} {
		p.regions = m.b.Index("regions", regions, len(regions)/tokens, tokens)
	}
	m.plans[key] = p
	return p
}

// shift is how far the windows of a stage's odd blocks are shifted on a map of h×w.
func (m *Model) shift(s StageConfig, h, w int) [2]int {
	shift := s.Shift
	fits := [2]bool{h <= s.Window[0], w <= s.Window[1]} // one window holds all
	switch {
	case m.Unshift == Both && (fits[0] || fits[1]):
		return [2]int{}
	case m.Unshift == Each:
		for axis, fits := range fits {
			if fits {
				shift[axis] = 0
			}
		}
	}
	return shift
}

// gather is the windows of a map.
type gather struct {
	h, w          int
	window, shift [2]int
	rollFirst     bool // the map is rolled before zeros are added, not after
}

// indexes are, for n maps, which row of the maps stands at each place of the windows,
// which row of those at each place of the maps, and the region of each place of the
// windows of one map. Places of different regions were no neighbours before the roll.
func (g gather) indexes(n int) (into, back, regions []uint32) {
	wh, ww := g.window[0], g.window[1]
	rows, columns := (g.h+wh-1)/wh, (g.w+ww-1)/ww // of windows
	back = make([]uint32, n*g.h*g.w)
	for item := range n {
		for at := range rows * columns * wh * ww {
			window, token := at/(wh*ww), at%(wh*ww)
			py, px := window/columns*wh+token/ww, window%columns*ww+token%ww
			y, okY := g.source(py, g.h, rows*wh, g.shift[0])
			x, okX := g.source(px, g.w, columns*ww, g.shift[1])
			from := uint32(ops.NoRow)
			if okY && okX {
				from = uint32((item*g.h+y)*g.w + x)
				back[from] = uint32(len(into))
			}
			into = append(into, from)
			if item == 0 {
				regions = append(regions, region(py, rows*wh, wh, g.shift[0])*3+region(px, columns*ww, ww, g.shift[1]))
			}
		}
	}
	return into, back, regions
}

// source is the place of a map's axis of a size that stands at place p of the padded one;
// false is a zero.
func (g gather) source(p, size, padded, shift int) (int, bool) {
	if g.rollFirst {
		return (p + shift) % size, p < size
	}
	p = (p + shift) % padded
	return p, p < size
}

// region is that of place p of a padded axis.
func region(p, padded, window, shift int) uint32 {
	switch {
	case shift == 0 || p < padded-window:
		return 0
	case p < padded-shift:
		return 1
	}
	return 2
}

// quarters are, for each token of the merged map, the four that it is made of: by columns,
// then rows, as the reduction's weight has them.
func (m *Model) quarters(shape []int) [4]*gpu.Tensor {
	size := sizeOf(shape)
	if at, ok := m.pairs[size]; ok {
		return at
	}
	n, h, w := size[0], size[1], size[2]
	var at [4]*gpu.Tensor
	for q := range at {
		var index []uint32
		for i := range n * ((h + 1) / 2) * ((w + 1) / 2) {
			x, y, item := i%((w+1)/2), i/((w+1)/2)%((h+1)/2), i/((w+1)/2)/((h+1)/2)
			y, x = 2*y+q%2, 2*x+q/2
			from := uint32(ops.NoRow)
			if y < h && x < w {
				from = uint32((item*h+y)*w + x)
			}
			index = append(index, from)
		}
		at[q] = m.b.Index("merge", index, n, (h+1)/2, (w+1)/2)
	}
	m.pairs[size] = at
	return at
}

// tokens is the index that makes tokens [N, T, C] of maps [N, H, W, C].
func (m *Model) tokens(shape []int) *gpu.Tensor {
	index := make([]uint32, shape[0]*shape[1]*shape[2])
	for i := range index {
		index[i] = uint32(i)
	}
	return m.b.Index("tokens", index, shape[0], shape[1]*shape[2])
}
