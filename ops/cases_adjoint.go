package ops

import (
	"fmt"
	"slices"

	"saccade/gpu"
)

// trained makes a trained matrix of normal numbers.
func (o *operands) trained(groups, rows, columns int) *gpu.Tensor {
	t, err := o.b.State("trained", gpu.F32, groups, rows, columns)
	if err == nil {
		err = o.b.Prepare()
	}
	if err == nil {
		v := make([]float32, rows*columns)
		for i := range v {
			v[i] = float32(o.rng.NormFloat64())
		}
		err = t.Write(v)
	}
	if err != nil && o.err == nil {
		o.err = err
	}
	return t
}

// trainedCase is a product with a trained matrix [r, c], which is columns of [m, wide] from
// first on.
type trainedCase struct {
	m, r, c, wide    int
	groups           int // of the columns of w; those of [m, wide] are as wide
	first            int
	biased, residual bool
	whole            bool // w is a layer's whole weight
	scale            float64
}

func (t trainedCase) name() string {
	s := shapeName(t.m, t.r, t.c)
	if t.wide != t.c {
		s += fmt.Sprintf(" of %d from %d", t.wide, t.first)
	}
	if t.groups > 1 {
		s += fmt.Sprintf(" groups %d", t.groups)
	}
	if t.biased {
		s += " bias"
	}
	if t.residual {
		s += " residual"
	}
	if t.whole {
		s += " whole"
	}
	return s
}

// newCase is one of the operations project, expand and outer.
func (t trainedCase) newCase(op string) Case {
	wide := t.groups * t.wide / t.c
	return newCase(op, t.name(), func(o *operands) *gpu.Tensor {
		if op == "outer" {
			w := &gpu.Tensor{Name: "w", Shape: []int{t.r, t.c}, Groups: t.groups, Type: gpu.F32}
			return outer(o.r, "outer", o.activation("u", 1, t.m, t.r), o.activation("x", wide, t.m, t.wide), padded(t.first, t.wide, wide), w, t.scale)
		}
		w := o.trained(t.groups, t.r, t.c)
		first := padded(t.first, t.wide, wide)
		if op == "project" {
			c := projection{x: o.activation("x", wide, t.m, t.wide), w: w, first: first, scale: t.scale, whole: t.whole}
			if t.biased {
				c.bias = o.trained(1, 1, t.r)
			}
			if t.residual {
				c.residual = o.activation("residual", 1, t.m, t.r)
			}
			return project(o.r, "project", c)
		}
		c := expansion{u: o.activation("u", 1, t.m, t.r), w: w, first: first, scale: t.scale, whole: t.whole}
		c.shape = &gpu.Tensor{Shape: []int{t.m, t.wide}, Groups: wide}
		if t.residual {
			c.residual = o.activation("residual", wide, t.m, t.wide)
		}
		return expand(o.r, "expand", c)
	})
}

// trainedFamily is one of the operations project, expand and outer.
func trainedFamily(op string) family {
	return family{
		op: op, dims: "MxRxC",
		at: func(d []int) Case {
			return trainedCase{m: d[0], r: d[1], c: d[2], wide: d[2], groups: 1, scale: 1, whole: d[1] > 64}.newCase(op)
		},
		bench: [][]int{{1576, 8, 768}, {1576, 768, 768}}, // of ViT-B/16's batch of eight, adapters and a whole layer
		test: func() []Case {
			var cases []Case
			for _, t := range []trainedCase{
				{m: 1, r: 1, c: 1, wide: 1, groups: 1, scale: 1},
				{m: 5, r: 3, c: 7, wide: 7, groups: 1, scale: 0.5},
				{m: 67, r: 4, c: 40, wide: 40, groups: 1, scale: 2, biased: true},
				{m: 33, r: 9, c: 26, wide: 26, groups: 2, scale: 1, residual: true},
				{m: 19, r: 5, c: 15, wide: 45, groups: 3, first: 15, scale: 0.25},
				{m: 19, r: 5, c: 15, wide: 45, groups: 3, first: 30, scale: 0.25, residual: true},
				{m: 67, r: 70, c: 40, wide: 40, groups: 1, scale: 2, whole: true, biased: true},
				{m: 17, r: 67, c: 39, wide: 39, groups: 3, scale: 1, whole: true, residual: true},
				{m: 37, r: 33, c: 75, wide: 225, groups: 5, first: 75, scale: 0.5},
			} {
				if t.biased && op != "project" || t.residual && op == "outer" {
					t.biased, t.residual = false, false
				}
				cases = append(cases, t.newCase(op))
			}
			return cases
		},
	}
}

