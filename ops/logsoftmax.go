package ops

import (
	"fmt"
	"math"
	"strings"

	"saccade/gpu"
	"saccade/shaders"
)

// LogSoftmax is torch.log_softmax over the innermost dimension of x [..., V] in one
// group, which may be as wide as a vocabulary. The result is f32.
func LogSoftmax(r *gpu.Recorder, x *gpu.Tensor) *gpu.Tensor {
	y := r.NewTyped("logsoftmax", gpu.F32, 1, x.Shape...)
	if r.Err() != nil {
		return y
	}
	if err := checkLogits(x); err != nil {
		r.Fail(fmt.Errorf("logsoftmax: %w", err))
		return y
	}
	k, err := wideKernel(r, "logsoftmax", x.Type.String(), shaders.Spec{Forms: forms(x.Type)})
	if err != nil {
		r.Fail(err)
		return y
	}
	width := x.Width()
	op := gpu.Op{Kind: "logsoftmax", Label: r.Label("logsoftmax"), In: []*gpu.Tensor{x}, Out: []*gpu.Tensor{y},
		Twin: func(in [][]float32) [][]float64 {
			out := widen(in[0])
			for at := 0; at < len(out); at += width {
				logSoftmaxRow(out[at : at+width])
			}
			return [][]float64{out}
		}}
	for _, c := range rowChunks(r.Device(), x.Rows(), x, y) {
		rows := c[1] - c[0]
		op.Dispatches = append(op.Dispatches, gpu.Dispatch{
			Kernel: k, Params: gpu.Params{"rows": rows, "vectors": x.Stride() / 4, "width": width},
			Bind: []gpu.View{rowView(x, c[0], c[1]), rowView(y, c[0], c[1])}, Groups: grid(rows),
			FLOPs: 5 * float64(rows*width), Bytes: float64(rows*x.Stride()) * float64(x.Type.Size()+4),
		})
	}
	r.Do(op)
	return y
}

// logSoftmaxRow does a row in place.
func logSoftmaxRow(row []float64) {
	top, sum := math.Inf(-1), 0.0
	for _, v := range row {
		top = math.Max(top, v)
	}
	for _, v := range row {
		sum += math.Exp(v - top)
	}
	for i := range row {
		row[i] -= top + math.Log(sum)
	}
}

// checkLogits refuses what is not rows of scores in one group.
func checkLogits(x *gpu.Tensor) error {
	if x.Dense() || x.Groups != 1 || x.Type == gpu.U32 {
		return fmt.Errorf("found %s (%s) in %d groups, expected an activation [rows V] in one group", x, x.Type, x.Groups)
	}
	if x.Width() >= 1<<24 {
		return fmt.Errorf("found %d columns, of which f32 can number %d", x.Width(), 1<<24)
	}
	return nil
}

// wideKernel is a kernel that does a row, as wide as a vocabulary, in a workgroup. Where
// barriers are dear that is a single SIMD vector of threads.
func wideKernel(r *gpu.Recorder, name, variant string, spec shaders.Spec) (*gpu.Kernel, error) {
	threads := 8
	if r.Device().Traits().CheapBarriers {
		threads = 256
	}
	spec = spec.WithConst("W", threads)
	spec.Workgroup = [3]int{threads, 1, 1}
	return kernel(name, strings.TrimSpace(fmt.Sprintf("%s %d", variant, threads)), spec)
}
