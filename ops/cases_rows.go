package ops

import (
	"fmt"

	"saccade/gpu"
)

// The operations over rows and over single elements.

// grouped adds a group count to the name of a shape.
func grouped(name string, groups int) string {
	if groups > 1 {
		name += fmt.Sprintf(" groups %d", groups)
	}
	return name
}

// casesOf makes a case of each shape.
func casesOf(at func(d []int) Case, shapes ...[]int) []Case {
	var cases []Case
	for _, d := range shapes {
		cases = append(cases, at(d))
	}
	return cases
}

var layerNormFamily = family{
	op: "layernorm", dims: "ROWSxWIDTH", at: layerNormCase,
	bench: [][]int{{197, 768}, {197, 192}, {65, 192}},
	test: func() []Case {
		return casesOf(layerNormCase, []int{1, 1}, []int{1, 5}, []int{3, 8}, []int{7, 15}, []int{67, 33}, []int{2, 257}, []int{3, 770})
	},
}

func layerNormCase(d []int) Case {
	return newCase("layernorm", shapeName(d...), func(o *operands) *gpu.Tensor {
		return layerNorm(o, o.activation("x", 1, d...))
	})
}

func layerNorm(o *operands, x *gpu.Tensor) *gpu.Tensor {
	var model struct {
		Norm LayerNorm `w:"layernorm"`
	}
	model.Norm = o.b.LayerNorm(x.Width(), 1e-5)
	o.layers(&model)
	return model.Norm.Forward(o.r, x)
}

var softmaxFamily = family{
	op: "softmax", dims: "ROWSxWIDTH", at: softmaxCase,
	bench: [][]int{{197, 1000}, {2364, 197}},
	test: func() []Case {
		return casesOf(softmaxCase, []int{1, 1}, []int{1, 2}, []int{5, 7}, []int{3, 8}, []int{67, 9}, []int{5, 65}, []int{3, 257})
	},
}

func softmaxCase(d []int) Case {
	return newCase("softmax", shapeName(d...), func(o *operands) *gpu.Tensor {
		return Softmax(o.r, o.activation("x", 1, d...))
	})
}

var activationFamily = family{
	op: "activation", dims: "ROWSxWIDTH", at: func(d []int) Case { return activationCase(GELU, 1, d) },
	bench: [][]int{{197, 3072}},
	test: func() []Case {
		cases := []Case{activationCase(GELU, 1, []int{1, 1}), activationCase(Sigmoid, 1, []int{1, 1})}
		for _, a := range Activations {
			cases = append(cases, activationCase(a, 3, []int{7, 39}))
		}
		return cases
	},
}

func activationCase(a Activation, groups int, d []int) Case {
	return newCase("activation", grouped(shapeName(d...)+a.suffix(), groups), func(o *operands) *gpu.Tensor {
		return Apply(o.r, o.activation("x", groups, d...), a)
	})
}

var gluFamily = family{
	op: "glu", dims: "ROWSxWIDTH", at: func(d []int) Case { return gluCase(SiLU, GateFirst, d) },
	bench: [][]int{{257, 8192}}, // of DINOv2's giant
	test: func() []Case {
		cases := []Case{gluCase(SiLU, GateFirst, []int{1, 2}), gluCase(GELU, GateSecond, []int{2, 514}), gluCase(Identity, GateSecond, []int{67, 30}), gluCase(Sigmoid, GateFirst, []int{7, 66})}
		for _, a := range Activations {
			cases = append(cases, gluCase(a, GateSecond, []int{7, 26}))
		}
		return cases
	},
}

func gluCase(a Activation, gate Gate, d []int) Case {
	name := shapeName(d...) + a.suffix()
	if gate == GateSecond {
		name += " gate second"
	}
	return newCase("glu", name, func(o *operands) *gpu.Tensor { return GLU(o.r, o.activation("x", 2, d...), a, gate) })
}

var addFamily = family{
	op: "add", dims: "ROWSxWIDTH", at: func(d []int) Case { return addCase(1, 1, d) },
	bench: [][]int{{197, 768}},
	test: func() []Case {
		return []Case{addCase(1, 1, []int{1, 1}), addCase(1, 1, []int{7, 15}), addCase(3, 0.5, []int{67, 15}), addCase(1, 1, []int{2, 257}), addScaledCase(0.2, []int{9, 21})}
	},
}

