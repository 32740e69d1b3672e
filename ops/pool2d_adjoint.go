package ops

import (
	"fmt"

	"saccade/gpu"
	"saccade/shaders"
)

// adjoint is the gradient of x from dy, that of the pooling's result. Of equal maxima the first
// has it, as in PyTorch.
func (call *poolCall) adjoint(r *gpu.Recorder, dy *gpu.Tensor) *gpu.Tensor {
	p, x := call.p, call.x
	dx := r.New(call.name, x.Groups, x.Shape...)
	if r.Err() != nil {
		return dx
	}
	spec := shaders.Spec{Const: map[string]int{"KH": p.Kernel[0], "KW": p.Kernel[1]}, Forms: forms(r.Precision)}
	if call.max {
		spec.Const["MAX"] = 1
	}
	k, err := kernel("pool2d_adjoint", fmt.Sprintf("%s %s %s", r.Precision, call.name, shapeName(p.Kernel[:]...)), spec)
	chunks, chunkErr := itemChunks(r.Device(), call.n, x, dy)
	if err == nil {
		err = chunkErr
	}
	if err != nil {
		r.Fail(fmt.Errorf("%s: %w", call.name, err))
		return dx
	}
	var counted [2]int
	if !p.ExcludePad {
		counted = p.Pad
	}
	op := gpu.Op{Kind: "pool2d_adjoint", Label: r.Label(call.name), In: []*gpu.Tensor{x, dy}, Out: []*gpu.Tensor{dx}, Twin: call.adjointTwin}
	for _, c := range chunks {
		count := (c[1] - c[0]) * call.h * call.w * x.Stride() / 4
		op.Dispatches = append(op.Dispatches, gpu.Dispatch{Kernel: k,
			Params: gpu.Params{"count": count, "vectors": x.Stride() / 4, "height": call.h, "width": call.w, "out_height": call.oh, "out_width": call.ow,
				"stride_y": p.Stride[0], "stride_x": p.Stride[1], "pad_y": p.Pad[0], "pad_x": p.Pad[1], "counted_y": counted[0], "counted_x": counted[1]},
			Bind:   []gpu.View{itemView(x, call.n, c[0], c[1]), itemView(dy, call.n, c[0], c[1]), itemView(dx, call.n, c[0], c[1])},
			Groups: elementwise(count), FLOPs: call.flops() * float64(c[1]-c[0]), Bytes: 12 * float64(count) * float64(x.Type.Size())})
	}
	r.Do(op)
	return dx
}

func (call *poolCall) adjointTwin(in [][]float32) [][]float64 {
	x, dy, width := in[0], in[1], call.x.Width()
	dx := make([]float64, len(x))
	for i, g := range dy {
		c, pixel := i%width, i/width
		top, bottom, high := call.span(0, pixel/call.ow%call.oh, call.h, call.oh)
		left, right, wide := call.span(1, pixel%call.ow, call.w, call.ow)
		item, best := pixel/call.ow/call.oh, -1
		for iy := top; iy < bottom; iy++ {
			for ix := left; ix < right; ix++ {
				at := ((item*call.h+iy)*call.w+ix)*width + c
				if !call.max {
					dx[at] += float64(g) / float64(high*wide)
				} else if best < 0 || x[at] > x[best] {
					best = at
				}
			}
		}
		if call.max {
			dx[best] += float64(g)
		}
	}
	return [][]float64{dx}
}
