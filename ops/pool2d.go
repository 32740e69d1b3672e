package ops

import (
	"fmt"

	"saccade/gpu"
	"saccade/shaders"
)

// Pool is the windows of a pooling, as torch.nn.MaxPool2d and AvgPool2d have
// them. Pairs are height and width; a zero Stride is the kernel's size.
type Pool struct {
	Kernel, Stride [2]int
	// Pad is at top and bottom, and at left and right, at most half the kernel:
	// zeros to a mean, nothing to a maximum.
	Pad [2]int
	// Ceil lets a last window that starts in the picture or its first padding
	// reach beyond the other end (ceil_mode).
	Ceil bool
	// Over lets every window that starts in the picture or its first padding reach
	// beyond the other end: one for each stride.
	Over bool
	// ExcludePad has a mean divide by the pixels that are in the picture
	// (count_include_pad=False).
	ExcludePad bool
}

// MaxPool is torch.nn.MaxPool2d: x [N, H, W, C], the result [N, OH, OW, C]. Channels in
// groups stay in theirs, such as the queries of heads.
func MaxPool(r *gpu.Recorder, x *gpu.Tensor, p Pool) *gpu.Tensor {
	return recordPool(r, x, p, poolCall{name: "max_pool", max: true})
}

// Max pools the tokens from first on of x [N, T, C] into their maxima [N, C].
func Max(r *gpu.Recorder, x *gpu.Tensor, first int) *gpu.Tensor {
	if len(x.Shape) != 3 || first < 0 || first >= x.Shape[1] {
		r.Fail(fmt.Errorf("%s: found %s, expected tokens [N T C] from %d on", r.Label("max"), x, first))
		return x
	}
	// A window of all tokens but the first ones is there once at the start and, where
	// there are such, once more behind them.
	p := Pool{Kernel: [2]int{1, x.Shape[1] - first}, Stride: [2]int{1, max(1, first)}}
	windows := recordPool(r, x, p, poolCall{name: "max", max: true}) // [N 1 1 or 2 C]
	last := windows.Shape[2]
	return Mean(r, windows, last-1, last)
}

// AvgPool is torch.nn.AvgPool2d: x [N, H, W, C], the result [N, OH, OW, C].
func AvgPool(r *gpu.Recorder, x *gpu.Tensor, p Pool) *gpu.Tensor {
	return recordPool(r, x, p, poolCall{name: "avg_pool"})
}

// AdaptiveAvgPool is torch.nn.AdaptiveAvgPool2d: x [N, H, W, C], the result
// [N, h, w, C], whose row i is the mean of rows ⌊i·H/h⌋ to ⌈(i+1)·H/h⌉ − 1: x itself
// where that is its size.
func AdaptiveAvgPool(r *gpu.Recorder, x *gpu.Tensor, h, w int) *gpu.Tensor {
	call := poolCall{name: "adaptive_avg_pool", adaptive: true, x: x, oh: h, ow: w}
	err := call.pictures()
	if err == nil && x.Groups != 1 {
		err = fmt.Errorf("found %s, expected pictures [N H W C] in one group", x)
	}
	if err == nil && (h < 1 || w < 1) {
		err = fmt.Errorf("found a result of %d×%d pixels, expected one at least", h, w)
	}
	if err != nil {
		return failedPool(r, call.name, err)
	}
	if len(x.Shape) == 4 && h == call.h && w == call.w {
		return x // windows of one pixel
	}
	if h == 1 && w == 1 {
		return mean(r, x, 0, call.h*call.w, nil, call.n, 1, 1, x.Width())
	}
	return call.record(r)
}

// recordPool is a pooling by windows.
func recordPool(r *gpu.Recorder, x *gpu.Tensor, p Pool, call poolCall) *gpu.Tensor {
	for i := range p.Stride {
		if p.Stride[i] == 0 {
			p.Stride[i] = p.Kernel[i]
		}
	}
	call.p, call.x = p, x
	err := call.pictures()
	if err == nil {
		err = p.check()
	}
	if err == nil {
		call.oh, err = p.windows(0, call.h)
	}
	if err == nil {
		call.ow, err = p.windows(1, call.w)
	}
	if err != nil {
		return failedPool(r, call.name, err)
	}
	return call.record(r)
}