func addCase(groups int, scale float64, d []int) Case {
	name := grouped(shapeName(d...), groups)
	if scale != 1 {
		name += fmt.Sprintf(" scale %g", scale)
	}
	return newCase("add", name, func(o *operands) *gpu.Tensor {
		return Add(o.r, o.activation("a", groups, d...), o.activation("b", groups, d...), scale)
	})
}

func addScaledCase(alpha float64, d []int) Case {
	return newCase("add", fmt.Sprintf("%s alpha %g", shapeName(d...), alpha), func(o *operands) *gpu.Tensor {
		return AddScaled(o.r, o.activation("a", 1, d...), o.activation("b", 1, d...), alpha)
	})
}

var packFamily = family{
	op: "pack", dims: "ROWSxWIDTH", at: func(d []int) Case { return packCase(1, d) },
	bench: [][]int{{197, 768}},
	test: func() []Case {
		return []Case{packCase(1, []int{1, 1}), packCase(1, []int{7, 9}), packCase(3, []int{17, 15}), packCase(2, []int{3, 770}),
			packPicturesCase(1, 1, 1, 1), packPicturesCase(3, 5, 4, 7), packPicturesCase(2, 13, 9, 5),
			packPicturesCase(2, 5, 3, 4, 7), packPicturesCase(1, 9, 1, 2, 3)}
	},
}

// packPicturesCase is [PackNCHW] of pictures [N, C, H, W], or of videos [N, C, F, H, W].
func packPicturesCase(d ...int) Case {
	return newCase("pack", shapeName(d...)+" pictures", func(o *operands) *gpu.Tensor { return PackNCHW(o.r, o.dense("x", d...)) })
}

func packCase(groups int, d []int) Case {
	return newCase("pack", grouped(shapeName(d...), groups), func(o *operands) *gpu.Tensor { return o.activation("x", groups, d...) })
}

var meanFamily = family{
	op: "mean", dims: "BATCHxTOKENSxWIDTH", at: func(d []int) Case { return meanCase(1, 0, d[1], d) },
	bench: [][]int{{1, 197, 768}, {1, 197, 192}, {1, 12544, 32}, {1, 784, 240}, {1, 49, 1152}},
	test: func() []Case {
		return []Case{
			meanCase(1, 0, 1, []int{1, 1, 5}), meanCase(1, 0, 7, []int{2, 7, 15}), meanCase(1, 1, 8, []int{3, 8, 33}),
			meanCase(1, 2, 67, []int{2, 67, 9}), meanCase(3, 1, 2, []int{2, 5, 39}), meanCase(1, 0, 300, []int{2, 300, 21}),
			meanOfCase(1, 1, 5), meanOfCase(3, 9, 15), meanOfCase(4, 67, 33),
		}
	},
}

func meanCase(groups, first, end int, d []int) Case {
	name := grouped(shapeName(d...), groups)
	if first != 0 || end != d[1] {
		name += fmt.Sprintf(" tokens %d to %d", first, end)
	}
	return newCase("mean", name, func(o *operands) *gpu.Tensor {
		return Mean(o.r, o.activation("x", groups, d...), first, end)
	})
}

// meanOfCase is of items of one to all tokens.
func meanOfCase(n, tokens, width int) Case {
	return newCase("mean", shapeName(n, tokens, width)+" lengths", func(o *operands) *gpu.Tensor {
		return MeanOf(o.r, o.activation("x", 1, n, tokens, width), o.lengths(n, 1, tokens))
	})
}

var flattenFamily = family{
	op: "flatten", dims: "BATCHxHEIGHTxWIDTHxCHANNELS", at: flattenCase,
	bench: [][]int{{1, 7, 7, 512}},
	test: func() []Case {
		return casesOf(flattenCase, []int{1, 1, 1, 1}, []int{2, 3, 5, 7}, []int{3, 6, 6, 9}, []int{5, 7, 7, 16})
	},
}

func flattenCase(d []int) Case {
	return newCase("flatten", shapeName(d...), func(o *operands) *gpu.Tensor {
		return Flatten(o.r, o.activation("x", 1, d...))
	})
}
