package swin

import (
	"saccade/gpu"
	"saccade/models/internal/windows"
	"saccade/ops"
)

// mapSize is a batch of maps, N, H and W.
type mapSize [3]int

func sizeOf(shape []int) mapSize { return mapSize{shape[0], shape[1], shape[2]} }

// plan is that of block i of a stage for maps [N, H, W, C].
func (m *Model) plan(shape []int, s StageConfig, i int) *windows.Plan {
	p := windows.Partition{H: shape[1], W: shape[2], Window: s.Window, RollFirst: m.RollFirst}
	if i%2 == 1 {
		p.Shift = m.shift(s, shape[1], shape[2])
	}
	return m.plans.Of(shape[0], p)
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
