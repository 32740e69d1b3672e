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

// folded is the weight and the bias with the batch norm in them, f32:
// w·γ/√(σ²+ε) and (b − μ)·γ/√(σ²+ε) + β.
func (c *Conv2d) folded() (w, bias []float32) {
	w = c.b.host(c.name+".weight", gpu.F32)
	bias = c.b.host(c.name+".bias", gpu.F32)
	if bias == nil {
		bias = make([]float32, c.Out)
	}
	if c.Norm == 0 {
		return w, bias
	}
	norm := func(name string) []float32 { return c.b.host(c.name+".norm."+name, gpu.F32) }
	gamma, beta, mean, variance := norm("weight"), norm("bias"), norm("running_mean"), norm("running_var")
	per := len(w) / c.Out
	for o := range c.Out {
		scale := float64(gamma[o]) / math.Sqrt(float64(variance[o])+c.Norm)
		for i := range per {
			w[o*per+i] = float32(float64(w[o*per+i]) * scale)
		}
		bias[o] = float32((float64(bias[o])-float64(mean[o]))*scale + float64(beta[o]))
	}
	return w, bias
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
		w, _ := c.folded()
		return t.Upload(func(dst []byte) error { fill(dst, w); return nil })
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
		_, bias := c.folded()
		return c.bias.Upload(func(dst []byte) error { gpu.PutFloats(dst, gpu.F32, bias); return nil })
	})
	return c.bias
}

// layout is the size of a form in bytes, and what fills it from the folded weight.
func (c *Conv2d) layout(f convForm) (bytes int64, fill func(dst []byte, w []float32)) {
	typ := c.b.Precision
	switch f {
	case formStem:
		l := &Linear{In: c.In * c.Kernel[0] * c.unfoldedWidth(), Out: c.Out, InGroups: 1, OutGroups: 1}
		k, n := l.physical()
		return panelBytes(typ, k, n), func(dst []byte, w []float32) { packPanels(dst, typ, c.unfoldedRows(w), l) }
	case formDepthwise:
		return c.depthwiseLayout()
	case winograd2.form():
		return winograd2.layout(c)
	case winograd4.form():
		return winograd4.layout(c)
	}
	// A row of the weight in the order of K: a group of channels for each tap.
	s := c.supergroups()
	taps := c.Kernel[0] * c.Kernel[1]
	l := &Linear{In: taps * s.in, Out: s.out, InGroups: taps, OutGroups: 1}
	k, n := l.physical()
	group := panelBytes(typ, k, n)
	return group * int64(s.count), func(dst []byte, w []float32) {
		for g := range s.count {
			packPanels(dst[int64(g)*group:int64(g+1)*group], typ, c.tapRows(w, s, g), l)
		}
	}
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
