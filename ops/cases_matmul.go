package ops

import (
	"fmt"

	"saccade/gpu"
)

// linearCase is one matmul: y [M, N] = act((x·Wᵀ)·scale + b) + residual.
type linearCase struct {
	m, n, k             int
	noBias, residual    bool
	floats              bool
	act                 Activation
	scale               float64 // 0: one
	inGroups, outGroups int     // 0: one
}

func (l linearCase) name() string {
	s := shapeName(l.m, l.n, l.k)
	if l.noBias {
		s += " no bias"
	}
	if l.scale != 0 {
		s += fmt.Sprintf(" scale %g", l.scale)
	}
	s += l.act.suffix()
	if l.residual {
		s += " residual"
	}
	if l.floats {
		s += " floats"
	}
	if l.inGroups+l.outGroups > 0 {
		s += fmt.Sprintf(" groups %d %d", max(1, l.inGroups), max(1, l.outGroups))
	}
	return s
}

func (l linearCase) newCase() Case {
	return newCase("matmul", l.name(), func(o *operands) *gpu.Tensor {
		return l.record(o, o.activation("x", max(1, l.inGroups), l.m, l.k))
	})
}

// record is the layer applied to x.
func (l linearCase) record(o *operands, x *gpu.Tensor) *gpu.Tensor {
	var model struct {
		Linear Linear `w:"matmul"`
	}
	model.Linear = o.b.Linear(l.k, l.n, !l.noBias, Grouped{In: l.inGroups, Out: l.outGroups})
	o.layers(&model)
	options := []Epilogue{Then(l.act)}
	if l.scale != 0 {
		options = append(options, Scaled(l.scale))
	}
	if l.residual {
		options = append(options, Residual(o.activation("residual", max(1, l.outGroups), l.m, l.n)))
	}
	if l.floats {
		options = append(options, Floats())
	}
	return model.Linear.Forward(o.r, x, options...)
}

var matmulFamily = family{
	op: "matmul", dims: "MxNxK",
	at: func(d []int) Case { return linearCase{m: d[0], n: d[1], k: d[2]}.newCase() },
	bench: [][]int{
		{512, 768, 768},                                                                       // the shape of the figures in other projects
		{197, 2304, 768}, {197, 768, 768}, {197, 3072, 768}, {197, 768, 3072}, {1, 1000, 768}, // ViT-B/16
		{197, 576, 192}, {197, 192, 192}, {197, 768, 192}, {197, 192, 768}, // ViT-Ti/16
		{65, 576, 192}, {65, 768, 192}, {65, 192, 768}, {1, 10, 192}, // the embedded ViT
	},
	test: func() []Case {
		all := []linearCase{
			// Degenerate, prime, and either side of the edges of 8, 64 and 128 columns and of row tiles.
			{m: 1, n: 1, k: 1}, {m: 1, n: 127, k: 64}, {m: 1, n: 129, k: 257}, {m: 5, n: 7, k: 3}, {m: 8, n: 8, k: 8},
			{m: 8, n: 64, k: 9}, {m: 9, n: 63, k: 31}, {m: 9, n: 65, k: 8}, {m: 16, n: 128, k: 77}, {m: 17, n: 1, k: 64},
			{m: 17, n: 129, k: 257}, {m: 33, n: 200, k: 40}, {m: 65, n: 9, k: 17},
			{m: 9, n: 72, k: 10240}, // a uniform window holds no tile of its rows
			{m: 17, n: 33, k: 15, noBias: true}, {m: 17, n: 33, k: 15, residual: true}, {m: 17, n: 33, k: 15, scale: 0.3125},
			{m: 17, n: 33, k: 15, noBias: true, scale: 0.5, residual: true},
			{m: 1, n: 257, k: 33, floats: true}, {m: 3, n: 1030, k: 264, floats: true}, {m: 19, n: 45, k: 15, floats: true, act: GELU},
			{m: 9, n: 45, k: 15, outGroups: 9}, {m: 9, n: 7, k: 15, inGroups: 3}, {m: 9, n: 26, k: 26, inGroups: 2, outGroups: 2, residual: true},
		}
		for _, a := range Activations { // 45 columns: padding to mask, for sigmoid(0) is not 0
			all = append(all, linearCase{m: 17, n: 45, k: 23, act: a, residual: a == GELU || a == Sigmoid})
		}
		var cases []Case
		for _, l := range all {
			cases = append(cases, l.newCase())
		}
		return cases
	},
}
