package ops

import (
	"saccade/gpu"
	"saccade/shaders"
)

// unfoldedWidth is the columns that a row of a window takes: a multiple of
// four, so that what is written together is read together.
func (c *Conv2d) unfoldedWidth() int { return ceilDiv(c.Kernel[1], 4) * 4 }

// unfold takes the windows that a convolution of a dense input [N, C, H, W]
// sees as rows [N, OH, OW, C·KH·KQ] (torch.nn.Unfold, but for KQ, KW rounded up
// to a multiple of four): the convolution is then a matmul.
func (call *convCall) unfold(r *gpu.Recorder) (*gpu.Tensor, error) {
	c, x := call.c, call.x
	y := r.New(call.c.name+".unfold", 1, call.n, call.oh, call.ow, c.In*c.Kernel[0]*c.unfoldedWidth())
	windows, err := inputWindows(r.Device(), x, y, call.n, call.oh)
	if err != nil {
		return y, err
	}
	k, err := kernel("unfold", r.Precision.String(), shaders.Spec{Forms: forms(r.Precision)})
	if err != nil {
		return y, err
	}
	op := gpu.Op{Kind: "unfold", Label: c.name, In: []*gpu.Tensor{x}, Out: []*gpu.Tensor{y},
		Twin: func(in [][]float32) [][]float64 { return [][]float64{call.unfoldTwin(in[0])} }}
	for _, w := range windows {
		count := w.lines * call.ow * y.Stride() / 4
		op.Dispatches = append(op.Dispatches, gpu.Dispatch{
			Kernel: k,
			Params: gpu.Params{
				"count": count, "first": w.from, "stride": y.Stride() / 4, "channels": c.In, "height": call.h, "width": call.w,
				"kernel_height": c.Kernel[0], "kernel_width": c.Kernel[1], "quads": c.unfoldedWidth() / 4, "out_height": call.oh, "out_width": call.ow,
				"stride_y": c.Stride[0], "stride_x": c.Stride[1], "dilation_y": c.Dilation[0], "dilation_x": c.Dilation[1],
				"pad_y": call.top, "pad_x": call.left,
			},
			Bind: []gpu.View{w.x, w.y}, Groups: elementwise(count),
			Bytes: 4*float64(c.In*call.h*call.w)*float64(w.lines)/float64(call.oh) + 4*float64(count)*float64(y.Type.Size()),
		})
	}
	r.Do(op)
	return y, nil
}

func (call *convCall) unfoldTwin(x []float32) []float64 {
	c := call.c
	y := make([]float64, 0, call.n*call.oh*call.ow*c.In*c.Kernel[0]*c.unfoldedWidth())
	for row := range call.n * call.oh * call.ow {
		n, oy, ox := row/call.ow/call.oh, row/call.ow%call.oh, row%call.ow
		for ch := range c.In {
			for ky := range c.Kernel[0] {
				for kx := range c.unfoldedWidth() {
					iy, ix := oy*c.Stride[0]-call.top+ky*c.Dilation[0], ox*c.Stride[1]-call.left+kx*c.Dilation[1]
					var v float64
					if kx < c.Kernel[1] && iy >= 0 && iy < call.h && ix >= 0 && ix < call.w {
						v = float64(x[((n*c.In+ch)*call.h+iy)*call.w+ix])
					}
					y = append(y, v)
				}
			}
		}
	}
	return y
}
