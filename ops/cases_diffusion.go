package ops

import (
	"fmt"

	"saccade/gpu"
)

// The operations of diffusion models.

var groupNormFamily = family{
	op: "groupnorm", dims: "GROUPSxHEIGHTxWIDTHxCHANNELS", at: func(d []int) Case { return groupNormCase(1, SiLU, d) },
	bench: [][]int{{32, 64, 64, 320}, {32, 16, 16, 1280}, {32, 32, 32, 128}},
	test: func() []Case {
		return []Case{
			groupNormCase(1, Identity, []int{1, 1, 1, 1}), groupNormCase(3, SiLU, []int{3, 5, 7, 15}), groupNormCase(2, Identity, []int{4, 9, 8, 40}),
			groupNormCase(1, SiLU, []int{2, 13, 17, 6}), groupNormCase(2, GELU, []int{32, 11, 12, 320}), groupNormCase(5, SiLU, []int{1, 3, 3, 9}),
			framesNormCase(2, 3, SiLU, []int{3, 2, 5, 15}), framesNormCase(1, 7, Identity, []int{2, 3, 1, 18}),
			shiftedNormCase(3, SiLU, []int{3, 5, 7, 15}), shiftedNormCase(2, Identity, []int{4, 9, 8, 40}), shiftedNormCase(1, SiLU, []int{1, 3, 2, 33}),
		}
	},
}

func groupNormCase(batch int, a Activation, d []int) Case {
	return normCase(batch, 0, a, d, "")
}

// framesNormCase is of videos of so many frames.
func framesNormCase(batch, frames int, a Activation, d []int) Case {
	return normCase(batch, frames, a, d, fmt.Sprintf(" frames %d", frames))
}

// shiftedNormCase adds a vector to each item before the norm.
func shiftedNormCase(batch int, a Activation, d []int) Case {
	return normCase(batch, 0, a, d, " shifted")
}

func normCase(batch, frames int, a Activation, d []int, kind string) Case {
	name := shapeName(d...) + a.suffix() + kind
	if batch > 1 {
		name += " batch " + shapeName(batch)
	}
	return newCase("groupnorm", name, func(o *operands) *gpu.Tensor {
		var model struct {
			Norm GroupNorm `w:"groupnorm"`
		}
		model.Norm = o.b.GroupNorm(d[0], d[3], 1e-5)
		o.layers(&model)
		x := o.activation("x", 1, batch*max(1, frames), d[1], d[2], d[3])
		switch {
		case frames > 0:
			return model.Norm.ForwardFrames(o.r, x, frames, a)
		case kind != "":
			return model.Norm.ForwardShifted(o.r, x, o.activation("shift", 1, batch, d[3]), a)
		}
		return model.Norm.Forward(o.r, x, a)
	})
}

var grnFamily = family{
	op: "grn", dims: "BATCHxHEIGHTxWIDTHxCHANNELS", at: grnCase,
	bench: [][]int{{1, 56, 56, 384}, {1, 7, 7, 3072}},
	test: func() []Case {
		return casesOf(grnCase, []int{1, 1, 1, 1}, []int{3, 5, 7, 15}, []int{2, 9, 13, 40}, []int{1, 3, 67, 6}, []int{9, 2, 3, 20})
	},
}

func grnCase(d []int) Case {
	return newCase("grn", shapeName(d...), func(o *operands) *gpu.Tensor {
		var model struct {
			Norm GRN `w:"grn"`
		}
		model.Norm = o.b.GRN(d[3])
		o.layers(&model)
		return model.Norm.Forward(o.r, o.activation("x", 1, d...))
	})
}

var concatFamily = family{
	op: "concat", dims: "ROWSxWIDTHxWIDTH", at: concatCase,
	bench: [][]int{{4096, 320, 320}, {256, 1280, 640}},
	test: func() []Case {
		return casesOf(concatCase, []int{1, 1, 1}, []int{3, 10, 6}, []int{17, 8, 16}, []int{5, 4, 8}, []int{33, 12, 20}, []int{7, 3, 29}, []int{4, 31, 5})
	},
}

func concatCase(d []int) Case {
	return newCase("concat", shapeName(d...), func(o *operands) *gpu.Tensor {
		return Concat(o.r, o.activation("a", 1, d[0], d[1]), o.activation("b", 1, d[0], d[2]))
	})
}

var sinusoidFamily = family{
	op: "sinusoid", dims: "BATCHxWIDTH", at: func(d []int) Case { return sinusoidCase(d[0], 1, d[1], true, 0) },
	bench: [][]int{{2, 320}},
	test: func() []Case {
		return []Case{sinusoidCase(1, 1, 2, false, 0), sinusoidCase(3, 1, 20, true, 0), sinusoidCase(2, 1, 35, false, 1), sinusoidCase(5, 6, 12, true, 0), placesCase(2, 3, 4, 16), placesCase(1, 5, 2, 10)}
	},
}

