package ops

import (
	"cmp"
	"fmt"
	"slices"

	"saccade/gpu"
	"saccade/shaders"
)

// Top finds the k largest values of each row of x, f32 [N, S], the largest first and of equal
// ones the first: torch.topk. The result is u32 [N, k], their places counted through all
// rows, by which [Rows] takes those of [N, S, C].
func Top(r *gpu.Recorder, x *gpu.Tensor, k int) *gpu.Tensor {
	if r.Err() == nil && (len(x.Shape) != 2 || x.Type != gpu.F32 || x.Dense() || x.Groups != 1 || k < 1 || k > x.Width()) {
		r.Fail(fmt.Errorf("%s: found %s (%s), expected f32 [N S] with %d values at least", r.Label("top"), x, x.Type, k))
	}
	if r.Err() != nil {
		return x
	}
	n, tokens := x.Shape[0], x.Width()
	y := r.NewTyped("top", gpu.U32, 1, n, k)
	kernel, err := kernel("top", gpu.F32.String(), shaders.Spec{})
	if err != nil {
		r.Fail(err)
		return y
	}
	op := gpu.Op{Kind: "top", Label: r.Label("top"), In: []*gpu.Tensor{x}, Out: []*gpu.Tensor{y},
		Twin: func(in [][]float32) [][]float64 { return [][]float64{topTwin(in[0], tokens, k)} }}
	for _, c := range rowChunks(r.Device(), n, x, y) {
		span := max(tokens, y.Stride())
		count := (c[1] - c[0]) * span
		op.Dispatches = append(op.Dispatches, gpu.Dispatch{
			Kernel: kernel, Params: gpu.Params{"count": count, "span": span, "tokens": tokens, "vectors": x.Stride() / 4, "most": k, "stride": y.Stride(), "first": c[0]},
			Bind: []gpu.View{rowView(x, c[0], c[1]), rowView(y, c[0], c[1])}, Groups: elementwise(count),
			FLOPs: 2 * float64(c[1]-c[0]) * float64(tokens) * float64(tokens), Bytes: 4 * float64((c[1]-c[0])*(tokens+k)),
		})
	}
	r.Do(op)
	return y
}

func topTwin(x []float32, tokens, k int) []float64 {
	var y []float64
	for first := 0; first < len(x); first += tokens {
		order := make([]int, tokens)
		for i := range order {
			order[i] = first + i
		}
		slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(x[b], x[a]) })
		for _, i := range order[:k] {
			y = append(y, float64(i))
		}
	}
	return y
}
