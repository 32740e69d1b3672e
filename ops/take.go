package ops

import (
	"fmt"

	"saccade/gpu"
	"saccade/shaders"
)

// Take gives one token of each item of x [N, T, C], that which the u32 input at
// [N] names, as [N, C]: x[arange(N), at]. Its values are below T.
func Take(r *gpu.Recorder, x, at *gpu.Tensor) *gpu.Tensor {
	n := x.Shape[0]
	y := r.New("take", x.Groups, n, x.Width())
	if r.Err() != nil {
		return y
	}
	if len(x.Shape) != 3 || x.Dense() || at.Type != gpu.U32 || at.Rows()*at.Width() != n {
		r.Fail(fmt.Errorf("take: tokens %s (%s) do not fit %s, expected [N T C] and u32 [N]", at, at.Type, x))
		return y
	}
	k, err := kernel("take", r.Precision.String(), shaders.Spec{Forms: forms(r.Precision)})
	if err != nil {
		r.Fail(err)
		return y
	}
	chunks, err := itemChunks(r.Device(), n, x, y)
	if err != nil {
		r.Fail(fmt.Errorf("take: %w", err))
		return y
	}
	tokens, width := x.Shape[1], x.Width()
	op := gpu.Op{Kind: "take", Label: r.Label("take"), In: []*gpu.Tensor{x, at}, Out: []*gpu.Tensor{y},
		Twin: func(in [][]float32) [][]float64 {
			var out []float64
			for i, t := range in[1] {
				row := (i*tokens + min(int(t), tokens-1)) * width
				out = append(out, widen(in[0][row:row+width])...)
			}
			return [][]float64{out}
		},
		Adjoint: func(dy *gpu.Tensor, needed []bool) []*gpu.Tensor { return []*gpu.Tensor{place(r, x, dy, at), nil} }}
	for _, c := range chunks {
		count := (c[1] - c[0]) * y.Stride() / 4
		op.Dispatches = append(op.Dispatches, gpu.Dispatch{
			Kernel: k, Params: gpu.Params{"count": count, "vectors": y.Stride() / 4, "tokens": tokens, "first": c[0]},
			Bind:   []gpu.View{itemView(x, n, c[0], c[1]), gpu.All(at), itemView(y, n, c[0], c[1])},
			Groups: elementwise(count), Bytes: 8 * float64(count) * float64(x.Type.Size()),
		})
	}
	r.Do(op)
	return y
}
