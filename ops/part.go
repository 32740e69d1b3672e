package ops

import (
	"fmt"

	"saccade/gpu"
	"saccade/shaders"
)

// Part is columns first to first+width of x [..., C].
func Part(r *gpu.Recorder, x *gpu.Tensor, first, width int) *gpu.Tensor {
	y := r.NewTyped("part", x.Type, 1, reshaped(x.Shape, width)...)
	if r.Err() != nil {
		return y
	}
	if x.Groups != 1 || x.Dense() || x.Type == gpu.U32 || first < 0 || width < 1 || first+width > x.Width() {
		r.Fail(fmt.Errorf("part: columns %d to %d are not in %s, or it is in groups", first, first+width, x))
		return y
	}
	k, err := kernel("part", x.Type.String(), shaders.Spec{Forms: forms(x.Type)})
	if err != nil {
		r.Fail(err)
		return y
	}
	op := gpu.Op{Kind: "part", Label: r.Label("part"), In: []*gpu.Tensor{x}, Out: []*gpu.Tensor{y},
		Twin: func(in [][]float32) [][]float64 {
			var out []float64
			for at := first; at < len(in[0]); at += x.Width() {
				out = append(out, widen(in[0][at:at+width])...)
			}
			return [][]float64{out}
		}}
	for _, c := range rowChunks(r.Device(), x.Rows(), x, y) {
		count := (c[1] - c[0]) * y.Stride() / 4
		op.Dispatches = append(op.Dispatches, gpu.Dispatch{
			Kernel: k, Params: gpu.Params{"count": count, "vectors": y.Stride() / 4, "wide": x.Stride() / 4, "first": first, "width": width},
			Bind: []gpu.View{rowView(x, c[0], c[1]), rowView(y, c[0], c[1])}, Groups: elementwise(count), Bytes: 8 * float64(count) * float64(x.Type.Size()),
		})
	}
	r.Do(op)
	return y
}
