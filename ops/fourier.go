package ops

import (
	"fmt"
	"math"
	"slices"

	"saccade/gpu"
	"saccade/shaders"
	"saccade/weights"
)

// Fourier embeds points by random Fourier features (Tancik et al. 2020): of (x, y) in 0 to
// 1, with (u, v) = (2x − 1, 2y − 1)·G turns of a circle, the sines of all, then the cosines.
type Fourier struct {
	Features int // columns of G

	name   string
	matrix *gpu.Tensor
	values []float32 // of G [2, Features], nil until loaded
}

// Fourier makes an embedding of 2·features values.
func (b *Builder) Fourier(features int) Fourier {
	return Fourier{Features: features, matrix: b.reserve("fourier", []int{2, features}, gpu.F32, int64(2*features)*4)}
}

func (f *Fourier) setName(path string) { f.name, f.matrix.Name = path, path }

// Params is G [2, Features], at the layer's own path.
func (f *Fourier) Params() []weights.Param {
	return []weights.Param{{Shape: []int{2, f.Features}, Set: func(t *weights.Tensor) error {
		v, err := floats(t)
		if err != nil {
			return err
		}
		f.values = slices.Clone(v)
		return f.matrix.Upload(func(dst []byte) error {
			gpu.PutFloats(dst, gpu.F32, v)
			return nil
		})
	}}}
}

// At is the embedding of one point, [2·Features]. The layer must be loaded.
func (f *Fourier) At(x, y float64) []float64 {
	out := make([]float64, 2*f.Features)
	for i := range f.Features {
		turns := (2*x-1)*float64(f.values[i]) + (2*y-1)*float64(f.values[f.Features+i])
		out[i], out[f.Features+i] = math.Sincos(2 * math.Pi * turns)
	}
	return out
}

// Forward embeds points, an input of f32 [N, T, 2]: [N, T, 2·Features].
func (f *Fourier) Forward(r *gpu.Recorder, points *gpu.Tensor) *gpu.Tensor {
	y := r.New(f.name, 1, reshaped(points.Shape, 2*f.Features)...)
	y.Name = f.name
	if r.Err() != nil {
		return y
	}
	if !points.Dense() || points.Type != gpu.F32 || points.Width() != 2 {
		r.Fail(fmt.Errorf("%s: found %s (%s), expected an input of f32 [N T 2]", f.name, points, points.Type))
		return y
	}
	sine, err := shaders.Alone("sinusoid", "sine")
	if err != nil {
		r.Fail(err)
		return y
	}
	k, err := kernel("fourier", r.Precision.String(), shaders.Spec{Forms: forms(r.Precision)}.WithFunc("sine", sine))
	if err != nil {
		r.Fail(err)
		return y
	}
	count := y.Rows() * y.Stride() / 4
	r.Do(gpu.Op{Kind: "fourier", Label: f.name, In: []*gpu.Tensor{points}, Out: []*gpu.Tensor{y},
		Twin: func(in [][]float32) [][]float64 {
			var out []float64
			for p := range slices.Chunk(in[0], 2) {
				out = append(out, f.At(float64(p[0]), float64(p[1]))...)
			}
			return [][]float64{out}
		},
		Dispatches: []gpu.Dispatch{{
			Kernel: k, Params: gpu.Params{"count": count, "vectors": y.Stride() / 4, "features": f.Features},
			Bind: []gpu.View{gpu.All(points), gpu.All(f.matrix), gpu.All(y)}, Groups: elementwise(count), Bytes: float64(y.Bytes()),
		}}})
	return y
}
