package ops

import (
	"fmt"

	"saccade/gpu"
	"saccade/shaders"
)

// Mean pools the tokens first ≤ t < end of x [N, …, C], T a picture, into [N, C]. A range of
// one token takes that token out, such as the class token.
func Mean(r *gpu.Recorder, x *gpu.Tensor, first, end int) *gpu.Tensor {
	return mean(r, x, first, end, nil, x.Shape[0], x.Width())
}

// MeanOf pools the first tokens of each item of x [N, T, C], as many as lengths says, u32
// [N] of at least one, nil: all.
func MeanOf(r *gpu.Recorder, x, lengths *gpu.Tensor) *gpu.Tensor {
	return mean(r, x, 0, x.Rows()/x.Shape[0], lengths, x.Shape[0], x.Width())
}

// mean is Mean or MeanOf with a result of the given shape, which has N rows.
func mean(r *gpu.Recorder, x *gpu.Tensor, first, end int, lengths *gpu.Tensor, shape ...int) *gpu.Tensor {
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
	if lengths != nil && (lengths.Type != gpu.U32 || lengths.Rows()*lengths.Width() != n) {
		r.Fail(fmt.Errorf("mean: lengths %s (%s) do not fit %d items, expected u32 [N]", lengths, lengths.Type, n))
		return y
	}
	k, perGroup, err := meanKernel(r, Mask{Lengths: lengths})
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
		Twin:    func(in [][]float32) [][]float64 { return [][]float64{meanTwin(in, n, tokens, width, first, end)} },
		Adjoint: func(dy *gpu.Tensor, _ []bool) []*gpu.Tensor { return []*gpu.Tensor{spread(r, x, dy, first, end)} }}
	if lengths != nil {
		op.In, op.Adjoint = append(op.In, lengths), nil // no training asks for it
	}
	for _, c := range chunks {
		count := (c[1] - c[0]) * y.Stride() / 4
		op.Dispatches = append(op.Dispatches, gpu.Dispatch{
			Kernel: k, Params: gpu.Params{"count": count, "stride": y.Stride(), "tokens": tokens, "first": first, "end": end, "item": c[0]},
			Bind: []gpu.View{itemView(x, n, c[0], c[1]), Mask{Lengths: lengths}.view(r), itemView(y, n, c[0], c[1])}, Groups: grid(ceilDiv(count, perGroup)),
			FLOPs: 4 * float64(count*(end-first)), Bytes: 4 * float64(count*(end-first)) * float64(x.Type.Size()),
		})
	}
	r.Do(op)
	return y
}

// meanKernel is the kernel and how many Packed of the result a workgroup does.
// Where barriers are cheap 32 threads share the tokens of one; else a workgroup
// runs on one core, so that few give each core some.
func meanKernel(r *gpu.Recorder, m Mask) (k *gpu.Kernel, perGroup int, err error) {
	packs, threads := 8, 1
	if r.Device().Traits().CheapBarriers {
		threads = 32
	}
	k, err = kernel("mean", fmt.Sprintf("%s %dx%d%s", r.Precision, threads, packs, m.suffix()), shaders.Spec{
		Const: map[string]int{"LX": packs, "LT": threads, "LXT": packs * threads},
		Forms: m.forms(r.Precision), Workgroup: [3]int{packs, threads, 1},
	})
	return k, packs, err
}

func meanTwin(in [][]float32, n, tokens, width, first, end int) []float64 {
	y := make([]float64, n*width)
	for b := range n {
		last := end
		if len(in) > 1 {
			last = min(end, int(in[1][b]))
		}
		for t := first; t < last; t++ {
			for c := range width {
				y[b*width+c] += float64(in[0][(b*tokens+t)*width+c]) / float64(last-first)
			}
		}
	}
	return y
}
