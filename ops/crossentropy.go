package ops

import (
	"fmt"
	"math"

	"saccade/gpu"
	"saccade/shaders"
)

// CrossEntropy is the loss of each row of x [N, C] by its class, a u32 input [N]: f32 [N, 1],
// torch.nn.CrossEntropyLoss(reduction="none"). Its gradient, for [gpu.Recorder.Backward], is a dense f32
// input [1], the factor of the mean of the rows.
func CrossEntropy(r *gpu.Recorder, x, labels *gpu.Tensor) *gpu.Tensor {
	y := r.NewTyped("loss", gpu.F32, 1, x.Rows(), 1)
	if r.Err() != nil {
		return y
	}
	c := crossEntropy{x: x, labels: labels}
	if err := c.check(); err != nil {
		r.Fail(fmt.Errorf("loss: %w", err))
		return y
	}
	k, err := kernel("crossentropy", x.Type.String(), shaders.Spec{Forms: forms(x.Type)})
	if err != nil {
		r.Fail(err)
		return y
	}
	r.Do(gpu.Op{Kind: "crossentropy", Label: r.Label("loss"), In: []*gpu.Tensor{x, labels}, Out: []*gpu.Tensor{y}, Twin: c.twin,
		Dispatches: []gpu.Dispatch{c.dispatch(k, gpu.All(r.Device().Dummy()), y)},
		Adjoint: func(seed *gpu.Tensor, _ []bool) []*gpu.Tensor {
			return []*gpu.Tensor{c.adjoint(r, seed), nil}
		}})
	return y
}

// crossEntropy is a use of [CrossEntropy].
type crossEntropy struct{ x, labels *gpu.Tensor }

func (c crossEntropy) check() error {
	if len(c.x.Shape) != 2 || c.x.Groups != 1 || c.x.Dense() || c.labels.Type != gpu.U32 || c.labels.Rows()*c.labels.Width() != c.x.Rows() {
		return fmt.Errorf("classes %s (%s) do not fit the logits %s, expected u32 [N] and [N, C]", c.labels, c.labels.Type, c.x)
	}
	return nil
}

func (c crossEntropy) dispatch(k *gpu.Kernel, seed gpu.View, y *gpu.Tensor) gpu.Dispatch {
	return gpu.Dispatch{Kernel: k, Params: gpu.Params{"rows": c.x.Rows(), "vectors": c.x.Stride() / 4, "width": c.x.Width()},
		Bind:   []gpu.View{gpu.All(c.x), gpu.All(c.labels), seed, gpu.All(y)},
		Groups: [3]int{ceilDiv(c.x.Rows(), 64), 1, 1}, FLOPs: 6 * float64(c.x.Rows()*c.x.Width()), Bytes: 2 * float64(c.x.Bytes())}
}

// adjoint is the gradient of the logits of the mean of the losses, times the seed.
func (c crossEntropy) adjoint(r *gpu.Recorder, seed *gpu.Tensor) *gpu.Tensor {
	dx := r.NewTyped("loss", c.x.Type, 1, c.x.Shape...)
	if r.Err() != nil {
		return dx
	}
	if seed.Type != gpu.F32 || !seed.Dense() || seed.Rows() != 1 {
		r.Fail(fmt.Errorf("loss: %s (%s) is no factor of a loss, expected a dense f32 [1]", seed, seed.Type))
		return dx
	}
	k, err := kernel("crossentropy", c.x.Type.String()+" back", shaders.Spec{Forms: append(forms(c.x.Type), "back")}.WithConst("BACK", 1))
	if err != nil {
		r.Fail(err)
		return dx
	}
	r.Do(gpu.Op{Kind: "crossentropy", Label: r.Label("loss"), In: []*gpu.Tensor{c.x, c.labels, seed}, Out: []*gpu.Tensor{dx}, Twin: c.adjointTwin,
		Dispatches: []gpu.Dispatch{c.dispatch(k, gpu.All(seed), dx)}})
	return dx
}

func (c crossEntropy) twin(in [][]float32) [][]float64 {
	width := c.x.Width()
	loss := make([]float64, c.x.Rows())
	for n := range loss {
		row := widen(in[0][n*width : (n+1)*width])
		softmaxRow(row)
		loss[n] = -math.Log(row[int(in[1][n])])
	}
	return [][]float64{loss}
}

func (c crossEntropy) adjointTwin(in [][]float32) [][]float64 {
	width, rows := c.x.Width(), c.x.Rows()
	dx := widen(in[0])
	for n := range rows {
		row := dx[n*width : (n+1)*width]
		softmaxRow(row)
		row[int(in[1][n])]--
		for i := range row {
			row[i] *= float64(in[2][0]) / float64(rows)
		}
	}
	return [][]float64{dx}
}
