package ops

import (
	"fmt"

	"saccade/gpu"
	"saccade/shaders"
)

// Pack brings an f32 input into the layout of activations, with the innermost dimension in
// groups that are each padded to a multiple of eight; or results in f32, in one group, into
// the recording's precision.
func Pack(r *gpu.Recorder, x *gpu.Tensor, groups int) *gpu.Tensor {
	if !x.Dense() && x.Groups == groups && x.Type == r.Precision {
		return x
	}
	y := r.New("pack", groups, x.Shape...)
	if r.Err() != nil {
		return y
	}
	packing{x: x, y: y, pixels: 1}.record(r)
	return y
}

// PackNCHW brings pictures of a dense f32 input [N, C, H, W] into the layout of
// activations, [N, H, W, C], or videos [N, C, F, H, W] into that of their frames,
// [N·F, H, W, C].
func PackNCHW(r *gpu.Recorder, x *gpu.Tensor) *gpu.Tensor {
	rank := len(x.Shape)
	if r.Err() == nil && rank != 4 && rank != 5 {
		r.Fail(fmt.Errorf("pack: found %s, expected pictures [N C H W] or videos [N C F H W]", x))
	}
	if r.Err() != nil {
		return x
	}
	n, c, h, w := x.Shape[0], x.Shape[1], x.Shape[rank-2], x.Shape[rank-1]
	frames := 1
	if rank == 5 {
		frames = x.Shape[2]
	}
	y := r.New("pack", 1, n*frames, h, w, c)
	packing{x: x, y: y, pixels: frames * h * w}.record(r)
	return y
}

// inputWindow is lines of an activation and what of a dense input they are made of.
type inputWindow struct {
	x, y  gpu.View
	lines int
	from  int // line of x that is y's first, counted through all items
}

// inputWindows are windows of y, n items of so many lines each, which are made
// of items of the dense x whose channels lie apart: whole ones where one fits a
// binding, else lines of y from all of x.
func inputWindows(d *gpu.Device, x, y *gpu.Tensor, n, lines int) ([]inputWindow, error) {
	var windows []inputWindow
	chunks, err := itemChunks(d, n, x, y)
	if err == nil {
		for _, c := range chunks {
			windows = append(windows, inputWindow{x: itemView(x, n, c[0], c[1]), y: itemView(y, n, c[0], c[1]), lines: (c[1] - c[0]) * lines})
		}
		return windows, nil
	}
	if x.Bytes() > d.Traits().MaxBinding {
		return nil, err
	}
	cut, err := itemChunks(d, n*lines, y)
	for _, c := range cut {
		windows = append(windows, inputWindow{x: gpu.All(x), y: itemView(y, n*lines, c[0], c[1]), lines: c[1] - c[0], from: c[0]})
	}
	return windows, err
}

// packing is one use of the kernel.
type packing struct {
	x, y   *gpu.Tensor
	pixels int // of a picture [C, pixels] in x, or 1 where x has y's order
}

func (p packing) record(r *gpu.Recorder) {
	x, y := p.x, p.y
	windows, err := inputWindows(r.Device(), x, y, y.Rows()/p.pixels, p.pixels)
	if err != nil {
		r.Fail(fmt.Errorf("pack: %w", err))
		return
	}
	k, err := kernel("pack", r.Precision.String(), shaders.Spec{Forms: forms(r.Precision)})
	if err != nil {
		r.Fail(err)
		return
	}
	width := y.Width()
	columns := width
	if !x.Dense() {
		columns = x.Stride()
	}
	op := gpu.Op{Kind: "pack", Label: r.Label("pack"), In: []*gpu.Tensor{x}, Out: []*gpu.Tensor{y},
		Twin: func(in [][]float32) [][]float64 { return [][]float64{p.twin(in[0])} }}
	for _, w := range windows {
		count := w.lines * y.Stride() / 4
		op.Dispatches = append(op.Dispatches, gpu.Dispatch{
			Kernel: k,
			Params: gpu.Params{"count": count, "stride": y.Stride(), "columns": columns, "group": y.Stride() / y.Groups, "width": width / y.Groups, "pixels": p.pixels, "first": w.from},
			Bind:   []gpu.View{w.x, w.y}, Groups: elementwise(count),
			Bytes: 4*float64(w.lines*width) + 4*float64(count)*float64(y.Type.Size()),
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
