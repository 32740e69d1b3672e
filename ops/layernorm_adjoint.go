package ops

import (
	"fmt"
	"math"

	"saccade/gpu"
)

// values are weight and bias for a twin, of whose inputs they are the last if they are trained.
func (n *LayerNorm) values(in [][]float32) (gamma, beta []float32) {
	if n.trained {
		return in[len(in)-2], in[len(in)-1]
	}
	return n.b.host(n.name+".weight", gpu.F32), n.b.host(n.name+".bias", gpu.F32)
}

func (n *LayerNorm) train(b *Builder, name string, _ Training) ([]Trained, error) {
	all, err := b.trainedVectors(name, n.Width, 1, "weight", "bias")
	n.gamma, n.beta, n.trained = all[0].State, all[1].State, true
	return all, err
}

// adjoints are the gradients of x and, of a layer that is trained, of weight and bias, from dy,
// that of the norm's result.
func (n *LayerNorm) adjoints(r *gpu.Recorder, x, dy *gpu.Tensor, needed []bool) []*gpu.Tensor {
	grads := make([]*gpu.Tensor, len(needed))
	if needed[0] {
		grads[0] = n.adjoint(r, x, dy)
	}
	if n.trained {
		grads[1], grads[2] = sum(r, "dgamma", n.products(r, x, dy)), sum(r, "dbeta", dy)
	}
	return grads
}

// products are dy·x̂ in f32, whose sum over the rows is the gradient of the weight.
func (n *LayerNorm) products(r *gpu.Recorder, x, dy *gpu.Tensor) *gpu.Tensor {
	y := r.NewTyped("products", gpu.F32, 1, x.Shape...)
	if r.Err() != nil {
		return y
	}
	k, perGroup, err := rowKernel(r, "layernorm_products")
	if err == nil {
		err = sameShape(x, dy)
	}
	if err != nil {
		r.Fail(fmt.Errorf("%s: %w", n.name, err))
		return y
	}
	op := gpu.Op{Kind: "layernorm_products", Label: r.Label("layernorm_products"), In: []*gpu.Tensor{x, dy}, Out: []*gpu.Tensor{y},
		Twin: func(in [][]float32) [][]float64 {
			x, out := widen(in[0]), widen(in[1])
			for at := 0; at < len(x); at += n.Width {
				normalised(x[at:at+n.Width], n.Eps)
			}
			for i, v := range x {
				out[i] *= v
			}
			return [][]float64{out}
		}}
	for _, c := range rowChunks(r.Device(), x.Rows(), x, y) {
		rows := c[1] - c[0]
		op.Dispatches = append(op.Dispatches, gpu.Dispatch{
			Kernel: k, Params: gpu.Params{"rows": rows, "stride": x.Stride(), "width": x.Width(), "eps": n.Eps},
			Bind:   []gpu.View{rowView(x, c[0], c[1]), rowView(dy, c[0], c[1]), rowView(y, c[0], c[1])},
			Groups: grid((rows + perGroup - 1) / perGroup),
			FLOPs:  8 * float64(rows*x.Width()), Bytes: 4 * float64(rows*x.Stride()) * float64(x.Type.Size()),
		})
	}
	r.Do(op)
	return y
}

// normalised brings a row to a mean of 0 and a variance of 1, and gives the factor.
func normalised(row []float64, eps float64) float64 {
	var mean, variance float64
	n := float64(len(row))
	for _, v := range row {
		mean += v / n
	}
	for _, v := range row {
		variance += (v - mean) * (v - mean) / n
	}
	scale := 1 / math.Sqrt(variance+eps)
	for i, v := range row {
		row[i] = (v - mean) * scale
	}
	return scale
}

// adjoint is the gradient of x from dy.
func (n *LayerNorm) adjoint(r *gpu.Recorder, x, dy *gpu.Tensor) *gpu.Tensor {
	dx := r.New("layernorm", 1, x.Shape...)
	if r.Err() != nil {
		return dx
	}
	if err := sameShape(x, dy); err != nil {
		r.Fail(fmt.Errorf("%s: %w", n.name, err))
		return dx
	}
	k, perGroup, err := rowKernel(r, "layernorm_adjoint")
	if err != nil {
		r.Fail(err)
		return dx
	}
	op := gpu.Op{Kind: "layernorm_adjoint", Label: r.Label("layernorm"), In: []*gpu.Tensor{x, dy}, Out: []*gpu.Tensor{dx}, Twin: n.adjointTwin}
	if n.trained {
		op.In = append(op.In, n.gamma, n.beta)
	}
	for _, c := range rowChunks(r.Device(), x.Rows(), x, dx) {
		rows := c[1] - c[0]
		op.Dispatches = append(op.Dispatches, gpu.Dispatch{
			Kernel: k, Params: gpu.Params{"rows": rows, "stride": x.Stride(), "width": x.Width(), "eps": n.Eps},
			Bind:   []gpu.View{rowView(x, c[0], c[1]), rowView(dy, c[0], c[1]), gpu.All(n.gamma), rowView(dx, c[0], c[1])},
			Groups: grid((rows + perGroup - 1) / perGroup),
			FLOPs:  16 * float64(rows*x.Width()), Bytes: 3 * float64(rows*x.Stride()) * float64(x.Type.Size()),
		})
	}
	r.Do(op)
	return dx
}

func (n *LayerNorm) adjointTwin(in [][]float32) [][]float64 {
	gamma, _ := n.values(in)
	x, dx := widen(in[0]), widen(in[1])
	for at := 0; at < len(x); at += n.Width {
		row, g := x[at:at+n.Width], dx[at:at+n.Width]
		scale := normalised(row, n.Eps)
		var level, tilt float64
		for i := range row {
			g[i] *= float64(gamma[i])
			level += g[i] / float64(n.Width)
			tilt += g[i] * row[i] / float64(n.Width)
		}
		for i := range row {
			g[i] = scale * (g[i] - level - row[i]*tilt)
		}
	}
	return [][]float64{dx}
}
