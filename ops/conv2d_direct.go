package ops

import (
	"saccade/gpu"
)

// recordDirect is the convolution as an implicit matmul.
func (call *convCall) recordDirect(r *gpu.Recorder) ([]gpu.Dispatch, error) {
	parts, err := call.direct(r)
	if err != nil {
		return nil, err
	}
	var dispatches []gpu.Dispatch
	for i := range parts {
		some, err := parts[i].record(r)
		if err != nil {
			return nil, err
		}
		dispatches = append(dispatches, some...)
	}
	return dispatches, nil
}

// direct is the implicit matmul of as many pictures at a time as fit a binding.
func (call *convCall) direct(r *gpu.Recorder) ([]gemm, error) {
	c, s := call.c, call.c.supergroups()
	chunks, err := call.chunks(r.Device())
	if err != nil {
		return nil, err
	}
	vector := 16 / int(r.Precision.Size())
	in, n := gpu.Pad8(s.in), gpu.Pad8(s.out)
	weight, bias := c.form(formTaps), c.biasForm()
	var parts []gemm
	for _, part := range chunks {
		items := part[1] - part[0]
		g := gemm{
			name: c.name, m: items * call.oh * call.ow, n: n, k: c.Kernel[0] * c.Kernel[1] * in, real: s.out, count: s.count,
			a: itemView(call.x, call.n, part[0], part[1]), b: gpu.All(weight), bias: gpu.All(bias), y: itemView(call.y, call.n, part[0], part[1]),
			ldc: call.y.Stride(), e: call.e,
			pixels: gpu.Params{
				"vectors": in / vector, "lda": call.x.Stride() / vector, "height": call.h, "width": call.w, "up": call.up, "out_height": call.oh, "out_width": call.ow,
				"kernel_width": c.Kernel[1], "stride_y": c.Stride[0], "stride_x": c.Stride[1], "dilation_y": c.Dilation[0], "dilation_x": c.Dilation[1],
				"pad_y": call.top, "pad_x": call.left,
			},
			stepA: in / vector, stepB: c.Kernel[0] * c.Kernel[1] * in * panelColumns(n) / vector, stepC: s.out,
			flops: call.flops() * float64(items) / float64(call.n),
			bytes: float64(weight.Bytes()) + float64(items)*float64(itemBytes(call.x, call.n)+itemBytes(call.y, call.n)),
		}
		if call.e.residual != nil {
			g.residual = itemView(call.e.residual, call.n, part[0], part[1])
		}
		parts = append(parts, g)
	}
	return parts, nil
}

// chunks cuts the batch into ranges whose parts fit a binding.
func (call *convCall) chunks(d *gpu.Device) ([][2]int, error) {
	tensors := []*gpu.Tensor{call.x, call.y}
	if call.e.residual != nil {
		tensors = append(tensors, call.e.residual)
	}
	return itemChunks(d, call.n, tensors...)
}
