package ops

import (
	"fmt"

	"saccade/gpu"
	"saccade/shaders"
)

// sum is the sum of the rows of x [..., C], f32 [1, C]: the gradient of a bias.
func sum(r *gpu.Recorder, name string, x *gpu.Tensor) *gpu.Tensor {
	return sumInto(r, r.NewTyped(name, gpu.F32, x.Groups, 1, x.Width()), x)
}

// sumOf is the sum of the items of x [N, …, C], f32 of the shape of one, [T, C]: the gradient of
// what all have in common.
func sumOf(r *gpu.Recorder, name string, x, one *gpu.Tensor) *gpu.Tensor {
	return sumInto(r, r.NewTyped(name, gpu.F32, x.Groups, one.Shape...), x)
}

func sumInto(r *gpu.Recorder, y, x *gpu.Tensor) *gpu.Tensor {
	name := y.Name
	if r.Err() != nil {
		return y
	}
	if err := sumsFit(r, x); err != nil {
		r.Fail(fmt.Errorf("%s: %w", name, err))
		return y
	}
	k, err := sumKernel(x.Type)
	if err != nil {
		r.Fail(err)
		return y
	}
	r.Do(gpu.Op{Kind: "sum", Label: name, In: []*gpu.Tensor{x}, Out: []*gpu.Tensor{y},
		Twin: func(in [][]float32) [][]float64 {
			out := make([]float64, y.Rows()*y.Width())
			for i, v := range in[0] {
				out[i%len(out)] += float64(v)
			}
			return [][]float64{out}
		},
		Dispatches: []gpu.Dispatch{sumDispatch(k, x, y, x.Rows()/y.Rows())}})
	return y
}

func sumKernel(typ gpu.DType) (*gpu.Kernel, error) {
	return kernel("sum", typ.String(), shaders.Spec{Forms: forms(typ)})
}

// sumDispatch sums so many parts of x, each of the layout of y.
func sumDispatch(k *gpu.Kernel, x, y *gpu.Tensor, terms int) gpu.Dispatch {
	count := y.Rows() * y.Stride() / 4
	return gpu.Dispatch{Kernel: k, Params: gpu.Params{"count": count, "terms": terms}, Bind: []gpu.View{gpu.All(x), gpu.All(y)},
		Groups: elementwise(count), Turns: terms, FLOPs: 4 * float64(count*terms), Bytes: 4 * float64(count*terms) * float64(x.Type.Size())}
}
