package ops

import (
	"fmt"
	"math"

	"saccade/gpu"
)

// The operations of decoders and of models with windows: rows gathered, positions that
// turn, caches that grow.

var rowsFamily = family{
	op: "rows", dims: "ROWSxTAKENxWIDTH", at: func(d []int) Case { return rowsCase(1, false, d) },
	bench: [][]int{{196, 196, 192}},
	test: func() []Case {
		return []Case{rowsCase(1, false, []int{1, 1, 1}), rowsCase(1, false, []int{7, 9, 15}), rowsCase(3, true, []int{19, 40, 39}), rowsCase(1, true, []int{67, 5, 33}),
			rowsOverCase(1, []int{7, 9, 15}), rowsOverCase(3, []int{5, 70, 39})}
	},
}

// taken are d[1] rows of d[0], some of which are none.
func (o *operands) taken(d []int) []uint32 {
	index := make([]uint32, d[1])
	for i := range index {
		index[i] = o.rng.Uint32N(uint32(d[0]))
	}
	if index[0] = uint32(d[0] - 1); d[1] > 2 {
		index[1], index[2] = NoRow, uint32(d[0])
	}
	return index
}

func rowsOverCase(groups int, d []int) Case {
	return newCase("rows", grouped(shapeName(d...)+" over", groups), func(o *operands) *gpu.Tensor {
		x, over := o.activation("x", groups, d[0], d[2]), o.activation("over", groups, d[1], d[2])
		o.in["index"] = o.taken(d)
		return RowsOver(o.r, over, x, o.r.Input("index", gpu.U32, d[1]))
	})
}

func rowsCase(groups int, constant bool, d []int) Case {
	name := grouped(shapeName(d...), groups)
	if constant {
		name += " constant"
	}
	return newCase("rows", name, func(o *operands) *gpu.Tensor {
		x := o.activation("x", groups, d[0], d[2])
		index := o.taken(d)
		if constant {
			return Rows(o.r, x, o.b.Index("index", index, d[1], 1))
		}
		o.in["index"] = index
		return Rows(o.r, x, o.r.Input("index", gpu.U32, d[1]))
	})
}

var rmsNormFamily = family{
	op: "rmsnorm", dims: "ROWSxWIDTH", at: func(d []int) Case { return rmsNormCase(1, 0, d) },
	bench: [][]int{{197, 768}},
	test: func() []Case {
		return []Case{rmsNormCase(1, 0, []int{1, 1}), rmsNormCase(1, 0, []int{7, 15}), rmsNormCase(1, 1, []int{67, 33}), rmsNormCase(3, 0, []int{5, 39}), rmsNormCase(1, 0, []int{2, 770}),
			normalizeHeadsCase([]int{1, 1, 1}), normalizeHeadsCase([]int{7, 3, 14}), normalizeHeadsCase([]int{67, 2, 33})}
	},
}

func rmsNormCase(groups int, added float64, d []int) Case {
	name := grouped(shapeName(d...), groups)
	if added != 0 {
		name += fmt.Sprintf(" weight plus %g", added)
	}
	return newCase("rmsnorm", name, func(o *operands) *gpu.Tensor {
		var model struct {
			Norm RMSNorm `w:"rmsnorm"`
		}
		model.Norm = o.b.RMSNorm(d[1]/groups, 1e-6)
		model.Norm.Added = added
		o.layers(&model)
		return model.Norm.Forward(o.r, o.activation("x", groups, d...))
	})
}

// normalizeHeadsCase is [NormalizeHeads] of rows × heads × size.
func normalizeHeadsCase(d []int) Case {
	return newCase("rmsnorm", shapeName(d...)+" heads", func(o *operands) *gpu.Tensor {
		return NormalizeHeads(o.r, o.activation("x", d[1], d[0], d[1]*d[2]), o.table(d[1], d[2]))
	})
}

// rotateShape is one use of [Rotate].
type rotateShape struct {
	n, tokens, heads, size, pairs int
	fused                         bool // heads of q, k and v, of which v stays
	at                            bool
}

