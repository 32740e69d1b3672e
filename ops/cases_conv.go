package ops

import (
	"fmt"
	"strings"

	"saccade/gpu"
)

// convCase is one convolution of pictures of h × w pixels.
type convCase struct {
	n, h, w  int
	conv     Conv
	residual bool
	after    bool // the activation follows the residual
	act      Activation
	dense    bool   // an input [N, C, H, W], not an activation; of no height: [N, C, W]
	up       [2]int // the size to which the pictures are upsampled before, if any
	frames   int    // of each of n videos, over which the convolution goes; 0: over pictures
}

func (c convCase) name() string {
	k := c.conv
	s := shapeName(c.n, c.h, c.w, k.In, k.Out)
	pair := func(what string, v [2]int) {
		if v != [2]int{} && v != Square(1) {
			s += fmt.Sprintf(" %s %s", what, shapeName(v[:]...))
		}
	}
	pair("kernel", k.Kernel)
	pair("stride", k.Stride)
	pair("dilation", k.Dilation)
	if k.Pad.Same {
		s += " same"
	} else if k.Pad != (Padding{}) {
		s += strings.ReplaceAll(fmt.Sprintf(" pad %d %d %d %d", k.Pad.Top, k.Pad.Left, k.Pad.Bottom, k.Pad.Right), "  ", " ")
	}
	s = grouped(s, k.Groups)
	if k.Norm > 0 {
		s += " norm"
	}
	if c.dense {
		s += " input"
	}
	pair("to", c.up)
	if c.frames > 0 {
		s += fmt.Sprintf(" frames %d", c.frames)
	}
	if c.residual && c.after {
		return s + " residual" + c.act.suffix()
	}
	s += c.act.suffix()
	if c.residual {
		s += " residual"
	}
	return s
}

func (c convCase) newCase() Case {
	return newCase("conv2d", c.name(), func(o *operands) *gpu.Tensor {
		if c.dense && c.h == 0 {
			return c.record(o, o.dense("x", c.n, c.conv.In, c.w))
		}
		if c.dense {
			return c.record(o, o.dense("x", c.n, c.conv.In, c.h, c.w))
		}
		return c.record(o, o.activation("x", 1, c.n*max(1, c.frames), c.h, c.w, c.conv.In))
	})
}

// record is the convolution of x.
func (c convCase) record(o *operands, x *gpu.Tensor) *gpu.Tensor {
	var model struct {
		Conv Conv2d `w:"conv"`
	}
	model.Conv = o.b.Conv2d(c.conv)
	o.layers(&model)
	options := []Epilogue{Then(c.act)}
	if c.residual {
		g, err := c.geometry(o, &model.Conv, x)
		if err != nil {
			o.err = err
			return x
		}
		residual := Residual(o.activation("residual", 1, g.shape(c.conv.Out, x)...))
		options = append(options, residual)
		if c.after {
			options = []Epilogue{residual, Then(c.act)}
		}
	}
	switch {
	case c.up != [2]int{}:
		return model.Conv.ForwardUpsampled(o.r, x, c.up, options...)
	case c.frames > 0:
		return model.Conv.ForwardFrames(o.r, x, c.frames, options...)
	}
	return model.Conv.Forward(o.r, x, options...)
}

func (c convCase) geometry(o *operands, conv *Conv2d, x *gpu.Tensor) (convGeometry, error) {
	switch {
	case c.up != [2]int{}:
		return conv.upsampledGeometry(x, c.up)
	case c.frames > 0:
		return conv.frameGeometry(o.r, x, c.frames)
	}
	return conv.geometry(x)
}

