package ops

import "saccade/gpu"

// The operations of masks from points and boxes.

var depthToSpaceFamily = family{
	op: "depth_to_space", dims: "BATCHxHEIGHTxWIDTHxCHANNELS", at: func(d []int) Case { return depthToSpaceCase(Square(2), d) },
	bench: [][]int{{1, 64, 64, 64}, {1, 128, 128, 32}}, // of SAM's decoder
	test: func() []Case {
		return []Case{depthToSpaceCase(Square(1), []int{1, 1, 1, 1}), depthToSpaceCase(Square(2), []int{2, 3, 5, 9}), depthToSpaceCase([2]int{3, 2}, []int{3, 5, 4, 7}), depthToSpaceCase([2]int{1, 4}, []int{1, 9, 13, 40})}
	},
}

func depthToSpaceCase(block [2]int, d []int) Case {
	name := shapeName(d...)
	if block != Square(2) {
		name += " block " + shapeName(block[:]...)
	}
	return newCase("depth_to_space", name, func(o *operands) *gpu.Tensor {
		size := block[0] * block[1]
		return DepthToSpace(o.r, o.activation("x", size, d[0], d[1], d[2], size*d[3]), block)
	})
}

var fourierFamily = family{
	op: "fourier", dims: "BATCHxPOINTSxFEATURES", at: fourierCase,
	bench: [][]int{{1, 3, 128}, {64, 2, 128}},
	test: func() []Case {
		return casesOf(fourierCase, []int{1, 1, 1}, []int{2, 3, 5}, []int{3, 1, 17}, []int{5, 7, 128})
	},
}

func fourierCase(d []int) Case {
	return newCase("fourier", shapeName(d...), func(o *operands) *gpu.Tensor {
		var model struct {
			Fourier Fourier `w:"fourier"`
		}
		model.Fourier = o.b.Fourier(d[2])
		o.layers(&model)
		return model.Fourier.Forward(o.r, o.dense("points", d[0], d[1], 2))
	})
}

var productsFamily = family{
	op: "products", dims: "BATCHxROWSxOTHERSxWIDTH", at: productsCase,
	bench: [][]int{{1, 65536, 4, 32}, {1, 576, 20, 512}}, // SAM's masks, OWL-ViT's logits
	test: func() []Case {
		return casesOf(productsCase, []int{1, 1, 1, 1}, []int{2, 3, 5, 9}, []int{3, 67, 4, 32}, []int{2, 19, 9, 70}, []int{1, 5, 17, 8})
	},
}

func productsCase(d []int) Case {
	return newCase("products", shapeName(d...), func(o *operands) *gpu.Tensor {
		return Products(o.r, o.activation("x", 1, d[0], d[1], d[3]), o.activation("y", 1, d[0], d[2], d[3]))
	})
}
