package ops

import (
	"fmt"

	"saccade/gpu"
	"saccade/shaders"
)

// Mean pools the tokens first ≤ t < end of x [N, T, C] into [N, C]. A range of
// one token takes that token out, such as the class token.
func Mean(r *gpu.Recorder, x *gpu.Tensor, first, end int) *gpu.Tensor {
	n, tokens, width := x.Shape[0], x.Shape[1], x.Shape[2]
	y := r.New("mean", x.Groups, n, width)
	if r.Err() != nil {
		return y
	}
	if first < 0 || end > tokens || first >= end {
		r.Fail(fmt.Errorf("mean: tokens %d to %d are not in %s", first, end, x))
		return y
	}
	k, err := kernel("mean", r.Precision.String(), shaders.Spec{Decl: packed(r.Precision, "Packed", "unpack", "pack")})
	if err != nil {
		r.Fail(err)
		return y
	}
	count := n * y.Stride() / 4
	r.Do(gpu.Op{Kind: "mean", Label: r.Label("mean"), In: []*gpu.Tensor{x}, Out: []*gpu.Tensor{y},
		Twin: func(in [][]float32) [][]float64 { return [][]float64{meanTwin(in[0], n, tokens, width, first, end)} },
		Dispatches: []gpu.Dispatch{{
			Kernel: k, Params: gpu.Params{"count": count, "stride": y.Stride(), "tokens": tokens, "first": first, "end": end},
			Bind: []gpu.View{gpu.All(x), gpu.All(y)}, Groups: elementwise(count),
			FLOPs: 4 * float64(count*(end-first)), Bytes: 4 * float64(count*(end-first)) * float64(x.Type.Size()),
		}}})
	return y
}

func meanTwin(x []float32, n, tokens, width, first, end int) []float64 {
	y := make([]float64, n*width)
	for b := range n {
		for t := first; t < end; t++ {
			for c := range width {
				y[b*width+c] += float64(x[(b*tokens+t)*width+c]) / float64(end-first)
			}
		}
	}
	return y
}
