package ops

import "saccade/gpu"

var rescaleFamily = family{
	op: "rescale_guidance", dims: "BATCHxHEIGHTxWIDTHxCHANNELS", at: rescaleCase,
	bench: [][]int{{1, 128, 128, 4}},
	test: func() []Case {
		return casesOf(rescaleCase, []int{1, 1, 2, 1}, []int{3, 5, 7, 3}, []int{2, 13, 9, 9}, []int{4, 17, 11, 4})
	},
}

// rescaleCase has an output whose spread and mean are not those of the other.
func rescaleCase(d []int) Case {
	return newCase("rescale_guidance", shapeName(d...), func(o *operands) *gpu.Tensor {
		factors := make([]float32, 3*CombineFactors)
		factors[0], factors[1], factors[CombineFactors], factors[2*CombineFactors] = 3, 0.5, 1, 0.7
		o.in["factors"] = factors
		f := o.r.Input("factors", gpu.F32, 3, CombineFactors)
		a, b := o.dense("a", d...), o.dense("b", d...)
		cfg := Combine(o.r, gpu.F32, d[0], f, 0, Operand{X: a}, Operand{X: b})
		return RescaleGuidance(o.r, cfg, Combine(o.r, gpu.F32, d[0], f, 1, Operand{X: b}), f, 2)
	})
}
