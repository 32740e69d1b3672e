package ops

import (
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"strings"

	"github.com/x448/float16"

	"saccade/gpu"
	"saccade/weights"
)

// RandomWeights is a source of seeded random values for every parameter of a
// model, so that an architecture can be timed and verified without a
// checkpoint. Matrices are normal with variance 1/fan-in, biases within ±0.25,
// weights and variances of normalisations within 0.7 … 1.3: nothing is zero or one, since
// those hide errors. Values are halves, exact in either precision.
func RandomWeights(model any, seed uint64) (weights.Source, error) {
	src := &randomSource{seed: seed, shapes: map[string][]int{}}
	var room error
	err := weights.Walk(model, func(path string, m weights.Module) {
		for _, p := range m.Params() {
			name := strings.TrimSuffix(path+"."+p.Name, ".")
			src.names = append(src.names, name)
			src.shapes[name] = p.Shape
			if err := gpu.HostFits(p.Shape, 2); err != nil && room == nil {
				room = fmt.Errorf("%s: %w", name, err)
			}
		}
	})
	return src, errors.Join(err, room)
}

type randomSource struct {
	seed   uint64
	names  []string
	shapes map[string][]int
}

func (s *randomSource) Names() []string { return s.names }

func (s *randomSource) Tensor(name string) (*weights.Tensor, bool) {
	shape, ok := s.shapes[name]
	if !ok {
		return nil, false
	}
	h := fnv.New64a()
	fmt.Fprint(h, name)
	rng := rand.New(rand.NewPCG(s.seed, h.Sum64()))
	n := 1
	for _, d := range shape {
		n *= d
	}
	data := make([]byte, 2*n)
	draw := drawFor(name, shape, n, rng)
	for i := range n {
		bits := float16.Fromfloat32(draw()).Bits()
		data[2*i], data[2*i+1] = byte(bits), byte(bits>>8)
	}
	return &weights.Tensor{Name: name, Origin: name, Shape: shape, DType: weights.F16, Data: data}, true
}

func drawFor(name string, shape []int, n int, rng *rand.Rand) func() float32 {
	switch {
	case strings.HasSuffix(name, "sums.weight"), strings.HasSuffix(name, "sums.bias"): // squares, of whose sums roots are taken
		sigma := 1 / math.Sqrt(float64(n/shape[0]))
		return func() float32 { return float32(math.Abs(rng.NormFloat64()) * sigma) }
	case len(shape) >= 2:
		sigma := 1 / math.Sqrt(float64(n/shape[0]))
		return func() float32 { return float32(rng.NormFloat64() * sigma) }
	case strings.HasSuffix(name, "weight"), strings.HasSuffix(name, "running_var"):
		return func() float32 { return 0.7 + 0.6*rng.Float32() }
	}
	return func() float32 { return 0.5*rng.Float32() - 0.25 }
}
