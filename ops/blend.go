package ops

import (
	"errors"
	"fmt"

	"saccade/gpu"
	"saccade/shaders"
)

// Blend is mask·a + (1 − mask)·b, element by element, of activations of one shape and
// type: what inpainting repaints and what it keeps, or what attentional fusion takes of two.
func Blend(r *gpu.Recorder, a, b, mask *gpu.Tensor) *gpu.Tensor {
	y := r.NewTyped("blend", a.Type, a.Groups, a.Shape...)
	if r.Err() != nil {
		return y
	}
	err := errors.Join(sameShape(y, a), sameShape(y, b), sameShape(y, mask))
	if err != nil {
		r.Fail(fmt.Errorf("blend: %w", err))
		return y
	}
	k, err := kernel("blend", a.Type.String(), shaders.Spec{Forms: forms(a.Type)})
	if err != nil {
		r.Fail(err)
		return y
	}
	op := gpu.Op{Kind: "blend", Label: r.Label("blend"), In: []*gpu.Tensor{a, b, mask}, Out: []*gpu.Tensor{y}, Twin: blendTwin}
	for _, c := range rowChunks(r.Device(), y.Rows(), y) {
		count := (c[1] - c[0]) * y.Stride() / 4
		op.Dispatches = append(op.Dispatches, gpu.Dispatch{
			Kernel: k, Params: gpu.Params{"count": count},
			Bind:   []gpu.View{rowView(a, c[0], c[1]), rowView(b, c[0], c[1]), rowView(mask, c[0], c[1]), rowView(y, c[0], c[1])},
			Groups: elementwise(count), FLOPs: 16 * float64(count), Bytes: 16 * float64(count) * float64(a.Type.Size()),
		})
	}
	r.Do(op)
	return y
}

func blendTwin(in [][]float32) [][]float64 {
	y := make([]float64, len(in[0]))
	for i, m := range widen(in[2]) {
		y[i] = m*float64(in[0][i]) + (1-m)*float64(in[1][i])
	}
	return [][]float64{y}
}
