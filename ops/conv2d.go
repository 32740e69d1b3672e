package ops

import (
	"errors"
	"fmt"

	"saccade/gpu"
	"saccade/weights"
)

// Conv is the shape of a two-dimensional convolution, as torch.nn.Conv2d has
// it. Pairs are height and width; a zero Stride, Dilation or Groups is one.
type Conv struct {
	In, Out  int
	Kernel   [2]int
	Stride   [2]int
	Dilation [2]int
	Pad      Padding
	Groups   int

	Bias bool
	Norm float64 // eps of a batch norm that follows and is folded into the weights; 0: none
	// Momentum is how far a training moves that norm's running statistics towards a batch's:
	// torch.nn.BatchNorm2d's, 0.1 by default. 0: it is not known.
	Momentum float64
	// Fixed says that the weight is the architecture's, no parameter that is trained.
	Fixed bool

	// Exact has halves lose no more than PyTorch's do, in networks where each layer's
	// roundings reach the output undiminished: 3×3 filters take 1.2 to 1.8 times as long.
	Exact bool
}

// Square is a pair of equal sizes.
func Square(n int) [2]int { return [2]int{n, n} }

// Padding is zeros around a picture.
type Padding struct {
	Top, Left, Bottom, Right int
	// Same takes as much as makes the output ⌈size/stride⌉, the odd one at the
	// bottom and the right (TensorFlow's SAME); the numbers are not used then.
	Same bool
}

// Pad is n zeros on each side.
func Pad(n int) Padding { return Padding{Top: n, Left: n, Bottom: n, Right: n} }

// Conv2d is torch.nn.Conv2d on pictures [N, H, W, C], with the batch norm that
// may follow it folded in.
type Conv2d struct {
	Conv

	b     *Builder
	name  string
	forms map[convForm]*gpu.Tensor // of the weight, as kernels want it
	bias  *gpu.Tensor

	kind   string                  // of the operation
	from   func() (filters, error) // the weight where it is no tensor of the checkpoint, or nil
	biases func() []float32        // and the bias

	back    *Conv2d      // the adjoint's, once it was asked for
	made    *gpu.Tensor  // the weight where it is an activation, or nil
	trained *trainedConv // in place of weight, bias and norm, or nil
}

// Conv2d makes a convolution.
func (b *Builder) Conv2d(c Conv) Conv2d {
	for _, pair := range []*[2]int{&c.Stride, &c.Dilation} {
		for i := range pair {
			pair[i] = max(1, pair[i])
		}
	}
	c.Groups = max(1, c.Groups)
	return Conv2d{Conv: c, b: b, kind: "conv2d", forms: map[convForm]*gpu.Tensor{}}
}

func (c *Conv2d) setName(path string) { c.name = path }

// Params are weight [Out, In/Groups, KH, KW], the bias [Out] if there is one,
// and with a batch norm its norm.weight, norm.bias, norm.running_mean and
// norm.running_var, all [Out].
func (c *Conv2d) Params() []weights.Param {
	// The values are taken from the checkpoint when a recording has asked for
	// one of their forms: all together, since the norm scales the weight.
	param := func(name string, shape ...int) weights.Param {
		return weights.Param{Name: name, Shape: shape, Set: func(*weights.Tensor) error { return nil }}
	}
	params := []weights.Param{param("weight", c.Out, c.In/c.Groups, c.Kernel[0], c.Kernel[1])}
	if c.Bias {
		params = append(params, param("bias", c.Out))
	}
	if c.Norm > 0 {
		for _, name := range []string{"norm.weight", "norm.bias", "norm.running_mean", "norm.running_var"} {
			params = append(params, param(name, c.Out))
		}
	}
	return params
}

// Forward convolves x, [N, H, W, In] or a dense input [N, In, H, W], or [N, In, W] of one
// row, and does what the options say. The result is [N, OH, OW, Out].
func (c *Conv2d) Forward(r *gpu.Recorder, x *gpu.Tensor, options ...Epilogue) *gpu.Tensor {
	g, err := c.geometry(x)
	return c.forward(r, x, g, err, options)
}

