package ops

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"saccade/gpu"
)

// forcedMatmul is a matmul by a variant that the tables need not choose.
func forcedMatmul(l linearCase, v matmulVariant) Case {
	return newCase("matmul", fmt.Sprintf("%s by %s %s", l.name(), v.Family, v), func(o *operands) *gpu.Tensor {
		var model struct {
			Linear Linear `w:"matmul"`
		}
		model.Linear = o.b.Linear(l.k, l.n, !l.noBias)
		o.layers(&model)
		x, e := o.activation("x", 1, l.m, l.k), epilogue{activation: l.act, scale: 0.75}
		if l.residual {
			e.residual = o.activation("residual", 1, l.m, l.n)
		}
		y := o.r.New("y", 1, l.m, l.n)
		op := gpu.Op{Kind: "matmul", Label: "matmul", In: []*gpu.Tensor{x}, Out: []*gpu.Tensor{y}, Rows: model.Linear.twin(e)}
		if l.residual {
			op.In = append(op.In, e.residual)
		}
		k, n := model.Linear.physical()
		for _, w := range panelWindows(o.b.Dev, model.Linear.weight.Type, k, n) {
			call := matmulCall{l: &model.Linear, x: x, y: y, e: e, v: v, hi: l.m, window: w}
			dispatches, err := call.record(o.r)
			if err != nil {
				o.err = err
				return y
			}
			op.Dispatches = append(op.Dispatches, dispatches...)
		}
		o.r.Do(op)
		return y
	})
}

// All families, whole and with K in slices, whatever the tables choose from.
func TestForcedMatmul(t *testing.T) {
	d := poisonDevice.Open(t)
	variants := []matmulVariant{
		{Family: "matmul", TM: 4, TG: 1, TK: 2},
		{Family: "matmul", TM: 8, TG: 2, TK: 4},
		{Family: "matmul", TM: 8, TG: 1, TK: 4, Split: 3},
		{Family: "matmul", TM: 1, TG: 1, TK: 4, Split: 16},
		{Family: "matmul_few", TM: 1, TG: 1, TK: 4},
		{Family: "matmul_few", TM: 4, TG: 1, TK: 4, Split: 3},
		{Family: "matmul_few", TM: 8, TG: 1, TK: 2},
		{Family: "matmul_shared", TM: 4, NX: 8, NY: 8},
		{Family: "matmul_shared", TM: 8, NX: 8, NY: 8},
		{Family: "matmul_shared", TM: 4, NX: 16, NY: 4},
		{Family: "matmul_shared", TM: 4, NX: 8, NY: 8, Split: 3},
	}
	if d.Traits().Eights {
		variants = append(variants,
			matmulVariant{Family: "matmul", TM: 8, TG: 1, TK: 4, Form: inSubgroups}, matmulVariant{Family: "matmul", TM: 16, TG: 1, TK: 4, Form: inSubgroups},
			matmulVariant{Family: "matmul", TM: 24, TG: 1, TK: 2, Form: inSubgroups, Split: 3}, matmulVariant{Family: "matmul", TM: 16, TG: 2, TK: 2, Form: inSubgroups})
	}
	shapes := []linearCase{
		{m: 1, n: 1, k: 1, noBias: true}, {m: 5, n: 7, k: 3, act: GELU}, {m: 17, n: 129, k: 257, act: GELU, residual: true},
		{m: 70, n: 45, k: 40, act: Sigmoid, residual: true}, {m: 33, n: 200, k: 64},
	}
	for _, v := range variants {
		for _, precision := range precisions {
			t.Run(fmt.Sprintf("%s %s %s", v.Family, v, precision), func(t *testing.T) {
				for _, l := range shapes {
					x := build(t, d, precision, forcedMatmul(l, v))
					x.verify(t)
					again := x.run(t)
					require.Equal(t, again, x.run(t), "two runs differ")
					x.close()
				}
			})
		}
	}
}

// forcedConv is an implicit matmul by a variant that the tables need not choose.
func forcedConv(c convCase, v convVariant) Case {
	return newCase("conv2d", fmt.Sprintf("%s by %s %s", c.name(), v.Family, v), func(o *operands) *gpu.Tensor {
		var model struct {
			Conv Conv2d `w:"conv2d"`
		}
		model.Conv = o.b.Conv2d(c.conv)
		o.layers(&model)
		x := o.activation("x", 1, c.n, c.h, c.w, c.conv.In)
		g, err := c.geometry(o, &model.Conv, x)
		if err != nil {
			o.err = err
			return x
		}
		call := convCall{c: &model.Conv, convGeometry: g, x: x, y: o.r.New("y", 1, g.n, g.oh, g.ow, c.conv.Out), e: epilogue{activation: c.act, scale: 1}}
		op := gpu.Op{Kind: "conv2d", Label: "conv2d", In: []*gpu.Tensor{x}, Out: []*gpu.Tensor{call.y}, Rows: call.twin}
		parts, err := call.direct(o.r)
		for i := range parts {
			var some []gpu.Dispatch
			if some, err = parts[i].recordAs(o.r, v); err != nil {
				break
			}
			op.Dispatches = append(op.Dispatches, some...)
		}
		if err != nil {
			o.err = err
			return call.y
		}
		o.r.Do(op)
		return call.y
	})
}

// The kernel of GPUs, which the tables of a software adapter do not choose.
func TestForcedConv(t *testing.T) {
	d := poisonDevice.Open(t)
	for _, v := range []convVariant{{Family: "conv2d_shared", TM: 4, NX: 8, NY: 8}, {Family: "conv2d_shared", TM: 4, NX: 8, NY: 8, Slices: 3}} {
		for _, precision := range precisions {
			for _, c := range []convCase{
				{n: 2, h: 9, w: 7, conv: Conv{In: 17, Out: 23, Kernel: Square(3), Stride: Square(2), Pad: Pad(1), Bias: true}, act: SiLU},
				{n: 2, h: 5, w: 7, conv: Conv{In: 17, Out: 23, Kernel: Square(3), Pad: Pad(1), Bias: true}, up: [2]int{10, 13}},
				{n: 1, h: 6, w: 4, conv: Conv{In: 33, Out: 40, Kernel: Square(3), Pad: Pad(1)}, up: [2]int{11, 8}},
			} {
				verified(t, d, precision, forcedConv(c, v))
			}
		}
	}
}