func (s rotateShape) newCase() Case {
	name := shapeName(s.n, s.tokens, s.heads, s.size)
	if 2*s.pairs != s.size {
		name += fmt.Sprintf(" of %d", 2*s.pairs)
	}
	if s.fused {
		name += " fused"
	}
	if s.at {
		name += " at"
	}
	return newCase("rotate", name, func(o *operands) *gpu.Tensor {
		groups, turned, rows := s.heads, s.heads, s.tokens
		if s.fused {
			groups, turned = 3*s.heads, 2*s.heads
		}
		x := o.activation("x", groups, s.n, s.tokens, groups*s.size)
		var at *gpu.Tensor
		if s.at {
			rows += 7
			at = o.ids("at", rows, s.n, s.tokens)
		}
		table := o.b.Table("angles", rows, 2*s.pairs)
		angles := make([]float32, rows*2*s.pairs)
		for t := range rows {
			for i := range s.pairs {
				sin, cos := math.Sincos(float64(t) * math.Pow(10000, -float64(i)/float64(s.pairs)))
				angles[t*2*s.pairs+i], angles[(2*t+1)*s.pairs+i] = float32(cos), float32(sin)
			}
		}
		if err := table.Upload(angles); err != nil {
			o.err = err
		}
		return Rotate(o.r, x, turned, table, at)
	})
}

var rotateFamily = family{
	op: "rotate", dims: "BATCHxTOKENSxHEADSxSIZE",
	at: func(d []int) Case {
		return rotateShape{n: d[0], tokens: d[1], heads: d[2], size: d[3], pairs: d[3] / 2}.newCase()
	},
	bench: [][]int{{1, 1024, 9, 64}},
	test: func() []Case {
		var cases []Case
		for _, s := range []rotateShape{
			{n: 1, tokens: 1, heads: 1, size: 2, pairs: 1}, {n: 2, tokens: 7, heads: 3, size: 16, pairs: 8}, {n: 2, tokens: 5, heads: 3, size: 10, pairs: 5},
			{n: 1, tokens: 19, heads: 2, size: 17, pairs: 6, fused: true}, {n: 3, tokens: 9, heads: 2, size: 24, pairs: 8, fused: true, at: true}, {n: 2, tokens: 1, heads: 5, size: 6, pairs: 3, at: true},
		} {
			cases = append(cases, s.newCase())
		}
		return cases
	},
}

var appendFamily = family{
	op: "append", dims: "BATCHxTOKENSxROOMxWIDTH", at: func(d []int) Case { return appendCase(1, 1, d[2]/2, d) },
	bench: [][]int{{1, 1, 1024, 192}},
	test: func() []Case {
		return []Case{
			appendCase(1, 1, 0, []int{1, 1, 1, 1}), appendCase(1, 1, 3, []int{2, 4, 9, 15}), appendCase(3, 3, 16, []int{2, 5, 19, 39}),
			appendCase(1, 1, 4, []int{3, 1, 5, 70}), appendCase(5, 2, 2, []int{2, 3, 7, 26}),
		}
	},
}

// appendCase writes the last kept of so many groups to a state [N, S, C] that has values;
// the third one's last tokens find no room.
func appendCase(groups, kept, at int, d []int) Case {
	name := grouped(shapeName(d...), kept)
	if groups != kept {
		name += fmt.Sprintf(" of %d", groups)
	}
	return newCase("append", name+fmt.Sprintf(" at %d", at), func(o *operands) *gpu.Tensor {
		x, before := o.activation("x", groups, d[0], d[1], d[3]/kept*groups), o.activation("before", kept, d[0], d[2], d[3])
		state, err := o.b.State("state", x.Type, kept, d[0], d[2], d[3])
		if err != nil {
			o.err = err
			return x
		}
		Keep(o.r, state, before)
		o.in["at"] = []uint32{uint32(at)}
		Append(o.r, state, x, o.r.Input("at", gpu.U32, 1))
		return Apply(o.r, state, ReLU)
	})
}