// ForwardFrames is Forward over the frames of videos, the maps x [N·frames, H, W, In]: a filter
// of Kernel {k, 1} sees k frames of a pixel, as torch.nn.Conv3d's of (k, 1, 1) does. There must
// come out as many frames as go in.
func (c *Conv2d) ForwardFrames(r *gpu.Recorder, x *gpu.Tensor, frames int, options ...Epilogue) *gpu.Tensor {
	g, err := c.frameGeometry(r, x, frames)
	return c.forward(r, x, g, err, options)
}

// ForwardUpsampled is Forward on x [N, H, W, In] upsampled to size, twice its
// height and width or one less, by torch.nn.functional.interpolate(mode="nearest").
// The upsampled map is never stored.
func (c *Conv2d) ForwardUpsampled(r *gpu.Recorder, x *gpu.Tensor, size [2]int, options ...Epilogue) *gpu.Tensor {
	g, err := c.upsampledGeometry(x, size)
	return c.forward(r, x, g, err, options)
}

func (c *Conv2d) forward(r *gpu.Recorder, x *gpu.Tensor, g convGeometry, err error, options []Epilogue) *gpu.Tensor {
	e := newEpilogue(options)
	if c.trained != nil && err == nil {
		return c.forwardTrained(r, x, g, e)
	}
	if r.Tape != nil && e.activation != Identity { // whose adjoint needs what it takes
		act, before, residual := e.activation, e.before, e.residual
		if before {
			residual = nil
		}
		y := Apply(r, c.forward(r, x, g, err, []Epilogue{Residual(residual)}), act)
		if before {
			y = Add(r, y, e.residual, 1)
		}
		return y
	}
	y := r.New(c.name, 1, g.shape(c.Out, x)...)
	y.Name = c.name
	if err == nil {
		err = c.check(x, y, e)
	}
	if err != nil {
		r.Fail(fmt.Errorf("%s: %w", c.name, err))
	}
	if r.Err() != nil {
		return y
	}
	call := convCall{c: c, convGeometry: g, x: x, y: y, e: e}
	call.do(r)
	return y
}

// check refuses what the kernels do not take.
func (c *Conv2d) check(x, y *gpu.Tensor, e epilogue) error {
	switch {
	case c.In%c.Groups != 0 || c.Out%c.Groups != 0:
		return fmt.Errorf("%d input and %d output channels do not make %d groups", c.In, c.Out, c.Groups)
	case x.Groups != 1 || x.Dense() && c.Groups != 1:
		return fmt.Errorf("%s is in %d groups, expected pictures in one, and an activation for a convolution in %d groups", x, x.Groups, c.Groups)
	case e.residual != nil:
		if err := sameShape(e.residual, y); err != nil {
			return fmt.Errorf("residual: %w", err)
		}
	}
	return nil
}

// convGeometry is a convolution's sizes for one input.
type convGeometry struct {
	n, h, w, oh, ow int
	up              int  // 1 where h and w are those of a upsampled map, else 0
	top, left       int  // padding; that at the other ends follows from the sizes
	frames          bool // h counts the frames of a video, and w the pixels of each
}

// shape is that of the output of x.
func (g convGeometry) shape(channels int, x *gpu.Tensor) []int {
	if g.frames {
		return reshaped(x.Shape, channels)
	}
	return []int{g.n, g.oh, g.ow, channels}
}

// geometry finds the sizes for x, which are at least one even in an error.
func (c *Conv2d) geometry(x *gpu.Tensor) (convGeometry, error) {
	g := convGeometry{n: 1, h: 1, w: 1, oh: 1, ow: 1}
	var channels int
	switch {
	case x.Dense() && len(x.Shape) == 3:
		g.n, channels, g.w = x.Shape[0], x.Shape[1], x.Shape[2]
	case len(x.Shape) != 4:
		return g, fmt.Errorf("found an input of shape %v, expected [N H W %d]", x.Shape, c.In)
	case x.Dense():
		g.n, channels, g.h, g.w = x.Shape[0], x.Shape[1], x.Shape[2], x.Shape[3]
	default:
		g.n, g.h, g.w, channels = x.Shape[0], x.Shape[1], x.Shape[2], x.Shape[3]
	}
	if channels != c.In {
		return g, fmt.Errorf("found an input of shape %v with %d channels, expected %d", x.Shape, channels, c.In)
	}
	return c.windows(g)
}

