package ops

import (
	"fmt"
	"math"

	"saccade/gpu"
)

// convForm is a layout of a convolution's weight on the device. A form is made
// from the checkpoint when the first recording asks for it.
type convForm string

const (
	formTaps convForm = "taps" // panels of K = taps × channels, channels innermost, for each group
	formStem convForm = "stem" // panels of K = channels × taps, as unfold has them
	// [taps, channels]
	formDepthwise convForm = "depthwise"
	// and the transformed weights of winograd2 and winograd4
)

// filters are the weight with the batch norm in it, of each output [In/Groups, KH, KW].
func (c *Conv2d) filters() (filters, error) {
	if c.from != nil {
		return c.from()
	}
	name := c.name + ".weight"
	bound, ok := c.b.hosts[name]
	if !ok {
		return nil, fmt.Errorf("%s is not bound", name)
	}
	t := *bound
	t.Data = bound.Bytes()
	w := filtersIn(&t, c.In/c.Groups*c.Kernel[0]*c.Kernel[1])
	scale := c.normScale()
	if scale == nil {
		return w, nil
	}
	return func(output, from, to int, scratch []float32) ([]float32, error) {
		v, err := w(output, from, to, scratch)
		scratch, s := scratch[:len(v)], scale[output]
		for i, x := range v {
			scratch[i] = float32(float64(x) * s)
		}
		return scratch, err
	}, nil
}

// normScale is γ/√(σ²+ε) of each output, nil without a norm.
func (c *Conv2d) normScale() []float64 { return c.b.normScale(c.name, c.Norm) }

// foldedBias is the bias with the batch norm in it.
func (c *Conv2d) foldedBias() []float32 {
	if c.biases != nil {
		return c.biases()
	}
	return c.b.normedBias(c.name, c.Out, c.Norm)
}

// normScale is γ/√(σ²+ε) of each output of a layer's batch norm, nil without one.
func (b *Builder) normScale(layer string, eps float64) []float64 {
	if eps == 0 {
		return nil
	}
	gamma, variance := b.host(layer+".norm.weight", gpu.F32), b.host(layer+".norm.running_var", gpu.F32)
	scale := make([]float64, len(gamma))
	for o := range scale {
		scale[o] = float64(gamma[o]) / math.Sqrt(float64(variance[o])+eps)
	}
	return scale
}

// normedBias is a layer's bias with its batch norm in it: (b − μ)·γ/√(σ²+ε) + β.
func (b *Builder) normedBias(layer string, out int, eps float64) []float32 {
	bias := b.host(layer+".bias", gpu.F32)
	if bias == nil {
		bias = make([]float32, out)
	}
	if scale := b.normScale(layer, eps); scale != nil {
		mean, beta := b.host(layer+".norm.running_mean", gpu.F32), b.host(layer+".norm.bias", gpu.F32)
		for o, s := range scale {
			bias[o] = float32((float64(bias[o])-float64(mean[o]))*s + float64(beta[o]))
		}
	}
	return bias
}

// all are the values of so many outputs of size values each.
func (f filters) all(outputs, size int) ([]float32, error) {
	w := make([]float32, outputs*size)
	for o := range outputs {
		into := w[o*size:][:size]
		v, err := f(o, 0, size, into)
		if err != nil {
			return nil, err
		}
		copy(into, v)
	}
	return w, nil
}

// form reserves a form of the weight and has it made once the weights are there.
func (c *Conv2d) form(f convForm) *gpu.Tensor {
	if t, ok := c.forms[f]; ok {
		return t
	}
	bytes, fill := c.layout(f)
	t := c.b.reserve(fmt.Sprintf("%s.weight (%s)", c.name, f), []int{c.Out, c.In / c.Groups, c.Kernel[0], c.Kernel[1]}, c.b.Precision, bytes)
	c.forms[f] = t
	c.b.Later(func() error {
		w, err := c.filters()
		if err != nil {
			return err
		}
		return t.Upload(func(dst []byte) error { return fill(dst, w) })
	})
	return t
}

// biasForm is the folded bias with zeros to a whole tile beyond the last column.
func (c *Conv2d) biasForm() *gpu.Tensor {
	if c.bias != nil {
		return c.bias
	}
	c.bias = c.b.reserve(c.name+".bias", []int{c.Out}, gpu.F32, int64(panelColumns(gpu.Pad8(c.Out))+panelAlign)*4)
	c.b.Later(func() error {
		bias := c.foldedBias()
		return c.bias.Upload(func(dst []byte) error { gpu.PutFloats(dst, gpu.F32, bias); return nil })
	})
	return c.bias
}

