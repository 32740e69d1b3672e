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

// StandardSize is what a standard architecture is recorded for.
type StandardSize struct {
	Batch int // pictures or texts
	Side  int // of square pictures, in pixels, 0: the size that it was published with
}

// NewStandard makes the architecture called name, one of [StandardNames]. Of a
// text tower or a part of diffusion models, the side can't be chosen.
func NewStandard(dev *gpu.Device, name string, precision gpu.DType, size StandardSize, seed uint64) (*Standard, error) {
	f, err := standardFamily(name)
	if err != nil {
		return nil, err
	}
	s := &Standard{Name: name, b: ops.NewBuilder(dev, precision)}
	if err := s.make(f, size, seed); err != nil {
		s.Close()
		return nil, fmt.Errorf("making %s: %w", name, err)
	}
	return s, nil
}

// standardFamily is the family of an architecture that has a size of its own.
func standardFamily(name string) (Family, error) {
	f, err := familyOf(name)
	if err != nil {
		return Family{}, err
	}
	if f.standard == nil || !slices.Contains(f.architectures, name) {
		return Family{}, fmt.Errorf("%s is a family without a size of its own; name one of %s", name, strings.Join(StandardNames(), ", "))
	}
	return f, nil
}

// make draws the weights, then does what loading a checkpoint does: the driver
// compiles while weights are uploaded.
func (s *Standard) make(f Family, size StandardSize, seed uint64) error {
	made, err := f.standard(s.b, s.Name)
	if err != nil {
		return err
	}
	if err := made.takes(size); err != nil {
		return err
	}
	batch, began := size.Batch, time.Now()
	src, err := ops.RandomWeights(made.bound(), seed)
	if err != nil {
		return err
	}
	if err := s.b.Bind(made.bound(), src); err != nil {
		return err
	}
	switch {
	case made.part != nil:
		shapes := made.part.Example(batch)
		s.Shape, s.Input = mainShape(shapes), map[string]any{}
		for name, a := range noise(shapes, seed) {
			s.Input[name] = a.Data
		}
	case made.net != nil:
		s.Shape = made.pictures(size)
		s.Input = map[string]any{"pixel_values": normals(s.Shape[0]*s.Shape[1]*s.Shape[2]*s.Shape[3], seed)}
	default:
		s.Shape = []int{batch, made.text.Context()}
		s.Input = randomTexts(made.text, batch, seed)
	}
	s.Drawn = time.Since(began)
	r := s.b.Dev.Record(s.b.Precision)
	made.record(r, size)
	s.Program, err = s.b.Program(r)
	return err
}

// RecordStandard records what [NewStandard] makes a program of, without weights
// and their memory: for what the operations tell, such as their kernels.
func RecordStandard(dev *gpu.Device, name string, precision gpu.DType, size StandardSize) ([]gpu.Op, error) {
	f, err := standardFamily(name)
	if err != nil {
		return nil, err
	}
	b := ops.NewBuilder(dev, precision)
	defer b.Close()
	made, err := f.standard(b, name)
	if err == nil {
		err = made.takes(size)
	}
	r := dev.Record(precision)
	if err == nil {
		made.record(r, size)
		err = r.Err()
	}
	if err != nil {
		return nil, fmt.Errorf("recording %s: %w", name, err)
	}
	return r.Ops(), nil
}

// takes checks that an architecture can be recorded for a size.
func (o opened) takes(size StandardSize) error {
	if size.Side > 0 && o.net == nil {
		return fmt.Errorf("it takes no pictures, so that their side can't be %d", size.Side)
	}
	if o.net == nil {
		return nil
	}
	s := o.pictures(size)
	if leastH, leastW := o.net.Smallest(); s[2] < leastH || s[3] < leastW {
		return fmt.Errorf("pictures of %dx%d are too small, the network takes at least %dx%d", s[2], s[3], leastH, leastW)
	}
	return nil
}

// pictures is the shape of a network's input, [N, C, H, W].
func (o opened) pictures(size StandardSize) []int {
	c, h, w := o.net.Input()
	if size.Side > 0 {
		h, w = size.Side, size.Side
	}
	return []int{size.Batch, c, h, w}
}

// record takes down the forward pass of an architecture for a size that it takes.
func (o opened) record(r *gpu.Recorder, size StandardSize) {
	switch {
	case o.part != nil:
		o.part.ForwardPart(r, o.part.Example(size.Batch))
	case o.net != nil:
		o.net.Forward(r, r.Input("pixel_values", gpu.F32, o.pictures(size)...), false)
	default:
		forwardText(r, o.text, textShape{n: size.Batch, tokens: o.text.Context()})
	}
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
