package ops

import (
	"fmt"

	"saccade/gpu"
	"saccade/shaders"
)

// Add is (a + b)·scale for two activations of one shape; scale ½ gives their mean.
func Add(r *gpu.Recorder, a, b *gpu.Tensor, scale float64) *gpu.Tensor {
	return add(r, a, b, scale, scale)
}

// AddScaled is a + alpha·b, as torch.add has it.
func AddScaled(r *gpu.Recorder, a, b *gpu.Tensor, alpha float64) *gpu.Tensor {
	return add(r, a, b, 1, alpha)
}

// add is a·first + b·second.
func add(r *gpu.Recorder, a, b *gpu.Tensor, first, second float64) *gpu.Tensor {
	y := r.NewTyped("add", a.Type, a.Groups, a.Shape...)
	if r.Err() != nil {
		return y
	}
	if err := sameShape(a, b); err != nil {
		r.Fail(fmt.Errorf("add: %w", err))
		return y
	}
	k, err := kernel("add", a.Type.String(), shaders.Spec{Forms: forms(a.Type)})
	if err != nil {
		r.Fail(err)
		return y
	}
	op := gpu.Op{Kind: "add", Label: r.Label("add"), In: []*gpu.Tensor{a, b}, Out: []*gpu.Tensor{y},
		Twin: func(in [][]float32) [][]float64 {
			out := widen(in[0])
			for i, v := range in[1] {
				out[i] = out[i]*first + float64(v)*second
			}
			return [][]float64{out}
		},
		Adjoint: func(dy *gpu.Tensor, _ []bool) []*gpu.Tensor {
			scaled := func(by float64) *gpu.Tensor {
				if by == 1 {
					return dy
				}
				return Add(r, dy, dy, by/2)
			}
			da := scaled(first)
			if first == second {
				return []*gpu.Tensor{da, da}
			}
			return []*gpu.Tensor{da, scaled(second)}
		}}
	for _, c := range rowChunks(r.Device(), a.Rows(), a, y) {
		count := (c[1] - c[0]) * a.Stride() / 4
		op.Dispatches = append(op.Dispatches, gpu.Dispatch{
			Kernel: k, Params: gpu.Params{"count": count, "first": first, "second": second},
			Bind:   []gpu.View{rowView(a, c[0], c[1]), rowView(b, c[0], c[1]), rowView(y, c[0], c[1])},
			Groups: elementwise(count), FLOPs: 8 * float64(count), Bytes: 12 * float64(count) * float64(a.Type.Size()),
		})
	}
	r.Do(op)
	return y
}