// failedPool gives something of the right rank to the operations that follow,
// which do nothing.
func failedPool(r *gpu.Recorder, name string, err error) *gpu.Tensor {
	r.Fail(fmt.Errorf("%s: %w", r.Label(name), err))
	return r.New(name, 1, 1, 1, 1, 1)
}

func (p Pool) check() error {
	for i := range 2 {
		switch {
		case p.Kernel[i] < 1 || p.Stride[i] < 1:
			return fmt.Errorf("found a window %v and a stride %v, expected sizes of at least 1", p.Kernel, p.Stride)
		case p.Pad[i] < 0 || 2*p.Pad[i] > p.Kernel[i]:
			return fmt.Errorf("found padding %v, expected at most half the window %v", p.Pad, p.Kernel)
		}
	}
	return nil
}

// windows is how many windows there are along a side of size pixels.
func (p Pool) windows(dim, size int) (int, error) {
	room, stride := size+2*p.Pad[dim]-p.Kernel[dim], p.Stride[dim]
	if p.Ceil {
		room += stride - 1
	}
	if room < 0 && !p.Over {
		return 0, fmt.Errorf("a picture of %s %d with padding %d on either side is smaller than the window's %d", [2]string{"height", "width"}[dim], size, p.Pad[dim], p.Kernel[dim])
	}
	if p.Over {
		return ceilDiv(size+p.Pad[dim], stride), nil
	}
	if n := room / stride; n*stride < size+p.Pad[dim] {
		return n + 1, nil
	}
	return room / stride, nil // the last one would start in the padding at the end
}

// poolCall is a pooling of one input.
type poolCall struct {
	name          string
	p             Pool
	max, adaptive bool
	x, y          *gpu.Tensor

	n, h, w, oh, ow int
}

// pictures takes the sizes of x. Tokens are a picture of one row.
func (call *poolCall) pictures() error {
	x := call.x
	if len(x.Shape) == 3 && !x.Dense() {
		call.n, call.h, call.w = x.Shape[0], 1, x.Shape[1]
		return nil
	}
	if len(x.Shape) != 4 || x.Dense() {
		return fmt.Errorf("found %s, expected pictures [N H W C]", x)
	}
	call.n, call.h, call.w = x.Shape[0], x.Shape[1], x.Shape[2]
	return nil
}

func (call *poolCall) record(r *gpu.Recorder) *gpu.Tensor {
	call.y = r.New(call.name, call.x.Groups, call.n, call.oh, call.ow, call.x.Width())
	if r.Err() != nil {
		return call.y
	}
	op := gpu.Op{Kind: "pool2d", Label: r.Label(call.name), In: []*gpu.Tensor{call.x}, Out: []*gpu.Tensor{call.y}, Twin: call.twin}
	if !call.adaptive {
		op.Adjoint = func(dy *gpu.Tensor, _ []bool) []*gpu.Tensor { return []*gpu.Tensor{call.adjoint(r, dy)} }
	}
	var err error
	if op.Dispatches, err = call.dispatches(r); err != nil {
		r.Fail(fmt.Errorf("%s: %w", op.Label, err))
		return call.y
	}
	r.Do(op)
	return call.y
}

