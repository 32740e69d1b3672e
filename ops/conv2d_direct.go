package ops

import (
	"saccade/gpu"
)

// directWay is the convolution as an implicit matmul by a variant; nil is what the tables have.
func (call *convCall) directWay(r *gpu.Recorder, v *convVariant) way {
	name := "direct"
	if v != nil {
		name = v.Family + " " + v.sliced()
	}
	return way{name: name, record: func() ([]gpu.Dispatch, error) {
		parts, err := call.direct(r)
		if err != nil {
			return nil, err
		}
		var dispatches []gpu.Dispatch
		for i := range parts {
			record := parts[i].record
			if v != nil {
				record = func(r *gpu.Recorder) ([]gpu.Dispatch, error) { return parts[i].recordAs(r, *v) }
			}
			some, err := record(r)
			if err != nil {
				return nil, err
			}
			dispatches = append(dispatches, some...)
		}
		return dispatches, nil
	}}
}

// direct is the implicit matmul of as much of the pictures at a time as fits a binding.
func (call *convCall) direct(r *gpu.Recorder) ([]implicitMatmul, error) {
	c, s := call.c, call.c.supergroups()
	pieces, err := call.pieces(r.Device(), 1)
	if err != nil {
		return nil, err
	}
	vector := 16 / int(r.Precision.Size())
	in, n := gpu.Pad8(s.in), gpu.Pad8(s.out)
	weight, bias := c.form(formTaps), c.biasForm()
	var parts []implicitMatmul
	for _, p := range pieces {
		parts = append(parts, implicitMatmul{
			name: c.name, m: p.n * p.oh * p.ow, n: n, k: c.Kernel[0] * c.Kernel[1] * in, real: s.out, count: s.count,
			a: p.x, b: gpu.All(weight), bias: gpu.All(bias), y: p.y, residual: p.residual,
			ldc: call.y.Stride(), e: call.e,
			pixels: gpu.Params{
				"vectors": in / vector, "lda": call.x.Stride() / vector, "height": p.h, "width": p.w, "up": p.up, "out_height": p.oh, "out_width": p.ow,
				"kernel_width": c.Kernel[1], "stride_y": c.Stride[0], "stride_x": c.Stride[1], "dilation_y": c.Dilation[0], "dilation_x": c.Dilation[1],
				"pad_y": p.padY(), "pad_x": p.left,
			},
			stepA: in / vector, stepB: c.Kernel[0] * c.Kernel[1] * in * panelColumns(n) / vector, stepC: s.out,
			flops: p.flops(c), bytes: float64(weight.Bytes()) + p.bytes(call),
		})
	}
	return parts, nil
}
