package ops

import (
	"saccade/gpu"
	"saccade/shaders"
)

// Affine is scale·x + shift of every value of x.
func Affine(r *gpu.Recorder, x *gpu.Tensor, scale, shift float64) *gpu.Tensor {
	y := r.New("affine", x.Groups, x.Shape...)
	if r.Err() != nil {
		return y
	}
	k, err := kernel("affine", r.Precision.String(), shaders.Spec{Forms: forms(r.Precision)})
	if err != nil {
		r.Fail(err)
		return y
	}
	op := gpu.Op{Kind: "affine", Label: r.Label("affine"), In: []*gpu.Tensor{x}, Out: []*gpu.Tensor{y},
		Twin: func(in [][]float32) [][]float64 {
			out := widen(in[0])
			for i, v := range out {
				out[i] = scale*v + shift
			}
			return [][]float64{out}
		}}
	for _, c := range rowChunks(r.Device(), x.Rows(), x, y) {
		count := (c[1] - c[0]) * x.Stride() / 4
		op.Dispatches = append(op.Dispatches, gpu.Dispatch{
			Kernel: k, Params: gpu.Params{"count": count, "group": x.Stride() / x.Groups, "width": x.Width() / x.Groups, "scale": scale, "shift": shift},
			Bind: []gpu.View{rowView(x, c[0], c[1]), rowView(y, c[0], c[1])}, Groups: elementwise(count),
			FLOPs: 8 * float64(count), Bytes: 8 * float64(count) * float64(x.Type.Size()),
		})
	}
	r.Do(op)
	return y
}
