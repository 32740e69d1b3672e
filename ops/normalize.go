package ops

import (
	"math"

	"saccade/gpu"
)

// Normalize divides each row of x [..., C] by its Euclidean length:
// torch.nn.functional.normalize. The result is f32 in any precision, so that
// its rows are of unit length to seven digits.
func Normalize(r *gpu.Recorder, x *gpu.Tensor) *gpu.Tensor {
	y := r.NewTyped("normalize", gpu.F32, x.Groups, x.Shape...)
	if r.Err() != nil {
		return y
	}
	k, perGroup, err := rowKernel(r, "normalize")
	if err != nil {
		r.Fail(err)
		return y
	}
	width := x.Width()
	op := gpu.Op{Kind: "normalize", Label: r.Label("normalize"), In: []*gpu.Tensor{x}, Out: []*gpu.Tensor{y},
		Twin:    func(in [][]float32) [][]float64 { return [][]float64{normalizeTwin(in[0], width)} },
		Adjoint: func(dy *gpu.Tensor, _ []bool) []*gpu.Tensor { return []*gpu.Tensor{normalizeAdjoint(r, x, dy)} }}
	for _, c := range rowChunks(r.Device(), x.Rows(), x, y) {
		rows := c[1] - c[0]
		op.Dispatches = append(op.Dispatches, gpu.Dispatch{
			Kernel: k, Params: gpu.Params{"rows": rows, "stride": x.Stride()},
			Bind:   []gpu.View{rowView(x, c[0], c[1]), rowView(y, c[0], c[1])},
			Groups: grid(ceilDiv(rows, perGroup)), FLOPs: 3 * float64(rows*width), Bytes: float64(rows*x.Stride()) * float64(x.Type.Size()+4),
		})
	}
	r.Do(op)
	return y
}

func normalizeTwin(x []float32, width int) []float64 {
	y := widen(x)
	for at := 0; at < len(y); at += width {
		var sum float64
		for _, v := range y[at : at+width] {
			sum += v * v
		}
		length := math.Max(math.Sqrt(sum), 1e-12)
		for i := range width {
			y[at+i] /= length
		}
	}
	return y
}
