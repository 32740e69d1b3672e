package ops

import (
	"saccade/gpu"
)

// The operations of networks that find objects.

var queryLogitsFamily = family{
	op: "query_logits", dims: "BATCHxPATCHESxQUERIES", at: queryLogitsCase,
	bench: [][]int{{1, 576, 10}}, // OWL-ViT
	test: func() []Case {
		return casesOf(queryLogitsCase, []int{1, 1, 1}, []int{2, 7, 3}, []int{3, 65, 13})
	},
}

// queryLogitsCase has all queries be some, but for a batch of three, where they hide what
// else may be wrong.
func queryLogitsCase(d []int) Case {
	return newCase("query_logits", shapeName(d...), func(o *operands) *gpu.Tensor {
		x, affine := Normalize(o.r, o.activation("x", 1, d...)), Normalize(o.r, o.activation("affine", 1, d[0], d[1], 2)) // in f32
		seen := make([]uint32, d[0]*d[2])
		for i := range seen {
			if seen[i] = 1; d[0] == 3 {
				seen[i] = o.rng.Uint32N(2)
			}
		}
		o.in["seen"] = seen
		return QueryLogits(o.r, x, affine, o.r.Input("seen", gpu.U32, d[0], d[2]))
	})
}
