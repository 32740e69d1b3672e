package ops

import (
	"fmt"

	"saccade/gpu"
	"saccade/shaders"
)

// Scale multiplies the pixels of x [N, H, W, C] by their picture's gates
// [N, 1, 1, C] or [N, C], as squeeze and excitation does.
func Scale(r *gpu.Recorder, x, gates *gpu.Tensor) *gpu.Tensor {
	y := r.New("scale", x.Groups, x.Shape...)
	if r.Err() != nil {
		return y
	}
	if err := checkGates(x, gates); err != nil {
		r.Fail(fmt.Errorf("scale: %w", err))
		return y
	}
	spec := shaders.Spec{Const: map[string]int{"PIXELS": pixelsOfThread(r)}, Forms: forms(r.Precision)}
	looped(r.Device().Traits(), &spec)
	k, err := kernel("scale", r.Precision.String(), spec)
	if err != nil {
		r.Fail(err)
		return y
	}
	n := x.Shape[0]
	chunks, err := itemChunks(r.Device(), n, x, y)
	if err != nil {
		r.Fail(fmt.Errorf("scale: %w", err))
		return y
	}
	pixels, vectors := x.Rows()/n, x.Stride()/4
	step := ceilDiv(pixels, pixelsOfThread(r)) * vectors
	op := gpu.Op{Kind: "scale", Label: r.Label("scale"), In: []*gpu.Tensor{x, gates}, Out: []*gpu.Tensor{y},
		Twin: func(in [][]float32) [][]float64 { return [][]float64{scaleTwin(in[0], in[1], pixels, x.Width())} },
		Adjoint: func(dy *gpu.Tensor, needed []bool) []*gpu.Tensor {
			grads := make([]*gpu.Tensor, 2)
			if needed[0] {
				grads[0] = Scale(r, dy, gates)
			}
			if needed[1] {
				grads[1] = scaleAdjoint(r, x, dy, gates)
			}
			return grads
		}}
	for _, c := range chunks {
		items := c[1] - c[0]
		op.Dispatches = append(op.Dispatches, gpu.Dispatch{
			Kernel: k, Params: gpu.Params{"count": items * step, "step": step, "item": pixels * vectors, "vectors": vectors, "first": c[0]},
			Bind:   []gpu.View{itemView(x, n, c[0], c[1]), gpu.All(gates), itemView(y, n, c[0], c[1])},
			Groups: elementwise(items * step),
			FLOPs:  4 * float64(items*pixels*vectors), Bytes: 8 * float64(items*pixels*vectors) * float64(x.Type.Size()),
		})
	}
	r.Do(op)
	return y
}

// pixelsOfThread is how many pixels a thread of a kernel for maps does: several
// where few threads do, since finding a pixel costs as much as loading some.
func pixelsOfThread(r *gpu.Recorder) int {
	if r.Device().Traits().ManyThreads {
		return 1
	}
	return 8
}

func checkGates(x, gates *gpu.Tensor) error {
	if len(x.Shape) != 4 || x.Dense() || x.Groups != 1 {
		return fmt.Errorf("found %s, expected pictures [N H W C] in one group", x)
	}
	if gates.Dense() || gates.Groups != 1 || gates.Rows() != x.Shape[0] || gates.Width() != x.Width() || gates.Type != x.Type {
		return fmt.Errorf("gates %s do not fit %s, expected [%d 1 1 %d]", gates, x, x.Shape[0], x.Width())
	}
	return nil
}

func scaleTwin(x, gates []float32, pixels, width int) []float64 {
	y := widen(x)
	for i := range y {
		y[i] *= float64(gates[i/width/pixels*width+i%width])
	}
	return y
}
