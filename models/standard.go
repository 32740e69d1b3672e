package models

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"saccade/gpu"
	"saccade/models/nn"
	"saccade/ops"
)

// Standard is an architecture with seeded random weights, recorded for one batch
// of its inputs: for timing and verifying without a checkpoint. Its user closes it.
type Standard struct {
	Name    string
	Shape   []int // of the first input: images [N, C, H, W], texts [N, T]
	Program *gpu.Program
	Input   map[string]any // random, as Program.Run takes it
	// Drawn is the part of NewStandard's time that the random numbers took.
	Drawn time.Duration

	module *nn.Module
}

// StandardSize is what a standard architecture is recorded for.
type StandardSize struct {
	Batch int // images or texts
	Side  int // of square images, in pixels, 0: the size that it was published with
}

// NewStandard makes the architecture called name, one of [StandardNames]. Only of
// networks that see images the side can be chosen.
func NewStandard(dev *gpu.Device, name string, precision gpu.DType, size StandardSize, seed uint64) (*Standard, error) {
	s := &Standard{Name: name}
	if err := s.make(dev, precision, size, seed); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// make draws the weights, then does what loading a checkpoint does.
func (s *Standard) make(dev *gpu.Device, precision gpu.DType, size StandardSize, seed uint64) error {
	began := time.Now()
	d, err := StandardDescription(dev, s.Name, precision, seed)
	if err != nil {
		return err
	}
	s.module = nn.NewModule(dev, s.Name, precision, d)
	l, err := s.module.Layers()
	if err != nil {
		return err
	}
	in, err := example(l.Networks[0], size, seed)
	if err != nil {
		return fmt.Errorf("making %s: %w", s.Name, err)
	}
	s.Drawn = time.Since(began)
	s.Shape = in[l.Networks[0].Inputs[0].Name].Shape
	s.Program, s.Input, err = s.module.Recorded(l.Networks[0], in)
	return err
}

// StandardDescription is the architecture called name with seeded random weights.
func StandardDescription(dev *gpu.Device, name string, precision gpu.DType, seed uint64) (*nn.Description, error) {
	make, err := standardOf(name)
	if err != nil {
		return nil, err
	}
	plain, err := make(ops.NewBuilder(dev, precision))
	if err != nil {
		return nil, fmt.Errorf("making %s: %w", name, err)
	}
	src, err := ops.RandomWeights(plain.Parameters, seed)
	return &nn.Description{Tensors: src, Make: make}, err
}

// example is inputs of a size.
func example(n *nn.Network, size StandardSize, seed uint64) (map[string]Array, error) {
	sizes := map[string]int{}
	if size.Side > 0 {
		if n.Image == nil {
			return nil, fmt.Errorf("it sees no images, so that their side can't be %d", size.Side)
		}
		sizes["H"], sizes["W"] = size.Side, size.Side
	}
	return n.Example(size.Batch, sizes, seed)
}

// standardOf is what makes an architecture that has a size of its own.
func standardOf(name string) (nn.Make, error) {
	for _, f := range families {
		if slices.Contains(f.Timed, name) {
			return f.Standard(name)
		}
	}
	f, err := FindFamily(name)
	if err != nil {
		return nil, err
	}
	if f.Standard == nil || !slices.Contains(f.Architectures, name) {
		return nil, fmt.Errorf("%s is a family without a size of its own; name one of %s", name, strings.Join(StandardNames(), ", "))
	}
	return f.Standard(name)
}

// RecordStandard records what [NewStandard] makes a program of, without weights
// and their memory: for what the operations tell, such as their kernels.
func RecordStandard(dev *gpu.Device, name string, precision gpu.DType, size StandardSize) ([]gpu.Op, error) {
	make, err := standardOf(name)
	if err != nil {
		return nil, err
	}
	b := ops.NewBuilder(dev, precision)
	defer b.Close()
	l, err := make(b)
	if err != nil {
		return nil, fmt.Errorf("recording %s: %w", name, err)
	}
	in, err := example(l.Networks[0], size, 1)
	var recorded []gpu.Op
	if err == nil {
		recorded, err = nn.Record(dev, precision, l.Networks[0], in)
	}
	if err != nil {
		return nil, fmt.Errorf("recording %s: %w", name, err)
	}
	return recorded, nil
}

// WeightBytes is the device memory of the weights.
func (s *Standard) WeightBytes() int64 { return s.module.Bytes() }

// Close frees all memory.
func (s *Standard) Close() {
	if s.module != nil {
		s.module.Drop()
	}
}

// StandardNames are the architectures that [NewStandard] makes.
func StandardNames() []string {
	var names []string
	for _, f := range families {
		if f.Standard != nil {
			names = append(append(names, f.Architectures...), f.Timed...)
		}
	}
	return names
}