func (call *poolCall) dispatches(r *gpu.Recorder) ([]gpu.Dispatch, error) {
	p, x, y := call.p, call.x, call.y
	k, err := call.kernel(r)
	if err != nil {
		return nil, err
	}
	chunks, err := itemChunks(r.Device(), call.n, x, y)
	if err != nil {
		return nil, err
	}
	var counted [2]int
	if !p.ExcludePad {
		counted = p.Pad
	}
	rows := pixelsOfThread(r)
	blocks, vectors := ceilDiv(call.oh, rows), y.Stride()/4
	var dispatches []gpu.Dispatch
	for _, c := range chunks {
		items := c[1] - c[0]
		count := items * blocks * call.ow * vectors
		dispatches = append(dispatches, gpu.Dispatch{
			Kernel: k,
			Params: gpu.Params{
				"count": count, "vectors": vectors, "rows": rows, "blocks": blocks,
				"height": call.h, "width": call.w, "out_height": call.oh, "out_width": call.ow,
				"stride_y": p.Stride[0], "stride_x": p.Stride[1], "pad_y": p.Pad[0], "pad_x": p.Pad[1],
				"counted_y": counted[0], "counted_x": counted[1],
			},
			Bind: []gpu.View{itemView(x, call.n, c[0], c[1]), itemView(y, call.n, c[0], c[1])}, Groups: elementwise(count),
			FLOPs: float64(items) * call.flops(), Bytes: float64(items) * float64(itemBytes(x, call.n)+itemBytes(y, call.n)),
		})
	}
	return dispatches, nil
}

func (call *poolCall) kernel(r *gpu.Recorder) (*gpu.Kernel, error) {
	window := call.window()
	spec := shaders.Spec{Const: map[string]int{"KH": window[0], "KW": window[1]}, Forms: forms(r.Precision)}
	if call.max {
		spec.Const["MAX"] = 1
	}
	if call.adaptive {
		spec.Const["ADAPTIVE"] = 1
	}
	looped(r.Device().Traits(), &spec)
	return kernel("pool2d", fmt.Sprintf("%s %s %s", r.Precision, call.name, shapeName(window[:]...)), spec)
}

// window is the size of the largest window.
func (call *poolCall) window() [2]int {
	if !call.adaptive {
		return call.p.Kernel
	}
	var most [2]int
	for dim, sizes := range [2][2]int{{call.h, call.oh}, {call.w, call.ow}} {
		for i := range sizes[1] {
			first, end, _ := call.span(dim, i, sizes[0], sizes[1])
			most[dim] = max(most[dim], end-first)
		}
	}
	return most
}

// flops counts the pixels of the windows of one picture.
func (call *poolCall) flops() float64 {
	window := call.window()
	return float64(call.oh*call.ow*window[0]*window[1]) * float64(call.y.Stride())
}

func (call *poolCall) twin(in [][]float32) [][]float64 {
	width := call.x.Width()
	y := make([]float64, call.n*call.oh*call.ow*width)
	parallel(call.n*call.oh, func(row int) {
		for ox := range call.ow {
			call.twinWindow(y[(row*call.ow+ox)*width:][:width], in[0], row, ox)
		}
	})
	return [][]float64{y}
}

// twinWindow does the channels of one pixel of the result; row counts those of all pictures.
func (call *poolCall) twinWindow(y []float64, x []float32, row, ox int) {
	n, oy := row/call.oh, row%call.oh
	top, bottom, high := call.span(0, oy, call.h, call.oh)
	left, right, wide := call.span(1, ox, call.w, call.ow)
	for iy := top; iy < bottom; iy++ {
		for ix := left; ix < right; ix++ {
			pixel := x[((n*call.h+iy)*call.w+ix)*len(y):]
			for c := range y {
				v := float64(pixel[c])
				switch {
				case !call.max:
					y[c] += v / float64(high*wide)
				case iy == top && ix == left || v > y[c]:
					y[c] = v
				}
			}
		}
	}
}

// span is the pixels first ≤ i < end of a window along a side, and those by
// which a mean divides, as PyTorch computes them.
func (call *poolCall) span(dim, i, size, out int) (first, end, divisor int) {
	if call.adaptive {
		first, end = i*size/out, ceilDiv((i+1)*size, out)
		return first, end, end - first
	}
	p := call.p
	start := i*p.Stride[dim] - p.Pad[dim]
	stop := min(start+p.Kernel[dim], size+p.Pad[dim])
	first, end = max(start, 0), min(stop, size)
	if p.ExcludePad {
		return first, end, end - first
	}
	return first, end, stop - start
}
