package ops

import (
	"fmt"

	"saccade/gpu"
	"saccade/weights"
)

// ConvTranspose is the shape of a transposed convolution, as torch.nn.ConvTranspose2d has
// it. Pairs are height and width; a zero Stride, Dilation or Groups is one.
type ConvTranspose struct {
	In, Out       int
	Kernel        [2]int
	Stride        [2]int
	Pad           [2]int // what is cut off at either end of the output
	OutputPadding [2]int // what is added to it at the bottom and the right
	Dilation      [2]int
	Groups        int

	Bias bool
	Norm float64 // eps of a batch norm that follows and is folded into the weights; 0: none
}

// Magnify is one whose stride is its kernel, a square of factor pixels, with a bias.
func Magnify(in, out, factor int) ConvTranspose {
	return ConvTranspose{In: in, Out: out, Kernel: Square(factor), Stride: Square(factor), Bias: true}
}

// ConvTranspose2d is torch.nn.ConvTranspose2d on pictures [N, H, W, C], with the batch norm
// that may follow it folded in.
//
// Of an output pixel's place, stride·q + phase, the phase says which of the filter's taps
// meet a pixel of the input, and q which pixels they meet. So it is a convolution from
// pixels to all phases of one q, by ⌈kernel/stride⌉ taps a side, and [DepthToSpace]: a
// matmul where the stride is the kernel. In groups, whose channels a convolution has side by
// side, zeros stand between the pixels of the input instead, and there is one phase.
type ConvTranspose2d struct {
	ConvTranspose

	b     *Builder
	name  string
	conv  Conv2d
	block [2]int // phases, rows and columns
	crop  [2]int // of what the convolution makes, at the top and the left
}

// ConvTranspose2d makes a transposed convolution.
func (b *Builder) ConvTranspose2d(c ConvTranspose) ConvTranspose2d {
	for _, pair := range []*[2]int{&c.Stride, &c.Dilation} {
		for i := range pair {
			pair[i] = max(1, pair[i])
		}
	}
	c.Groups = max(1, c.Groups)
	t := ConvTranspose2d{ConvTranspose: c, b: b, block: c.Stride}
	if c.Groups > 1 {
		t.block = Square(1)
	}
	conv := Conv{In: c.In, Out: t.width(), Groups: c.Groups}
	var ends [2][2]int
	for i, s := range t.block {
		far := c.Dilation[i] * (c.Kernel[i] - 1) // of the last tap from the first
		if conv.Dilation[i], conv.Kernel[i] = 1, far/s+1; s == 1 {
			conv.Dilation[i], conv.Kernel[i] = c.Dilation[i], c.Kernel[i]
		}
		reach := conv.Dilation[i] * (conv.Kernel[i] - 1)
		cut := min(c.Pad[i]/s, reach)
		t.crop[i] = c.Pad[i] - cut*s
		ends[i] = [2]int{reach - cut, max(0, (far+c.OutputPadding[i]-c.Pad[i])/s)}
	}
	conv.Pad = Padding{Top: ends[0][0], Left: ends[1][0], Bottom: ends[0][1], Right: ends[1][1]}
	t.conv = b.Conv2d(conv)
	t.conv.kind = "conv_transpose2d"
	return t
}

// width is the channels of all phases, those of each padded as an activation's are.
func (c *ConvTranspose2d) width() int {
	if c.block == Square(1) {
		return c.Out
	}
	return c.block[0] * c.block[1] * gpu.Pad8(c.Out)
}

func (c *ConvTranspose2d) setName(path string) {
	c.name = path
	c.conv.setName(path)
	c.conv.from, c.conv.biases = c.filters, c.biases
}

// Params are weight [In, Out/Groups, KH, KW], the bias [Out] if there is one, and with a
// batch norm its norm.weight, norm.bias, norm.running_mean and norm.running_var, all [Out].
func (c *ConvTranspose2d) Params() []weights.Param {
	own := Conv2d{Conv: Conv{Out: c.Out, Groups: 1, Bias: c.Bias, Norm: c.Norm}}
	params := own.Params()
	params[0].Shape = []int{c.In, c.Out / c.Groups, c.Kernel[0], c.Kernel[1]}
	return params
}

