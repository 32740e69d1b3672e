package ops

import (
	"fmt"

	"saccade/gpu"
	"saccade/shaders"
)

// Products are the dot products of rows of two activations: of x [N, …, C] and y [N, T, C],
// x·yᵀ of each item, f32 [N, …, T]. So a mask is made of pixels and a token (SAM, Mask2Former),
// or the logits of patches and texts. It is meant for few rows of y: torch.matmul(x, y.mT).
func Products(r *gpu.Recorder, x, y *gpu.Tensor) *gpu.Tensor {
	if r.Err() == nil && (x.Dense() || y.Dense() || x.Groups != 1 || y.Groups != 1 || len(x.Shape) < 3 || len(y.Shape) != 3 || x.Shape[0] != y.Shape[0] || x.Width() != y.Width() || x.Type != y.Type) {
		r.Fail(fmt.Errorf("products: found %s in %d groups and %s in %d, expected activations [N … C] and [N T C]", x, x.Groups, y, y.Groups))
	}
	if r.Err() != nil {
		return x
	}
	n, rows, count := x.Shape[0], x.Rows()/x.Shape[0], y.Shape[1]
	z := r.NewTyped("products", gpu.F32, 1, reshaped(x.Shape, count)...)
	k, err := kernel("products", x.Type.String(), shaders.Spec{Forms: forms(x.Type)})
	if err != nil {
		r.Fail(err)
		return z
	}
	chunks, err := itemChunks(r.Device(), n, x, y, z)
	if err != nil {
		r.Fail(fmt.Errorf("products: %w", err))
		return z
	}
	op := gpu.Op{Kind: "products", Label: r.Label("products"), In: []*gpu.Tensor{x, y}, Out: []*gpu.Tensor{z},
		Rows: func(in [][]float32, at []int) []float64 {
			return productsTwin(in[0], in[1], at, rows, count, x.Width())
		}}
	for _, c := range chunks {
		items := c[1] - c[0]
		threads := items * rows * z.Stride() / 4
		op.Dispatches = append(op.Dispatches, gpu.Dispatch{
			Kernel: k, Params: gpu.Params{"count": threads, "rows": rows, "vectors": z.Stride() / 4, "others": count, "depth": x.Stride() / 4},
			Bind:   []gpu.View{itemView(x, n, c[0], c[1]), itemView(y, n, c[0], c[1]), itemView(z, n, c[0], c[1])},
			Groups: elementwise(threads), FLOPs: 2 * float64(items*rows*count*x.Width()), Bytes: float64(items) * float64(itemBytes(x, n)+itemBytes(y, n)+itemBytes(z, n)),
		})
	}
	r.Do(op)
	return z
}

// productsTwin is rows at of the products of items of so many rows of x with count of y, of
// a width.
func productsTwin(x, y []float32, at []int, rows, count, width int) []float64 {
	z := make([]float64, len(at)*count)
	parallel(len(at), func(i int) {
		row := x[at[i]*width:][:width]
		for t := range count {
			z[i*count+t] = dot(row, y[(at[i]/rows*count+t)*width:][:width])
		}
	})
	return z
}
