package ops

import (
	"fmt"

	"saccade/gpu"
)

// The operations that pool and scale pictures.

// poolCase is one pooling of pictures of h × w pixels with c channels.
type poolCase struct {
	name       string // of the function
	n, h, w, c int
	p          Pool
	to         [2]int // of an adaptive one
	groups     int    // of channels; 0: one
}

func (x poolCase) newCase() Case {
	name := shapeName(x.n, x.h, x.w, x.c) + " " + x.name
	if x.name == "adaptive_avg_pool" {
		name += " to " + shapeName(x.to[:]...)
	} else {
		name += fmt.Sprintf(" kernel %s stride %s pad %s", shapeName(x.p.Kernel[:]...), shapeName(x.p.Stride[:]...), shapeName(x.p.Pad[:]...))
	}
	if x.p.Ceil {
		name += " ceil"
	}
	if x.p.Over {
		name += " over"
	}
	if x.p.ExcludePad {
		name += " exclude pad"
	}
	if x.groups > 1 {
		name += fmt.Sprintf(" groups %d", x.groups)
	}
	return newCase("pool2d", name, func(o *operands) *gpu.Tensor {
		return x.record(o.r, o.activation("x", max(1, x.groups), x.n, x.h, x.w, x.c))
	})
}

func (x poolCase) record(r *gpu.Recorder, t *gpu.Tensor) *gpu.Tensor {
	switch x.name {
	case "max_pool":
		return MaxPool(r, t, x.p)
	case "avg_pool":
		return AvgPool(r, t, x.p)
	}
	return AdaptiveAvgPool(r, t, x.to[0], x.to[1])
}

var poolFamily = family{
	op: "pool2d", dims: "BATCHxHEIGHTxWIDTHxCHANNELSxKERNELxSTRIDE",
	at: func(d []int) Case {
		c := poolCase{name: "max_pool", n: d[0], h: d[1], w: d[2], c: d[3],
			p: Pool{Kernel: Square(d[4]), Stride: Square(d[5]), Pad: Square((d[4] - 1) / 2)}}.newCase()
		c.Name = shapeName(d...)
		return c
	},
	bench: [][]int{{1, 112, 112, 64, 3, 2}, {1, 224, 224, 64, 2, 2}, {1, 14, 14, 512, 2, 2}}, // ResNet, VGG
	test: func() []Case {
		var cases []Case
		for _, x := range []poolCase{
			{name: "max_pool", n: 1, h: 1, w: 1, c: 1, p: Pool{Kernel: Square(1)}},
			{name: "max_pool", n: 2, h: 13, w: 10, c: 11, p: Pool{Kernel: Square(3), Stride: Square(2), Pad: Square(1)}},
			{name: "max_pool", n: 1, h: 9, w: 24, c: 64, p: Pool{Kernel: Square(2)}},
			{name: "max_pool", n: 3, h: 7, w: 6, c: 20, p: Pool{Kernel: Square(2), Stride: Square(2), Pad: Square(1), Ceil: true}},
			{name: "max_pool", n: 1, h: 21, w: 8, c: 33, p: Pool{Kernel: [2]int{3, 5}, Stride: [2]int{1, 3}, Pad: [2]int{0, 2}}},
			{name: "max_pool", n: 2, h: 2, w: 9, c: 5, p: Pool{Kernel: Square(3), Stride: Square(2), Ceil: true}}, // higher than the picture
			{name: "max_pool", n: 2, h: 7, w: 6, c: 11, p: Pool{Kernel: Square(2), Stride: Square(1), Over: true}},
			{name: "max_pool", n: 1, h: 1, w: 5, c: 9, p: Pool{Kernel: Square(3), Stride: Square(2), Over: true}},
			{name: "max_pool", n: 3, h: 6, w: 5, c: 15, p: Pool{Kernel: Square(2)}, groups: 3},
			{name: "avg_pool", n: 2, h: 13, w: 10, c: 11, p: Pool{Kernel: Square(3), Stride: Square(2), Pad: Square(1)}},
			{name: "avg_pool", n: 1, h: 10, w: 8, c: 67, p: Pool{Kernel: Square(3), Stride: Square(2), Pad: Square(1), Ceil: true}},
			{name: "avg_pool", n: 2, h: 10, w: 8, c: 9, p: Pool{Kernel: Square(3), Stride: Square(2), Pad: Square(1), Ceil: true, ExcludePad: true}},
			{name: "avg_pool", n: 1, h: 12, w: 7, c: 8, p: Pool{Kernel: [2]int{4, 2}, Stride: [2]int{3, 1}, Pad: [2]int{2, 1}, ExcludePad: true}},
			{name: "adaptive_avg_pool", n: 2, h: 13, w: 11, c: 9, to: [2]int{7, 5}},
			{name: "adaptive_avg_pool", n: 1, h: 1, w: 2, c: 33, to: [2]int{7, 7}},
			{name: "adaptive_avg_pool", n: 1, h: 20, w: 3, c: 12, to: [2]int{1, 3}},
		} {
			cases = append(cases, x.newCase())
		}
		return cases
	},
}