// upsampledGeometry is geometry of x upsampled to size.
func (c *Conv2d) upsampledGeometry(x *gpu.Tensor, size [2]int) (convGeometry, error) {
	g, err := c.geometry(x)
	if err != nil {
		return g, err
	}
	switch {
	case x.Dense() || c.Groups != 1 || c.pointwise():
		return g, fmt.Errorf("magnifies activations for filters of several pixels in one group only, found %s, %d groups, a filter of %v", x, c.Groups, c.Kernel)
	case ceilDiv(size[0], 2) != g.h || ceilDiv(size[1], 2) != g.w:
		return g, fmt.Errorf("%s can't be upsampled to %v, only to twice its size or one less", x, size)
	}
	g.h, g.w, g.up = size[0], size[1], 1
	return c.windows(g)
}

// frameGeometry is geometry of the maps x of videos of so many frames.
func (c *Conv2d) frameGeometry(r *gpu.Recorder, x *gpu.Tensor, frames int) (convGeometry, error) {
	g := convGeometry{n: 1, h: 1, w: 1, oh: 1, ow: 1}
	switch {
	case r.Tape != nil:
		return g, errors.New("a convolution over frames is not trained")
	case len(x.Shape) != 4 || x.Dense() || x.Width() != c.In || frames < 1 || x.Shape[0]%frames != 0:
		return g, fmt.Errorf("found %s, expected the maps [N·%d H W %d] of videos", x, frames, c.In)
	}
	g.n, g.h, g.w, g.frames = x.Shape[0]/frames, frames, x.Shape[1]*x.Shape[2], true
	g, err := c.windows(g)
	if err == nil && (g.oh != g.h || g.ow != g.w) {
		err = fmt.Errorf("%d frames of %d pixels would become %d of %d; expected as many", g.h, g.w, g.oh, g.ow)
	}
	return g, err
}

// windows finds the padding and the output's size.
func (c *Conv2d) windows(g convGeometry) (convGeometry, error) {
	var bottom, right, oh, ow int
	g.top, bottom = c.padding(0, g.h)
	g.left, right = c.padding(1, g.w)
	if oh = windows(g.h+g.top+bottom, c.Kernel[0], c.Stride[0], c.Dilation[0]); oh < 1 {
		return g, fmt.Errorf("a picture of height %d with padding %d and %d is smaller than the filter's %d", g.h, g.top, bottom, (c.Kernel[0]-1)*c.Dilation[0]+1)
	}
	if ow = windows(g.w+g.left+right, c.Kernel[1], c.Stride[1], c.Dilation[1]); ow < 1 {
		return g, fmt.Errorf("a picture of width %d with padding %d and %d is smaller than the filter's %d", g.w, g.left, right, (c.Kernel[1]-1)*c.Dilation[1]+1)
	}
	g.oh, g.ow = oh, ow
	return g, nil
}

// padding is the zeros before and after size pixels of a dimension.
func (c *Conv2d) padding(dim, size int) (before, after int) {
	if !c.Pad.Same {
		return [2]int{c.Pad.Top, c.Pad.Left}[dim], [2]int{c.Pad.Bottom, c.Pad.Right}[dim]
	}
	steps := ceilDiv(size, c.Stride[dim]) - 1
	total := max(0, steps*c.Stride[dim]+(c.Kernel[dim]-1)*c.Dilation[dim]+1-size)
	return total / 2, total - total/2
}

// windows is how many windows of a kernel fit size pixels; negative sizes fit none.
func windows(size, kernel, stride, dilation int) int {
	if span := (kernel-1)*dilation + 1; size >= span {
		return (size-span)/stride + 1
	}
	return 0
}

// pointwise says that the convolution is a matmul of every pixel on its own.
func (c *Conv2d) pointwise() bool {
	return c.Kernel == Square(1) && c.Stride == Square(1) && c.Groups == 1 && (c.Pad == Padding{} || c.Pad.Same)
}

// convCall is a convolution of one input.
type convCall struct {
	c *Conv2d
	convGeometry
	x, y *gpu.Tensor
	e    epilogue
}

