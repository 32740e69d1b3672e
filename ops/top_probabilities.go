package ops

import (
	"cmp"
	"fmt"
	"slices"

	"saccade/gpu"
	"saccade/shaders"
)

// TopProbabilities are, of distributions over bins, softmax(x) of each of the sides that x,
// f32 [..., sides·bins], has one after the other, the k largest, the largest first, and
// behind them their mean: [..., sides·(k + 1)]. D-FINE rates boxes by them.
func TopProbabilities(r *gpu.Recorder, x *gpu.Tensor, bins, k int) *gpu.Tensor {
	if r.Err() == nil && (x.Type != gpu.F32 || x.Dense() || x.Groups != 1 || k < 1 || k > bins || x.Width()%bins != 0) {
		r.Fail(fmt.Errorf("top_probabilities: found %s (%s) and the %d largest of %d, expected f32 [… sides·bins]", x, x.Type, k, bins))
	}
	if r.Err() != nil {
		return x
	}
	sides := x.Width() / bins
	y := r.New("top_probabilities", 1, reshaped(x.Shape, sides*(k+1))...)
	vectors := y.Stride() / 4
	kernel, err := kernel("top_probabilities", fmt.Sprintf("%s %d %d", r.Precision, k, vectors), shaders.Spec{Forms: forms(r.Precision), Const: map[string]int{"TOP": k, "VECTORS": vectors, "ELEMENTS": 4 * vectors}})
	if err != nil {
		r.Fail(err)
		return y
	}
	op := gpu.Op{Kind: "top_probabilities", Label: r.Label("top_probabilities"), In: []*gpu.Tensor{x}, Out: []*gpu.Tensor{y},
		Twin: func(in [][]float32) [][]float64 { return [][]float64{topProbabilitiesTwin(in[0], bins, k)} }}
	for _, c := range rowChunks(r.Device(), x.Rows(), x, y) {
		rows := c[1] - c[0]
		op.Dispatches = append(op.Dispatches, gpu.Dispatch{
			Kernel: kernel, Params: gpu.Params{"count": rows, "stride": x.Stride(), "sides": sides, "bins": bins},
			Bind:   []gpu.View{rowView(x, c[0], c[1]), rowView(y, c[0], c[1])},
			Groups: elementwise(rows), FLOPs: float64(rows*sides*bins) * float64(5+2*k), Bytes: 4*float64(rows*x.Stride()) + float64(rows*y.Stride())*float64(y.Type.Size()),
		})
	}
	r.Do(op)
	return y
}

func topProbabilitiesTwin(x []float32, bins, k int) []float64 {
	var y []float64
	for side := range slices.Chunk(softmaxTwin(x, bins), bins) {
		slices.SortFunc(side, func(a, b float64) int { return cmp.Compare(b, a) })
		mean := 0.0
		for _, v := range side[:k] {
			mean += v / float64(k)
		}
		y = append(append(y, side[:k]...), mean)
	}
	return y
}
