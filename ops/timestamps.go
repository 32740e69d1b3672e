package ops

import (
	"fmt"
	"math"

	"saccade/gpu"
	"saccade/shaders"
)

// Timestamps makes the tokens of each row of scores x [..., V] below first [Impossible]
// where those from first on are together more probable than each of them: the last rule
// of transformers' WhisperTimeStampLogitsProcessor, by which a time comes next although
// which one is not certain. The result is f32.
func Timestamps(r *gpu.Recorder, x *gpu.Tensor, first int) *gpu.Tensor {
	y := r.NewTyped("timestamps", gpu.F32, 1, x.Shape...)
	if r.Err() != nil {
		return y
	}
	err := checkLogits(x)
	if err == nil && (first < 1 || first >= x.Width()) {
		err = fmt.Errorf("times begin at %d of %d tokens; expected some before and some behind", first, x.Width())
	}
	if err != nil {
		r.Fail(fmt.Errorf("timestamps: %w", err))
		return y
	}
	k, err := wideKernel(r, "timestamps", x.Type.String(), shaders.Spec{Forms: forms(x.Type)})
	if err != nil {
		r.Fail(err)
		return y
	}
	width := x.Width()
	op := gpu.Op{Kind: "timestamps", Label: r.Label("timestamps"), In: []*gpu.Tensor{x}, Out: []*gpu.Tensor{y},
		Judge: func(in [][]float32, out []float32) ([]float32, []float64, error) {
			return judgeTimestamps(in[0], out, width, first)
		}}
	for _, c := range rowChunks(r.Device(), x.Rows(), x, y) {
		rows := c[1] - c[0]
		op.Dispatches = append(op.Dispatches, gpu.Dispatch{
			Kernel: k, Params: gpu.Params{"rows": rows, "vectors": x.Stride() / 4, "width": width, "first": first},
			Bind: []gpu.View{rowView(x, c[0], c[1]), rowView(y, c[0], c[1])}, Groups: grid(rows),
			FLOPs: 5 * float64(rows*width), Bytes: float64(rows*x.Stride()) * float64(x.Type.Size()+4),
		})
	}
	r.Do(op)
	return y
}

// closeCall is the difference of log-probabilities within which either way is right.
const closeCall = 1e-4

// judgeTimestamps compares the scores of each row with those that one of the two ways
// gives, where both are as probable with that of the kernel.
func judgeTimestamps(x, out []float32, width, first int) (got []float32, want []float64, err error) {
	for at := 0; at < len(x); at += width {
		row := widen(x[at : at+width])
		text, top, sum := math.Inf(-1), math.Inf(-1), 0.0
		for i, v := range row {
			if i < first {
				text = math.Max(text, v)
			} else {
				top = math.Max(top, v)
			}
		}
		for _, v := range row[first:] {
			sum += math.Exp(v - top)
		}
		more := top + math.Log(sum) - text
		times := more > 0
		if math.Abs(more) < closeCall {
			times = out[at] <= LeastPossible
		}
		for i, v := range row {
			if times && i < first {
				if out[at+i] != float32(Impossible) {
					return nil, nil, fmt.Errorf("token %d of row %d is %g where times are more probable, expected %g", i, at/width, out[at+i], Impossible)
				}
				continue
			}
			got, want = append(got, out[at+i]), append(want, v)
		}
	}
	return got, want, nil
}
