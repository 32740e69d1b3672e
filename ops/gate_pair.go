package ops

import (
	"fmt"

	"saccade/gpu"
	"saccade/shaders"
)

// GatePair weighs a and b [..., C] by the sigmoids of gates [..., 2·C], which are in two groups:
// σ(gates' first half)·a + σ(their second)·b.
func GatePair(r *gpu.Recorder, a, b, gates *gpu.Tensor) *gpu.Tensor {
	y := r.New("gate_pair", 1, a.Shape...)
	if r.Err() != nil {
		return y
	}
	err := sameShape(a, b)
	if err == nil && (a.Groups != 1 || a.Dense() || gates.Groups != 2 || gates.Width() != 2*a.Width() || gates.Rows() != a.Rows() || gates.Type != a.Type) {
		err = fmt.Errorf("found %s in %d groups and gates %s in %d, expected [… C] in one and [… 2·C] in two", a, a.Groups, gates, gates.Groups)
	}
	var k *gpu.Kernel
	if err == nil {
		k, err = kernel("gate_pair", r.Precision.String(), shaders.Spec{Forms: forms(r.Precision)})
	}
	if err != nil {
		r.Fail(fmt.Errorf("gate_pair: %w", err))
		return y
	}
	width := a.Width()
	op := gpu.Op{Kind: "gate_pair", Label: r.Label("gate_pair"), In: []*gpu.Tensor{a, b, gates}, Out: []*gpu.Tensor{y},
		Twin: func(in [][]float32) [][]float64 {
			out := widen(in[0])
			for i := range out {
				gate := i/width*2*width + i%width
				out[i] = Sigmoid.Twin(float64(in[2][gate]))*out[i] + Sigmoid.Twin(float64(in[2][gate+width]))*float64(in[1][i])
			}
			return [][]float64{out}
		}}
	for _, c := range rowChunks(r.Device(), a.Rows(), a, gates, y) {
		count := (c[1] - c[0]) * y.Stride() / 4
		view := func(t *gpu.Tensor) gpu.View { return rowView(t, c[0], c[1]) }
		op.Dispatches = append(op.Dispatches, gpu.Dispatch{
			Kernel: k, Params: gpu.Params{"count": count, "vectors": y.Stride() / 4}, Bind: []gpu.View{view(a), view(b), view(gates), view(y)},
			Groups: elementwise(count), FLOPs: 40 * float64(count), Bytes: 20 * float64(count) * float64(a.Type.Size()),
		})
	}
	r.Do(op)
	return y
}
