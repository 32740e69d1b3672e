package ops

import (
	"fmt"

	"saccade/gpu"
	"saccade/shaders"
)

// DepthToSpace makes a block of pixels of each: of x [N, H, W, h·w·C], whose groups are the
// pixels of a block of h×w row by row, a map [N, h·H, w·W, C].
func DepthToSpace(r *gpu.Recorder, x *gpu.Tensor, block [2]int) *gpu.Tensor {
	size := block[0] * block[1]
	if r.Err() == nil && (len(x.Shape) != 4 || x.Dense() || size < 1 || x.Groups != size) {
		r.Fail(fmt.Errorf("depth to space: found %s in %d groups, expected a map [N H W C] in %d, one for each pixel of a block", x, x.Groups, size))
	}
	if r.Err() != nil {
		return x
	}
	n, h, w := x.Shape[0], x.Shape[1], x.Shape[2]
	y := r.New("depth_to_space", 1, n, h*block[0], w*block[1], x.Width()/size)
	k, err := kernel("depth_to_space", r.Precision.String(), shaders.Spec{Forms: forms(r.Precision)})
	if err != nil {
		r.Fail(err)
		return y
	}
	lines, err := itemChunks(r.Device(), n*h, x, y)
	if err != nil {
		r.Fail(fmt.Errorf("depth to space: %w", err))
		return y
	}
	op := gpu.Op{Kind: "depth_to_space", Label: r.Label("depth_to_space"), In: []*gpu.Tensor{x}, Out: []*gpu.Tensor{y},
		Twin: func(in [][]float32) [][]float64 { return [][]float64{depthToSpaceTwin(in[0], w, y.Width(), block)} }}
	for _, c := range lines {
		count := (c[1] - c[0]) * w * x.Stride() / 4
		op.Dispatches = append(op.Dispatches, gpu.Dispatch{
			Kernel: k, Params: gpu.Params{"count": count, "vectors": y.Stride() / 4, "width": w, "block_h": block[0], "block_w": block[1]},
			Bind:   []gpu.View{itemView(x, n*h, c[0], c[1]), itemView(y, n*h, c[0], c[1])},
			Groups: elementwise(count), Bytes: 8 * float64(count) * float64(x.Type.Size()),
		})
	}
	r.Do(op)
	return y
}

// depthToSpaceTwin is of lines of w pixels, to c channels.
func depthToSpaceTwin(x []float32, w, c int, block [2]int) []float64 {
	y := make([]float64, len(x))
	for i, v := range x {
		channel, pixel := i%c, i/c
		at, group := pixel/(block[0]*block[1]), pixel%(block[0]*block[1])
		line, column := at/w*block[0]+group/block[1], at%w*block[1]+group%block[1]
		y[(line*w*block[1]+column)*c+channel] = float64(v)
	}
	return y
}
