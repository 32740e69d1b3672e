package ops

import (
	"fmt"
	"math"

	"saccade/gpu"
	"saccade/shaders"
)

// QueryLogits are OWL-ViT's of patches and texts (Minderer et al. 2022): of their cosines
// x, f32 [N, P, Q], and of each patch a shift and a scale, f32 [N, P, 2],
// (x + shift)·(1 + ELU(scale)). A query whose seen, u32 [N, Q], is zero is none: its logits
// are the lowest number. The result is f32 [N, P, Q].
func QueryLogits(r *gpu.Recorder, x, affine, seen *gpu.Tensor) *gpu.Tensor {
	y := r.NewTyped("query_logits", gpu.F32, 1, x.Shape...)
	if r.Err() != nil {
		return y
	}
	if len(x.Shape) != 3 || x.Type != gpu.F32 || affine.Type != gpu.F32 || seen.Type != gpu.U32 || affine.Rows() != x.Rows() || affine.Width() != 2 ||
		x.Dense() || affine.Dense() || seen.Rows()*seen.Width() != x.Shape[0]*x.Shape[2] {
		r.Fail(fmt.Errorf("query_logits: found %s (%s), %s (%s) and %s (%s), expected f32 [N P Q] and [N P 2], and u32 [N Q]", x, x.Type, affine, affine.Type, seen, seen.Type))
		return y
	}
	k, err := kernel("query_logits", gpu.F32.String(), shaders.Spec{})
	if err != nil {
		r.Fail(err)
		return y
	}
	patches, queries := x.Shape[1], x.Shape[2]
	op := gpu.Op{Kind: "query_logits", Label: r.Label("query_logits"), In: []*gpu.Tensor{x, affine, seen}, Out: []*gpu.Tensor{y},
		Twin: func(in [][]float32) [][]float64 {
			return [][]float64{queryLogitsTwin(in[0], in[1], in[2], patches, queries)}
		}}
	for _, c := range rowChunks(r.Device(), x.Rows(), x, y) {
		count := (c[1] - c[0]) * x.Stride() / 4
		op.Dispatches = append(op.Dispatches, gpu.Dispatch{
			Kernel: k, Params: gpu.Params{"count": count, "vectors": x.Stride() / 4, "rows": patches, "queries": queries, "first": c[0]},
			Bind:   []gpu.View{rowView(x, c[0], c[1]), gpu.All(affine), gpu.All(seen), rowView(y, c[0], c[1])},
			Groups: elementwise(count), FLOPs: 8 * float64(count), Bytes: 32 * float64(count),
		})
	}
	r.Do(op)
	return y
}

func queryLogitsTwin(x, affine, seen []float32, patches, queries int) []float64 {
	y := make([]float64, len(x))
	for i, v := range x {
		row, q := i/queries, i%queries
		shift, scale := float64(affine[2*row]), float64(affine[2*row+1])
		y[i] = (float64(v) + shift) * (1 + ELU(1).Twin(scale))
		if seen[row/patches*queries+q] == 0 {
			y[i] = -math.MaxFloat32
		}
	}
	return y
}
