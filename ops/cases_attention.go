package ops

import (
	"fmt"
	"slices"

	"saccade/gpu"
)

// attentionCase is one attention. tk 0 means self-attention over a fused qkv.
type attentionCase struct {
	heads, size, tq, tk int
	batch               int // 0: one
	keyHeads            int // 0: as many as heads
	beams               int // items of q to one of k; 0: one
	causal              bool
	padded              bool    // keys beyond each item's length are not seen
	tail                bool    // queries are the last of those keys
	fused               bool    // q is of a fused qkv, and k and v are one tensor
	scale               float64 // 0: torch's
	bias                bool
	windows             int    // of which the tokens have regions
	grid                [2]int // the map that the tokens are, of relative positions
}

func (a attentionCase) name() string {
	s := shapeName(a.heads, a.size, a.tq)
	if a.tk > 0 {
		s += fmt.Sprintf(" cross %d", a.tk)
	}
	if a.causal {
		s += " causal"
	}
	if a.padded {
		s += " padded"
	}
	if a.tail {
		s += " tail"
	}
	if a.keyHeads > 0 {
		s += fmt.Sprintf(" keys %d", a.keyHeads)
	}
	if a.fused {
		s += " fused"
	}
	if a.beams > 0 {
		s += fmt.Sprintf(" beams %d", a.beams)
	}
	if a.bias {
		s += " bias"
	}
	if a.windows > 0 {
		s += fmt.Sprintf(" windows %d", a.windows)
	}
	if a.grid[0] > 0 {
		s += " map " + shapeName(a.grid[:]...)
	}
	if a.scale > 0 {
		s += fmt.Sprintf(" scale %g", a.scale)
	}
	if a.batch > 1 {
		s += fmt.Sprintf(" batch %d", a.batch)
	}
	return s
}

func (a attentionCase) newCase() Case {
	return newCase("attention", a.name(), a.record)
}

// options are those of the case, with queries q.
func (a attentionCase) options(o *operands, q *gpu.Tensor) (all []AttentionOption) {
	if a.scale > 0 {
		all = append(all, AttentionScale(a.scale))
	}
	keys := max(a.tq, a.tk)
	if a.tk > 0 {
		keys = a.tk
	}
	if a.bias {
		all = append(all, Bias(o.table(a.heads*a.tq, keys)))
	}
	if a.windows > 0 {
		regions := make([]uint32, a.windows*keys)
		for i := range regions {
			regions[i] = o.rng.Uint32N(3)
		}
		all = append(all, Regions(o.b.Index("regions", regions, a.windows, keys)))
	}
	if h, w := a.grid[0], a.grid[1]; h > 0 {
		all = append(all, RelativePositions(relativePosition(o, q, a.heads, a.size, h, w, [2]int{h, w}), h, w))
	}
	return all
}

// relativePosition is [RelativePosition.Forward] with tables for another map.
func relativePosition(o *operands, q *gpu.Tensor, heads, size, h, w int, tables [2]int) *gpu.Tensor {
	var model struct {
		Position RelativePosition `w:"attn"`
	}
	model.Position = o.b.RelativePosition(tables[0], tables[1], size)
	o.layers(&model)
	return model.Position.Forward(o.r, q, heads, h, w)
}

var relativePositionFamily = family{
	op: "relative_position", dims: "HEADSxSIZExHEIGHTxWIDTH", at: func(d []int) Case { return relativePositionCase(1, [2]int{d[2], d[3]}, d) },
	bench: [][]int{{12, 64, 64, 64}},
	test: func() []Case {
		return []Case{relativePositionCase(1, [2]int{1, 1}, []int{1, 1, 1, 1}), relativePositionCase(2, [2]int{5, 7}, []int{3, 14, 5, 7}), relativePositionCase(1, [2]int{9, 4}, []int{2, 15, 3, 13}),
			relativePositionCase(2, [2]int{9, 1}, []int{2, 8, 9, 1}), relativePositionCase(1, [2]int{2, 12}, []int{3, 5, 2, 12}), relativePositionCase(2, [2]int{11, 6}, []int{1, 40, 11, 6})}
	},
}

// relativePositionCase is of n items, with tables for another map.
func relativePositionCase(n int, tables [2]int, d []int) Case {
	name := shapeName(d...)
	if tables != [2]int{d[2], d[3]} {
		name += " tables " + shapeName(tables[:]...)
	}
	if n > 1 {
		name += fmt.Sprintf(" batch %d", n)
	}
	return newCase("relative_position", name, func(o *operands) *gpu.Tensor {
		return relativePosition(o, o.activation("qkv", 3*d[0], n, d[2], d[3], 3*d[0]*d[1]), d[0], d[1], d[2], d[3], tables)
	})
}

