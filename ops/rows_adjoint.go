package ops

import (
	"fmt"
	"math"

	"saccade/gpu"
	"saccade/shaders"
)

// rowsAdjoint is the gradient of trained rows x [R, C] in f32, from dy [..., C], that of what an
// index took of them, where base is the first.
func rowsAdjoint(r *gpu.Recorder, dy, x, index *gpu.Tensor, base int) *gpu.Tensor {
	dx := r.NewTyped("drows", gpu.F32, 1, x.Shape...)
	if r.Err() != nil {
		return dx
	}
	k, err := kernel("rows_adjoint", r.Precision.String(), shaders.Spec{Forms: forms(r.Precision)})
	if err == nil {
		err = sumsFit(r, dy)
	}
	if err != nil {
		r.Fail(fmt.Errorf("rows: %w", err))
		return dx
	}
	count, width := dy.Rows(), x.Width()
	threads := dx.Rows() * dx.Stride() / 4
	r.Do(gpu.Op{Kind: "rows_adjoint", Label: r.Label("rows"), In: []*gpu.Tensor{dy, index}, Out: []*gpu.Tensor{dx},
		Twin: func(in [][]float32) [][]float64 {
			out := make([]float64, x.Rows()*width)
			for i, at := range in[1] {
				if row := int(at) - base; row >= 0 && row < x.Rows() {
					for c, v := range in[0][i*width:][:width] {
						out[row*width+c] += float64(v)
					}
				}
			}
			return [][]float64{out}
		},
		Dispatches: []gpu.Dispatch{{Kernel: k, Params: gpu.Params{"rows": x.Rows(), "vectors": dx.Stride() / 4, "count": count, "base": base},
			Bind: []gpu.View{gpu.All(dy), gpu.All(index), gpu.All(dx)}, Groups: elementwise(threads), Turns: count,
			FLOPs: float64(count * width), Bytes: float64(dy.Bytes())}}})
	return dx
}

// place puts dy [N, C] at one token of each item of dx [N, T, C], zeros at the others: the adjoint
// of [Take].
func place(r *gpu.Recorder, x, dy, at *gpu.Tensor) *gpu.Tensor {
	dx := r.New("place", x.Groups, x.Shape...)
	if r.Err() != nil {
		return dx
	}
	k, err := kernel("place", r.Precision.String(), shaders.Spec{Forms: forms(r.Precision)})
	if err == nil {
		err = sumsFit(r, dx)
	}
	if err != nil {
		r.Fail(fmt.Errorf("place: %w", err))
		return dx
	}
	tokens, width, count := x.Shape[1], x.Width(), x.Rows()*x.Stride()/4
	r.Do(gpu.Op{Kind: "place", Label: r.Label("place"), In: []*gpu.Tensor{dy, at}, Out: []*gpu.Tensor{dx},
		Twin: func(in [][]float32) [][]float64 {
			out := make([]float64, x.Rows()*width)
			for n, t := range in[1] {
				copy(out[(n*tokens+min(int(t), tokens-1))*width:], widen(in[0][n*width:][:width]))
			}
			return [][]float64{out}
		},
		Dispatches: []gpu.Dispatch{{Kernel: k, Params: gpu.Params{"count": count, "vectors": x.Stride() / 4, "tokens": tokens},
			Bind: []gpu.View{gpu.All(dy), gpu.All(at), gpu.All(dx)}, Groups: elementwise(count), Bytes: float64(dx.Bytes())}}})
	return dx
}

// normalizeAdjoint is the gradient of x [..., C] from dy in f32, that of its rows of unit length.
func normalizeAdjoint(r *gpu.Recorder, x, dy *gpu.Tensor) *gpu.Tensor {
	dx := r.New("normalize", x.Groups, x.Shape...)
	if r.Err() != nil {
		return dx
	}
	k, perGroup, err := rowKernel(r, "normalize_adjoint")
	if err != nil {
		r.Fail(err)
		return dx
	}
	width := x.Width()
	op := gpu.Op{Kind: "normalize_adjoint", Label: r.Label("normalize"), In: []*gpu.Tensor{x, dy}, Out: []*gpu.Tensor{dx},
		Twin: func(in [][]float32) [][]float64 {
			out := widen(in[1])
			y := normalizeTwin(in[0], width)
			for at := 0; at < len(out); at += width {
				var along, square float64
				for i := range width {
					along += out[at+i] * y[at+i]
					square += float64(in[0][at+i]) * float64(in[0][at+i])
				}
				for i := range width {
					out[at+i] = (out[at+i] - along*y[at+i]) / math.Max(math.Sqrt(square), 1e-12)
				}
			}
			return [][]float64{out}
		}}
	for _, c := range rowChunks(r.Device(), x.Rows(), x, dy, dx) {
		rows := c[1] - c[0]
		op.Dispatches = append(op.Dispatches, gpu.Dispatch{
			Kernel: k, Params: gpu.Params{"rows": rows, "stride": x.Stride()},
			Bind:   []gpu.View{rowView(x, c[0], c[1]), rowView(dy, c[0], c[1]), rowView(dx, c[0], c[1])},
			Groups: grid(ceilDiv(rows, perGroup)), FLOPs: 8 * float64(rows*width), Bytes: 2 * float64(rows*x.Stride()) * float64(x.Type.Size()+4),
		})
	}
	r.Do(op)
	return dx
}
