package ops

import (
	"fmt"

	"saccade/gpu"
)

// The operations of layers that are trained as a whole.

// trainedCall is a convolution of random pictures [N, H, W, C].
func (o *operands) trainedCall(d []int, c Conv) *convCall {
	layer := o.b.Conv2d(c)
	layer.setName("conv")
	x := o.activation("x", 1, d...)
	g, err := layer.geometry(x)
	if err != nil && o.err == nil {
		o.err = err
	}
	return &convCall{c: &layer, convGeometry: g, x: x}
}

// windowed are the shapes and convolutions of tests: odd sizes, strides, dilation, uneven padding.
var windowed = []struct {
	d []int
	c Conv
}{
	{[]int{1, 1, 1, 1}, Conv{In: 1, Out: 1, Kernel: Square(1)}},
	{[]int{2, 7, 9, 13}, Conv{In: 13, Out: 13, Kernel: Square(3), Stride: Square(2), Pad: Pad(1)}},
	{[]int{3, 8, 5, 24}, Conv{In: 24, Out: 24, Kernel: [2]int{3, 2}, Stride: [2]int{1, 2}, Dilation: [2]int{2, 1}, Pad: Padding{Top: 2, Left: 1, Bottom: 1}}},
	{[]int{2, 9, 9, 5}, Conv{In: 5, Out: 5, Kernel: Square(2), Stride: Square(2)}},
}

// windowFamily is an operation on the windows of a convolution.
func windowFamily(op string, groups bool, record func(o *operands, call *convCall) *gpu.Tensor) family {
	one := func(d []int, c Conv) Case {
		if groups {
			c.Groups = c.In
		}
		return newCase(op, fmt.Sprintf("%s %dx%d/%d", shapeName(d...), c.Kernel[0], c.Kernel[1], max(1, c.Stride[1])), func(o *operands) *gpu.Tensor {
			call := o.trainedCall(d, c)
			if o.err != nil {
				return call.x
			}
			return record(o, call)
		})
	}
	return family{
		op: op, dims: "NxHEIGHTxWIDTHxC", bench: [][]int{{8, 56, 56, 64}},
		at: func(d []int) Case {
			c := one(d, Conv{In: d[3], Out: d[3], Kernel: Square(3), Pad: Pad(1)})
			c.Name = shapeName(d...)
			return c
		},
		test: func() (all []Case) {
			for _, w := range windowed {
				if !groups || w.c.In > 1 {
					all = append(all, one(w.d, w.c))
				}
			}
			return all
		},
	}
}

// taps is the number of a convolution's.
func (call *convCall) taps() int { return call.c.Kernel[0] * call.c.Kernel[1] }

var patchesFamily = windowFamily("patches", false, func(o *operands, call *convCall) *gpu.Tensor { return call.patches(o.r) })

var foldFamily = windowFamily("fold", false, func(o *operands, call *convCall) *gpu.Tensor {
	o.r.Output("weighed", call.fold(o.r, o.activation("dy", 1, call.n, call.oh, call.ow, call.c.In), o.trained(1, call.taps(), call.c.In)))
	return call.fold(o.r, o.activation("patches", call.taps(), call.n, call.oh, call.ow, call.taps()*call.c.In), nil)
})

var depthwiseFamily = windowFamily("depthwise", true, func(o *operands, call *convCall) *gpu.Tensor {
	w := o.trained(1, call.taps(), call.c.In)
	o.r.Output("plain", call.depthwiseTrained(o.r, w, nil))
	return call.depthwiseTrained(o.r, w, o.trained(1, 1, call.c.In))
})

var depthwiseOuterFamily = windowFamily("depthwise_outer", true, func(o *operands, call *convCall) *gpu.Tensor {
	w := &gpu.Tensor{Name: "w", Shape: []int{call.taps(), call.c.In}, Groups: 1, Type: gpu.F32}
	return call.depthwiseOuter(o.r, o.activation("dy", 1, call.n, call.oh, call.ow, call.c.In), w)
})

// columnsFamily is an operation on rows [M, C] and vectors of their columns.
func columnsFamily(op string, record func(o *operands, m, c int) *gpu.Tensor) family {
	at := func(d []int) Case {
		return newCase(op, shapeName(d...), func(o *operands) *gpu.Tensor { return record(o, d[0], d[1]) })
	}
	return family{op: op, dims: "MxC", at: at, bench: [][]int{{25088, 64}},
		test: func() []Case { return casesOf(at, []int{2, 1}, []int{67, 13}, []int{1, 40}, []int{530, 24}) }}
}

// norm is a batch norm of random values, of which the variance is positive.
func (o *operands) norm(c int) *batchNorm {
	n := &batchNorm{gamma: o.trained(1, 1, c), beta: o.trained(1, 1, c), mean: o.trained(1, 1, c), variance: o.trained(1, 1, c), eps: 1e-5, momentum: 0.1}
	v := make([]float32, c)
	for i := range v {
		v[i] = float32(0.5 + o.rng.Float64())
	}
	if err := n.variance.Write(v); err != nil && o.err == nil {
		o.err = err
	}
	return n
}

var momentsFamily = columnsFamily("moments", func(o *operands, m, c int) *gpu.Tensor {
	mean, variance := moments(o.r, Affine(o.r, o.activation("x", 1, m, c), 1, 4))
	o.r.Output("variance", variance)
	return mean
})

var runningFamily = columnsFamily("running", func(o *operands, _, c int) *gpu.Tensor {
	state := o.set("state", 1, c, false)
	running(o.r, state, o.floats("x", 1, c), 0.25, 1.5)
	return state
})

var batchNormFamily = columnsFamily("batchnorm", func(o *operands, m, c int) *gpu.Tensor {
	return o.norm(c).forward(o.r, "batchnorm", o.activation("x", 1, m, c))
})

