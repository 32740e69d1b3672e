package ops

import (
	"fmt"

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
	if x.Bytes() > r.Device().Info().Limits.MaxBinding {
		r.Fail(fmt.Errorf("pack: input %s of %s exceeds the adapter's largest binding; use a smaller batch", x, gpu.MiB(x.Bytes())))
		return y
	}
	k, err := kernel("pack", r.Precision.String(), shaders.Spec{Decl: packed(r.Precision, "Packed", "pack")})
	if err != nil {
		r.Fail(err)
		return y
	}
	count := y.Rows() * y.Stride() / 4
	r.Do(gpu.Op{Kind: "pack", Label: r.Label("pack"), In: []*gpu.Tensor{x}, Out: []*gpu.Tensor{y},
		Twin: func(in [][]float32) [][]float64 { return [][]float64{widen(in[0])} },
		Dispatches: []gpu.Dispatch{{
			Kernel: k,
			Params: gpu.Params{"count": count, "stride": y.Stride(), "columns": x.Width(), "group": y.Stride() / groups, "width": x.Width() / groups},
			Bind:   []gpu.View{gpu.All(x), gpu.All(y)}, Groups: elementwise(count), Bytes: float64(x.Bytes() + y.Bytes()),
		}}})
	return y
}
