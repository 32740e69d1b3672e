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
	packing{x: x, y: y, pixels: 1}.record(r, rowChunks(r.Device(), x.Rows(), x, y))
	return y
}

// PackNCHW brings pictures of a dense f32 input [N, C, H, W] into the layout of
// activations, [N, H, W, C].
func PackNCHW(r *gpu.Recorder, x *gpu.Tensor) *gpu.Tensor {
	if r.Err() == nil && len(x.Shape) != 4 {
		r.Fail(fmt.Errorf("pack: found %s, expected pictures [N C H W]", x))
	}
	if r.Err() != nil {
		return x
	}
	n, c, h, w := x.Shape[0], x.Shape[1], x.Shape[2], x.Shape[3]
	y := r.New("pack", 1, n, h, w, c)
	chunks, err := itemChunks(r.Device(), n, x, y)
	if err != nil {
		r.Fail(fmt.Errorf("pack: %w", err))
		return y
	}
	for i := range chunks { // of pictures, to rows
		chunks[i][0] *= h * w
		chunks[i][1] *= h * w
	}
	packing{x: x, y: y, pixels: h * w}.record(r, chunks)
	return y
}

// packing is one use of the kernel.
type packing struct {
	x, y   *gpu.Tensor
	pixels int // of a picture [C, pixels] in x, or 1 where x has y's order
}

// record takes down ranges of rows of y, each of whole pictures.
func (p packing) record(r *gpu.Recorder, chunks [][2]int) {
	x, y := p.x, p.y
	k, err := kernel("pack", r.Precision.String(), shaders.Spec{Decl: packed(r.Precision, "Packed", "pack")})
	if err != nil {
		r.Fail(err)
		return
	}
	width := y.Width()
	op := gpu.Op{Kind: "pack", Label: r.Label("pack"), In: []*gpu.Tensor{x}, Out: []*gpu.Tensor{y},
		Twin: func(in [][]float32) [][]float64 { return [][]float64{p.twin(in[0])} }}
	for _, c := range chunks {
		rows := c[1] - c[0]
		count := rows * y.Stride() / 4
		op.Dispatches = append(op.Dispatches, gpu.Dispatch{
			Kernel: k,
			Params: gpu.Params{"count": count, "stride": y.Stride(), "columns": width, "group": y.Stride() / y.Groups, "width": width / y.Groups, "pixels": p.pixels},
			Bind:   []gpu.View{itemView(x, y.Rows(), c[0], c[1]), rowView(y, c[0], c[1])}, Groups: elementwise(count),
			Bytes: 4*float64(rows*width) + 4*float64(count)*float64(y.Type.Size()),
		})
	}
	r.Do(op)
}

func (p packing) twin(x []float32) []float64 {
	y := make([]float64, len(x))
	width := p.y.Width()
	for i := range y {
		row, c := i/width, i%width
		y[i] = float64(x[(row/p.pixels*width+c)*p.pixels+row%p.pixels])
	}
	return y
}