var convFamily = family{
	op: "conv2d", dims: "BATCHxHEIGHTxWIDTHxINxOUTxKERNELxSTRIDExGROUPS",
	at: func(d []int) Case {
		c := Conv{In: d[3], Out: d[4], Kernel: Square(d[5]), Stride: Square(d[6]), Pad: Pad(d[5] / 2), Groups: d[7], Bias: true}
		x := convCase{n: d[0], h: d[1], w: d[2], conv: c}.newCase()
		x.Name = shapeName(d...)
		return x
	},
	bench: [][]int{
		{1, 56, 56, 64, 64, 3, 1, 1}, {1, 28, 28, 128, 128, 3, 1, 1}, {1, 14, 14, 256, 256, 3, 1, 1}, {1, 7, 7, 512, 512, 3, 1, 1}, // ResNet
		{1, 56, 56, 64, 128, 3, 2, 1}, {1, 56, 56, 64, 256, 1, 1, 1}, {1, 56, 56, 128, 128, 3, 1, 32}, // and ResNeXt
		{1, 224, 224, 64, 64, 3, 1, 1}, {1, 112, 112, 128, 128, 3, 1, 1}, // VGG
		{1, 112, 112, 32, 32, 3, 1, 32}, {1, 28, 28, 240, 240, 5, 2, 240}, // EfficientNet
	},
	test: func() []Case {
		all := []convCase{
			{n: 1, h: 1, w: 1, conv: Conv{In: 1, Out: 1, Kernel: Square(1)}},
			{n: 2, h: 7, w: 5, conv: Conv{In: 17, Out: 23, Kernel: Square(1), Bias: true}, act: ReLU},
			{n: 2, h: 9, w: 7, conv: Conv{In: 17, Out: 23, Kernel: Square(1), Stride: Square(2), Bias: true}},
			{n: 2, h: 11, w: 13, conv: Conv{In: 17, Out: 23, Kernel: Square(3), Pad: Pad(1), Norm: 1e-3}, residual: true, after: true, act: ReLU},
			{n: 1, h: 12, w: 9, conv: Conv{In: 32, Out: 40, Kernel: Square(3), Pad: Pad(1), Bias: true, Norm: 1e-5}, act: Sigmoid, residual: true},
			{n: 1, h: 5, w: 6, conv: Conv{In: 70, Out: 130, Kernel: Square(3), Pad: Pad(1)}},
			{n: 4, h: 10, w: 12, conv: Conv{In: 1000, Out: 72, Kernel: Square(3), Pad: Pad(1), Bias: true}}, // matrices wider than a window
			{n: 3, h: 10, w: 7, conv: Conv{In: 9, Out: 20, Kernel: Square(3), Stride: Square(2), Pad: Pad(1), Bias: true}, act: ReLU6},
			{n: 1, h: 13, w: 10, conv: Conv{In: 12, Out: 11, Kernel: [2]int{5, 3}, Stride: [2]int{1, 2}, Pad: Padding{Top: 3, Left: 0, Bottom: 1, Right: 2}, Bias: true}},
			{n: 1, h: 14, w: 11, conv: Conv{In: 10, Out: 19, Kernel: Square(3), Dilation: [2]int{2, 3}, Pad: Pad(2)}},
			{n: 2, h: 8, w: 9, conv: Conv{In: 15, Out: 21, Kernel: Square(3), Pad: Pad(1), Groups: 3, Bias: true}, act: SiLU},
			{n: 1, h: 8, w: 9, conv: Conv{In: 32, Out: 64, Kernel: Square(3), Stride: Square(2), Pad: Pad(1), Groups: 8, Norm: 1e-5}, act: ReLU},
			{n: 1, h: 6, w: 5, conv: Conv{In: 144, Out: 144, Kernel: Square(3), Pad: Pad(1), Groups: 2}},
			{n: 2, h: 9, w: 11, conv: Conv{In: 19, Out: 19, Kernel: Square(3), Pad: Pad(1), Groups: 19, Norm: 1e-3}, act: SiLU},
			{n: 1, h: 9, w: 12, conv: Conv{In: 40, Out: 40, Kernel: Square(5), Stride: Square(2), Pad: Padding{Same: true}, Groups: 40, Bias: true}, act: HardSwish},
			{n: 1, h: 7, w: 6, conv: Conv{In: 9, Out: 18, Kernel: Square(3), Pad: Pad(1), Groups: 9}},
			{n: 1, h: 8, w: 13, conv: Conv{In: 11, Out: 11, Kernel: Square(3), Dilation: Square(2), Pad: Pad(2), Groups: 11, Norm: 1e-3}, act: ReLU6},
			{n: 2, h: 9, w: 6, conv: Conv{In: 18, Out: 18, Kernel: Square(7), Pad: Pad(3), Groups: 18, Bias: true}}, // ConvNeXt's
			{n: 2, h: 31, w: 29, conv: Conv{In: 3, Out: 21, Kernel: Square(7), Stride: Square(2), Pad: Pad(3), Norm: 1e-5}, act: ReLU, dense: true},
			{n: 1, h: 35, w: 40, conv: Conv{In: 3, Out: 10, Kernel: Square(11), Stride: Square(4), Pad: Pad(2), Bias: true}, dense: true},
			{n: 2, h: 20, w: 28, conv: Conv{In: 3, Out: 9, Kernel: Square(4), Stride: Square(4), Bias: true}, dense: true},                        // patches
			{n: 2, w: 41, conv: Conv{In: 19, Out: 23, Kernel: [2]int{1, 3}, Pad: Padding{Left: 1, Right: 1}, Bias: true}, act: GELU, dense: true}, // a line
			{n: 2, h: 1, w: 41, conv: Conv{In: 23, Out: 23, Kernel: [2]int{1, 3}, Stride: [2]int{1, 2}, Pad: Padding{Left: 1, Right: 1}, Bias: true}, act: GELU},
			{n: 2, h: 5, w: 7, conv: Conv{In: 17, Out: 23, Kernel: Square(3), Pad: Pad(1), Bias: true}, up: [2]int{10, 13}},
			{n: 1, h: 6, w: 4, conv: Conv{In: 33, Out: 40, Kernel: Square(3), Pad: Pad(1), Bias: true}, up: [2]int{11, 8}, residual: true, act: SiLU},
			{n: 2, h: 3, w: 4, conv: Conv{In: 9, Out: 12, Kernel: Square(3), Pad: Pad(1)}, up: [2]int{6, 7}},
			{n: 1, h: 5, w: 4, conv: Conv{In: 15, Out: 20, Kernel: [2]int{2, 3}, Stride: [2]int{2, 1}, Pad: Padding{Top: 1, Right: 2}}, up: [2]int{9, 8}},
			{n: 1, h: 6, w: 5, conv: Conv{In: 33, Out: 12, Kernel: [2]int{6, 5}}}, // as large as the picture
			{n: 2, h: 3, w: 5, frames: 7, conv: Conv{In: 13, Out: 21, Kernel: [2]int{3, 1}, Pad: Padding{Top: 1, Bottom: 1}, Bias: true}},
			{n: 3, h: 5, w: 4, frames: 1, conv: Conv{In: 18, Out: 18, Kernel: [2]int{3, 1}, Pad: Padding{Top: 1, Bottom: 1}, Bias: true}, residual: true},
		}
		var cases []Case
		for _, c := range all {
			cases = append(cases, c.newCase())
		}
		return cases
	},
}

