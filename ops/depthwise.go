package ops

import (
	"fmt"

	"saccade/gpu"
	"saccade/shaders"
)

// depthwiseTrained is a depthwise convolution of x [N, H, W, C] with a trained weight, a state
// [taps, C], and bias, a state [1, C] or nil.
func (call *convCall) depthwiseTrained(r *gpu.Recorder, weight, bias *gpu.Tensor) *gpu.Tensor {
	c, x := call.c, call.x
	y := r.New(c.name, 1, call.n, call.oh, call.ow, c.Out)
	if r.Err() != nil {
		return y
	}
	k, err := kernel("depthwise", r.Precision.String(), shaders.Spec{Forms: forms(r.Precision)})
	if err != nil {
		r.Fail(err)
		return y
	}
	chunks, err := itemChunks(r.Device(), call.n, x, y)
	if err != nil {
		r.Fail(fmt.Errorf("%s: %w", c.name, err))
		return y
	}
	op := gpu.Op{Kind: "depthwise", Label: c.name, In: []*gpu.Tensor{x, weight}, Out: []*gpu.Tensor{y}, Twin: call.depthwiseTwin}
	biases := gpu.All(r.Device().Dummy())
	if bias != nil {
		op.In, biases = append(op.In, bias), gpu.All(bias)
	}
	for _, part := range chunks {
		count := (part[1] - part[0]) * call.oh * call.ow * y.Stride() / 4
		op.Dispatches = append(op.Dispatches, gpu.Dispatch{Kernel: k, Params: call.geometryParams(gpu.Params{"count": count, "biased": bias != nil}),
			Bind:   []gpu.View{itemView(x, call.n, part[0], part[1]), gpu.All(weight), biases, itemView(y, call.n, part[0], part[1])},
			Groups: elementwise(count), FLOPs: 8 * float64(count*c.Kernel[0]*c.Kernel[1]), Bytes: float64(x.Bytes() + y.Bytes())})
	}
	op.Adjoint = func(dy *gpu.Tensor, needed []bool) []*gpu.Tensor {
		grads := make([]*gpu.Tensor, len(needed))
		if needed[0] {
			grads[0] = call.fold(r, dy, weight)
		}
		if needed[1] {
			grads[1] = call.depthwiseOuter(r, dy, weight)
		}
		if bias != nil && needed[2] {
			grads[2] = sum(r, "db", dy)
		}
		return grads
	}
	r.Do(op)
	return y
}

func (call *convCall) depthwiseTwin(in [][]float32) [][]float64 {
	width := call.c.In
	y := make([]float64, call.n*call.oh*call.ow*width)
	if len(in) > 2 {
		for i := range y {
			y[i] = float64(in[2][i%width])
		}
	}
	call.eachTap(func(output, tap, input int) {
		for i := range width {
			y[output*width+i] += float64(in[0][input*width+i]) * float64(in[1][tap*width+i])
		}
	})
	return [][]float64{y}
}

// depthwiseOuter is the gradient of the weight, in its layout, from dy, that of the result.
func (call *convCall) depthwiseOuter(r *gpu.Recorder, dy, weight *gpu.Tensor) *gpu.Tensor {
	c, x := call.c, call.x
	dw := r.NewTyped("dw", gpu.F32, 1, weight.Shape...)
	if r.Err() != nil {
		return dw
	}
	err := sumsFit(r, x, dy)
	var k *gpu.Kernel
	if err == nil {
		k, err = kernel("depthwise_outer", r.Precision.String(), shaders.Spec{Forms: forms(r.Precision)})
	}
	if err != nil {
		r.Fail(fmt.Errorf("%s: %w", c.name, err))
		return dw
	}
	lines, count := call.n*call.oh, dw.Rows()*dw.Stride()/4
	slice := ceilDiv(lines, max(1, min(lines, outerThreads/max(1, count))))
	slices, to := ceilDiv(lines, slice), dw
	if slices > 1 {
		to = r.NewTyped("dw.slices", gpu.F32, 1, slices*dw.Rows(), dw.Width())
	}
	op := gpu.Op{Kind: "depthwise_outer", Label: r.Label("dw"), In: []*gpu.Tensor{x, dy}, Out: []*gpu.Tensor{dw},
		Twin: func(in [][]float32) [][]float64 {
			out := make([]float64, dw.Rows()*c.In)
			call.eachTap(func(output, tap, input int) {
				for i := range c.In {
					out[tap*c.In+i] += float64(in[0][input*c.In+i]) * float64(in[1][output*c.In+i])
				}
			})
			return [][]float64{out}
		},
		Dispatches: []gpu.Dispatch{{Kernel: k, Params: call.geometryParams(gpu.Params{"lines": lines, "slice": slice, "slices": slices}),
			Bind: []gpu.View{gpu.All(x), gpu.All(dy), gpu.All(to)}, Groups: elementwise(slices * count), Turns: slice * call.ow,
			FLOPs: 8 * float64(count*lines*call.ow), Bytes: float64(x.Bytes() + dy.Bytes())}}}
	if slices > 1 {
		add, err := sumKernel(gpu.F32)
		if err != nil {
			r.Fail(err)
			return dw
		}
		op.Dispatches = append(op.Dispatches, sumDispatch(add, to, dw, slices))
	}
	r.Do(op)
	return dw
}