// filters are the convolution's, with the batch norm in them.
func (c *ConvTranspose2d) filters() (filters, error) {
	w := c.b.host(c.name+".weight", gpu.F32)
	if w == nil {
		return nil, fmt.Errorf("%s.weight is not bound or can't be read", c.name)
	}
	scale := c.b.normScale(c.name, c.Norm)
	in, taps := c.In/c.Groups, c.conv.Kernel[0]*c.conv.Kernel[1]
	rows := make([]float32, c.width()*in*taps)
	for i := range rows {
		tap := [2]int{i % taps / c.conv.Kernel[1], i % c.conv.Kernel[1]}
		channel, phase, out := i/taps%in, i/taps/in/gpu.Pad8(c.Out), i/taps/in%gpu.Pad8(c.Out)
		y, seesY := c.tap(0, tap[0], phase/c.block[1])
		x, seesX := c.tap(1, tap[1], phase%c.block[1])
		if out >= c.Out || !seesY || !seesX {
			continue
		}
		group, of := out/(c.Out/c.Groups), out%(c.Out/c.Groups)
		rows[i] = w[(((group*in+channel)*(c.Out/c.Groups)+of)*c.Kernel[0]+y)*c.Kernel[1]+x]
		if scale != nil {
			rows[i] = float32(float64(rows[i]) * scale[out])
		}
	}
	return filtersOf(rows, in*taps), nil
}

// tap is which tap of the filter a tap of the convolution is in a phase, if it is one.
func (c *ConvTranspose2d) tap(side, tap, phase int) (own int, ok bool) {
	at := (c.conv.Kernel[side]-1-tap)*c.conv.Dilation[side]*c.block[side] + phase
	own = at / c.Dilation[side]
	return own, at%c.Dilation[side] == 0 && own < c.Kernel[side]
}

// biases is the bias, with the batch norm in it, once for each phase.
func (c *ConvTranspose2d) biases() []float32 {
	all, own := make([]float32, c.width()), c.b.normedBias(c.name, c.Out, c.Norm)
	for from := 0; from < len(all); from += gpu.Pad8(c.Out) {
		copy(all[from:], own)
	}
	return all
}

// Forward enlarges x [N, H, W, In], with the activation that the options say: [N, OH, OW,
// Out] of OH = (H−1)·stride − 2·pad + dilation·(kernel−1) + output padding + 1, and OW alike.
func (c *ConvTranspose2d) Forward(r *gpu.Recorder, x *gpu.Tensor, options ...Epilogue) *gpu.Tensor {
	e := newEpilogue(options)
	size, err := c.size(x, e)
	if err != nil {
		r.Fail(fmt.Errorf("%s: %w", c.name, err))
	}
	if r.Err() != nil {
		return r.New(c.name, 1, 1, size[0], size[1], c.Out)
	}
	if c.Groups > 1 && c.Stride != Square(1) {
		x = Rows(r, x, c.b.Stretch(x.Shape[0], x.Shape[1], x.Shape[2], c.Stride))
	}
	// Each phase's padding must stay zero.
	late := c.block != Square(1) && c.Out%8 != 0 && e.activation.Twin(0) != 0
	act := e.activation
	if late {
		act = Identity
	}
	y := depthToSpace(r, c.conv.Forward(r, x, Then(act)), pixelBlocks{channels: c.Out, block: c.block, crop: c.crop, size: size})
	if late {
		y = Apply(r, y, e.activation)
	}
	return y
}

// size is the height and width of the output for x, which are at least one even in an error.
func (c *ConvTranspose2d) size(x *gpu.Tensor, e epilogue) (size [2]int, err error) {
	size = Square(1)
	switch {
	case c.In%c.Groups != 0 || c.Out%c.Groups != 0:
		return size, fmt.Errorf("%d input and %d output channels do not make %d groups", c.In, c.Out, c.Groups)
	case e.residual != nil || e.floats || e.scale != 1:
		return size, fmt.Errorf("a transposed convolution takes an activation alone")
	case len(x.Shape) != 4 || x.Dense() || x.Groups != 1 || x.Width() != c.In:
		return size, fmt.Errorf("found an input %s in %d groups, expected pictures [N H W %d] in one", x, x.Groups, c.In)
	}
	for i := range size {
		if o := c.OutputPadding[i]; o < 0 || o >= max(c.Stride[i], c.Dilation[i]) || c.Pad[i] < 0 || c.Kernel[i] < 1 {
			return size, fmt.Errorf("an output padding of %v must be less than the stride %v or the dilation %v, and nothing negative", c.OutputPadding, c.Stride, c.Dilation)
		}
		n := (x.Shape[1+i]-1)*c.Stride[i] - 2*c.Pad[i] + c.Dilation[i]*(c.Kernel[i]-1) + c.OutputPadding[i] + 1
		if n < 1 {
			return Square(1), fmt.Errorf("of pictures %v nothing is left beside a padding of %v", x.Shape, c.Pad)
		}
		size[i] = n
	}
	return size, nil
}
