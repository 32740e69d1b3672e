package ops

import (
	"fmt"

	"saccade/gpu"
	"saccade/shaders"
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
	k, perGroup, err := rowKernel(r, "layernorm")
	if err != nil {
		r.Fail(err)
		return y
	}
	op := gpu.Op{Kind: "layernorm", Label: n.name, In: []*gpu.Tensor{x}, Out: []*gpu.Tensor{y}, Twin: n.twin,
		Adjoint: func(dy *gpu.Tensor, needed []bool) []*gpu.Tensor { return n.adjoints(r, x, dy, needed) }}
	if n.trained {
		op.In = append(op.In, n.gamma, n.beta)
	}
	for _, c := range rowChunks(r.Device(), x.Rows(), x, y) {
		rows := c[1] - c[0]
		op.Dispatches = append(op.Dispatches, gpu.Dispatch{
			Kernel: k, Params: gpu.Params{"rows": rows, "stride": x.Stride(), "width": x.Width(), "eps": n.Eps},
			Bind:   []gpu.View{rowView(x, c[0], c[1]), gpu.All(n.gamma), gpu.All(n.beta), rowView(y, c[0], c[1])},
			Groups: grid((rows + perGroup - 1) / perGroup),
			FLOPs:  8 * float64(rows*x.Width()), Bytes: 2 * float64(rows*x.Stride()) * float64(x.Type.Size()),
		})
	}
	r.Do(op)
	return y
}

// rowKernel specialises a kernel that works row by row, and gives the rows of a
// workgroup: one, by a whole wavefront, or where barriers are dear eight, a thread
// each, which need none. more are forms beside the precision's.
func rowKernel(r *gpu.Recorder, name string, more ...string) (k *gpu.Kernel, rows int, err error) {
	return rowKernelOf(r, name, r.Precision.String(), append(forms(r.Precision), more...))
}

// rowKernelOf is rowKernel for values of a type, by its name, in forms.
func rowKernelOf(r *gpu.Recorder, name, typ string, forms []string) (k *gpu.Kernel, rows int, err error) {
	threads, rows := 1, 8
	if r.Device().Traits().CheapBarriers {
		threads, rows = 64, 1
	}
	k, err = kernel(name, fmt.Sprintf("%s %dx%d", typ, threads, rows), shaders.Spec{
		Const: map[string]int{"W": threads, "R": rows, "WR": threads * rows}, Forms: forms, Workgroup: [3]int{rows, threads, 1},
	})
	return k, rows, err
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
