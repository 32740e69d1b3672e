package ops

import (
	"fmt"

	"saccade/gpu"
	"saccade/shaders"
)

// depthwise says that every channel has a filter of its own, small enough to
// be unrolled.
func (c *Conv2d) depthwise() bool {
	return c.Groups == c.In && c.In == c.Out && c.In > 1 && c.Kernel[0]*c.Kernel[1] <= 49 && c.Kernel[1]*c.Dilation[1] <= 16 && c.Stride[1] <= 4
}

// depthwiseWidth is the neighbouring outputs of an invocation unless a tuner finds
// better: they share most of what they read.
const depthwiseWidth = 4

// depthwiseLayout is the size of the filters [KH·KW, channels] and what fills them.
func (c *Conv2d) depthwiseLayout() (bytes int64, fill func(dst []byte, w filters) error) {
	typ, taps, stride := c.b.Precision, c.Kernel[0]*c.Kernel[1], gpu.Pad8(c.Out)
	return int64(taps*stride) * typ.Size(), func(dst []byte, w filters) error {
		all, err := w.all(c.Out, taps)
		if err != nil {
			return err
		}
		rows := make([]float32, taps*c.Out)
		for o := range c.Out {
			for t := range taps {
				rows[t*c.Out+o] = all[o*taps+t]
			}
		}
		putRows(dst, typ, rows, taps, c.Out, stride)
		return nil
	}
}

// depthwiseWay is the convolution with so many outputs an invocation.
func (call *convCall) depthwiseWay(r *gpu.Recorder, width int) way {
	width = min(width, call.ow)
	return way{name: fmt.Sprintf("depthwise x%d", width), record: func() ([]gpu.Dispatch, error) { return call.recordDepthwise(r, width) }}
}

// recordDepthwise is a convolution of every channel on its own, with tx
// neighbouring outputs an invocation.
func (call *convCall) recordDepthwise(r *gpu.Recorder, tx int) ([]gpu.Dispatch, error) {
	c := call.c
	pieces, err := call.pieces(r.Device(), 1)
	if err != nil {
		return nil, err
	}
	spec := shaders.Spec{
		Const: map[string]int{
			"TX": tx, "KH": c.Kernel[0], "KW": c.Kernel[1], "SX": c.Stride[1], "DX": c.Dilation[1],
			"SPAN": (tx-1)*c.Stride[1] + (c.Kernel[1]-1)*c.Dilation[1] + 1,
		},
		Forms: forms(r.Precision),
	}
	looped(r.Device().Traits(), &spec)
	variant := fmt.Sprintf("%s %dx%d/%d x%d", r.Precision, c.Kernel[0], c.Kernel[1], c.Stride[1], tx)
	if d := c.Dilation[1]; d > 1 { // layers without an activation share a kernel by its name
		variant += fmt.Sprintf(" d%d", d)
	}
	k, err := call.e.kernel(r, "conv2d_depthwise", variant, spec)
	if err != nil {
		return nil, err
	}
	var dispatches []gpu.Dispatch
	for _, p := range pieces {
		count := p.n * p.oh * ceilDiv(p.ow, tx) * call.y.Stride() / 4
		x := gpu.Dispatch{
			Kernel: k,
			Params: gpu.Params{
				"count": count, "stride": call.y.Stride() / 4, "height": p.h, "width": p.w, "out_height": p.oh, "out_width": p.ow,
				"stride_y": c.Stride[0], "dilation_y": c.Dilation[0], "pad_y": p.padY(), "pad_x": p.left, "real": c.Out, "residual_rows": 0,
				"activates": call.e.activates(k),
			},
			Bind:   []gpu.View{p.x, gpu.All(c.form(formDepthwise)), gpu.All(c.biasForm()), gpu.All(r.Device().Dummy()), p.y},
			Groups: elementwise(count), FLOPs: p.flops(c), Bytes: p.bytes(call),
		}
		if call.e.residual != nil {
			x.Params["residual_rows"], x.Bind[3] = p.oh, p.residual
		}
		dispatches = append(dispatches, x)
	}
	return dispatches, nil
}
