package ops

import (
	"fmt"

	"saccade/gpu"
	"saccade/shaders"
)

// Rotate turns pairs of each head by the angles of its position (RoPE, Su et al. 2021):
// of a head's first 2·K elements, i < K and i + K become
//
//	a·cos − b·sin, a·sin + b·cos
//
// and the others stay, as transformers' rotate_half has it; a model whose pairs are
// neighbours has the rows of its projections in another order. x is [N, …, D] with
// heads as groups, of which the first so many are turned, as q and k of a fused qkv.
//
// The table is [positions, 2·K], the cosines of a position and then the sines. A token's
// position is its number in its item, or if at is not nil, what that u32 input [N·T]
// says, below the table's rows.
func Rotate(r *gpu.Recorder, x *gpu.Tensor, heads int, table *Table, at *gpu.Tensor) *gpu.Tensor {
	y := r.New("rotate", x.Groups, x.Shape...)
	if r.Err() != nil {
		return y
	}
	if err := checkRotate(x, heads, table, at); err != nil {
		r.Fail(fmt.Errorf("rotate: %w", err))
		return y
	}
	n := x.Shape[0]
	head, pairs, tokens := x.Width()/x.Groups, table.Width/2, x.Rows()/n
	spec, variant := shaders.Spec{Forms: forms(r.Precision)}, r.Precision.String()
	if pairs%4 != 0 {
		spec, variant = spec.WithConst("WHOLE", 0), variant+" shifted"
	}
	positions := gpu.All(r.Device().Dummy())
	op := gpu.Op{Kind: "rotate", Label: r.Label("rotate"), In: []*gpu.Tensor{x}, Out: []*gpu.Tensor{y}}
	if at != nil {
		spec.Forms, variant, positions = append(spec.Forms, "at"), variant+" at", gpu.All(at)
		op.In = append(op.In, at)
	}
	op.Twin = func(in [][]float32) [][]float64 {
		return [][]float64{rotateTwin(in, table, x.Groups, heads, head, tokens)}
	}
	k, err := kernel("rotate", variant, spec)
	if err != nil {
		r.Fail(err)
		return y
	}
	for _, c := range rowChunks(r.Device(), x.Rows(), x, y) {
		count := (c[1] - c[0]) * x.Stride() / 4
		op.Dispatches = append(op.Dispatches, gpu.Dispatch{
			Kernel: k,
			Params: gpu.Params{"count": count, "vectors": x.Stride() / 4, "head": gpu.Pad8(head) / 4, "heads": heads, "pairs": pairs,
				"tokens": tokens, "first": c[0], "stride": gpu.Pad8(table.Width)},
			Bind:   []gpu.View{rowView(x, c[0], c[1]), gpu.All(table.tensor), positions, rowView(y, c[0], c[1])},
			Groups: elementwise(count), FLOPs: 12 * float64(count), Bytes: 8 * float64(count) * float64(x.Type.Size()),
		})
	}
	r.Do(op)
	return y
}

func checkRotate(x *gpu.Tensor, heads int, table *Table, at *gpu.Tensor) error {
	switch {
	case x.Dense() || len(x.Shape) < 2 || heads < 1 || heads > x.Groups:
		return fmt.Errorf("%d heads of %s in %d groups", heads, x, x.Groups)
	case table.Width%2 != 0 || table.Width < 2 || table.Width > x.Width()/x.Groups:
		return fmt.Errorf("a table of %d columns for heads of %d, expected cosines and sines of some pairs", table.Width, x.Width()/x.Groups)
	case at == nil && x.Rows()/x.Shape[0] > table.Rows:
		return fmt.Errorf("%d tokens and a table of %d positions", x.Rows()/x.Shape[0], table.Rows)
	case at != nil && (at.Type != gpu.U32 || at.Rows()*at.Width() != x.Rows()):
		return fmt.Errorf("positions %s (%s) do not fit the %d tokens of %s", at, at.Type, x.Rows(), x)
	}
	return nil
}

func rotateTwin(in [][]float32, table *Table, groups, heads, head, tokens int) []float64 {
	y, pairs := widen(in[0]), table.Width/2
	for row := range len(y) / (groups * head) {
		position := row % tokens
		if len(in) > 1 {
			position = int(in[1][row])
		}
		angles := table.Values[position*table.Width:]
		for h := range heads {
			v := y[(row*groups+h)*head:]
			for i := range pairs {
				a, b, cos, sin := v[i], v[i+pairs], float64(angles[i]), float64(angles[pairs+i])
				v[i], v[i+pairs] = a*cos-b*sin, a*sin+b*cos
			}
		}
	}
	return y
}
