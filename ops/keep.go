package ops

import (
	"fmt"

	"saccade/gpu"
	"saccade/shaders"
)

// Keep copies an activation into a state of its shape, layout and type, where
// later runs of any program find it.
func Keep(r *gpu.Recorder, state, x *gpu.Tensor) {
	if r.Err() != nil {
		return
	}
	if err := sameShape(state, x); err != nil {
		r.Fail(fmt.Errorf("keep: %w", err))
		return
	}
	k, err := kernel("keep", "", shaders.Spec{})
	if err != nil {
		r.Fail(err)
		return
	}
	op := gpu.Op{Kind: "keep", Label: r.Label("keep"), In: []*gpu.Tensor{x}, Out: []*gpu.Tensor{state},
		Twin: func(in [][]float32) [][]float64 { return [][]float64{widen(in[0])} }}
	for _, c := range rowChunks(r.Device(), x.Rows(), x, state) {
		bytes := (c[1] - c[0]) * x.Stride() * int(x.Type.Size())
		op.Dispatches = append(op.Dispatches, gpu.Dispatch{
			Kernel: k, Params: gpu.Params{"count": bytes / 16}, Bind: []gpu.View{rowView(x, c[0], c[1]), rowView(state, c[0], c[1])},
			Groups: elementwise(bytes / 16), Bytes: 2 * float64(bytes),
		})
	}
	r.Do(op)
}
