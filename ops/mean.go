package ops

import (
	"fmt"

	"saccade/gpu"
	"saccade/shaders"
)

// Mean pools the tokens first ≤ t < end of x [N, …, C], T a picture, into [N, C]. A range of
// one token takes that token out, such as the class token.
func Mean(r *gpu.Recorder, x *gpu.Tensor, first, end int) *gpu.Tensor {
	return mean(r, x, first, end, x.Shape[0], x.Width())
}

// mean is Mean with a result of the given shape, which has N rows.
func mean(r *gpu.Recorder, x *gpu.Tensor, first, end int, shape ...int) *gpu.Tensor {
	n, width := x.Shape[0], x.Width()
	tokens := x.Rows() / n
	y := r.New("mean", x.Groups, shape...)
	if r.Err() != nil {
		return y
	}
	if first < 0 || end > tokens || first >= end {
		r.Fail(fmt.Errorf("mean: tokens %d to %d are not in %s", first, end, x))
		return y
	}
	k, perGroup, err := meanKernel(r)
	if err != nil {
		r.Fail(err)
		return y
	}
	chunks, err := itemChunks(r.Device(), n, x, y)
	if err != nil {
		r.Fail(fmt.Errorf("mean: %w", err))
		return y
	}
	op := gpu.Op{Kind: "mean", Label: r.Label("mean"), In: []*gpu.Tensor{x}, Out: []*gpu.Tensor{y},
		Twin:    func(in [][]float32) [][]float64 { return [][]float64{meanTwin(in[0], n, tokens, width, first, end)} },
		Adjoint: func(dy *gpu.Tensor, _ []bool) []*gpu.Tensor { return []*gpu.Tensor{spread(r, x, dy, first, end)} }}
	for _, c := range chunks {
		count := (c[1] - c[0]) * y.Stride() / 4
		op.Dispatches = append(op.Dispatches, gpu.Dispatch{
			Kernel: k, Params: gpu.Params{"count": count, "stride": y.Stride(), "tokens": tokens, "first": first, "end": end},
			Bind: []gpu.View{itemView(x, n, c[0], c[1]), itemView(y, n, c[0], c[1])}, Groups: grid(ceilDiv(count, perGroup)),
			FLOPs: 4 * float64(count*(end-first)), Bytes: 4 * float64(count*(end-first)) * float64(x.Type.Size()),
		})
	}
	r.Do(op)
	return y
}

// meanKernel is the kernel and how many Packed of the result a workgroup does.
// Where barriers are cheap 32 threads share the tokens of one; else a workgroup
// runs on one core, so that few give each core some.
func meanKernel(r *gpu.Recorder) (k *gpu.Kernel, perGroup int, err error) {
	packs, threads := 8, 1
	if r.Device().Traits().CheapBarriers {
		threads = 32
	}
	k, err = kernel("mean", fmt.Sprintf("%s %dx%d", r.Precision, threads, packs), shaders.Spec{
		Const: map[string]int{"LX": packs, "LT": threads, "LXT": packs * threads},
		Forms: forms(r.Precision), Workgroup: [3]int{packs, threads, 1},
	})
	return k, packs, err
}

func meanTwin(x []float32, n, tokens, width, first, end int) []float64 {
	y := make([]float64, n*width)
	for b := range n {
		for t := first; t < end; t++ {
			for c := range width {
				y[b*width+c] += float64(x[(b*tokens+t)*width+c]) / float64(end-first)
			}
		}
	}
	return y
}
