package ops

import (
	"fmt"
	"slices"

	"saccade/gpu"
	"saccade/shaders"
)

// Concat puts the channels of activations [..., C], [..., D], … beside each other:
// [..., C + D + …], torch.cat along the innermost dimension. More than two are brought
// together in pairs, so that few are copied often.
func Concat(r *gpu.Recorder, xs ...*gpu.Tensor) *gpu.Tensor {
	if len(xs) == 1 {
		return xs[0]
	}
	half := len(xs) / 2
	return concat(r, Concat(r, xs[:half]...), Concat(r, xs[half:]...))
}

func concat(r *gpu.Recorder, a, b *gpu.Tensor) *gpu.Tensor {
	y := r.New("concat", 1, reshaped(a.Shape, a.Width()+b.Width())...)
	if r.Err() != nil {
		return y
	}
	if !slices.Equal(a.Shape[:len(a.Shape)-1], b.Shape[:len(b.Shape)-1]) || a.Type != b.Type || a.Groups != 1 || b.Groups != 1 || a.Dense() || b.Dense() {
		r.Fail(fmt.Errorf("concat: %s and %s do not fit, expected activations in one group that differ in the last size only", a, b))
		return y
	}
	spec := shaders.Spec{Forms: forms(r.Precision)}
	variant := r.Precision.String()
	if a.Width()%4 != 0 { // b begins inside of a vector
		spec.Const = map[string]int{"WHOLE": 0}
		variant += " shifted"
	}
	k, err := kernel("concat", variant, spec)
	if err != nil {
		r.Fail(err)
		return y
	}
	op := gpu.Op{Kind: "concat", Label: r.Label("concat"), In: []*gpu.Tensor{a, b}, Out: []*gpu.Tensor{y},
		Twin: func(in [][]float32) [][]float64 {
			return [][]float64{concatTwin(in[0], in[1], a.Width(), b.Width())}
		},
		Adjoint: func(dy *gpu.Tensor, needed []bool) []*gpu.Tensor {
			grads := make([]*gpu.Tensor, 2)
			if needed[0] {
				grads[0] = Part(r, dy, 0, a.Width())
			}
			if needed[1] {
				grads[1] = Part(r, dy, a.Width(), b.Width())
			}
			return grads
		}}
	for _, c := range rowChunks(r.Device(), a.Rows(), a, b, y) {
		count := (c[1] - c[0]) * y.Stride() / 4
		op.Dispatches = append(op.Dispatches, gpu.Dispatch{
			Kernel: k, Params: gpu.Params{"count": count, "vectors": y.Stride() / 4, "vectors_a": a.Stride() / 4, "vectors_b": b.Stride() / 4, "width_a": a.Width()},
			Bind:   []gpu.View{rowView(a, c[0], c[1]), rowView(b, c[0], c[1]), rowView(y, c[0], c[1])},
			Groups: elementwise(count), Bytes: 8 * float64(count) * float64(a.Type.Size()),
		})
	}
	r.Do(op)
	return y
}

func concatTwin(a, b []float32, widthA, widthB int) []float64 {
	var y []float64
	for row := range len(a) / widthA {
		y = append(y, widen(a[row*widthA:(row+1)*widthA])...)
		y = append(y, widen(b[row*widthB:(row+1)*widthB])...)
	}
	return y
}