// do records the convolution.
func (call *convCall) do(r *gpu.Recorder) {
	c := call.c
	switch {
	case call.x.Dense() && c.Groups == 1:
		rows, err := call.unfold(r)
		if err != nil {
			r.Fail(fmt.Errorf("%s: %w", c.name, err))
			return
		}
		call.matmul(r, formStem, rows)
	case c.pointwise():
		call.matmul(r, formTaps, call.x)
	default:
		standard, others := call.ways(r)
		do(r, call.op(r, call.x, call.twin), call.shape(), standard, others)
	}
}

// op is the operation without its dispatches.
func (call *convCall) op(r *gpu.Recorder, x *gpu.Tensor, twin func(in [][]float32, rows []int) []float64) gpu.Op {
	op := gpu.Op{Kind: call.c.kind, Label: call.c.name, In: []*gpu.Tensor{x}, Out: []*gpu.Tensor{call.y}, Rows: twin}
	if call.e.residual != nil {
		op.In = append(op.In, call.e.residual)
	}
	if call.c.made != nil {
		op.In = append(op.In, call.c.made)
	}
	if x == call.x && call.e.activation == Identity {
		op.Adjoint = func(dy *gpu.Tensor, needed []bool) []*gpu.Tensor { return call.adjoint(r, dy, needed) }
	}
	return op
}

// shape is what decides between the ways of a convolution: the input N×H×W×C,
// the filters, stride and what is fused. Padding hardly does.
func (call *convCall) shape() string {
	c := call.c
	s := fmt.Sprintf("%dx%dx%dx%d %dx%dx%d", call.n, call.h, call.w, c.In, c.Out, c.Kernel[0], c.Kernel[1])
	for _, more := range []struct {
		name     string
		is, none any
	}{{"/", c.Stride, Square(1)}, {"d", c.Dilation, Square(1)}, {"g", c.Groups, 1}, {"up", call.up, 0}} {
		if more.is != more.none {
			s += fmt.Sprintf(" %s%v", more.name, more.is)
		}
	}
	return s + call.e.describe()
}

// ways are those of a convolution that is no matmul as it stands.
func (call *convCall) ways(r *gpu.Recorder) (standard way, others func() []way) {
	if call.c.depthwise() {
		return call.depthwiseWay(r, depthwiseWidth), func() []way {
			return []way{call.depthwiseWay(r, 1), call.depthwiseWay(r, 2)} // of 8, GPUs spill (`make isa`)
		}
	}
	t := r.Device().Traits()
	if w, ok := call.winograd(t); ok && !compact(r) {
		standard = call.winogradWay(r, w)
	} else {
		standard = call.directWay(r, nil)
	}
	return standard, func() (all []way) {
		for _, w := range []winograd{winograd2, winograd4} {
			if call.winogradFits(t, w) && call.exactEnough(w) && !compact(r) {
				all = append(all, call.winogradWay(r, w))
			}
		}
		all = append(all, call.directWay(r, nil))
		s := call.c.supergroups()
		m, n, k := call.n*call.oh*call.ow, gpu.Pad8(s.out), call.c.Kernel[0]*call.c.Kernel[1]*gpu.Pad8(s.in)
		for _, v := range convCandidates(t, r.Precision, m, n, k, s.count) {
			all = append(all, call.directWay(r, &v))
		}
		return all
	}
}

// matmul is the convolution as a matmul of rows, one an output pixel.
func (call *convCall) matmul(r *gpu.Recorder, f convForm, rows *gpu.Tensor) {
	c := call.c
	l := &Linear{In: rows.Width(), Out: c.Out, InGroups: 1, OutGroups: 1, b: c.b, name: c.name, weight: c.form(f), bias: c.biasForm()} // of an operation that has c.made among its inputs
	l.folded = func() (w, bias []float32) {
		if w, bias = c.stored(); f == formStem {
			w = c.unfoldedRows(w)
		}
		return w, bias
	}
	standard, others := l.ways(r, rows, call.y, call.e)
	narrow := way{name: "narrow", record: func() ([]gpu.Dispatch, error) { return call.narrowMatmul(r, l, rows) }}
	if !r.Device().Traits().ManyThreads && c.Out <= 4*narrowColumns {
		wide, other := others, narrow
		if c.Out <= narrowColumns && rows.Rows() > 80 {
			standard, other = narrow, standard
		}
		others = func() []way { return append(wide(), other) }
	}
	do(r, call.op(r, rows, l.twin(call.e)), l.shape(rows, call.e), standard, others)
}

