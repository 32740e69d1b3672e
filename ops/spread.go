package ops

import (
	"fmt"

	"saccade/gpu"
	"saccade/shaders"
)

// spread gives tokens first ≤ t < end of each item of x [N, …, C] an equal part of dy [N, C],
// the others zero: the adjoint of [Mean].
func spread(r *gpu.Recorder, x, dy *gpu.Tensor, first, end int) *gpu.Tensor {
	dx := r.New("spread", x.Groups, x.Shape...)
	if r.Err() != nil {
		return dx
	}
	n, width := x.Shape[0], x.Width()
	tokens := x.Rows() / n
	k, err := kernel("spread", r.Precision.String(), shaders.Spec{Forms: forms(r.Precision)})
	if err != nil {
		r.Fail(err)
		return dx
	}
	chunks, err := itemChunks(r.Device(), n, dy, dx)
	if err != nil {
		r.Fail(fmt.Errorf("spread: %w", err))
		return dx
	}
	op := gpu.Op{Kind: "spread", Label: r.Label("spread"), In: []*gpu.Tensor{dy}, Out: []*gpu.Tensor{dx},
		Twin: func(in [][]float32) [][]float64 {
			out := make([]float64, n*tokens*width)
			for i := range out {
				if t := i / width % tokens; t >= first && t < end {
					out[i] = float64(in[0][i/width/tokens*width+i%width]) / float64(end-first)
				}
			}
			return [][]float64{out}
		}}
	for _, c := range chunks {
		count := (c[1] - c[0]) * tokens * dx.Stride() / 4
		op.Dispatches = append(op.Dispatches, gpu.Dispatch{
			Kernel: k, Params: gpu.Params{"count": count, "vectors": dx.Stride() / 4, "tokens": tokens, "first": first, "end": end},
			Bind: []gpu.View{itemView(dy, n, c[0], c[1]), itemView(dx, n, c[0], c[1])}, Groups: elementwise(count),
			Bytes: 4 * float64(count) * float64(dx.Type.Size()),
		})
	}
	r.Do(op)
	return dx
}
