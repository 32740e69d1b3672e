package ops

import (
	"fmt"
	"math"

	"saccade/gpu"
	"saccade/shaders"
	"saccade/weights"
)

// Demodulation is what follows a modulated convolution (Karras et al. 2020, "Analyzing and
// Improving the Image Quality of StyleGAN"): its channels are brought back to unit variance, and
// noise of each pixel, a bias of each channel and a leaky ReLU of slope 0.2 follow. Gains, such as
// the noise's strength, are in the parameters.
type Demodulation struct {
	Width int
	Size  [2]int // height and width of the maps

	b           *Builder
	name        string
	noise, bias *gpu.Tensor
}

// demodulationSlope is that of the activation.
const demodulationSlope = 0.2

// Demodulation makes a layer for maps of a size and of width channels.
func (b *Builder) Demodulation(size [2]int, width int) Demodulation {
	return Demodulation{Width: width, Size: size, b: b, noise: b.reserve("noise", size[:], gpu.F32, int64(gpu.Pad8(size[0]*size[1]))*4), bias: b.reserve("bias", []int{width}, gpu.F32, int64(gpu.Pad8(width))*4)}
}

func (l *Demodulation) setName(path string) {
	l.name, l.noise.Name, l.bias.Name = path, path+".noise", path+".bias"
}

// Params are noise [H, W] and bias [Width].
func (l *Demodulation) Params() []weights.Param {
	return []weights.Param{{Name: "noise", Shape: l.Size[:], Set: setVector(l.noise)}, {Name: "bias", Shape: []int{l.Width}, Set: setVector(l.bias)}}
}

// Forward is the leaky ReLU of x/√sums + noise + bias, of maps x [N, H, W, Width] and f32 sums
// [N, 1, 1, Width] above zero: an item's sums of the squares of what its filters became.
func (l *Demodulation) Forward(r *gpu.Recorder, x, sums *gpu.Tensor) *gpu.Tensor {
	y := r.New(l.name, 1, x.Shape...)
	if r.Err() != nil {
		return y
	}
	if len(x.Shape) != 4 || x.Dense() || x.Groups != 1 || [2]int{x.Shape[1], x.Shape[2]} != l.Size || x.Width() != l.Width {
		r.Fail(fmt.Errorf("%s: found %s in %d groups, expected maps [N %d %d %d]", l.name, x, x.Groups, l.Size[0], l.Size[1], l.Width))
	} else if sums.Type != gpu.F32 || sums.Dense() || sums.Groups != 1 || sums.Rows() != x.Shape[0] || sums.Width() != l.Width {
		r.Fail(fmt.Errorf("%s: found sums %s of %s, expected f32 [%d 1 1 %d]", l.name, sums, sums.Type, x.Shape[0], l.Width))
	}
	k, err := kernel("demodulation", r.Precision.String(), shaders.Spec{Forms: forms(r.Precision)})
	if err != nil {
		r.Fail(err)
	}
	if r.Err() != nil {
		return y
	}
	pixels := l.Size[0] * l.Size[1]
	op := gpu.Op{Kind: "demodulation", Label: l.name, In: []*gpu.Tensor{x, sums}, Out: []*gpu.Tensor{y},
		Twin: func(in [][]float32) [][]float64 { return [][]float64{l.twin(in[0], in[1], pixels)} }}
	for _, c := range rowChunks(r.Device(), x.Rows(), x, y) {
		count := (c[1] - c[0]) * x.Stride() / 4
		op.Dispatches = append(op.Dispatches, gpu.Dispatch{
			Kernel: k, Params: gpu.Params{"count": count, "vectors": x.Stride() / 4, "width": l.Width, "pixels": pixels, "first": c[0]},
			Bind:   []gpu.View{rowView(x, c[0], c[1]), gpu.All(sums), gpu.All(l.noise), gpu.All(l.bias), rowView(y, c[0], c[1])},
			Groups: elementwise(count), FLOPs: 24 * float64(count), Bytes: 8 * float64(count) * float64(x.Type.Size()),
		})
	}
	r.Do(op)
	return y
}

func (l *Demodulation) twin(x, sums []float32, pixels int) []float64 {
	noise, bias := l.b.host(l.name+".noise", gpu.F32), l.b.host(l.name+".bias", gpu.F32)
	activation, out := LeakyReLU(demodulationSlope), widen(x)
	for i, v := range out {
		c, pixel := i%l.Width, i/l.Width
		out[i] = activation.Twin(v/math.Sqrt(float64(sums[pixel/pixels*l.Width+c])) + float64(noise[pixel%pixels]) + float64(bias[c]))
	}
	return out
}
