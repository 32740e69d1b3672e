package ops

import (
	"saccade/gpu"
	"saccade/shaders"
)

// Pack brings a dense f32 input into the layout of activations, with the
// innermost dimension in groups that are each padded to a multiple of eight.
func Pack(r *gpu.Recorder, x *gpu.Tensor, groups int) *gpu.Tensor {
	y := r.New("pack", groups, x.Shape...)
	if r.Err() != nil {
		return y
	}
	k, err := kernel("pack", r.Precision.String(), shaders.Spec{Decl: packed(r.Precision, "Packed", "pack")})
	if err != nil {
		r.Fail(err)
		return y
	}
	op := gpu.Op{Kind: "pack", Label: r.Label("pack"), In: []*gpu.Tensor{x}, Out: []*gpu.Tensor{y},
		Twin: func(in [][]float32) [][]float64 { return [][]float64{widen(in[0])} }}
	for _, c := range rowChunks(r.Device(), x.Rows(), x, y) {
		count := (c[1] - c[0]) * y.Stride() / 4
		op.Dispatches = append(op.Dispatches, gpu.Dispatch{
			Kernel: k,
			Params: gpu.Params{"count": count, "stride": y.Stride(), "columns": x.Width(), "group": y.Stride() / groups, "width": x.Width() / groups},
			Bind:   []gpu.View{rowView(x, c[0], c[1]), rowView(y, c[0], c[1])}, Groups: elementwise(count),
			Bytes: 4*float64((c[1]-c[0])*x.Width()) + 4*float64(count)*float64(y.Type.Size()),
		})
	}
	r.Do(op)
	return y
}