var sumFamily = family{
	op: "sum", dims: "MxC",
	at:    func(d []int) Case { return sumCase(1, d[0], d[1]) },
	bench: [][]int{{1576, 768}},
	test:  func() []Case { return []Case{sumCase(1, 1, 1), sumCase(1, 37, 13), sumCase(3, 9, 15)} },
}

func sumCase(groups, m, c int) Case {
	name := shapeName(m, c)
	if groups > 1 {
		name += fmt.Sprintf(" groups %d", groups)
	}
	return newCase("sum", name, func(o *operands) *gpu.Tensor { return sum(o.r, "sum", o.activation("x", groups, m, c)) })
}

var layerNormAdjointFamily = family{
	op: "layernorm_adjoint", dims: "MxC",
	at:    func(d []int) Case { return layerNormAdjointCase(d[0], d[1]) },
	bench: [][]int{{1576, 768}},
	test: func() []Case {
		return []Case{layerNormAdjointCase(3, 13), layerNormAdjointCase(65, 40), layerNormAdjointCase(9, 200)}
	},
}

func layerNormAdjointCase(m, c int) Case {
	return newCase("layernorm_adjoint", shapeName(m, c), func(o *operands) *gpu.Tensor {
		var model struct {
			Norm LayerNorm `w:"norm"`
		}
		model.Norm = o.b.LayerNorm(c, 1e-5)
		o.layers(&model)
		return model.Norm.adjoint(o.r, o.activation("x", 1, m, c), o.activation("dy", 1, m, c))
	})
}

var activationAdjointFamily = family{
	op: "activation_adjoint", dims: "MxC",
	at:    func(d []int) Case { return activationAdjointCase(GELU, 1, d[0], d[1]) },
	bench: [][]int{{1576, 3072}},
	test: func() []Case {
		cases := []Case{activationAdjointCase(GELU, 3, 5, 15)}
		for _, a := range Differentiable {
			cases = append(cases, activationAdjointCase(a, 1, 17, 45))
		}
		return cases
	},
}

func activationAdjointCase(a Activation, groups, m, c int) Case {
	name := shapeName(m, c) + a.suffix()
	if groups > 1 {
		name += fmt.Sprintf(" groups %d", groups)
	}
	return newCase("activation_adjoint", name, func(o *operands) *gpu.Tensor {
		return a.adjoint(o.r, o.activation("x", groups, m, c), o.activation("dy", groups, m, c))
	})
}

var spreadFamily = family{
	op: "spread", dims: "NxTxC",
	at:    func(d []int) Case { return spreadCase(d[0], d[1], d[2], 0, 1) },
	bench: [][]int{{8, 197, 768}},
	test: func() []Case {
		return []Case{spreadCase(1, 1, 1, 0, 1), spreadCase(3, 7, 13, 0, 1), spreadCase(2, 9, 40, 2, 9)}
	},
}

func spreadCase(n, t, c, first, end int) Case {
	return newCase("spread", fmt.Sprintf("%s %d to %d", shapeName(n, t, c), first, end), func(o *operands) *gpu.Tensor {
		return spread(o.r, o.activation("x", 1, n, t, c), o.activation("dy", 1, n, c), first, end)
	})
}

var crossEntropyFamily = family{
	op: "crossentropy", dims: "NxC",
	at:    func(d []int) Case { return crossEntropyCase(d[0], d[1], false) },
	bench: [][]int{{64, 1000}},
	test: func() []Case {
		return []Case{crossEntropyCase(1, 2, false), crossEntropyCase(7, 13, false), crossEntropyCase(70, 5, true), crossEntropyCase(3, 1000, true)}
	},
}

func crossEntropyCase(n, c int, back bool) Case {
	name := shapeName(n, c)
	if back {
		name += " adjoint"
	}
	return newCase("crossentropy", name, func(o *operands) *gpu.Tensor {
		x, labels := o.activation("x", 1, n, c), o.ids("labels", c, n, 1)
		if !back {
			return CrossEntropy(o.r, x, labels)
		}
		o.in["seed"] = []float32{512}
		return crossEntropy{x: x, labels: labels}.adjoint(o.r, o.r.Input("seed", gpu.F32, 1))
	})
}

