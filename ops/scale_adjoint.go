package ops

import (
	"fmt"

	"saccade/gpu"
	"saccade/shaders"
)

// scaleAdjoint is the gradient of the gates of [Scale], in their shape, from dy, that of x
// [N, H, W, C] times them.
func scaleAdjoint(r *gpu.Recorder, x, dy, gates *gpu.Tensor) *gpu.Tensor {
	dg := r.New("gates", 1, gates.Shape...)
	if r.Err() != nil {
		return dg
	}
	k, err := kernel("scale_adjoint", r.Precision.String(), shaders.Spec{Forms: forms(r.Precision)})
	if err == nil {
		err = sumsFit(r, x, dy)
	}
	if err != nil {
		r.Fail(fmt.Errorf("scale: %w", err))
		return dg
	}
	n, width := x.Shape[0], x.Width()
	pixels, count := x.Rows()/n, n*x.Stride()/4
	r.Do(gpu.Op{Kind: "scale_adjoint", Label: r.Label("gates"), In: []*gpu.Tensor{x, dy}, Out: []*gpu.Tensor{dg},
		Twin: func(in [][]float32) [][]float64 {
			out := make([]float64, n*width)
			for i, v := range in[0] {
				out[i/width/pixels*width+i%width] += float64(v) * float64(in[1][i])
			}
			return [][]float64{out}
		},
		Dispatches: []gpu.Dispatch{{Kernel: k, Params: gpu.Params{"count": count, "pixels": pixels, "vectors": x.Stride() / 4},
			Bind: []gpu.View{gpu.All(x), gpu.All(dy), gpu.All(dg)}, Groups: elementwise(count), Turns: pixels,
			FLOPs: 2 * float64(x.Rows()*width), Bytes: 2 * float64(x.Bytes())}}})
	return dg
}
