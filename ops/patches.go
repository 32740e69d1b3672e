package ops

import (
	"fmt"

	"saccade/gpu"
	"saccade/shaders"
)

// geometryParams are a convolution's sizes for the kernels of trained ones, with more.
func (call *convCall) geometryParams(more gpu.Params) gpu.Params {
	c := call.c
	p := gpu.Params{"vectors": gpu.Pad8(c.In) / 4, "height": call.h, "width": call.w, "out_height": call.oh, "out_width": call.ow,
		"kernel_height": c.Kernel[0], "kernel_width": c.Kernel[1], "stride_y": c.Stride[0], "stride_x": c.Stride[1],
		"dilation_y": c.Dilation[0], "dilation_x": c.Dilation[1], "pad_y": call.top, "pad_x": call.left}
	for name, v := range more {
		p[name] = v
	}
	return p
}

// eachTap calls f with each pixel of the output and of the input that a tap of its window sees;
// pixels count those of all items.
func (call *convCall) eachTap(f func(output, tap, input int)) {
	c := call.c
	for output := range call.n * call.oh * call.ow {
		ox, oy, item := output%call.ow, output/call.ow%call.oh, output/call.ow/call.oh
		for tap := range c.Kernel[0] * c.Kernel[1] {
			y := oy*c.Stride[0] - call.top + tap/c.Kernel[1]*c.Dilation[0]
			x := ox*c.Stride[1] - call.left + tap%c.Kernel[1]*c.Dilation[1]
			if y >= 0 && y < call.h && x >= 0 && x < call.w {
				f(output, tap, (item*call.h+y)*call.w+x)
			}
		}
	}
}

// patches takes the pixels that each window of the convolution of x [N, H, W, In] sees, tap after
// tap: [N, OH, OW, taps·In] in as many groups as there are taps.
func (call *convCall) patches(r *gpu.Recorder) *gpu.Tensor {
	c, x := call.c, call.x
	taps := c.Kernel[0] * c.Kernel[1]
	y := r.New("patches", taps, call.n, call.oh, call.ow, taps*c.In)
	if r.Err() != nil {
		return y
	}
	k, err := kernel("patches", r.Precision.String(), shaders.Spec{Forms: forms(r.Precision)})
	if err != nil {
		r.Fail(err)
		return y
	}
	chunks, err := itemChunks(r.Device(), call.n, x, y)
	if err != nil {
		r.Fail(fmt.Errorf("%s: patches: %w", c.name, err))
		return y
	}
	op := gpu.Op{Kind: "patches", Label: r.Label("patches"), In: []*gpu.Tensor{x}, Out: []*gpu.Tensor{y},
		Twin: func(in [][]float32) [][]float64 {
			out := make([]float64, y.Rows()*taps*c.In)
			call.eachTap(func(output, tap, input int) {
				copy(out[(output*taps+tap)*c.In:], widen(in[0][input*c.In:][:c.In]))
			})
			return [][]float64{out}
		},
		Adjoint: func(dy *gpu.Tensor, _ []bool) []*gpu.Tensor { return []*gpu.Tensor{call.fold(r, dy, nil)} }}
	for _, part := range chunks {
		count := (part[1] - part[0]) * call.oh * call.ow * y.Stride() / 4
		op.Dispatches = append(op.Dispatches, gpu.Dispatch{Kernel: k, Params: call.geometryParams(gpu.Params{"count": count}),
			Bind:   []gpu.View{itemView(x, call.n, part[0], part[1]), itemView(y, call.n, part[0], part[1])},
			Groups: elementwise(count), Bytes: 8 * float64(count) * float64(y.Type.Size())})
	}
	r.Do(op)
	return y
}

// fold sums what the windows of the convolution have of each pixel of its input, [N, H, W, In]: of
// dy [N, OH, OW, taps·In], the adjoint of patches; or of dy [N, OH, OW, In] times a depthwise
// weight, a state [taps, In].
func (call *convCall) fold(r *gpu.Recorder, dy, weight *gpu.Tensor) *gpu.Tensor {
	c := call.c
	dx := r.New("fold", 1, call.n, call.h, call.w, c.In)
	if r.Err() != nil {
		return dx
	}
	spec, variant, w := shaders.Spec{Forms: forms(r.Precision)}, r.Precision.String(), gpu.All(r.Device().Dummy())
	op := gpu.Op{Kind: "fold", Label: r.Label("fold"), In: []*gpu.Tensor{dy}, Out: []*gpu.Tensor{dx}, Twin: call.foldTwin}
	if weight != nil {
		spec, variant, w = spec.WithConst("WEIGHED", 1), variant+" weighed", gpu.All(weight)
		op.In = append(op.In, weight)
	}
	k, err := kernel("fold", variant, spec)
	if err != nil {
		r.Fail(err)
		return dx
	}
	chunks, err := itemChunks(r.Device(), call.n, dy, dx)
	if err != nil {
		r.Fail(fmt.Errorf("%s: fold: %w", c.name, err))
		return dx
	}
	for _, part := range chunks {
		count := (part[1] - part[0]) * call.h * call.w * dx.Stride() / 4
		op.Dispatches = append(op.Dispatches, gpu.Dispatch{Kernel: k, Params: call.geometryParams(gpu.Params{"count": count}),
			Bind:   []gpu.View{itemView(dy, call.n, part[0], part[1]), w, itemView(dx, call.n, part[0], part[1])},
			Groups: elementwise(count), FLOPs: 8 * float64(count*c.Kernel[0]*c.Kernel[1]), Bytes: float64(dy.Bytes() + dx.Bytes())})
	}
	r.Do(op)
	return dx
}

func (call *convCall) foldTwin(in [][]float32) [][]float64 {
	width, taps := call.c.In, call.c.Kernel[0]*call.c.Kernel[1]
	dx := make([]float64, call.n*call.h*call.w*width)
	call.eachTap(func(output, tap, input int) {
		for i := range width {
			if len(in) > 1 {
				dx[input*width+i] += float64(in[0][output*width+i]) * float64(in[1][tap*width+i])
			} else {
				dx[input*width+i] += float64(in[0][(output*taps+tap)*width+i])
			}
		}
	})
	return [][]float64{dx}
}