var convTransposeFamily = family{
	op: "conv_transpose2d", dims: "BATCHxHEIGHTxWIDTHxINxOUTxKERNELxSTRIDExPADDING",
	at: func(d []int) Case {
		c := ConvTranspose{In: d[3], Out: d[4], Kernel: Square(d[5]), Stride: Square(d[6]), Pad: Square(d[7]), Bias: true}
		return convTransposeCase(shapeName(d...), Identity, d[:3], c)
	},
	bench: [][]int{
		{1, 4, 4, 1024, 512, 4, 2, 1}, {1, 32, 32, 128, 64, 4, 2, 1}, // DCGAN
		{1, 64, 64, 256, 64, 2, 2, 0}, {1, 128, 128, 128, 64, 3, 2, 0}, // SAM's decoder, StyleGAN2
	},
	test: func() []Case {
		return []Case{
			convTransposeCase("one", Identity, []int{1, 1, 1}, ConvTranspose{In: 1, Out: 1, Kernel: Square(1)}),
			convTransposeCase("blocks sigmoid", Sigmoid, []int{2, 3, 5}, ConvTranspose{In: 13, Out: 9, Kernel: Square(2), Stride: Square(2), Bias: true}),
			convTransposeCase("4 2 1 norm relu", ReLU, []int{2, 5, 4}, ConvTranspose{In: 17, Out: 11, Kernel: Square(4), Stride: Square(2), Pad: Square(1), Norm: 1e-5}),
			convTransposeCase("16 channels sigmoid", Sigmoid, []int{1, 3, 4}, ConvTranspose{In: 8, Out: 16, Kernel: Square(3), Stride: Square(2), Pad: Square(1), OutputPadding: Square(1), Bias: true}),
			convTransposeCase("5x2 3x1 dilation 2", GELU, []int{1, 4, 7}, ConvTranspose{In: 9, Out: 12, Kernel: [2]int{5, 2}, Stride: [2]int{3, 1}, Pad: [2]int{4, 1}, OutputPadding: [2]int{2, 0}, Dilation: Square(2), Bias: true}),
			convTransposeCase("groups 3", Sigmoid, []int{2, 3, 4}, ConvTranspose{In: 9, Out: 15, Kernel: Square(3), Stride: Square(2), Pad: Square(1), Groups: 3, Norm: 1e-3}),
			convTransposeCase("depthwise", Identity, []int{1, 4, 3}, ConvTranspose{In: 19, Out: 19, Kernel: Square(4), Stride: Square(2), Pad: Square(1), Groups: 19}),
		}
	},
}

