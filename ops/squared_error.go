package ops

import (
	"fmt"

	"saccade/gpu"
	"saccade/shaders"
)

// SquaredError is the loss of each item of x [N, …, C] by what it should be, y of its shape and
// layout: the mean of the squared differences times the item's weight, a dense f32 input [N]. The
// result is f32 [N, 1], torch.nn.MSELoss by item. Its gradient is as that of [CrossEntropy].
func SquaredError(r *gpu.Recorder, x, y, weight *gpu.Tensor) *gpu.Tensor {
	loss := r.NewTyped("loss", gpu.F32, 1, x.Shape[0], 1)
	if r.Err() != nil {
		return loss
	}
	e := squaredError{x: x, y: y, weight: weight}
	err := sameShape(x, y)
	if err == nil && (x.Dense() || !weight.Dense() || weight.Type != gpu.F32 || weight.Rows()*weight.Width() != x.Shape[0]) {
		err = fmt.Errorf("weights %s (%s) do not fit %s, expected dense f32 [N]", weight, weight.Type, x)
	}
	if err == nil {
		var k *gpu.Kernel
		if k, err = kernel("squared_error", r.Precision.String(), shaders.Spec{Forms: forms(r.Precision)}); err == nil {
			r.Do(gpu.Op{Kind: "squared_error", Label: r.Label("loss"), In: []*gpu.Tensor{x, y, weight}, Out: []*gpu.Tensor{loss}, Twin: e.twin,
				Dispatches: []gpu.Dispatch{e.dispatch(k, gpu.All(r.Device().Dummy()), loss, grid(x.Shape[0]))},
				Adjoint: func(seed *gpu.Tensor, needed []bool) []*gpu.Tensor {
					if needed[1] {
						r.Fail(fmt.Errorf("loss: what %s should be is not trained", x))
					}
					return []*gpu.Tensor{e.adjoint(r, seed), nil, nil}
				}})
		}
	}
	if err != nil {
		r.Fail(fmt.Errorf("loss: %w", err))
	}
	return loss
}

// squaredError is a use of [SquaredError].
type squaredError struct{ x, y, weight *gpu.Tensor }

// item is the values and the vectors of an item.
func (e squaredError) item() (values, vectors int) {
	rows := e.x.Rows() / e.x.Shape[0]
	return rows * e.x.Width(), rows * e.x.Stride() / 4
}

func (e squaredError) dispatch(k *gpu.Kernel, seed gpu.View, out *gpu.Tensor, groups [3]int) gpu.Dispatch {
	values, vectors := e.item()
	n := e.x.Shape[0]
	return gpu.Dispatch{Kernel: k, Params: gpu.Params{"count": n * vectors, "item": vectors, "items": n, "size": values},
		Bind: []gpu.View{gpu.All(e.x), gpu.All(e.y), gpu.All(e.weight), seed, gpu.All(out)}, Groups: groups,
		FLOPs: 3 * float64(n*values), Bytes: 2 * float64(e.x.Bytes())}
}

func (e squaredError) adjoint(r *gpu.Recorder, seed *gpu.Tensor) *gpu.Tensor {
	dx := r.New("loss", e.x.Groups, e.x.Shape...)
	if r.Err() != nil {
		return dx
	}
	if seed.Type != gpu.F32 || !seed.Dense() || seed.Rows() != 1 {
		r.Fail(fmt.Errorf("loss: %s (%s) is no factor of a loss, expected a dense f32 [1]", seed, seed.Type))
		return dx
	}
	k, err := kernel("squared_error", r.Precision.String()+" back", shaders.Spec{Forms: append(forms(r.Precision), "back")}.WithConst("BACK", 1))
	if err != nil {
		r.Fail(err)
		return dx
	}
	_, vectors := e.item()
	r.Do(gpu.Op{Kind: "squared_error", Label: r.Label("loss"), In: []*gpu.Tensor{e.x, e.y, e.weight, seed}, Out: []*gpu.Tensor{dx}, Twin: e.adjointTwin,
		Dispatches: []gpu.Dispatch{e.dispatch(k, gpu.All(seed), dx, elementwise(e.x.Shape[0]*vectors))}})
	return dx
}

func (e squaredError) twin(in [][]float32) [][]float64 {
	values, _ := e.item()
	loss := make([]float64, e.x.Shape[0])
	for i, v := range in[0] {
		d := float64(v) - float64(in[1][i])
		loss[i/values] += float64(in[2][i/values]) * d * d / float64(values)
	}
	return [][]float64{loss}
}

func (e squaredError) adjointTwin(in [][]float32) [][]float64 {
	values, _ := e.item()
	dx := widen(in[0])
	for i := range dx {
		dx[i] = 2 * float64(in[2][i/values]) * (dx[i] - float64(in[1][i])) * float64(in[3][0]) / float64(values*e.x.Shape[0])
	}
	return [][]float64{dx}
}
