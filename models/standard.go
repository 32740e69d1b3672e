package models

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"saccade/gpu"
	"saccade/ops"
)

// Standard is an architecture with seeded random weights, recorded for one
// batch of pictures: for timing and verifying without a checkpoint. Its user
// closes it.
type Standard struct {
	Name    string
	Shape   []int // of the input, [N, C, H, W]
	Program *gpu.Program
	Input   map[string]any // pictures of noise, as Program.Run takes them
	// Drawn is the part of NewStandard's time that the random numbers took.
	Drawn time.Duration

	b *ops.Builder
}

// NewStandard makes the architecture called name, one of [StandardNames], for
// batch pictures of the size that it was published with.
func NewStandard(dev *gpu.Device, name string, precision gpu.DType, batch int, seed uint64) (*Standard, error) {
	f, err := familyOf(name)
	if err != nil {
		return nil, err
	}
	if f.standard == nil || !slices.Contains(f.architectures, name) {
		return nil, fmt.Errorf("%s is a family without a size of its own; name one of %s", name, strings.Join(StandardNames(), ", "))
	}
	s := &Standard{Name: name, b: ops.NewBuilder(dev, precision)}
	if err := s.make(f, batch, seed); err != nil {
		s.Close()
		return nil, fmt.Errorf("making %s: %w", name, err)
	}
	return s, nil
}

// make draws the weights, then does what loading a checkpoint does: the driver
// compiles while weights are uploaded.
func (s *Standard) make(f Family, batch int, seed uint64) error {
	net, err := f.standard(s.b, s.Name)
	if err != nil {
		return err
	}
	began := time.Now()
	src, err := ops.RandomWeights(net, seed)
	if err != nil {
		return err
	}
	if err := s.b.Bind(net, src); err != nil {
		return err
	}
	c, h, w := net.Input()
	s.Shape = []int{batch, c, h, w}
	s.Input = map[string]any{"pixel_values": normals(batch*c*h*w, seed)}
	s.Drawn = time.Since(began)

	r := s.b.Dev.Record(s.b.Precision)
	net.Forward(r, r.Input("pixel_values", gpu.F32, s.Shape...), false)
	s.Program, err = ready(r, s.b)
	return err
}

// normals are n seeded normal numbers.
func normals(n int, seed uint64) []float32 {
	rng := rand.New(rand.NewPCG(seed, 0))
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(rng.NormFloat64())
	}
	return v
}

// WeightBytes is the device memory of the weights.
func (s *Standard) WeightBytes() int64 { return s.b.Bytes() }

// Close frees all memory.
func (s *Standard) Close() {
	if s.Program != nil {
		s.Program.Close()
	}
	s.b.Close()
}

// StandardNames are the architectures that [NewStandard] makes.
func StandardNames() []string {
	var names []string
	for _, f := range families {
		if f.standard != nil {
			names = append(names, f.architectures...)
		}
	}
	return names
}
