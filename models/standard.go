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
// batch of pictures or texts: for timing and verifying without a checkpoint. Its user
// closes it.
type Standard struct {
	Name    string
	Shape   []int // of the input, [N, C, H, W] or [N, T]; of a part its map's
	Program *gpu.Program
	Input   map[string]any // pictures of noise or texts of random tokens, as Program.Run takes them
	// Drawn is the part of NewStandard's time that the random numbers took.
	Drawn time.Duration

	b *ops.Builder
}

// NewStandard makes the architecture called name, one of [StandardNames], for
// batch pictures of the size that it was published with, or for as many texts.
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
	made, err := f.standard(s.b, s.Name)
	if err != nil {
		return err
	}
	began := time.Now()
	src, err := ops.RandomWeights(made.bound(), seed)
	if err != nil {
		return err
	}
	if err := s.b.Bind(made.bound(), src); err != nil {
		return err
	}
	r := s.b.Dev.Record(s.b.Precision)
	switch {
	case made.part != nil:
		shapes := made.part.Example(batch)
		s.Shape, s.Input = mainShape(shapes), map[string]any{}
		for name, a := range noise(shapes, seed) {
			s.Input[name] = a.Data
		}
		s.Drawn = time.Since(began)
		made.part.ForwardPart(r, shapes)
	case made.net != nil:
		c, h, w := made.net.Input()
		s.Shape = []int{batch, c, h, w}
		s.Input = map[string]any{"pixel_values": normals(batch*c*h*w, seed)}
		s.Drawn = time.Since(began)
		made.net.Forward(r, r.Input("pixel_values", gpu.F32, s.Shape...), false)
	default:
		s.Shape = []int{batch, made.text.Context()}
		s.Input = randomTexts(made.text, batch, seed)
		s.Drawn = time.Since(began)
		forwardText(r, made.text, textShape{n: batch, tokens: made.text.Context()})
	}
	s.Program, err = s.b.Program(r)
	return err
}

// randomTexts are texts of seeded random tokens up to the context.
func randomTexts(text TextNetwork, batch int, seed uint64) map[string]any {
	rng := rand.New(rand.NewPCG(seed, 1))
	n := text.Context()
	ids, at := make([]uint32, batch*n), make([]uint32, batch)
	for i := range ids {
		ids[i] = rng.Uint32N(uint32(text.Vocabulary()))
	}
	for i := range at {
		at[i] = uint32(n - 1)
	}
	return map[string]any{inputIDs: ids, pooledAt: at}
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
