package ops

import (
	"fmt"
	"math"

	"saccade/gpu"
)

// Softmax is torch.softmax over the innermost dimension of x: [..., C] in one group.
func Softmax(r *gpu.Recorder, x *gpu.Tensor) *gpu.Tensor {
	y := r.New("softmax", 1, x.Shape...)
	if r.Err() != nil {
		return y
	}
	if x.Groups != 1 {
		r.Fail(fmt.Errorf("softmax: %s has %d groups, can't be normalised as one row", x, x.Groups))
		return y
	}
	width := x.Width()
	op := gpu.Op{Kind: "softmax", Label: r.Label("softmax"), In: []*gpu.Tensor{x}, Out: []*gpu.Tensor{y},
		Twin: func(in [][]float32) [][]float64 { return [][]float64{softmaxTwin(in[0], width)} }}
	shape := fmt.Sprintf("%dx%d", x.Rows(), width)
	if x.Type != r.Precision {
		shape += " of " + x.Type.String()
	}
	doRows(r, op, shape, func(forms ...string) ([]gpu.Dispatch, error) {
		k, perGroup, err := softmaxKernel(r, x.Type, forms...)
		if err != nil {
			return nil, err
		}
		var all []gpu.Dispatch
		for _, c := range rowChunks(r.Device(), x.Rows(), x, y) {
			rows := c[1] - c[0]
			all = append(all, gpu.Dispatch{
				Kernel: k, Params: gpu.Params{"rows": rows, "stride": x.Stride(), "width": width, "scale": math.Log2E},
				Bind: []gpu.View{rowView(x, c[0], c[1]), rowView(y, c[0], c[1])}, Groups: grid((rows + perGroup - 1) / perGroup),
				FLOPs: 5 * float64(rows*width), Bytes: 2 * float64(rows*x.Stride()) * float64(x.Type.Size()),
			})
		}
		return all, nil
	})
	return y
}

// softmaxKernel is the kernel for rows of a type, which stores activations, in forms.
func softmaxKernel(r *gpu.Recorder, typ gpu.DType, forms ...string) (k *gpu.Kernel, rows int, err error) {
	if typ == gpu.F32 {
		forms = append(forms, "from32")
	}
	return rowKernel(r, "softmax", forms...)
}

func softmaxTwin(x []float32, width int) []float64 {
	out := widen(x)
	for at := 0; at < len(out); at += width {
		softmaxRow(out[at : at+width])
	}
	return out
}

// softmaxRow normalises a row in place.
func softmaxRow(row []float64) {
	top, sum := math.Inf(-1), 0.0
	for _, v := range row {
		top = math.Max(top, v)
	}
	for i, v := range row {
		row[i] = math.Exp(v - top)
		sum += row[i]
	}
	for i := range row {
		row[i] /= sum
	}
}
