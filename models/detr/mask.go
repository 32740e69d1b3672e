package detr

import (
	"fmt"

	"saccade/gpu"
	"saccade/models/nn"
)

// seen is what of the maps is no padding. Attention sees the first keys of an item, so
// the padding, which no query is to see, is put behind the rest.
type seen struct {
	tokens    *gpu.Tensor // u32 [N, T]: which pixels of all maps, those of padding last
	lengths   *gpu.Tensor // u32 [N, 1]: how many are none
	positions *gpu.Tensor // f32 [N, T, D] of those pixels
}

// The names of the inputs that are made of a mask.
const (
	pixelMask = "pixel_mask"
	tokens    = "mask.tokens"
	lengths   = "mask.lengths"
	positions = "mask.positions"
)

func seenOf(in map[string]*gpu.Tensor) *seen {
	if in[tokens] == nil {
		return nil
	}
	return &seen{in[tokens], in[lengths], in[positions]}
}

// maskInputs are pixel_mask [N, H, W], ones where pictures are and zeros where they were
// filled up, and what is made of it.
func (m *Model) maskInputs() []nn.Input {
	nothing := func(map[string]nn.Array) (nn.Array, error) { return nn.Array{}, nil }
	part := func(take func(s maskOf) nn.Array) func(in map[string]nn.Array) (nn.Array, error) {
		return func(in map[string]nn.Array) (nn.Array, error) {
			mask, ok := in[pixelMask]
			if !ok {
				return nn.Array{}, nil
			}
			s, err := m.readMask(mask)
			if err != nil || !s.masks {
				return nn.Array{}, err
			}
			return take(s), nil
		}
	}
	return []nn.Input{
		{Name: pixelMask, Dims: nn.Dims("N", "H", "W"), Optional: true, Convert: nothing},
		{Name: tokens, Dims: nn.Dims("N", "T"), Kind: nn.IDs, From: part(func(s maskOf) nn.Array { return s.tokens })},
		{Name: lengths, Dims: nn.Dims("N", 1), Kind: nn.IDs, From: part(func(s maskOf) nn.Array { return s.lengths })},
		{Name: positions, Dims: nn.Dims("N", "T", m.Config.Encoder.Width), From: part(func(s maskOf) nn.Array { return s.positions })},
	}
}

// maskOf is seen on the host.
type maskOf struct {
	masks                      bool // anything
	tokens, lengths, positions nn.Array
}

// readMask makes of a mask of pictures what is seen of their maps, as nearest
// interpolation has it.
func (m *Model) readMask(mask nn.Array) (maskOf, error) {
	n, h, w := mask.Shape[0], mask.Shape[1], mask.Shape[2]
	size := [2]int{m.Config.Backbone.MapSize(h), m.Config.Backbone.MapSize(w)}
	s := maskOf{tokens: nn.Array{Shape: []int{n, size[0] * size[1]}}, lengths: nn.Array{Shape: []int{n, 1}},
		positions: nn.Array{Shape: []int{n, size[0] * size[1], m.Config.Encoder.Width}}}
	for i, v := range mask.Data {
		if v != 0 && v != 1 {
			return s, fmt.Errorf("found %v at [%d %d %d], expected ones and zeros", v, i/(h*w), i/w%h, i%w)
		}
	}
	for item := range n {
		at := func(y, x int) bool {
			return mask.Data[(item*h+min(y*h/size[0], h-1))*w+min(x*w/size[1], w-1)] != 0
		}
		shown := m.addItem(&s, item, size, at)
		if shown == 0 {
			return s, fmt.Errorf("found no pixel of item %d unmasked, expected some", item)
		}
		s.masks = s.masks || shown < size[0]*size[1]
	}
	return s, nil
}

// addItem adds an item of a map whose pixels at says the shown ones of, and says how many
// those are.
func (m *Model) addItem(s *maskOf, item int, size [2]int, at func(y, x int) bool) int {
	rows, columns := make([]int, size[1]), make([]int, size[0]) // shown in each column and row
	for y := range size[0] {
		for x := range size[1] {
			if at(y, x) {
				rows[x]++
				columns[y]++
			}
		}
	}
	shown := 0
	for _, padding := range []bool{false, true} {
		above := make([]int, size[1])
		for y := range size[0] {
			before := 0
			for x := range size[1] {
				if at(y, x) {
					above[x]++
					before++
				}
				if at(y, x) == padding {
					continue
				}
				s.tokens.Data = append(s.tokens.Data, float32((item*size[0]+y)*size[1]+x))
				s.positions.Data = append(s.positions.Data, m.position(above[x], rows[x], before, columns[y])...)
				if !padding {
					shown++
				}
			}
		}
	}
	s.lengths.Data = append(s.lengths.Data, float32(shown))
	return shown
}
