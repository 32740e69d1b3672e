package ops

import (
	"fmt"

	"saccade/gpu"
	"saccade/shaders"
)

// Append writes the tokens of x [N, T, D] into a state [N, S, C] of its type, from token
// at of each item on, a u32 input [1]: of x the last groups, as many as the state has and
// of their size, such as the keys and values of a fused qkv. The state is a cache that
// grows from step to step, which [Mask.Lengths] has attention read as far as it is
// filled. Tokens beyond the state's last are not written.
func Append(r *gpu.Recorder, state, x, at *gpu.Tensor) {
	if r.Err() != nil {
		return
	}
	if len(x.Shape) != 3 || len(state.Shape) != 3 || x.Dense() || x.Shape[0] != state.Shape[0] || x.Width()*state.Groups != state.Width()*x.Groups || x.Groups < state.Groups || x.Type != state.Type {
		r.Fail(fmt.Errorf("append: %s (%s, %d groups) does not fit the state %s (%s, %d groups), expected [N T D] and [N S C] in groups of one size", x, x.Type, x.Groups, state, state.Type, state.Groups))
		return
	}
	if at.Type != gpu.U32 || at.Rows()*at.Width() != 1 {
		r.Fail(fmt.Errorf("append: the place %s (%s), expected u32 [1]", at, at.Type))
		return
	}
	k, err := kernel("append", "", shaders.Spec{})
	if err != nil {
		r.Fail(err)
		return
	}
	n, tokens, room, width, wide := x.Shape[0], x.Shape[1], state.Shape[1], state.Width(), x.Width()
	vectors := state.Stride() * int(x.Type.Size()) / 16
	op := gpu.Op{Kind: "append", Label: r.Label("append"), In: []*gpu.Tensor{x, at, state}, Out: []*gpu.Tensor{state},
		Twin: func(in [][]float32) [][]float64 {
			y, first := widen(in[2]), int(in[1][0])
			for row := range n * tokens {
				if token := first + row%tokens; token < room {
					copy(y[(row/tokens*room+token)*width:], widen(in[0][(row+1)*wide-width:(row+1)*wide]))
				}
			}
			return [][]float64{y}
		}}
	count := n * tokens * vectors
	op.Dispatches = []gpu.Dispatch{{
		Kernel: k, Params: gpu.Params{"count": count, "vectors": vectors, "wide": x.Stride() * int(x.Type.Size()) / 16, "tokens": tokens, "room": room},
		Bind:   []gpu.View{gpu.All(x), gpu.All(at), gpu.All(state)},
		Groups: elementwise(count), Bytes: 32 * float64(count),
	}}
	r.Do(op)
}
