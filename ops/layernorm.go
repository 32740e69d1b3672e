package ops

import (
	"fmt"

	"saccade/gpu"
	"saccade/weights"
)

// LayerNorm is torch.nn.LayerNorm over the innermost dimension, with weight and bias [Width].
type LayerNorm struct {
	Width int
	Eps   float64

	b           *Builder
	name        string
	gamma, beta *gpu.Tensor
	trained     bool // they are states
}

// LayerNorm makes a layer for rows of width values.
func (b *Builder) LayerNorm(width int, eps float64) LayerNorm {
	bytes := int64(gpu.Pad8(width)) * 4
	return LayerNorm{Width: width, Eps: eps, b: b,
		gamma: b.reserve("weight", []int{width}, gpu.F32, bytes), beta: b.reserve("bias", []int{width}, gpu.F32, bytes)}
}

func (n *LayerNorm) setName(path string) {
	n.name = path
	n.gamma.Name, n.beta.Name = path+".weight", path+".bias"
}

// Params are weight and bias, both [Width].
func (n *LayerNorm) Params() []weights.Param {
	return []weights.Param{
		{Name: "weight", Shape: []int{n.Width}, Set: setVector(n.gamma)},
		{Name: "bias", Shape: []int{n.Width}, Set: setVector(n.beta)},
	}
}

// setVector uploads a vector as f32.
func setVector(dst *gpu.Tensor) func(*weights.Tensor) error {
	return func(t *weights.Tensor) error {
		v, err := floats(t)
		if err != nil {
			return err
		}
		return dst.Upload(func(raw []byte) error {
			gpu.PutFloats(raw, gpu.F32, v)
			return nil
		})
	}
}

// Forward normalises each row of x: [..., Width].
func (n *LayerNorm) Forward(r *gpu.Recorder, x *gpu.Tensor) *gpu.Tensor {
	y := r.New(n.name, 1, x.Shape...)
	y.Name = n.name
	if r.Err() != nil {
		return y
	}
	if x.Width() != n.Width || x.Groups != 1 {
		r.Fail(fmt.Errorf("%s: normalises rows of %d, got %v in %d groups", n.name, n.Width, x.Shape, x.Groups))
		return y
	}
	op := gpu.Op{Kind: "layernorm", Label: n.name, In: []*gpu.Tensor{x}, Out: []*gpu.Tensor{y}, Twin: n.twin,
		Adjoint: func(dy *gpu.Tensor, needed []bool) []*gpu.Tensor { return n.adjoints(r, x, dy, needed) }}
	if n.trained {
		op.In = append(op.In, n.gamma, n.beta)
	}
	doRows(r, op, fmt.Sprintf("%dx%d", x.Rows(), x.Width()), func(forms ...string) ([]gpu.Dispatch, error) {
		k, perGroup, err := rowKernel(r, "layernorm", forms...)
		if err != nil {
			return nil, err
		}
		var all []gpu.Dispatch
		for _, c := range rowChunks(r.Device(), x.Rows(), x, y) {
			rows := c[1] - c[0]
			all = append(all, gpu.Dispatch{
				Kernel: k, Params: gpu.Params{"rows": rows, "stride": x.Stride(), "width": x.Width(), "eps": n.Eps},
				Bind:   []gpu.View{rowView(x, c[0], c[1]), gpu.All(n.gamma), gpu.All(n.beta), rowView(y, c[0], c[1])},
				Groups: grid((rows + perGroup - 1) / perGroup),
				FLOPs:  8 * float64(rows*x.Width()), Bytes: 2 * float64(rows*x.Stride()) * float64(x.Type.Size()),
			})
		}
		return all, nil
	})
	return y
}

func (n *LayerNorm) twin(in [][]float32) [][]float64 {
	gamma, beta := n.values(in)
	y := widen(in[0])
	for at := 0; at < len(y); at += n.Width {
		row := y[at : at+n.Width]
		normalised(row, n.Eps)
		for i, v := range row {
			row[i] = v*float64(gamma[i]) + float64(beta[i])
		}
	}
	return [][]float64{y}
}