// placesCase embeds boxes or points of queries.
func placesCase(n, queries, values, width int) Case {
	return newCase("sinusoid", shapeName(n, queries, values, width)+" places", func(o *operands) *gpu.Tensor {
		s, err := o.b.PlaceSinusoid(width)
		if err != nil {
			o.err = err
			return o.dense("x", 1, 1)
		}
		return s.Forward(o.r, Apply(o.r, o.floats("places", n, queries, values), Sigmoid))
	})
}

// sinusoidCase embeds batch × values numbers as they occur: times and sizes.
func sinusoidCase(batch, values, width int, cosFirst bool, shift float64) Case {
	name := shapeName(batch, width)
	if values > 1 {
		name += fmt.Sprintf(" values %d", values)
	}
	return newCase("sinusoid", name, func(o *operands) *gpu.Tensor {
		t := make([]float32, batch*values)
		for i := range t {
			t[i] = float32(o.rng.IntN(2000)) + 0.5*float32(i%2)
		}
		o.in["t"] = t
		s, err := o.b.Sinusoid(width, cosFirst, shift)
		if err != nil {
			o.err = err
			return o.dense("x", 1)
		}
		return s.Forward(o.r, o.r.Input("t", gpu.F32, batch, values))
	})
}

var combineFamily = family{
	op: "combine", dims: "BATCHxHEIGHTxWIDTHxCHANNELS", at: func(d []int) Case { return combineCase(3, 0, d) },
	bench: [][]int{{1, 64, 64, 4}},
	test: func() []Case {
		return []Case{
			combineCase(1, 0, []int{1, 1, 1, 1}), combineCase(2, 0.5, []int{3, 5, 7, 3}), combineCase(3, 0, []int{2, 9, 8, 4}),
			combineCase(4, 1, []int{1, 11, 13, 9}), combineCase(5, 0, []int{5, 3, 3, 17}), combineCase(MostCombined, 0.7, []int{4, 6, 5, 5}),
		}
	},
}

// combineCase combines n operands, stored in each way there is, of batches from
// one item to the result's, some from the last item on; the second of more than
// two has factor 0.
func combineCase(n int, clip float32, d []int) Case {
	name := shapeName(d...) + " of " + shapeName(n)
	if clip != 0 {
		name += " clipped"
	}
	return newCase("combine", name, func(o *operands) *gpu.Tensor {
		factors := make([]float32, 2*CombineFactors)
		for i := range n {
			factors[CombineFactors+i] = float32(o.rng.NormFloat64())
		}
		if n > 2 {
			factors[CombineFactors+1] = 0
		}
		factors[CombineFactors+MostCombined] = clip
		o.in["factors"], o.in["one"] = factors, []float32{1, 0, 0, 0, 0, 0, 0}
		f, one := o.r.Input("factors", gpu.F32, 2, CombineFactors), o.r.Input("one", gpu.F32, 1, CombineFactors)
		var xs []Operand
		for i := range n {
			batch := 1 + i%d[0]
			x := o.dense("x"+shapeName(i), batch, d[1], d[2], d[3])
			switch i % 3 {
			case 1:
				x = Pack(o.r, x, 1)
			case 2:
				x = Combine(o.r, gpu.F32, batch, one, 0, Operand{X: x})
			}
			xs = append(xs, Operand{x, (batch - 1) * (i % 2)})
		}
		return Combine(o.r, o.r.Precision, d[0], f, 1, xs...)
	})
}

var keepFamily = family{
	op: "keep", dims: "ROWSxWIDTH", at: keepCase,
	bench: [][]int{{4096, 4}},
	test:  func() []Case { return casesOf(keepCase, []int{1, 1}, []int{7, 15}, []int{67, 9}, []int{33, 70}) },
}

func keepCase(d []int) Case {
	return newCase("keep", shapeName(d...), func(o *operands) *gpu.Tensor {
		x := o.activation("x", 1, d...)
		state, err := o.b.State("state", x.Type, 1, d...)
		if err != nil {
			o.err = err
			return x
		}
		Keep(o.r, state, x)
		return state
	})
}

var blendFamily = family{
	op: "blend", dims: "BATCHxHEIGHTxWIDTHxCHANNELS", at: blendCase,
	bench: [][]int{{1, 64, 64, 4}},
	test: func() []Case {
		return append(casesOf(blendCase, []int{1, 1, 1, 1}, []int{3, 5, 7, 3}, []int{2, 13, 9, 9}),
			newCase("blend", "2x5x7x9 activations", func(o *operands) *gpu.Tensor {
				of := func(name string) *gpu.Tensor { return o.activation(name, 1, 2, 5, 7, 9) }
				return Blend(o.r, of("a"), of("b"), of("mask"))
			}))
	},
}

func blendCase(d []int) Case {
	return newCase("blend", shapeName(d...), func(o *operands) *gpu.Tensor {
		o.in["one"] = []float32{1, 0, 0, 0, 0, 0, 0}
		one := o.r.Input("one", gpu.F32, 1, CombineFactors)
		f32 := func(name string) *gpu.Tensor {
			return Combine(o.r, gpu.F32, d[0], one, 0, Operand{X: o.dense(name, d...)})
		}
		return Blend(o.r, f32("a"), f32("b"), f32("mask"))
	})
}