var attentionAdjointFamily = family{
	op: "attention_adjoint", dims: "BxTxHxD",
	at: func(d []int) Case {
		return attentionCase{batch: d[0], tq: d[1], heads: d[2], size: d[3]}.adjointCase()
	},
	bench: [][]int{{8, 197, 12, 64}, {16, 65, 3, 64}},
	test: func() []Case {
		var cases []Case
		for _, a := range []attentionCase{
			{batch: 1, tq: 1, heads: 1, size: 1}, {batch: 2, tq: 7, heads: 3, size: 5}, {batch: 1, tq: 67, heads: 2, size: 24}, {batch: 2, tq: 33, heads: 2, size: 64},
			{batch: 2, tq: 9, heads: 2, size: 16, causal: true}, {batch: 3, tq: 19, heads: 2, size: 8, padded: true},
			{batch: 2, tq: 9, heads: 4, size: 8, keyHeads: 2}, {batch: 2, tq: 5, tk: 11, heads: 4, size: 8, keyHeads: 2}, {batch: 2, tq: 9, tk: 13, heads: 2, size: 12},
			{batch: 2, tq: 4, tk: 12, heads: 2, size: 8, causal: true, tail: true},
		} {
			cases = append(cases, a.adjointCase())
		}
		return cases
	},
}

// adjointCase is the gradients of the case's attention.
func (a attentionCase) adjointCase() Case {
	return newCase("attention_adjoint", a.name(), func(o *operands) *gpu.Tensor {
		y := a.record(o)
		if o.err != nil || o.r.Err() != nil {
			return y
		}
		all := o.r.Ops()
		op := all[len(all)-1]
		grads := op.Adjoint(o.activation("dy", y.Groups, y.Shape...), slices.Repeat([]bool{true}, len(op.In)))
		for i, g := range grads {
			if g != nil && i > 0 {
				o.r.Output(fmt.Sprint("dx", i), g)
			}
		}
		return grads[0]
	})
}

// floats declares an input of normal numbers as an f32 activation.
func (o *operands) floats(name string, shape ...int) *gpu.Tensor {
	if o.r.Err() == nil && o.in["one"] == nil {
		o.in["one"] = []float32{1, 0, 0, 0, 0, 0, 0}
		o.one = o.r.Input("one", gpu.F32, 1, CombineFactors)
	}
	return Combine(o.r, gpu.F32, shape[0], o.one, 0, Operand{X: o.dense(name, shape...)})
}

// set is a state that has those numbers at the beginning of every run, squared if they are
// to be positive.
func (o *operands) set(name string, rows, columns int, positive bool) *gpu.Tensor {
	t, err := o.b.State(name, gpu.F32, 1, rows, columns)
	if err != nil {
		o.err = err
		return o.r.NewTyped(name, gpu.F32, 1, rows, columns)
	}
	Keep(o.r, t, o.floats(name, rows, columns))
	if v, ok := o.in[name].([]float32); ok && positive {
		for i := range v {
			v[i] *= v[i]
		}
	}
	return t
}

// settings declares those of an optimizer.
func (o *operands) settings(s Settings) *gpu.Tensor {
	o.in["settings"] = s.Values()
	return o.r.Input("settings", gpu.F32, SettingsSize)
}

// optimizerFamily is an operation on trained arrays.
func optimizerFamily(op string, some []Settings, record func(o *operands, rows, columns int, s Settings) *gpu.Tensor) family {
	one := func(rows, columns int, s Settings) Case {
		return newCase(op, fmt.Sprintf("%s %v", shapeName(rows, columns), s.Values()), func(o *operands) *gpu.Tensor { return record(o, rows, columns, s) })
	}
	return family{
		op: op, dims: "ROWSxCOLUMNS",
		at:    func(d []int) Case { return one(d[0], d[1], some[0]) },
		bench: [][]int{{8, 768}, {768, 768}},
		test: func() []Case {
			cases := []Case{one(1, 1, some[0]), one(70, 45, some[0])}
			for _, s := range some {
				cases = append(cases, one(7, 13, s))
			}
			return cases
		},
	}
}

var accumulateFamily = optimizerFamily("accumulate", []Settings{{Keep: true, Unscale: 0.25}, {Unscale: 2}},
	func(o *operands, rows, columns int, s Settings) *gpu.Tensor {
		sum := o.set("sum", rows, columns, false)
		Accumulate(o.r, sum, o.floats("dw", rows, columns), o.settings(s))
		return sum
	})

