package ops

import (
	"fmt"

	"saccade/gpu"
	"saccade/shaders"
	"saccade/weights"
)

// PReLU is torch.nn.PReLU with a slope of each channel: x, or weight[c]·x below zero.
type PReLU struct {
	Width int

	b     *Builder
	name  string
	slope *gpu.Tensor
}

// PReLU makes a layer for rows of width channels.
func (b *Builder) PReLU(width int) PReLU {
	return PReLU{Width: width, b: b, slope: b.reserve("weight", []int{width}, gpu.F32, int64(gpu.Pad8(width))*4)}
}

func (l *PReLU) setName(path string) { l.name, l.slope.Name = path, path+".weight" }

// Params are the weight, [Width].
func (l *PReLU) Params() []weights.Param {
	return []weights.Param{{Name: "weight", Shape: []int{l.Width}, Set: setVector(l.slope)}}
}

// Forward is the activation of x [N, …, Width].
func (l *PReLU) Forward(r *gpu.Recorder, x *gpu.Tensor) *gpu.Tensor {
	y := r.New(l.name, 1, x.Shape...)
	if r.Err() != nil {
		return y
	}
	if x.Width() != l.Width || x.Groups != 1 || x.Dense() {
		r.Fail(fmt.Errorf("%s: takes rows of %d channels, got %s in %d groups", l.name, l.Width, x, x.Groups))
		return y
	}
	k, err := kernel("prelu", r.Precision.String(), shaders.Spec{Forms: forms(r.Precision)})
	if err != nil {
		r.Fail(err)
		return y
	}
	op := gpu.Op{Kind: "prelu", Label: l.name, In: []*gpu.Tensor{x}, Out: []*gpu.Tensor{y},
		Twin: func(in [][]float32) [][]float64 {
			slope, out := l.b.host(l.name+".weight", gpu.F32), widen(in[0])
			for i, v := range out {
				if v < 0 {
					out[i] = v * float64(slope[i%l.Width])
				}
			}
			return [][]float64{out}
		}}
	for _, c := range rowChunks(r.Device(), x.Rows(), x, y) {
		count := (c[1] - c[0]) * x.Stride() / 4
		op.Dispatches = append(op.Dispatches, gpu.Dispatch{
			Kernel: k, Params: gpu.Params{"count": count, "vectors": x.Stride() / 4},
			Bind: []gpu.View{rowView(x, c[0], c[1]), gpu.All(l.slope), rowView(y, c[0], c[1])}, Groups: elementwise(count),
			FLOPs: 12 * float64(count), Bytes: 8 * float64(count) * float64(x.Type.Size()),
		})
	}
	r.Do(op)
	return y
}
