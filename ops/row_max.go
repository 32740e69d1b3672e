package ops

import (
	"fmt"
	"slices"

	"saccade/gpu"
	"saccade/shaders"
)

// RowMax is the largest value of each row of x, f32 [N, S, C]: f32 [N, S], torch.amax.
func RowMax(r *gpu.Recorder, x *gpu.Tensor) *gpu.Tensor {
	if r.Err() == nil && (len(x.Shape) != 3 || x.Type != gpu.F32 || x.Dense() || x.Groups != 1) {
		r.Fail(fmt.Errorf("%s: found %s (%s) in %d groups, expected f32 [N S C]", r.Label("row_max"), x, x.Type, x.Groups))
	}
	if r.Err() != nil {
		return x
	}
	n, tokens, width := x.Shape[0], x.Shape[1], x.Width()
	y := r.NewTyped("row_max", gpu.F32, 1, n, tokens)
	k, err := kernel("row_max", gpu.F32.String(), shaders.Spec{})
	if err != nil {
		r.Fail(err)
		return y
	}
	chunks, err := itemChunks(r.Device(), n, x, y)
	if err != nil {
		r.Fail(fmt.Errorf("row_max: %w", err))
		return y
	}
	op := gpu.Op{Kind: "row_max", Label: r.Label("row_max"), In: []*gpu.Tensor{x}, Out: []*gpu.Tensor{y},
		Twin: func(in [][]float32) [][]float64 {
			out := make([]float64, n*tokens)
			for i := range out {
				out[i] = float64(slices.Max(in[0][i*width : (i+1)*width]))
			}
			return [][]float64{out}
		}}
	for _, c := range chunks {
		count := (c[1] - c[0]) * y.Stride()
		op.Dispatches = append(op.Dispatches, gpu.Dispatch{
			Kernel: k, Params: gpu.Params{"count": count, "stride": y.Stride(), "tokens": tokens, "vectors": x.Stride() / 4, "width": width},
			Bind: []gpu.View{itemView(x, n, c[0], c[1]), itemView(y, n, c[0], c[1])}, Groups: elementwise(count),
			FLOPs: float64((c[1] - c[0]) * tokens * width), Bytes: float64(c[1]-c[0]) * float64(itemBytes(x, n)+itemBytes(y, n)),
		})
	}
	r.Do(op)
	return y
}