var resizeFamily = family{
	op: "resize", dims: "BATCHxHEIGHTxWIDTHxCHANNELSxHEIGHTxWIDTH",
	at:    func(d []int) Case { return resizeCase(Resampling{}, d) },
	bench: [][]int{{1, 74, 74, 64, 148, 148}, {1, 16, 16, 256, 128, 128}}, // Depth Anything, SegFormer
	test: func() []Case {
		var cases []Case
		for _, how := range []Resampling{{}, {Corners: true}, {Cubic: true}, {Cubic: true, Corners: true}, {Nearest: true}} {
			for _, d := range [][]int{{2, 7, 5, 11, 13, 9}, {1, 9, 24, 64, 4, 31}, {3, 1, 2, 5, 3, 7}, {1, 6, 8, 20, 1, 1}, {2, 3, 4, 9, 21, 2}} {
				cases = append(cases, resizeCase(how, d))
			}
		}
		return cases
	},
}

// resizeCase is a resize of pictures d[0] to d[3] to d[4]×d[5] pixels.
func resizeCase(how Resampling, d []int) Case {
	name := shapeName(d...)
	if how.Cubic {
		name += " bicubic"
	}
	if how.Nearest {
		name += " nearest"
	}
	if how.Corners {
		name += " corners"
	}
	return newCase("resize", name, func(o *operands) *gpu.Tensor {
		return Resize(o.r, o.activation("x", 1, d[:4]...), [2]int{d[4], d[5]}, how)
	})
}

var affineFamily = family{
	op: "affine", dims: "BATCHxHEIGHTxWIDTHxCHANNELS", at: affineCase,
	bench: [][]int{{1, 240, 240, 24}, {1, 12, 160, 192}}, // PP-OCR's detector and recogniser
	test: func() []Case {
		return casesOf(affineCase, []int{1, 1, 1, 1}, []int{3, 7, 5, 11}, []int{2, 9, 13, 40})
	},
}

func affineCase(d []int) Case {
	return newCase("affine", shapeName(d...), func(o *operands) *gpu.Tensor {
		return Affine(o.r, o.activation("x", 1, d...), 0.75, -1.5)
	})
}

var preluFamily = family{
	op: "prelu", dims: "BATCHxHEIGHTxWIDTHxCHANNELS", at: preluCase,
	bench: [][]int{{1, 128, 128, 64}}, // Real-ESRGAN's small upscaler
	test: func() []Case {
		return casesOf(preluCase, []int{1, 1, 1, 1}, []int{3, 7, 5, 11}, []int{2, 9, 13, 40})
	},
}

func preluCase(d []int) Case {
	return newCase("prelu", shapeName(d...), func(o *operands) *gpu.Tensor {
		var model struct {
			Act PReLU `w:"prelu"`
		}
		model.Act = o.b.PReLU(d[3])
		o.layers(&model)
		return model.Act.Forward(o.r, o.activation("x", 1, d...))
	})
}

var demodulationFamily = family{
	op: "demodulation", dims: "BATCHxHEIGHTxWIDTHxCHANNELS", at: demodulationCase,
	bench: [][]int{{1, 256, 256, 64}}, // StyleGAN2's last
	test: func() []Case {
		return casesOf(demodulationCase, []int{1, 1, 1, 1}, []int{3, 7, 5, 11}, []int{2, 9, 13, 40})
	},
}

func demodulationCase(d []int) Case {
	return newCase("demodulation", shapeName(d...), func(o *operands) *gpu.Tensor {
		var model struct {
			Sums Linear       `w:"sums"`
			End  Demodulation `w:"end"`
		}
		model.Sums, model.End = o.b.Linear(d[3], d[3], true), o.b.Demodulation([2]int{d[1], d[2]}, d[3])
		o.layers(&model)
		sums := model.Sums.Forward(o.r, o.activation("styles", 1, d[0], 1, 1, d[3]), Then(Sigmoid), Floats())
		return model.End.Forward(o.r, o.activation("x", 1, d...), sums)
	})
}

var scaleFamily = family{
	op: "scale", dims: "BATCHxHEIGHTxWIDTHxCHANNELS", at: scaleCase,
	bench: [][]int{{1, 112, 112, 32}, {1, 28, 28, 240}, {1, 7, 7, 1152}}, // EfficientNet
	test: func() []Case {
		return casesOf(scaleCase, []int{1, 1, 1, 1}, []int{3, 7, 5, 11}, []int{2, 9, 13, 40}, []int{1, 3, 3, 257})
	},
}

func scaleCase(d []int) Case {
	return newCase("scale", shapeName(d...), func(o *operands) *gpu.Tensor {
		return Scale(o.r, o.activation("x", 1, d...), o.activation("gates", 1, d[0], d[3]))
	})
}
