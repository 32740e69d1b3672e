package ops

import (
	"fmt"
	"math"

	"saccade/gpu"
	"saccade/shaders"
	"saccade/weights"
)

// GroupNorm is torch.nn.GroupNorm: each of Groups ranges of channels is
// normalised over the range and all pixels; weight and bias are [Width].
type GroupNorm struct {
	Groups, Width int
	Eps           float64

	b           *Builder
	name        string
	gamma, beta *gpu.Tensor
}

// GroupNorm makes a layer for pictures of width channels, a multiple of groups.
func (b *Builder) GroupNorm(groups, width int, eps float64) GroupNorm {
	bytes := int64(gpu.Pad8(width)) * 4
	return GroupNorm{Groups: groups, Width: width, Eps: eps, b: b,
		gamma: b.reserve("weight", []int{width}, gpu.F32, bytes), beta: b.reserve("bias", []int{width}, gpu.F32, bytes)}
}

func (g *GroupNorm) setName(path string) {
	g.name = path
	g.gamma.Name, g.beta.Name = path+".weight", path+".bias"
}

// Params are weight and bias, both [Width].
func (g *GroupNorm) Params() []weights.Param {
	return []weights.Param{
		{Name: "weight", Shape: []int{g.Width}, Set: setVector(g.gamma)},
		{Name: "bias", Shape: []int{g.Width}, Set: setVector(g.beta)},
	}
}

// Forward normalises x [N, …, Width] and applies an activation that is zero at zero.
func (g *GroupNorm) Forward(r *gpu.Recorder, x *gpu.Tensor, a Activation) *gpu.Tensor {
	return g.forward(r, x, nil, a)
}

// ForwardShifted is Forward of x + shift, [N, Width], which is added to all
// pixels of an item, as residual blocks of diffusion models add the time. It
// costs no more than Forward.
func (g *GroupNorm) ForwardShifted(r *gpu.Recorder, x, shift *gpu.Tensor, a Activation) *gpu.Tensor {
	return g.forward(r, x, shift, a)
}

func (g *GroupNorm) forward(r *gpu.Recorder, x, shift *gpu.Tensor, a Activation) *gpu.Tensor {
	y := r.New(g.name, 1, x.Shape...)
	y.Name = g.name
	if r.Err() != nil {
		return y
	}
	if err := g.check(x, shift, a); err != nil {
		r.Fail(fmt.Errorf("%s: %w", g.name, err))
		return y
	}
	n := x.Shape[0]
	call := groupNormCall{g: g, a: a, x: x, shift: shift, y: y, n: n, pixels: x.Rows() / n}
	call.strip = min(max(stripPixels, ceilDiv(call.pixels*(g.Width/g.Groups), mostSummed)), call.pixels)
	var err error
	if call.windows, err = mapWindows(r.Device(), n, call.pixels, call.strip, x, y); err != nil {
		r.Fail(fmt.Errorf("%s: %w", g.name, err))
		return y
	}
	call.sums = r.NewTyped(g.name+".sums", gpu.F32, 1, n, ceilDiv(call.pixels, call.strip), 2*x.Stride())
	call.factors = r.NewTyped(g.name+".factors", gpu.F32, 1, n, 2*x.Stride())
	op := gpu.Op{Kind: "groupnorm", Label: g.name, In: []*gpu.Tensor{x}, Out: []*gpu.Tensor{y},
		Twin: func(in [][]float32) [][]float64 { return [][]float64{g.twin(in, n, a)} }}
	if shift != nil {
		op.In = append(op.In, shift)
	}
	if op.Dispatches, err = call.record(r); err != nil {
		r.Fail(fmt.Errorf("%s: %w", g.name, err))
		return y
	}
	r.Do(op)
	return y
}

func (g *GroupNorm) check(x, shift *gpu.Tensor, a Activation) error {
	switch {
	case g.Groups < 1 || g.Width%g.Groups != 0:
		return fmt.Errorf("%d channels do not make %d equal groups", g.Width, g.Groups)
	case x.Width() != g.Width || x.Groups != 1 || x.Dense() || len(x.Shape) < 2:
		return fmt.Errorf("normalises pictures [N … %d], got %s in %d groups", g.Width, x, x.Groups)
	case shift != nil && (shift.Width() != g.Width || shift.Rows() != x.Shape[0] || shift.Groups != 1 || shift.Dense() || shift.Type != x.Type):
		return fmt.Errorf("the shift %s (%s) does not fit %s, expected [%d %d]", shift, shift.Type, x, x.Shape[0], g.Width)
	case a.Twin(0) != 0:
		return fmt.Errorf("%s is not zero at zero, can't be fused; record it on its own", a)
	}
	return nil
}

// stripPixels is how many pixels one thread of the first pass sums, at least:
// more where a thread of the second, which goes twice over a group's channels of
// all strips, would have more than mostSummed to go over; see [gpu.Dispatch]'s Turns.
const (
	stripPixels = 64
	mostSummed  = 16 << 10
)

// groupNormCall is one use of a group norm: a pass for the sums of strips, one
// for what each channel is multiplied by and added, one that does so.
type groupNormCall struct {
	g             *GroupNorm
	a             Activation
	x, y          *gpu.Tensor
	shift         *gpu.Tensor // or nil
	sums, factors *gpu.Tensor
	n             int
	pixels, strip int      // of an item, of a strip
	windows       []window // of pixels, whole strips
}

