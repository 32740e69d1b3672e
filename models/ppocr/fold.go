package ppocr

import (
	"fmt"
	"math"

	"saccade/weights"
)

// folder reads tensors of a checkpoint and keeps the first error.
type folder struct {
	src weights.Source
	err error
}

// values are those of a tensor, which must be there and have a shape of so many sizes.
func (f *folder) values(name string, sizes int) (v []float32, shape []int) {
	if f.err != nil {
		return nil, make([]int, sizes)
	}
	t, ok := f.src.Tensor(name)
	if !ok || len(t.Shape) != sizes {
		f.err = fmt.Errorf("the checkpoint has no %s of %d sizes", name, sizes)
		return nil, make([]int, sizes)
	}
	v = make([]float32, t.Len())
	f.err = t.Float32s(v)
	return v, t.Shape
}

// scalar is a tensor of one value.
func (f *folder) scalar(name string) float64 {
	v, _ := f.values(name, 1)
	if f.err == nil && len(v) != 1 {
		f.err = fmt.Errorf("%s has %d values; expected one", name, len(v))
	}
	if f.err != nil {
		return 0
	}
	return float64(v[0])
}

// affine is a scale and shift below a name.
func (f *folder) affine(name string) Affine {
	return Affine{f.scalar(name + ".scale"), f.scalar(name + ".bias")}
}

// norm is a batch norm of n channels as factors and shifts.
func (f *folder) norm(name string, n int) (factor, shift []float64) {
	var parts [4][]float32
	for i, part := range []string{".weight", ".bias", ".running_mean", ".running_var"} {
		if parts[i], _ = f.values(name+part, 1); f.err == nil && len(parts[i]) != n {
			f.err = fmt.Errorf("%s%s has %d values; expected %d", name, part, len(parts[i]), n)
		}
	}
	factor, shift = make([]float64, n), make([]float64, n)
	for i := range n {
		if f.err != nil {
			return factor, shift
		}
		factor[i] = float64(parts[0][i]) / math.Sqrt(float64(parts[3][i])+batchNorm)
		shift[i] = float64(parts[1][i]) - float64(parts[2][i])*factor[i]
	}
	return factor, shift
}

// filter is a convolution that is being made up.
type filter struct {
	weight []float64 // [out, in, kernel, kernel]
	bias   []float64
	out    int
	in     int // of a group
	kernel int
}

// branches adds up what stands beside each other below a name: convolutions of kernel×kernel
// and 1×1 pixels with their batch norms and, of a layer that keeps its size, the norm alone;
// then a scale and a shift.
func (f *folder) branches(name string, out, in, kernel, groups int, identity bool) *filter {
	if most := 1 << 13; min(out, in, kernel, groups) < 1 || max(out, in) > most || kernel > 64 || in%groups != 0 {
		if f.err == nil {
			f.err = fmt.Errorf("%s has %d and %d channels in %d groups and a kernel of %d; expected 1 to %d channels that make the groups, and a kernel of at most 64", name, out, in, groups, kernel, most)
		}
		out, in, kernel, groups, identity = 1, 1, 1, 1, false
	}
	w := &filter{weight: make([]float64, out*in/groups*kernel*kernel), bias: make([]float64, out), out: out, in: in / groups, kernel: kernel}
	for i := range 1 << 10 {
		branch := fmt.Sprintf("%s.conv_symmetric.%d", name, i)
		if _, ok := f.src.Tensor(branch + ".convolution.weight"); !ok {
			break
		}
		f.add(w, branch, kernel)
	}
	if kernel > 1 {
		f.add(w, name+".conv_small_symmetric", 1)
	}
	middle := kernel / 2 * (kernel + 1)
	if identity {
		factor, shift := f.norm(name+".identity", out)
		for o := range out {
			w.weight[(o*w.in+o%w.in)*kernel*kernel+middle] += factor[o]
			w.bias[o] += shift[o]
		}
	}
	w.scale(f.affine(name + ".lab"))
	return w
}