// narrowColumns is the most columns for which a lane of matmul, whose tile is
// at least 64 columns wide, has too little to do with what it loads: conv2d
// then lets its lanes share the rows instead.
const narrowColumns = 64

// narrowMatmul multiplies rows by the kernel conv2d.
func (call *convCall) narrowMatmul(r *gpu.Recorder, l *Linear, rows *gpu.Tensor) ([]gpu.Dispatch, error) {
	tensors := []*gpu.Tensor{rows, call.y}
	if call.e.residual != nil {
		tensors = append(tensors, call.e.residual)
	}
	k, n := l.physical()
	var dispatches []gpu.Dispatch
	for _, part := range rowChunks(r.Device(), rows.Rows(), tensors...) {
		m := part[1] - part[0]
		g := implicitMatmul{
			name: l.name, m: m, n: n, k: k, real: l.Out, count: 1, ldc: call.y.Stride(), e: call.e,
			a: rowView(rows, part[0], part[1]), b: gpu.All(l.weight), bias: gpu.All(l.bias), y: rowView(call.y, part[0], part[1]),
			pixels: rowsOf(m, k, r.Precision),
			flops:  call.flops() * float64(m) / float64(rows.Rows()), bytes: float64(m*(k+n)) * float64(rows.Type.Size()),
		}
		if call.e.residual != nil {
			g.residual = rowView(call.e.residual, part[0], part[1])
		}
		some, err := g.record(r)
		if err != nil {
			return nil, err
		}
		dispatches = append(dispatches, some...)
	}
	return dispatches, nil
}

// stored is the folded weight as the device rounds it, and the folded bias.
func (c *Conv2d) stored() (w, bias []float32) {
	f, err := c.filters()
	if err == nil {
		w, err = f.all(c.Out, c.In/c.Groups*c.Kernel[0]*c.Kernel[1])
	}
	if err != nil {
		return nil, nil
	}
	for i := range w {
		w[i] = gpu.Round(c.b.Precision, w[i])
	}
	return w, c.foldedBias()
}

// flops counts the convolution's arithmetic as a direct one has it.
func (call *convCall) flops() float64 {
	c := call.c
	return 2 * float64(call.n*call.oh*call.ow*c.Out) * float64(c.In/c.Groups*c.Kernel[0]*c.Kernel[1])
}

// twin is pixels of the convolution in f64 over the folded weights as the device
// has them; a pixel counts those of all pictures.
func (call *convCall) twin(in [][]float32, pixels []int) []float64 {
	c := call.c
	w, bias := c.stored()
	y := make([]float64, len(pixels)*c.Out)
	parallel(len(pixels), func(i int) {
		row, ox := pixels[i]/call.ow, pixels[i]%call.ow
		for o := range c.Out {
			var residual float64
			if call.e.residual != nil {
				residual = float64(in[1][pixels[i]*c.Out+o])
			}
			y[i*c.Out+o] = call.e.twin(call.twinSum(in[0], w, row, ox, o)+float64(bias[o]), residual)
		}
	})
	return y
}

// twinSum is output channel o of a pixel; row counts those of all pictures.
func (call *convCall) twinSum(x, w []float32, row, ox, o int) float64 {
	c := call.c
	n, oy := row/call.oh, row%call.oh
	height, width := (call.h+call.up)>>call.up, (call.w+call.up)>>call.up // as stored
	perGroup := c.In / c.Groups
	first := o / (c.Out / c.Groups) * perGroup
	var sum float64
	for ky := range c.Kernel[0] {
		iy := oy*c.Stride[0] - call.top + ky*c.Dilation[0]
		for kx := range c.Kernel[1] {
			ix := ox*c.Stride[1] - call.left + kx*c.Dilation[1]
			if iy < 0 || iy >= call.h || ix < 0 || ix >= call.w {
				continue
			}
			pixel := x[((n*height+iy>>call.up)*width+ix>>call.up)*c.In+first:]
			for ci := range perGroup {
				sum += float64(pixel[ci]) * float64(w[((o*perGroup+ci)*c.Kernel[0]+ky)*c.Kernel[1]+kx])
			}
		}
	}
	return sum
}
