package ops

import "saccade/gpu"

// The operations of diffusion models.

var groupNormFamily = family{
	op: "groupnorm", dims: "GROUPSxHEIGHTxWIDTHxCHANNELS", at: func(d []int) Case { return groupNormCase(1, SiLU, d) },
	bench: [][]int{{32, 64, 64, 320}, {32, 16, 16, 1280}, {32, 32, 32, 128}},
	test: func() []Case {
		return []Case{
			groupNormCase(1, Identity, []int{1, 1, 1, 1}), groupNormCase(3, SiLU, []int{3, 5, 7, 15}), groupNormCase(2, Identity, []int{4, 9, 8, 40}),
			groupNormCase(1, SiLU, []int{2, 13, 17, 6}), groupNormCase(2, GELU, []int{32, 11, 12, 320}), groupNormCase(5, SiLU, []int{1, 3, 3, 9}),
		}
	},
}

func groupNormCase(batch int, a Activation, d []int) Case {
	name := shapeName(d...) + a.suffix()
	if batch > 1 {
		name += " batch " + shapeName(batch)
	}
	return newCase("groupnorm", name, func(o *operands) *gpu.Tensor {
		var model struct {
			Norm GroupNorm `w:"groupnorm"`
		}
		model.Norm = o.b.GroupNorm(d[0], d[3], 1e-5)
		o.layers(&model)
		return model.Norm.Forward(o.r, o.activation("x", 1, batch, d[1], d[2], d[3]), a)
	})
}
