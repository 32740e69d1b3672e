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

// depthwiseWidth is the neighbouring outputs of an invocation: they share most
// of what they read.
const depthwiseWidth = 4

// depthwiseLayout is the size of the filters [KH·KW, channels] and what fills them.
func (c *Conv2d) depthwiseLayout() (bytes int64, fill func(dst []byte, w []float32)) {
	typ, taps, stride := c.b.Precision, c.Kernel[0]*c.Kernel[1], gpu.Pad8(c.Out)
	return int64(taps*stride) * typ.Size(), func(dst []byte, w []float32) {
		rows := make([]float32, taps*c.Out)
		for o := range c.Out {
			for t := range taps {
				rows[t*c.Out+o] = w[o*taps+t]
			}
		}
		putRows(dst, typ, rows, taps, c.Out, stride)
	}
}

// recordDepthwise is a convolution of every channel on its own.
func (call *convCall) recordDepthwise(r *gpu.Recorder) ([]gpu.Dispatch, error) {
	c := call.c
	chunks, err := call.chunks(r.Device())
	if err != nil {
		return nil, err
	}
	tx := min(depthwiseWidth, call.ow)
	spec := shaders.Spec{
		Const: map[string]int{
			"TX": tx, "KH": c.Kernel[0], "KW": c.Kernel[1], "SX": c.Stride[1], "DX": c.Dilation[1],
			"SPAN": (tx-1)*c.Stride[1] + (c.Kernel[1]-1)*c.Dilation[1] + 1,
		},
		Decl: packed(r.Precision, "Packed", "unpack", "pack"),
	}
	looped(r.Device().Info(), &spec)
	if err := call.e.fuse(&spec); err != nil {
		return nil, err
	}
	variant := fmt.Sprintf("%s %dx%d/%d x%d%s", r.Precision, c.Kernel[0], c.Kernel[1], c.Stride[1], tx, call.e.suffix())
	k, err := kernel("conv2d_depthwise", variant, spec)
	if err != nil {
		return nil, err
	}
	var dispatches []gpu.Dispatch
	for _, part := range chunks {
		items := part[1] - part[0]
		count := items * call.oh * ceilDiv(call.ow, tx) * call.y.Stride() / 4
		x := gpu.Dispatch{
			Kernel: k,
			Params: gpu.Params{
				"count": count, "stride": call.y.Stride() / 4, "height": call.h, "width": call.w, "out_height": call.oh, "out_width": call.ow,
				"stride_y": c.Stride[0], "dilation_y": c.Dilation[0], "pad_y": call.top, "pad_x": call.left, "real": c.Out, "residual_height": 0,
			},
			Bind: []gpu.View{itemView(call.x, call.n, part[0], part[1]), gpu.All(c.form(formDepthwise)), gpu.All(c.biasForm()),
				gpu.All(r.Device().Dummy()), itemView(call.y, call.n, part[0], part[1])},
			Groups: elementwise(count),
			FLOPs:  call.flops() * float64(items) / float64(call.n),
			Bytes:  float64(items) * float64(itemBytes(call.x, call.n)+itemBytes(call.y, call.n)),
		}
		if call.e.residual != nil {
			x.Params["residual_height"] = call.oh
			x.Bind[3] = itemView(call.e.residual, call.n, part[0], part[1])
		}
		dispatches = append(dispatches, x)
	}
	return dispatches, nil
}
