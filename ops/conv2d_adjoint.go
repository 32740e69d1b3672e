package ops

import (
	"errors"
	"fmt"

	"saccade/gpu"
)

// adjoint is the gradients of x and of the residual, if there is one, from dy, that of the
// convolution; weight and bias are constants. It is a convolution of dy, with zeros between its
// pixels where there is a stride, by the filters turned by 180° with inputs and outputs exchanged.
func (call *convCall) adjoint(r *gpu.Recorder, dy *gpu.Tensor, needed []bool) []*gpu.Tensor {
	grads := make([]*gpu.Tensor, len(needed))
	if call.e.residual != nil {
		grads[1] = dy
	}
	if !needed[0] {
		return grads
	}
	c := call.c
	v, err := call.turned(r)
	if err != nil {
		r.Fail(fmt.Errorf("%s: %w", c.name, err))
		return grads
	}
	if c.Stride != Square(1) {
		dy = Rows(r, dy, c.b.Stretch(call.n, call.oh, call.ow, c.Stride))
	}
	dx := v.Forward(r, dy)
	if call.up == 1 && r.Err() == nil {
		dx = shrink(r, dx, call.x.Shape[1], call.x.Shape[2])
	}
	grads[0] = dx
	return grads
}

// turned is the convolution with which the adjoint's is done.
func (call *convCall) turned(r *gpu.Recorder) (*Conv2d, error) {
	c := call.c
	if c.Groups != 1 || c.Dilation != Square(1) {
		return nil, fmt.Errorf("a convolution in %d groups with dilation %v has no adjoint: nothing before it can be trained", c.Groups, c.Dilation)
	}
	span := func(kernel, pad, size, out, stride int) (before, after int) {
		before = kernel - 1 - pad
		return before, size + kernel - 1 - before - ((out-1)*stride + 1)
	}
	p := Padding{}
	p.Top, p.Bottom = span(c.Kernel[0], call.top, call.h, call.oh, c.Stride[0])
	p.Left, p.Right = span(c.Kernel[1], call.left, call.w, call.ow, c.Stride[1])
	if min(p.Top, p.Bottom, p.Left, p.Right) < 0 {
		return nil, errors.New("a convolution with more padding than its filter reaches has no adjoint")
	}
	if c.back == nil {
		back := c.b.Conv2d(Conv{In: c.Out, Out: c.In, Kernel: c.Kernel, Exact: c.Exact})
		back.from = c.turnedFilters
		back.setName(c.name + ".transposed")
		back.biasForm()
		c.back = &back
	}
	v := *c.back // with the same weights
	v.Pad = p
	if compact(r) {
		v.made = turn(r, c.name+".turned", c.form(formTaps), c.Kernel[0]*c.Kernel[1], gpu.Pad8(c.In), gpu.Pad8(c.Out), func() ([]byte, error) {
			w, err := c.turnedFilters()
			if err != nil {
				return nil, err
			}
			bytes, fill := c.back.layout(formTaps)
			return packed(bytes, func(dst []byte) error { return fill(dst, w) })
		})
		v.forms = map[convForm]*gpu.Tensor{formTaps: v.made}
	}
	return &v, nil
}

// turnedFilters are those of c turned by 180°, with inputs and outputs exchanged.
func (c *Conv2d) turnedFilters() (filters, error) {
	w, err := c.filters()
	if err != nil {
		return nil, err
	}
	taps := c.Kernel[0] * c.Kernel[1]
	all, err := w.all(c.Out, c.In*taps)
	if err != nil {
		return nil, err
	}
	out := make([]float32, len(all))
	for i, v := range all {
		o, in, tap := i/taps/c.In, i/taps%c.In, i%taps
		out[(in*c.Out+o)*taps+taps-1-tap] = v
	}
	return filtersOf(out, c.Out*taps), nil
}
