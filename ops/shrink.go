package ops

import (
	"fmt"

	"saccade/gpu"
	"saccade/shaders"
)

// shrink sums the pixels of x [N, H, W, C] that are one of [N, h, w, C] upsampled by nearest
// neighbours to twice its size or one less: the adjoint of that.
func shrink(r *gpu.Recorder, x *gpu.Tensor, h, w int) *gpu.Tensor {
	y := r.New("shrink", 1, x.Shape[0], h, w, x.Width())
	if r.Err() != nil {
		return y
	}
	if len(x.Shape) != 4 || x.Groups != 1 || x.Dense() || ceilDiv(x.Shape[1], 2) != h || ceilDiv(x.Shape[2], 2) != w {
		r.Fail(fmt.Errorf("shrink: %s is not upsampled from %dx%d", x, h, w))
		return y
	}
	k, err := kernel("shrink", r.Precision.String(), shaders.Spec{Forms: forms(r.Precision)})
	if err != nil {
		r.Fail(err)
		return y
	}
	n, c := x.Shape[0], x.Width()
	chunks, err := itemChunks(r.Device(), n, x, y)
	if err != nil {
		r.Fail(fmt.Errorf("shrink: %w", err))
		return y
	}
	op := gpu.Op{Kind: "shrink", Label: r.Label("shrink"), In: []*gpu.Tensor{x}, Out: []*gpu.Tensor{y},
		Twin: func(in [][]float32) [][]float64 {
			out := make([]float64, n*h*w*c)
			for i, v := range in[0] {
				pixel := i / c
				column, row, item := pixel%x.Shape[2], pixel/x.Shape[2]%x.Shape[1], pixel/x.Shape[2]/x.Shape[1]
				out[((item*h+row/2)*w+column/2)*c+i%c] += float64(v)
			}
			return [][]float64{out}
		}}
	for _, some := range chunks {
		count := (some[1] - some[0]) * h * w * y.Stride() / 4
		op.Dispatches = append(op.Dispatches, gpu.Dispatch{
			Kernel: k, Params: gpu.Params{"count": count, "vectors": y.Stride() / 4, "h": h, "w": w, "x_h": x.Shape[1], "x_w": x.Shape[2]},
			Bind: []gpu.View{itemView(x, n, some[0], some[1]), itemView(y, n, some[0], some[1])}, Groups: elementwise(count),
			FLOPs: 16 * float64(count), Bytes: 20 * float64(count) * float64(x.Type.Size()),
		})
	}
	r.Do(op)
	return y
}
