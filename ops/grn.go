package ops

import (
	"fmt"
	"math"

	"saccade/gpu"
	"saccade/weights"
)

// GRN is global response normalisation (Woo et al. 2023, "ConvNeXt V2"): of a map's
// channels, with n_c the root of the sum of squares of channel c over all pixels,
// x·(1 + weight·n_c/(mean of n + 1e-6)) + bias.
type GRN struct {
	Width int

	b           *Builder
	name        string
	gamma, beta *gpu.Tensor
}

// grnEps is the eps of all its implementations.
const grnEps = 1e-6

// GRN makes a layer for maps of width channels.
func (b *Builder) GRN(width int) GRN {
	bytes := int64(gpu.Pad8(width)) * 4
	return GRN{Width: width, b: b, gamma: b.reserve("weight", []int{width}, gpu.F32, bytes), beta: b.reserve("bias", []int{width}, gpu.F32, bytes)}
}

func (g *GRN) setName(path string) {
	g.name = path
	g.gamma.Name, g.beta.Name = path+".weight", path+".bias"
}

// Params are weight and bias, both [Width].
func (g *GRN) Params() []weights.Param {
	return []weights.Param{
		{Name: "weight", Shape: []int{g.Width}, Set: setVector(g.gamma)},
		{Name: "bias", Shape: []int{g.Width}, Set: setVector(g.beta)},
	}
}

// Forward normalises x [N, …, Width], each item by its own pixels.
func (g *GRN) Forward(r *gpu.Recorder, x *gpu.Tensor) *gpu.Tensor {
	y := r.New(g.name, 1, x.Shape...)
	y.Name = g.name
	if r.Err() != nil {
		return y
	}
	if x.Width() != g.Width || x.Groups != 1 || x.Dense() || len(x.Shape) < 2 {
		r.Fail(fmt.Errorf("%s: normalises maps [N … %d], got %s in %d groups", g.name, g.Width, x, x.Groups))
		return y
	}
	n := x.Shape[0]
	op := gpu.Op{Kind: "grn", Label: g.name, In: []*gpu.Tensor{x}, Out: []*gpu.Tensor{y},
		Twin: func(in [][]float32) [][]float64 { return [][]float64{g.twin(in[0], n)} }}
	m, err := newMapNorm(r, g.name, x, y, n, g.Width)
	if err == nil {
		var stats gpu.Dispatch
		if stats, err = g.stats(r, m); err == nil {
			op.Dispatches, err = m.record(r, Identity, stats)
		}
	}
	if err != nil {
		r.Fail(fmt.Errorf("%s: %w", g.name, err))
		return y
	}
	r.Do(op)
	return y
}

// stats is the norm's own pass, over all items.
func (g *GRN) stats(r *gpu.Recorder, m mapNorm) (gpu.Dispatch, error) {
	k, perGroup, err := rowKernelOf(r, "grn", gpu.F32.String(), nil) // sums are, in any precision
	return gpu.Dispatch{
		Kernel: k, Params: gpu.Params{"items": m.n, "width": g.Width, "stride": m.x.Stride(), "pixels": m.pixels, "strip": m.strip, "strips": m.strips(), "eps": grnEps},
		Bind:   []gpu.View{gpu.All(m.sums), gpu.All(g.gamma), gpu.All(g.beta), gpu.All(m.factors)},
		Groups: grid(ceilDiv(m.n, perGroup)), Bytes: float64(m.sums.Bytes()),
		Turns: m.strips()*g.Width + 2*m.x.Stride(), // of a thread that has an item for itself
	}, err
}

// twin is Forward in f64 on n items.
func (g *GRN) twin(x []float32, n int) []float64 {
	gamma, beta := g.b.host(g.name+".weight", gpu.F32), g.b.host(g.name+".bias", gpu.F32)
	y := widen(x)
	size := len(y) / n
	parallel(n, func(i int) {
		item := y[i*size:][:size]
		norms := make([]float64, g.Width)
		for j, v := range item {
			norms[j%g.Width] += v * v
		}
		var mean float64
		for c, sum := range norms {
			norms[c] = math.Sqrt(sum)
			mean += norms[c] / float64(g.Width)
		}
		for j, v := range item {
			c := j % g.Width
			item[j] = v*(1+float64(gamma[c])*norms[c]/(mean+grnEps)) + float64(beta[c])
		}
	})
	return y
}