var squaresFamily = optimizerFamily("squares", []Settings{{}},
	func(o *operands, rows, columns int, _ Settings) *gpu.Tensor {
		return Squares(o.r, Squares(o.r, nil, o.floats("x", rows, columns)), o.floats("y", 3, 5))
	})

var adamWFamily = optimizerFamily("adamw", []Settings{{Apply: true, Rate: 0.1, Step: 0.3, Root: 0.7}, {Apply: true, Rate: 0.1, Step: 0.3, Root: 0.7, Clip: 0.5}, {Rate: 0.1, Step: 0.3, Root: 0.7}},
	func(o *operands, rows, columns int, s Settings) *gpu.Tensor {
		w, m, v := o.set("w", rows, columns, false), o.set("m", rows, columns, false), o.set("v", rows, columns, true)
		g := o.floats("g", rows, columns)
		AdamW{Decay: 0.25, Beta1: 0.875, Beta2: 0.75, Eps: 1e-3}.Step(o.r, w, m, v, g, Squares(o.r, nil, g), o.settings(s))
		o.r.Output("m", m)
		o.r.Output("v", v)
		return w
	})

var sgdFamily = optimizerFamily("sgd", []Settings{{Apply: true, Rate: 0.1}, {Apply: true, Rate: 0.1, First: true, Clip: 0.5}, {Rate: 0.1}},
	func(o *operands, rows, columns int, s Settings) *gpu.Tensor {
		w, b := o.set("w", rows, columns, false), o.set("b", rows, columns, false)
		g := o.floats("g", rows, columns)
		c, settings := SGD{Decay: 0.25, Momentum: 0.75, Dampening: 0.125}, o.settings(s)
		c.Step(o.r, w, b, g, Squares(o.r, nil, g), settings)
		c.Nesterov = true
		c.Step(o.r, w, b, g, Squares(o.r, nil, g), settings)
		SGD{}.Step(o.r, w, b, g, Squares(o.r, nil, g), settings)
		o.r.Output("b", b)
		return w
	})

var projectFamily, expandFamily, outerFamily = trainedFamily("project"), trainedFamily("expand"), trainedFamily("outer")

var gluAdjointFamily = family{
	op: "glu_adjoint", dims: "MxH",
	at:    func(d []int) Case { return gluAdjointCase(d[0], d[1], GELU, GateSecond) },
	bench: [][]int{{4096, 1280}},
	test: func() []Case {
		return []Case{gluAdjointCase(1, 1, GELU, GateSecond), gluAdjointCase(7, 13, SiLU, GateFirst), gluAdjointCase(19, 40, Identity, GateFirst)}
	},
}

func gluAdjointCase(m, h int, a Activation, gate Gate) Case {
	return newCase("glu_adjoint", fmt.Sprintf("%s%s gate %d", shapeName(m, h), a.suffix(), gate), func(o *operands) *gpu.Tensor {
		return gluAdjoint(o.r, o.activation("x", 2, m, 2*h), o.activation("dy", 1, m, h), a, gate)
	})
}

var partFamily = family{
	op: "part", dims: "MxCxFIRSTxWIDTH",
	at:    func(d []int) Case { return partCase(d[0], d[1], d[2], d[3]) },
	bench: [][]int{{4096, 960, 640, 320}},
	test: func() []Case {
		return []Case{partCase(1, 1, 0, 1), partCase(7, 13, 5, 8), partCase(7, 13, 0, 5), partCase(33, 40, 16, 24), partCase(9, 21, 10, 11)}
	},
}

func partCase(m, c, first, width int) Case {
	return newCase("part", shapeName(m, c, first, width), func(o *operands) *gpu.Tensor { return Part(o.r, o.activation("x", 1, m, c), first, width) })
}

var turnFamily = family{
	op: "turn", dims: "TAPSxINxOUT",
	at:    func(d []int) Case { return turnCase(d[0], d[1], d[2], 1, 1) },
	bench: [][]int{{1, 768, 3072}, {9, 640, 640}},
	test: func() []Case {
		return []Case{turnCase(1, 1, 1, 1, 1), turnCase(1, 13, 150, 1, 1), turnCase(1, 130, 7, 1, 1), turnCase(1, 15, 26, 3, 2), turnCase(9, 5, 3, 1, 1), turnCase(9, 17, 70, 1, 1)}
	},
}