func (c *groupNormCall) record(r *gpu.Recorder) ([]gpu.Dispatch, error) {
	sums, err := kernel("groupnorm_sums", r.Precision.String(), shaders.Spec{Forms: forms(r.Precision)})
	if err != nil {
		return nil, err
	}
	stats, perGroup, err := rowKernel(r, "groupnorm_stats")
	if err != nil {
		return nil, err
	}
	apply, err := c.applyKernel(r)
	if err != nil {
		return nil, err
	}
	var dispatches []gpu.Dispatch
	for _, w := range c.windows {
		dispatches = append(dispatches, c.sumUp(sums, w))
	}
	dispatches = append(dispatches, c.stats(stats, perGroup))
	for _, w := range c.windows {
		dispatches = append(dispatches, c.apply(r, apply, w))
	}
	return dispatches, nil
}

func (c *groupNormCall) applyKernel(r *gpu.Recorder) (*gpu.Kernel, error) {
	spec := shaders.Spec{
		Const: map[string]int{"PIXELS": pixelsOfThread(r)}, Forms: forms(r.Precision),
	}
	return c.a.kernel(r.Device().Traits(), "groupnorm", r.Precision.String(), "", spec)
}

// sumUp is the first pass over a window.
func (c *groupNormCall) sumUp(k *gpu.Kernel, w window) gpu.Dispatch {
	pixels, vectors := w.hi-w.lo, c.x.Stride()/4
	strips := ceilDiv(pixels, c.strip) // of each item in the window
	count := w.items() * strips * vectors
	first := w.first*ceilDiv(c.pixels, c.strip) + w.lo/c.strip
	return gpu.Dispatch{
		Kernel: k, Params: gpu.Params{"count": count, "vectors": vectors, "pixels": pixels, "strip": c.strip, "strips": strips, "first": first},
		Bind: []gpu.View{w.view(c.x, c.n, c.pixels), gpu.All(c.sums)}, Groups: elementwise(count),
		FLOPs: 4 * float64(w.items()*pixels*c.x.Stride()), Bytes: float64(w.items()*pixels) * float64(itemBytes(c.x, c.n*c.pixels)),
	}
}

// stats is the second pass, over all items.
func (c *groupNormCall) stats(k *gpu.Kernel, perGroup int) gpu.Dispatch {
	rows, shift, shifted := c.n*c.g.Groups, gpu.All(c.sums), 0
	if c.shift != nil {
		shift, shifted = gpu.All(c.shift), 1
	}
	return gpu.Dispatch{
		Kernel: k, Params: gpu.Params{"rows": rows, "groups": c.g.Groups, "size": c.g.Width / c.g.Groups, "stride": c.x.Stride(),
			"pixels": c.pixels, "strip": c.strip, "strips": ceilDiv(c.pixels, c.strip), "eps": c.g.Eps, "shifted": shifted},
		Bind:   []gpu.View{gpu.All(c.sums), gpu.All(c.g.gamma), gpu.All(c.g.beta), shift, gpu.All(c.factors)},
		Groups: grid(ceilDiv(rows, perGroup)), Bytes: float64(c.sums.Bytes()),
		Turns: 2*ceilDiv(c.pixels, c.strip)*c.g.Width/c.g.Groups + 2*c.x.Stride(), // of a thread that has a group for itself
	}
}

// apply is the last pass over a window.
func (c *groupNormCall) apply(r *gpu.Recorder, k *gpu.Kernel, w window) gpu.Dispatch {
	pixels, vectors := w.hi-w.lo, c.x.Stride()/4
	step := ceilDiv(pixels, pixelsOfThread(r)) * vectors
	return gpu.Dispatch{
		Kernel: k, Params: gpu.Params{"count": w.items() * step, "step": step, "item": pixels * vectors, "vectors": vectors, "first": w.first, "activates": c.a.activates()},
		Bind:   []gpu.View{w.view(c.x, c.n, c.pixels), gpu.All(c.factors), w.view(c.y, c.n, c.pixels)},
		Groups: elementwise(w.items() * step),
		FLOPs:  4 * float64(w.items()*pixels*c.x.Stride()), Bytes: 2 * float64(w.items()*pixels) * float64(itemBytes(c.x, c.n*c.pixels)),
	}
}

// twin is Forward in f64 on n items, of which in holds the values and the shift, if any.
func (g *GroupNorm) twin(in [][]float32, n int, a Activation) []float64 {
	gamma, beta := g.b.host(g.name+".weight", gpu.F32), g.b.host(g.name+".bias", gpu.F32)
	y := widen(in[0])
	pixels, size := len(y)/n/g.Width, g.Width/g.Groups
	if len(in) > 1 {
		for i := range y {
			y[i] += float64(in[1][i/(pixels*g.Width)*g.Width+i%g.Width])
		}
	}
	parallel(n*g.Groups, func(i int) {
		item, first := y[i/g.Groups*pixels*g.Width:], i%g.Groups*size
		var mean, variance float64
		for t := range pixels {
			for _, v := range item[t*g.Width+first:][:size] {
				mean += v / float64(pixels*size)
			}
		}
		for t := range pixels {
			for _, v := range item[t*g.Width+first:][:size] {
				variance += (v - mean) * (v - mean) / float64(pixels*size)
			}
		}
		scale := 1 / math.Sqrt(variance+g.Eps)
		for t := range pixels {
			row := item[t*g.Width+first:][:size]
			for c, v := range row {
				row[c] = a.Twin((v-mean)*scale*float64(gamma[first+c]) + float64(beta[first+c]))
			}
		}
	})
	return y
}
