package ops

import (
	"fmt"
	"math"

	"saccade/gpu"
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
	return g.forward(r, x, nil, x.Shape[0], a)
}

// ForwardFrames is Forward of maps x [N·frames, …, Width], of which so many after each other are
// one item: the frames of a video, as of a map [N, Width, frames, H, W] of torch.
func (g *GroupNorm) ForwardFrames(r *gpu.Recorder, x *gpu.Tensor, frames int, a Activation) *gpu.Tensor {
	if r.Err() == nil && (frames < 1 || x.Shape[0]%frames != 0 || r.Tape != nil) {
		r.Fail(fmt.Errorf("%s: %d maps are no videos of %d frames, or are to be trained", g.name, x.Shape[0], frames))
		return x
	}
	return g.forward(r, x, nil, x.Shape[0]/max(frames, 1), a)
}

// ForwardShifted is Forward of x + shift, [N, Width], which is added to all
// pixels of an item, as residual blocks of diffusion models add the time. It
// costs no more than Forward.
func (g *GroupNorm) ForwardShifted(r *gpu.Recorder, x, shift *gpu.Tensor, a Activation) *gpu.Tensor {
	return g.forward(r, x, shift, x.Shape[0], a)
}

func (g *GroupNorm) forward(r *gpu.Recorder, x, shift *gpu.Tensor, n int, a Activation) *gpu.Tensor {
	if r.Tape != nil && a != Identity { // whose adjoint needs what it takes
		return Apply(r, g.forward(r, x, shift, n, Identity), a)
	}
	y := r.New(g.name, 1, x.Shape...)
	y.Name = g.name
	if r.Err() != nil {
		return y
	}
	if err := g.check(x, shift, a); err != nil {
		r.Fail(fmt.Errorf("%s: %w", g.name, err))
		return y
	}
	m, err := newMapNorm(r, g.name, x, y, n, g.Width/g.Groups)
	if err != nil {
		r.Fail(fmt.Errorf("%s: %w", g.name, err))
		return y
	}
	op := gpu.Op{Kind: "groupnorm", Label: g.name, In: []*gpu.Tensor{x}, Out: []*gpu.Tensor{y},
		Twin: func(in [][]float32) [][]float64 { return [][]float64{g.twin(in, n, a)} },
		Adjoint: func(dy *gpu.Tensor, needed []bool) []*gpu.Tensor {
			if len(needed) > 1 && needed[1] {
				r.Fail(fmt.Errorf("%s: what is added before the norm has no adjoint: nothing before it can be trained", g.name))
			}
			return []*gpu.Tensor{g.adjoint(r, x, shift, dy), nil}[:len(needed)]
		}}
	if shift != nil {
		op.In = append(op.In, shift)
	}
	doRows(r, op, fmt.Sprintf("%dx%dx%d groups %d", n, m.pixels, g.Width, g.Groups), func(forms ...string) ([]gpu.Dispatch, error) {
		stats, err := g.stats(r, m, shift, forms...)
		if err != nil {
			return nil, err
		}
		return m.record(r, a, stats)
	})
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

// stats is the norm's own pass, over all items, by a kernel in forms. shift may be nil.
func (g *GroupNorm) stats(r *gpu.Recorder, m mapNorm, shift *gpu.Tensor, forms ...string) (gpu.Dispatch, error) {
	k, perGroup, err := rowKernel(r, "groupnorm_stats", forms...)
	if err != nil {
		return gpu.Dispatch{}, err
	}
	rows, shifts, shifted := m.n*g.Groups, gpu.All(m.sums), 0
	if shift != nil {
		shifts, shifted = gpu.All(shift), 1
	}
	return gpu.Dispatch{
		Kernel: k, Params: gpu.Params{"rows": rows, "groups": g.Groups, "size": g.Width / g.Groups, "stride": m.x.Stride(),
			"pixels": m.pixels, "strip": m.strip, "strips": m.strips(), "eps": g.Eps, "shifted": shifted},
		Bind:   []gpu.View{gpu.All(m.sums), gpu.All(g.gamma), gpu.All(g.beta), shifts, gpu.All(m.factors)},
		Groups: grid(ceilDiv(rows, perGroup)), Bytes: float64(m.sums.Bytes()),
		Turns: 2*m.strips()*g.Width/g.Groups + 2*m.x.Stride(), // of a thread that has a group for itself
	}, nil
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