// turnCase is of a linear map's weight, or of a convolution's of 3×3 taps.
func turnCase(taps, in, out, inGroups, outGroups int) Case {
	name := shapeName(taps, in, out)
	if inGroups*outGroups > 1 {
		name += fmt.Sprintf(" groups %d %d", inGroups, outGroups)
	}
	return newCase("turn", name, func(o *operands) *gpu.Tensor {
		if taps == 1 {
			var model struct {
				Linear Linear `w:"linear"`
			}
			model.Linear = o.b.Linear(in, out, false, Grouped{In: inGroups, Out: outGroups})
			o.layers(&model)
			return model.Linear.turned(o.r).made
		}
		var model struct {
			Conv Conv2d `w:"conv"`
		}
		model.Conv = o.b.Conv2d(Conv{In: in, Out: out, Kernel: Square(3), Pad: Pad(1)})
		o.layers(&model)
		o.r.Tape = &gpu.Tape{Compact: true}
		v, err := (&convCall{c: &model.Conv, convGeometry: convGeometry{h: 3, w: 3, oh: 3, ow: 3, top: 1, left: 1}}).turned(o.r)
		if err != nil {
			o.r.Fail(err)
			return o.r.New("turned", 1, 1, 1)
		}
		return v.made
	})
}

var shrinkFamily = family{
	op: "shrink", dims: "NxHEIGHTxWIDTHxC",
	at:    func(d []int) Case { return shrinkCase(d) },
	bench: [][]int{{1, 64, 64, 320}},
	test:  func() []Case { return casesOf(shrinkCase, []int{1, 1, 1, 1}, []int{2, 5, 8, 13}, []int{1, 6, 7, 40}) },
}

func shrinkCase(d []int) Case {
	return newCase("shrink", shapeName(d...), func(o *operands) *gpu.Tensor {
		return shrink(o.r, o.activation("x", 1, d...), ceilDiv(d[1], 2), ceilDiv(d[2], 2))
	})
}

var groupNormAdjointFamily = family{
	op: "groupnorm_adjoint", dims: "NxHEIGHTxWIDTHxCxGROUPS",
	at:    func(d []int) Case { return groupNormAdjointCase(d, false) },
	bench: [][]int{{1, 64, 64, 320, 32}},
	test: func() []Case {
		return []Case{groupNormAdjointCase([]int{1, 1, 2, 4, 1}, false), groupNormAdjointCase([]int{3, 5, 7, 15, 3}, true), groupNormAdjointCase([]int{2, 9, 8, 60, 6}, false), groupNormAdjointCase([]int{1, 57, 49, 24, 3}, true)}
	},
}

func groupNormAdjointCase(d []int, shifted bool) Case {
	name := shapeName(d...)
	if shifted {
		name += " shifted"
	}
	return newCase("groupnorm_adjoint", name, func(o *operands) *gpu.Tensor {
		var model struct {
			Norm GroupNorm `w:"norm"`
		}
		model.Norm = o.b.GroupNorm(d[4], d[3], 1e-5)
		o.layers(&model)
		x, dy := o.activation("x", 1, d[:4]...), o.activation("dy", 1, d[:4]...)
		var shift *gpu.Tensor
		if shifted {
			shift = o.activation("shift", 1, d[0], d[3])
		}
		return model.Norm.adjoint(o.r, x, shift, dy)
	})
}

var squaredErrorFamily = family{
	op: "squared_error", dims: "NxHEIGHTxWIDTHxC",
	at:    func(d []int) Case { return squaredErrorCase(d, false) },
	bench: [][]int{{1, 64, 64, 4}},
	test: func() []Case {
		return []Case{squaredErrorCase([]int{1, 1, 1, 1}, false), squaredErrorCase([]int{3, 5, 7, 4}, false), squaredErrorCase([]int{2, 9, 11, 13}, true)}
	},
}

func squaredErrorCase(d []int, back bool) Case {
	name := shapeName(d...)
	if back {
		name += " adjoint"
	}
	return newCase("squared_error", name, func(o *operands) *gpu.Tensor {
		e := squaredError{x: o.activation("x", 1, d...), y: o.activation("y", 1, d...), weight: o.dense("weight", d[0])}
		if !back {
			return SquaredError(o.r, e.x, e.y, e.weight)
		}
		o.in["seed"] = []float32{512}
		return e.adjoint(o.r, o.r.Input("seed", gpu.F32, 1))
	})
}