// mask is that of the case.
func (a attentionCase) mask(o *operands) Mask {
	mask := Mask{Causal: a.causal, Tail: a.tail}
	switch {
	case a.tail:
		mask.Lengths = o.lengths(max(1, a.batch), a.tq, a.tk)
	case a.padded:
		mask.Lengths = o.lengths(max(1, a.batch), 1, max(a.tk, a.tq))
	}
	return mask
}

func (a attentionCase) record(o *operands) *gpu.Tensor {
	switch {
	case a.tk == 0:
		qkv := a.qkv(o)
		return Attention(o.r, qkv, a.heads, a.mask(o), a.options(o, qkv)...)
	case a.fused:
		qkv := a.qkv(o)
		return KeyValueAttention(o.r, qkv, a.heads, a.keyValues(o), a.mask(o), a.options(o, qkv)...)
	}
	q := a.queries(o)
	return CrossAttention(o.r, q, a.keys(o, "k"), a.keys(o, "v"), a.mask(o), a.options(o, q)...)
}

func (a attentionCase) qkv(o *operands) *gpu.Tensor {
	groups := a.heads + 2*a.ofKeys()
	return o.activation("qkv", groups, max(1, a.batch), a.tq, groups*a.size)
}

func (a attentionCase) keyValues(o *operands) *gpu.Tensor {
	return o.activation("kv", 2*a.ofKeys(), max(1, a.batch), a.tk, 2*a.ofKeys()*a.size)
}

// ofKeys is the heads of keys.
func (a attentionCase) ofKeys() int {
	if a.keyHeads > 0 {
		return a.keyHeads
	}
	return a.heads
}

func (a attentionCase) queries(o *operands) *gpu.Tensor {
	return o.activation("q", a.heads, max(1, a.batch)*max(1, a.beams), a.tq, a.heads*a.size)
}

func (a attentionCase) keys(o *operands, name string) *gpu.Tensor {
	return o.activation(name, a.ofKeys(), max(1, a.batch), a.tk, a.ofKeys()*a.size)
}

// cachedAttention is that of decoders: fewer heads of keys, queries that are the last of
// the keys so far, and beams that share keys.
var cachedAttention = []attentionCase{
	{heads: 9, size: 16, tq: 1, tk: 70, keyHeads: 3, batch: 3, causal: true, tail: true}, {heads: 6, size: 5, tq: 7, tk: 33, keyHeads: 2, batch: 3, causal: true, tail: true},
	{heads: 4, size: 15, tq: 21, tk: 40, keyHeads: 1, batch: 2, causal: true, tail: true}, {heads: 2, size: 8, tq: 3, tk: 3, causal: true, tail: true},
	{heads: 6, size: 80, tq: 17, tk: 19, keyHeads: 3, batch: 2}, {heads: 3, size: 5, tq: 1, tk: 65, batch: 2, beams: 5, padded: true}, {heads: 4, size: 16, tq: 3, tk: 9, keyHeads: 2, batch: 2, beams: 3},
	{heads: 6, size: 13, tq: 2, tk: 37, keyHeads: 2, batch: 3, causal: true, tail: true, fused: true}, {heads: 3, size: 16, tq: 1, tk: 9, batch: 2, fused: true, padded: true},
	{heads: 4, size: 5, tq: 19, keyHeads: 2, batch: 2, causal: true},
}

// biasedAttention has something added to its scores: windows of Swin, of which some were
// shifted, maps of SAM, and T5's causal texts.
var biasedAttention = []attentionCase{
	{heads: 3, size: 14, tq: 49, batch: 6, bias: true, windows: 3}, {heads: 2, size: 32, tq: 9, batch: 2, bias: true}, {heads: 1, size: 15, tq: 25, batch: 4, windows: 4},
	{heads: 3, size: 14, tq: 35, batch: 2, grid: [2]int{5, 7}}, {heads: 2, size: 80, tq: 66, grid: [2]int{11, 6}}, {heads: 2, size: 16, tq: 3, batch: 2, grid: [2]int{3, 1}},
	{heads: 3, size: 14, tq: 40, batch: 2, grid: [2]int{5, 8}}, {heads: 2, size: 5, tq: 15, grid: [2]int{5, 3}},
	{heads: 4, size: 5, tq: 3, tk: 21, keyHeads: 2, batch: 2, bias: true, padded: true}, {heads: 3, size: 5, tq: 19, bias: true, causal: true, scale: 1}, {heads: 2, size: 16, tq: 4, batch: 2, windows: 2},
}

