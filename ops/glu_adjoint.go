package ops

import (
	"fmt"
	"slices"

	"saccade/gpu"
	"saccade/shaders"
)

// gluAdjoint is the gradient of x [..., 2·H] from dy [..., H], that of [GLU].
func gluAdjoint(r *gpu.Recorder, x, dy *gpu.Tensor, a Activation, gate Gate) *gpu.Tensor {
	dx := r.New("glu", 2, x.Shape...)
	if r.Err() != nil {
		return dx
	}
	if !slices.Contains(Differentiable, a) && a != Identity {
		r.Fail(fmt.Errorf("activation %s has no adjoint: nothing before it can be trained", a))
		return dx
	}
	spec := shaders.Spec{Forms: forms(r.Precision)}
	if a != Identity {
		activate, err := shaders.FuncAs("activation", string(a), "activate")
		if err == nil {
			var slope string
			slope, err = shaders.FuncAs("activation_adjoint", string(a), "slope")
			spec = spec.WithFunc("activate", activate).WithFunc("slope", slope)
		}
		if err != nil {
			r.Fail(err)
			return dx
		}
	}
	k, err := kernel("glu_adjoint", r.Precision.String()+a.suffix(), spec)
	if err != nil {
		r.Fail(err)
		return dx
	}
	vectors, h := dy.Stride()/4, dy.Width()
	op := gpu.Op{Kind: "glu_adjoint", Label: r.Label("glu"), In: []*gpu.Tensor{x, dy}, Out: []*gpu.Tensor{dx},
		Twin: func(in [][]float32) [][]float64 {
			out := make([]float64, len(in[0]))
			for i, d := range in[1] {
				g := i/h*2*h + i%h + int(gate)*h
				o := i/h*2*h + i%h + (1-int(gate))*h
				slope := 1.0
				if a != Identity {
					slope = a.slope(float64(in[0][g]))
				}
				out[g] = float64(d) * float64(in[0][o]) * slope
				out[o] = float64(d) * a.Twin(float64(in[0][g]))
			}
			return [][]float64{out}
		}}
	for _, c := range rowChunks(r.Device(), x.Rows(), x, dy, dx) {
		count := (c[1] - c[0]) * vectors
		op.Dispatches = append(op.Dispatches, gpu.Dispatch{
			Kernel: k, Params: gpu.Params{"count": count, "vectors": vectors, "gate": int(gate) * vectors},
			Bind: []gpu.View{rowView(x, c[0], c[1]), rowView(dy, c[0], c[1]), rowView(dx, c[0], c[1])}, Groups: elementwise(count),
			FLOPs: 16 * float64(count), Bytes: 20 * float64(count) * float64(x.Type.Size()),
		})
	}
	r.Do(op)
	return dx
}