var batchNormSumsFamily = columnsFamily("batchnorm_sums", func(o *operands, m, c int) *gpu.Tensor {
	dgamma, dbeta := o.norm(c).sums(o.r, o.activation("x", 1, m, c), o.activation("dy", 1, m, c))
	o.r.Output("dbeta", dbeta)
	return dgamma
})

var batchNormAdjointFamily = columnsFamily("batchnorm_adjoint", func(o *operands, m, c int) *gpu.Tensor {
	n := o.norm(c)
	x, dy := o.activation("x", 1, m, c), o.activation("dy", 1, m, c)
	o.r.Output("running", n.adjoint(o.r, x, dy)[0])
	n.batch = true
	return n.adjoint(o.r, x, dy)[0]
})

var layerNormProductsFamily = columnsFamily("layernorm_products", func(o *operands, m, c int) *gpu.Tensor {
	n := o.b.LayerNorm(c, 1e-5)
	return n.products(o.r, o.activation("x", 1, m, c), o.activation("dy", 1, m, c))
})

var stackFamily = columnsFamily("stack", func(o *operands, m, c int) *gpu.Tensor {
	class, positions := o.trained(1, 1, c), o.trained(1, m+1, c)
	return Stack(o.r, Stacked{A: class, B: positions, Count: 1}, Stacked{A: positions, First: 1, Count: m})
})

var scaleAdjointFamily = family{
	op: "scale_adjoint", dims: "NxHEIGHTxWIDTHxC", at: scaleAdjointCase, bench: [][]int{{8, 28, 28, 240}},
	test: func() []Case {
		return casesOf(scaleAdjointCase, []int{1, 1, 1, 1}, []int{2, 5, 7, 13}, []int{3, 4, 3, 40})
	},
}

func scaleAdjointCase(d []int) Case {
	return newCase("scale_adjoint", shapeName(d...), func(o *operands) *gpu.Tensor {
		return scaleAdjoint(o.r, o.activation("x", 1, d...), o.activation("dy", 1, d...), o.activation("gates", 1, d[0], d[3]))
	})
}

var poolAdjointFamily = family{
	op: "pool2d_adjoint", dims: "NxHEIGHTxWIDTHxC", bench: [][]int{{8, 112, 112, 64}},
	at: func(d []int) Case {
		c := poolAdjointCase(d, Pool{Kernel: Square(3), Stride: Square(2), Pad: Square(1)}, true)
		c.Name = shapeName(d...)
		return c
	},
	test: func() []Case {
		return []Case{
			poolAdjointCase([]int{1, 1, 1, 1}, Pool{Kernel: Square(1), Stride: Square(1)}, true),
			poolAdjointCase([]int{2, 9, 7, 13}, Pool{Kernel: Square(3), Stride: Square(2), Pad: Square(1)}, true),
			poolAdjointCase([]int{3, 6, 5, 8}, Pool{Kernel: Square(2), Stride: Square(1)}, true),
			poolAdjointCase([]int{2, 9, 7, 13}, Pool{Kernel: Square(3), Stride: Square(2), Pad: Square(1)}, false),
			poolAdjointCase([]int{2, 5, 7, 5}, Pool{Kernel: Square(2), Stride: Square(2), Ceil: true, ExcludePad: true}, false),
		}
	},
}

func poolAdjointCase(d []int, p Pool, largest bool) Case {
	name := fmt.Sprintf("%s %dx%d/%d", shapeName(d...), p.Kernel[0], p.Kernel[1], p.Stride[0])
	pool := AvgPool
	if largest {
		name, pool = name+" max", MaxPool
	}
	return newCase("pool2d_adjoint", name, func(o *operands) *gpu.Tensor {
		y := pool(o.r, o.activation("x", 1, d...), p)
		if o.err != nil || o.r.Err() != nil {
			return y
		}
		all := o.r.Ops()
		return all[len(all)-1].Adjoint(o.activation("dy", 1, y.Shape...), []bool{true})[0]
	})
}

var rowsAdjointFamily = family{
	op: "rows_adjoint", dims: "NxTxC", at: rowsAdjointCase, bench: [][]int{{10, 77, 512}},
	test: func() []Case { return casesOf(rowsAdjointCase, []int{1, 1, 1}, []int{3, 7, 13}, []int{5, 9, 40}) },
}

// rowsAdjointCase is of three trained rows, whose numbers begin at 4, among N texts of T tokens.
func rowsAdjointCase(d []int) Case {
	return newCase("rows_adjoint", shapeName(d...), func(o *operands) *gpu.Tensor {
		x, index := o.trained(1, 3, d[2]), o.ids("index", 8, d[0], d[1])
		over := o.activation("over", 1, d...)
		o.r.Output("rows", LearnedRows(o.r, over, x, index, 4))
		return rowsAdjoint(o.r, o.activation("dy", 1, d...), x, index, 4)
	})
}

var placeFamily = family{
	op: "place", dims: "NxTxC", at: placeCase, bench: [][]int{{10, 77, 512}},
	test: func() []Case { return casesOf(placeCase, []int{1, 1, 1}, []int{3, 7, 13}, []int{2, 9, 40}) },
}

func placeCase(d []int) Case {
	return newCase("place", shapeName(d...), func(o *operands) *gpu.Tensor {
		return place(o.r, o.activation("x", 1, d...), o.activation("dy", 1, d[0], d[2]), o.ids("at", d[1], d[0], 1))
	})
}

var normalizeAdjointFamily = columnsFamily("normalize_adjoint", func(o *operands, m, c int) *gpu.Tensor {
	return normalizeAdjoint(o.r, o.activation("x", 1, m, c+2), o.floats("dy", m, c+2)) // of one number it is zero
})
