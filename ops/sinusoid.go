package ops

import (
	"fmt"
	"math"

	"saccade/gpu"
	"saccade/shaders"
)

// Sinusoid is the embedding of numbers, such as the time of a diffusion, by
// sines and cosines of Width/2 frequencies (Ho et al. 2020, "Denoising Diffusion
// Probabilistic Models"): diffusers' get_timestep_embedding, whose frequencies
// and phases are f32.
type Sinusoid struct {
	Width    int
	CosFirst bool // the cosines precede the sines (flip_sin_to_cos)
	ByTurns  bool // each sine stands beside its cosine instead

	frequencies *Table
}

// Sinusoid makes an embedding of width values with the frequencies
// 10000^(−i/(width/2 − shift)); shift is diffusers' downscale_freq_shift.
func (b *Builder) Sinusoid(width int, cosFirst bool, shift float64) (Sinusoid, error) {
	half := width / 2
	if half < 1 || float64(half) <= shift {
		return Sinusoid{}, fmt.Errorf("sinusoid: an embedding of %d values has too few frequencies for a shift of %g", width, shift)
	}
	values := make([]float32, half)
	for i := range values { // as the library computes them: the time multiplies their errors by up to 1000
		exponent := float32(-math.Log(10000)) * float32(i) / float32(float64(half)-shift)
		values[i] = float32(math.Exp(float64(exponent)))
	}
	s := Sinusoid{Width: width, CosFirst: cosFirst, frequencies: b.Table("frequencies", 1, half)}
	b.Later(func() error { return s.frequencies.Upload(values) })
	return s, nil
}

// PlaceSinusoid embeds places in parts of a map, each by width values: sines and cosines by
// turns of 2π·place·10000^(−2i/width), as detectors embed boxes (Zhu et al. 2020).
func (b *Builder) PlaceSinusoid(width int) (Sinusoid, error) {
	half := width / 2
	if half < 1 || width%2 != 0 {
		return Sinusoid{}, fmt.Errorf("sinusoid: %d values are no pairs of a sine and a cosine", width)
	}
	values := make([]float32, half)
	for i := range values {
		values[i] = float32(2 * math.Pi / math.Pow(10000, float64(i)/float64(half)))
	}
	s := Sinusoid{Width: width, ByTurns: true, frequencies: b.Table("frequencies", 1, half)}
	b.Later(func() error { return s.frequencies.Upload(values) })
	return s, nil
}

// Forward embeds values of f32, an input [N, V] or an activation [..., V], as [..., V·Width]:
// each value in turn.
func (s *Sinusoid) Forward(r *gpu.Recorder, t *gpu.Tensor) *gpu.Tensor {
	n, values := t.Rows(), t.Width()
	y := r.New("sinusoid", 1, reshaped(t.Shape, values*s.Width)...)
	if r.Err() != nil {
		return y
	}
	if t.Type != gpu.F32 || t.Groups != 1 {
		r.Fail(fmt.Errorf("sinusoid: found %s (%s), expected f32 [... V]", t, t.Type))
		return y
	}
	k, err := kernel("sinusoid", r.Precision.String(), shaders.Spec{Forms: forms(r.Precision)})
	if err != nil {
		r.Fail(err)
		return y
	}
	count := n * y.Stride() / 4
	r.Do(gpu.Op{Kind: "sinusoid", Label: r.Label("sinusoid"), In: []*gpu.Tensor{t}, Out: []*gpu.Tensor{y},
		Twin: func(in [][]float32) [][]float64 { return [][]float64{s.twin(in[0])} },
		Dispatches: []gpu.Dispatch{{
			Kernel: k, Params: gpu.Params{"count": count, "vectors": y.Stride() / 4, "stride": t.Stride(), "values": values, "width": s.Width, "half": s.Width / 2, "cos_first": s.CosFirst, "by_turns": s.ByTurns},
			Bind: []gpu.View{gpu.All(t), gpu.All(s.frequencies.tensor), gpu.All(y)}, Groups: elementwise(count), Bytes: float64(y.Bytes()),
		}}})
	return y
}

func (s *Sinusoid) twin(t []float32) []float64 {
	half := s.Width / 2
	y := make([]float64, len(t)*s.Width)
	for i, v := range t {
		for c := range 2 * half {
			phase := float64(v * s.frequencies.Values[s.frequency(c)])
			if s.ByTurns && c%2 == 1 || !s.ByTurns && (c < half) == s.CosFirst {
				y[i*s.Width+c] = math.Cos(phase)
			} else {
				y[i*s.Width+c] = math.Sin(phase)
			}
		}
	}
	return y
}

// frequency is which one a value of an embedding has.
func (s *Sinusoid) frequency(c int) int {
	if s.ByTurns {
		return c / 2
	}
	return c % (s.Width / 2)
}