// layout is the size of a form in bytes, and what fills it from the folded weight.
func (c *Conv2d) layout(f convForm) (bytes int64, fill func(dst []byte, w filters) error) {
	typ := c.b.Precision
	switch f {
	case formStem:
		wide := c.unfoldedWidth()
		p := panelsOf(typ, &Linear{In: c.In * c.Kernel[0] * wide, Out: c.Out, InGroups: 1, OutGroups: 1})
		p.rows = p.rows[:c.In*c.Kernel[0]*c.Kernel[1]]
		for i := range p.rows { // zeros follow each row of a window
			p.rows[i] = i/c.Kernel[1]*wide + i%c.Kernel[1]
		}
		return panelBytes(typ, p.k, p.n), p.pack
	case formDepthwise:
		return c.depthwiseLayout()
	case winograd2.form():
		return winograd2.layout(c)
	case winograd4.form():
		return winograd4.layout(c)
	}
	s := c.supergroups()
	taps := c.Kernel[0] * c.Kernel[1]
	p := panelsOf(typ, &Linear{In: taps * s.in, Out: s.out, InGroups: taps, OutGroups: 1})
	group := panelBytes(typ, p.k, p.n)
	return group * int64(s.count), func(dst []byte, w filters) error {
		if s.merged > 1 {
			return c.packMerged(dst, p, w)
		}
		for i := range p.rows { // along K the channels are innermost
			p.rows[i] = i%taps*gpu.Pad8(s.in) + i/taps
		}
		for g := range s.count {
			own := func(output, from, to int, scratch []float32) ([]float32, error) {
				return w(g*s.out+output, from, to, scratch)
			}
			if err := p.pack(dst[int64(g)*group:int64(g+1)*group], own); err != nil {
				return err
			}
		}
		return nil
	}
}

// packMerged packs supergroups of several groups.
func (c *Conv2d) packMerged(dst []byte, p panels, w filters) error {
	s := c.supergroups()
	group := int(panelBytes(p.typ, p.k, p.n))
	all, err := w.all(c.Out, c.In/c.Groups*c.Kernel[0]*c.Kernel[1])
	if err != nil {
		return err
	}
	for g := range s.count {
		if err := p.pack(dst[g*group:(g+1)*group], filtersOf(c.tapRows(all, s, g), len(p.rows))); err != nil {
			return err
		}
	}
	return nil
}

// unfoldedRows is the weight as [Out, In·KH, KQ], with zeros where unfold has them.
func (c *Conv2d) unfoldedRows(w []float32) []float32 {
	width, wide := c.Kernel[1], c.unfoldedWidth()
	rows := make([]float32, len(w)/width*wide)
	for i := range len(w) / width {
		copy(rows[i*wide:], w[i*width:(i+1)*width])
	}
	return rows
}

// supergroups are the groups of a convolution put together until each takes
// and makes whole vectors of eight channels; weights between different groups
// of one supergroup are zero.
type supergroups struct {
	count   int
	merged  int // groups of a supergroup
	in, out int // channels of a supergroup
}

func (c *Conv2d) supergroups() supergroups {
	in, out := c.In/c.Groups, c.Out/c.Groups
	merged := 1
	for merged < c.Groups && (c.Groups%merged != 0 || merged*in%8 != 0 || merged*out%8 != 0) {
		merged++
	}
	return supergroups{count: c.Groups / merged, merged: merged, in: merged * in, out: merged * out}
}

// tapRows is the weight of supergroup g as [out, taps, in].
func (c *Conv2d) tapRows(w []float32, s supergroups, g int) []float32 {
	taps := c.Kernel[0] * c.Kernel[1]
	in, out := c.In/c.Groups, c.Out/c.Groups
	rows := make([]float32, s.out*taps*s.in)
	for o := range s.out {
		first := o / out * in // of this output's own group within the supergroup
		for ci := range in {
			for t := range taps {
				rows[(o*taps+t)*s.in+first+ci] = w[((g*s.out+o)*in+ci)*taps+t]
			}
		}
	}
	return rows
}
