package ops

import (
	"fmt"

	"saccade/gpu"
	"saccade/shaders"
)

// Gate is one of the two groups of a gated linear unit's input.
type Gate int

// The halves.
const (
	GateFirst Gate = iota
	GateSecond
)

// GLU is a gated linear unit (Dauphin et al. 2016; Shazeer 2020, "GLU Variants
// Improve Transformer"): of the two halves of x [..., 2·H], two groups, the one
// called gate goes through the activation and multiplies the other. The result
// is [..., H] in one group. SwiGLU is SiLU with the gate GateFirst, GEGLU of the
// diffusion models GELU with the gate GateSecond.
func GLU(r *gpu.Recorder, x *gpu.Tensor, a Activation, gate Gate) *gpu.Tensor {
	y := r.New("glu", 1, reshaped(x.Shape, x.Width()/2)...)
	if r.Err() != nil {
		return y
	}
	if x.Groups != 2 || x.Dense() {
		r.Fail(fmt.Errorf("glu: found %s in %d groups, expected two halves, a group each", x, x.Groups))
		return y
	}
	spec := shaders.Spec{Forms: forms(r.Precision)}
	if a != Identity {
		text, err := a.function()
		if err != nil {
			r.Fail(err)
			return y
		}
		spec = spec.WithFunc("activate", text)
	}
	k, err := kernel("glu", r.Precision.String()+a.suffix(), spec)
	if err != nil {
		r.Fail(err)
		return y
	}
	vectors := y.Stride() / 4
	op := gpu.Op{Kind: "glu", Label: r.Label("glu"), In: []*gpu.Tensor{x}, Out: []*gpu.Tensor{y},
		Twin:    func(in [][]float32) [][]float64 { return [][]float64{gluTwin(in[0], x.Width()/2, a, gate)} },
		Adjoint: func(dy *gpu.Tensor, _ []bool) []*gpu.Tensor { return []*gpu.Tensor{gluAdjoint(r, x, dy, a, gate)} }}
	for _, c := range rowChunks(r.Device(), x.Rows(), x, y) {
		count := (c[1] - c[0]) * vectors
		op.Dispatches = append(op.Dispatches, gpu.Dispatch{
			Kernel: k, Params: gpu.Params{"count": count, "vectors": vectors, "gate": int(gate) * vectors},
			Bind: []gpu.View{rowView(x, c[0], c[1]), rowView(y, c[0], c[1])}, Groups: elementwise(count),
			FLOPs: 8 * float64(count), Bytes: 12 * float64(count) * float64(x.Type.Size()),
		})
	}
	r.Do(op)
	return y
}

// gluTwin is GLU of rows of two halves of h in f64.
func gluTwin(x []float32, h int, a Activation, gate Gate) []float64 {
	y := make([]float64, len(x)/2)
	for i := range y {
		halves := x[i/h*2*h:]
		c := i % h
		y[i] = a.Twin(float64(halves[int(gate)*h+c])) * float64(halves[(1-int(gate))*h+c])
	}
	return y
}