// attentionShapes are heads × size × tokens with batches where rows of the
// next item follow a ragged block.
var attentionShapes = []attentionCase{
	{heads: 1, size: 1, tq: 1}, {heads: 3, size: 5, tq: 7, batch: 2}, {heads: 3, size: 6, tq: 17, batch: 3},
	{heads: 5, size: 8, tq: 33}, {heads: 2, size: 64, tq: 65}, {heads: 8, size: 64, tq: 1}, {heads: 3, size: 5, tq: 197},
	{heads: 1, size: 80, tq: 9}, {heads: 1, size: 160, tq: 7},
}

var attentionFamily = family{
	op: "attention", dims: "HEADSxSIZExTOKENS[xKEYS[xKEYHEADS]]",
	at: func(d []int) Case {
		a := attentionCase{heads: d[0], size: d[1], tq: d[2]}
		if len(d) > 3 {
			a.tk = d[3]
		}
		if len(d) > 4 {
			a.keyHeads = d[4]
		}
		return a.newCase()
	},
	bench: [][]int{{12, 64, 197}, {6, 64, 197}, {3, 64, 197}, {3, 64, 65}, {1, 256, 256}, {8, 80, 1024}, {9, 64, 1, 1024, 3}, {12, 64, 1, 577}},
	test: func() []Case {
		all := append([]attentionCase{
			{heads: 3, size: 5, tq: 7, tk: 65, batch: 2}, {heads: 1, size: 13, tq: 65, tk: 1}, {heads: 1, size: 80, tq: 17, tk: 9},
			{heads: 2, size: 16, tq: 17, tk: 17, causal: true, batch: 2}, {heads: 3, size: 5, tq: 7, tk: 65, causal: true},
			{heads: 3, size: 5, tq: 19, causal: true, batch: 2},
			{heads: 3, size: 5, tq: 19, causal: true, batch: 3, padded: true}, {heads: 2, size: 16, tq: 33, batch: 5, padded: true},
			{heads: 1, size: 80, tq: 7, tk: 70, batch: 2, padded: true},
			{heads: 3, size: 5, tq: 19, tk: 21, scale: 1}, {heads: 2, size: 72, tq: 66, scale: 0.25}, // T5 and SAM take 1
			// Wide heads, in two products.
			{heads: 1, size: 256, tq: 128, batch: 2}, {heads: 1, size: 250, tq: 70}, {heads: 3, size: 80, tq: 65}, {heads: 3, size: 72, tq: 77, batch: 3}, {heads: 3, size: 80, tq: 96, tk: 77, batch: 2}, {heads: 2, size: 264, tq: 80, tk: 200}, {heads: 1, size: 512, tq: 70},
			{heads: 2, size: 72, tq: 150, tk: 4100}, // some queries at a time
		}, attentionShapes...)
		var cases []Case
		for _, a := range slices.Concat(all, cachedAttention, biasedAttention) {
			cases = append(cases, a.newCase())
		}
		return cases
	},
}

// probsCase is [AttentionProbs] of the same operands as attention's.
func probsCase(a attentionCase) Case {
	return newCase("attention_probs", a.name(), func(o *operands) *gpu.Tensor {
		if a.fused {
			qkv := a.qkv(o)
			return KeyValueAttentionProbs(o.r, qkv, a.heads, a.keyValues(o), a.mask(o), a.options(o, qkv)...)
		}
		if a.tk > 0 {
			q := a.queries(o)
			return CrossAttentionProbs(o.r, q, a.keys(o, "k"), a.mask(o), a.options(o, q)...)
		}
		qkv := a.qkv(o)
		return AttentionProbs(o.r, qkv, a.heads, a.mask(o), a.options(o, qkv)...)
	})
}

var attentionProbsFamily = family{
	op: "attention_probs", dims: "HEADSxSIZExTOKENS",
	at:    func(d []int) Case { return probsCase(attentionCase{heads: d[0], size: d[1], tq: d[2]}) },
	bench: [][]int{{3, 64, 65}},
	test: func() []Case {
		var cases []Case
		for _, a := range append(slices.Concat(attentionShapes, cachedAttention, biasedAttention), attentionCase{heads: 3, size: 5, tq: 19, causal: true, batch: 3, padded: true},
			attentionCase{heads: 3, size: 5, tq: 7, tk: 65, batch: 2}, attentionCase{heads: 2, size: 16, tq: 30, tk: 9}, attentionCase{heads: 3, size: 5, tq: 19, scale: 1}) {
			cases = append(cases, probsCase(a))
		}
		return cases
	},
}
