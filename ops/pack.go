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
	rows := itemWindows(rowChunks(r.Device(), x.Rows(), x, y), 1)
	packing{x: x, y: y, pixels: 1}.record(r, wholeInputs(x, x.Rows(), rows))
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
	windows, err := inputWindows(r.Device(), x, y, h*w)
	if err != nil {
		r.Fail(fmt.Errorf("pack: %w", err))
		return y
	}
	packing{x: x, y: y, pixels: h * w}.record(r, windows)
	return y
}

// inputWindow is a window of an activation and what of a dense input it is made of.
type inputWindow struct {
	window
	x    gpu.View
	from int // line of x's items, counted through, that is the window's first
}

// inputWindows are windows of y, items of so many lines each, which are made of
// dense pictures x whose channels lie apart: whole pictures where one fits a
// binding, else lines of y with all of x.
func inputWindows(d *gpu.Device, x, y *gpu.Tensor, lines int) ([]inputWindow, error) {
	n := y.Shape[0]
	chunks, err := itemChunks(d, n, x, y)
	if err == nil {
		return wholeInputs(x, n, itemWindows(chunks, lines)), nil
	}
	if x.Bytes() > d.Info().Limits.MaxBinding {
		return nil, err
	}
	cut, err := mapWindows(d, n, lines, 1, y)
	windows := make([]inputWindow, len(cut))
	for i, w := range cut {
		windows[i] = inputWindow{window: w, x: gpu.All(x), from: w.first*lines + w.lo}
	}
	return windows, err
}

// wholeInputs are windows of whole items of n.
func wholeInputs(x *gpu.Tensor, n int, items []window) []inputWindow {
	windows := make([]inputWindow, len(items))
	for i, w := range items {
		windows[i] = inputWindow{window: w, x: itemView(x, n, w.first, w.end)}
	}
	return windows
}

// packing is one use of the kernel.
type packing struct {
	x, y   *gpu.Tensor
	pixels int // of a picture [C, pixels] in x, or 1 where x has y's order
}

// record takes down windows of y's pixels.
func (p packing) record(r *gpu.Recorder, windows []inputWindow) {
	x, y := p.x, p.y
	k, err := kernel("pack", r.Precision.String(), shaders.Spec{Decl: packed(r.Precision, "Packed", "pack")})
	if err != nil {
		r.Fail(err)
		return
	}
	width := y.Width()
	op := gpu.Op{Kind: "pack", Label: r.Label("pack"), In: []*gpu.Tensor{x}, Out: []*gpu.Tensor{y},
		Twin: func(in [][]float32) [][]float64 { return [][]float64{p.twin(in[0])} }}
	n := y.Rows() / p.pixels
	for _, w := range windows {
		rows := w.items() * (w.hi - w.lo)
		count := rows * y.Stride() / 4
		op.Dispatches = append(op.Dispatches, gpu.Dispatch{
			Kernel: k,
			Params: gpu.Params{"count": count, "stride": y.Stride(), "columns": width, "group": y.Stride() / y.Groups, "width": width / y.Groups, "pixels": p.pixels, "first": w.from},
			Bind:   []gpu.View{w.x, w.view(y, n, p.pixels)}, Groups: elementwise(count),
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