// add adds a convolution of size×size pixels, in the middle of the filter, with its norm.
func (f *folder) add(w *filter, branch string, size int) {
	v, shape := f.values(branch+".convolution.weight", 4)
	if f.err == nil && (shape[0] != w.out || shape[1] != w.in || shape[2] != size || shape[3] != size) {
		f.err = fmt.Errorf("%s.convolution.weight: found shape %v, expected [%d %d %d %d]", branch, shape, w.out, w.in, size, size)
	}
	factor, shift := f.norm(branch+".normalization", w.out)
	if f.err != nil {
		return
	}
	edge := (w.kernel - size) / 2
	for i, x := range v {
		o, c, row, column := i/(w.in*size*size), i/(size*size)%w.in, i/size%size+edge, i%size+edge
		w.weight[((o*w.in+c)*w.kernel+row)*w.kernel+column] += float64(x) * factor[o]
	}
	for o := range w.out {
		w.bias[o] += shift[o]
	}
}

// scale puts a scale and a shift behind the filter.
func (w *filter) scale(a Affine) {
	for i := range w.weight {
		w.weight[i] *= a.Scale
	}
	for i := range w.bias {
		w.bias[i] = w.bias[i]*a.Scale + a.Shift
	}
}

// behind takes a scale and a shift that stand before a filter of one pixel into it.
func (w *filter) behind(a Affine) {
	for i, v := range w.weight {
		w.bias[i/w.in] += v * a.Shift
		w.weight[i] = v * a.Scale
	}
}

// tensors are the filter's under a name.
func (f *folder) tensors(w *filter, name string) []*weights.Tensor {
	all := []*weights.Tensor{f.tensor(name+".weight", narrow(w.weight), w.out, w.in, w.kernel, w.kernel), f.tensor(name+".bias", narrow(w.bias), w.out)}
	if f.err != nil {
		return nil
	}
	return all
}

func narrow(v []float64) []float32 {
	out := make([]float32, len(v))
	for i, x := range v {
		out[i] = float32(x)
	}
	return out
}

// lcnet folds the layers of PP-LCNet V3 and notes in the configuration what can't be.
func (f *folder) lcnet(c *BackboneConfig) (all []*weights.Tensor) {
	for i, layers := range c.Stages {
		for j := range layers {
			l := &layers[j]
			name := fmt.Sprintf("model.backbone.encoder.blocks.%d.layers.%d", i, j)
			to := fmt.Sprintf("backbone.stages.%d.layers.%d", i, j)
			deep := f.branches(name+".depthwise_convolution", l.In, l.In, l.Kernel, l.In, l.Plain)
			point := f.branches(name+".pointwise_convolution", l.Out, l.In, 1, 1, l.In == l.Out)
			l.Point = f.affine(name + ".pointwise_convolution.act.lab")
			if l.Deep = f.affine(name + ".depthwise_convolution.act.lab"); !l.Halves && !l.Squeeze {
				point.behind(l.Deep)
			}
			all = append(all, f.tensors(deep, to+".depthwise")...)
			all = append(all, f.tensors(point, to+".pointwise")...)
			if f.err != nil {
				return nil
			}
		}
	}
	return all
}

// transposed folds a batch norm into the transposed convolution before it.
func (f *folder) transposed(from, to string) []*weights.Tensor {
	v, shape := f.values(from+".convolution.weight", 4) // [in, out, h, w]
	bias, _ := f.values(from+".convolution.bias", 1)
	if f.err == nil && len(bias) != shape[1] {
		f.err = fmt.Errorf("%s.convolution.bias has %d values; expected %d", from, len(bias), shape[1])
	}
	factor, shift := f.norm(from+".norm", shape[1])
	if f.err != nil {
		return nil
	}
	block := shape[2] * shape[3]
	for i := range v {
		v[i] = float32(float64(v[i]) * factor[i/block%shape[1]])
	}
	for i := range bias {
		bias[i] = float32(float64(bias[i])*factor[i] + shift[i])
	}
	all := []*weights.Tensor{f.tensor(to+".weight", v, shape...), f.tensor(to+".bias", bias, shape[1])}
	if f.err != nil {
		return nil
	}
	return all
}

// tensor is one of values that were computed.
func (f *folder) tensor(name string, v []float32, shape ...int) *weights.Tensor {
	t, err := weights.FromFloat32s(name, v, shape...)
	if f.err == nil {
		f.err = err
	}
	return t
}
