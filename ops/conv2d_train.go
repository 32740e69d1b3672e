package ops

import (
	"errors"
	"fmt"

	"saccade/gpu"
)

// trainedConv is the values of a convolution that is trained as a whole, with those of the batch
// norm that may follow it.
type trainedConv struct {
	// weight is a state f32: [taps, C] of a depthwise convolution, of others [Out, taps·In] in as
	// many groups as there are taps.
	weight *gpu.Tensor
	bias   *gpu.Tensor // state f32 [1, Out], or nil
	norm   *batchNorm  // or nil
}

func (c *Conv2d) train(b *Builder, name string, t Training) (all []Trained, err error) {
	if c.Fixed {
		return nil, nil
	}
	if c.Groups != 1 && !c.depthwise() {
		return nil, fmt.Errorf("%s: a convolution in %d groups of several channels is not trained", name, c.Groups)
	}
	if c.Norm > 0 && c.Momentum == 0 && t.BatchStatistics {
		return nil, fmt.Errorf("%s: how its batch norm moves its running statistics is not known; train it with these as they are", name)
	}
	order, rows, groups := c.trainedOrder()
	weight, err := b.trained(name+".weight", []int{c.Out, c.In / c.Groups, c.Kernel[0], c.Kernel[1]}, groups, rows, len(order)/rows, order)
	c.trained, all = &trainedConv{weight: weight.State}, []Trained{weight}
	if c.Bias {
		vectors, biasErr := b.trainedVectors(name, c.Out, 1, "bias")
		all, c.trained.bias = append(all, vectors...), vectors[0].State
		err = errors.Join(err, biasErr)
	}
	if c.Norm > 0 {
		v, normErr := b.trainedVectors(name+".norm", c.Out, 1, "weight", "bias", "running_mean", "running_var")
		v[2].Statistic, v[3].Statistic = true, true
		all = append(all, v...)
		c.trained.norm = &batchNorm{gamma: v[0].State, beta: v[1].State, mean: v[2].State, variance: v[3].State, eps: c.Norm, momentum: c.Momentum, batch: t.BatchStatistics}
		err = errors.Join(err, normErr)
	}
	return all, err
}

// trainedOrder is the order of the weight's state, its rows, and the groups of its columns.
func (c *Conv2d) trainedOrder() (order []uint32, rows, groups int) {
	taps := c.Kernel[0] * c.Kernel[1]
	if c.depthwise() {
		for t := range taps {
			for o := range c.Out {
				order = append(order, uint32(o*taps+t))
			}
		}
		return order, taps, 1
	}
	for o := range c.Out {
		for t := range taps {
			for in := range c.In {
				order = append(order, uint32((o*c.In+in)*taps+t))
			}
		}
	}
	return order, c.Out, taps
}

// forwardTrained is forward of a convolution that is trained.
func (c *Conv2d) forwardTrained(r *gpu.Recorder, x *gpu.Tensor, g convGeometry, e epilogue) *gpu.Tensor {
	act, after, t := e.activation, (*gpu.Tensor)(nil), c.trained
	if e.before { // the residual is added behind the activation
		after, e.residual = e.residual, nil
	}
	call := &convCall{c: c, convGeometry: g, x: x}
	residual := e.residual
	if t.norm != nil {
		residual = nil
	}
	y := call.product(r, residual)
	if t.norm != nil {
		y = t.norm.forward(r, c.name+".norm", y)
	}
	if e.residual != nil && y != nil && residual == nil {
		y = Add(r, y, e.residual, 1)
	}
	if act != Identity {
		y = Apply(r, y, act)
	}
	if after != nil {
		y = Add(r, y, after, 1)
	}
	return y
}

// product is the trained convolution without its norm.
func (call *convCall) product(r *gpu.Recorder, residual *gpu.Tensor) *gpu.Tensor {
	c, t := call.c, call.c.trained
	if call.x.Dense() && len(call.x.Shape) == 4 {
		call.x = PackNCHW(r, call.x)
	}
	rows := call.x
	switch {
	case call.up == 1 || call.x.Dense():
		r.Fail(fmt.Errorf("%s: a convolution of %s is not trained", c.name, call.x))
	case c.depthwise():
		y := call.depthwiseTrained(r, t.weight, t.bias)
		if residual != nil {
			y = Add(r, y, residual, 1)
		}
		return y
	case !c.pointwise():
		rows = call.patches(r)
	}
	if r.Err() != nil {
		return r.New(c.name, 1, call.n, call.oh, call.ow, c.Out)
	}
	return project(r, c.name, projection{x: rows, w: t.weight, bias: t.bias, residual: residual, scale: 1, whole: true})
}
