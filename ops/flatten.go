package ops

import (
	"fmt"

	"saccade/gpu"
	"saccade/shaders"
)

// Flatten makes one row of each picture x [N, H, W, C]: [N, H·W·C] in H·W
// groups, pixel after pixel. PyTorch's flatten goes channel after channel; a
// layer behind it takes its weight's columns in this order
// ([weights.PixelsFirst]) and its input in H·W groups ([Grouped]).
func Flatten(r *gpu.Recorder, x *gpu.Tensor) *gpu.Tensor {
	if len(x.Shape) != 4 || x.Groups != 1 || x.Dense() {
		r.Fail(fmt.Errorf("%s: found %s, expected pictures [N H W C] in one group", r.Label("flatten"), x))
		return x
	}
	n, pixels, width := x.Shape[0], x.Shape[1]*x.Shape[2], x.Width()
	y := r.New("flatten", pixels, n, pixels*width)
	if r.Err() != nil {
		return y
	}
	k, err := kernel("flatten", r.Precision.String(), shaders.Spec{Forms: forms(r.Precision)})
	if err != nil {
		r.Fail(err)
		return y
	}
	chunks, err := itemChunks(r.Device(), n, x, y)
	if err != nil {
		r.Fail(fmt.Errorf("%s: %w", r.Label("flatten"), err))
		return y
	}
	op := gpu.Op{Kind: "flatten", Label: r.Label("flatten"), In: []*gpu.Tensor{x}, Out: []*gpu.Tensor{y},
		Twin: func(in [][]float32) [][]float64 { return [][]float64{widen(in[0])} }}
	for _, c := range chunks {
		count := (c[1] - c[0]) * y.Stride() / 4
		op.Dispatches = append(op.Dispatches, gpu.Dispatch{
			Kernel: k, Params: gpu.Params{"count": count},
			Bind: []gpu.View{itemView(x, n, c[0], c[1]), itemView(y, n, c[0], c[1])}, Groups: elementwise(count),
			Bytes: float64(count) * 8 * float64(x.Type.Size()),
		})
	}
	r.Do(op)
	return y
}