// convTransposeCase is of n pictures of h×w pixels.
func convTransposeCase(name string, act Activation, nhw []int, c ConvTranspose) Case {
	return newCase("conv_transpose2d", name, func(o *operands) *gpu.Tensor {
		var model struct {
			Conv ConvTranspose2d `w:"conv"`
		}
		model.Conv = o.b.ConvTranspose2d(c)
		o.layers(&model)
		return model.Conv.Forward(o.r, o.activation("x", 1, nhw[0], nhw[1], nhw[2], c.In), Then(act))
	})
}

var unfoldFamily = family{
	op: "unfold", dims: "BATCHxCHANNELSxHEIGHTxWIDTHxKERNELxSTRIDExPAD", at: unfoldCase,
	bench: [][]int{{1, 3, 224, 224, 16, 16, 0}, {1, 3, 224, 224, 7, 2, 3}},
	test: func() []Case {
		return casesOf(unfoldCase, []int{1, 1, 1, 1, 1, 1, 0}, []int{2, 3, 20, 28, 4, 4, 0}, []int{1, 3, 14, 45, 14, 14, 0}, []int{2, 1, 13, 25, 3, 2, 1}, []int{1, 4, 5, 6, 5, 1, 3})
	},
}

func unfoldCase(d []int) Case {
	return newCase("unfold", shapeName(d...), func(o *operands) *gpu.Tensor {
		c := o.b.Conv2d(Conv{In: d[1], Out: 1, Kernel: Square(d[4]), Stride: Square(d[5]), Pad: Pad(d[6])})
		x := o.dense("x", d[:4]...)
		g, err := c.geometry(x)
		if err != nil {
			o.err = err
			return x
		}
		call := convCall{c: &c, convGeometry: g, x: x}
		y, err := call.unfold(o.r)
		o.err = err
		return y
	})
}
