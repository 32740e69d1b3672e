package ops

import (
	"fmt"
	"math"

	"saccade/gpu"
)

// adjoint is the gradient of x from dy, that of the norm's result; weight and bias are constants.
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
	gamma := n.b.host(n.name+".weight", gpu.F32)
	x, dx := widen(in[0]), widen(in[1])
	for at := 0; at < len(x); at += n.Width {
		row, g := x[at:at+n.Width], dx[at:at+n.Width]
		var mean, variance, level, tilt float64
		for _, v := range row {
			mean += v / float64(n.Width)
		}
		for _, v := range row {
			variance += (v - mean) * (v - mean) / float64(n.Width)
		}
		scale := 1 / math.Sqrt(variance+n.Eps)
		for i := range row {
			row[i] = (row[i] - mean) * scale
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
