package models

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"saccade/gpu"
)

// PartNetwork is a part of a diffusion model, which takes raw tensors by name:
// a UNet or an autoencoder.
type PartNetwork interface {
	// Takes checks inputs by their names in diffusers, and gives them in the
	// shapes that ForwardPart takes, such as one time for each item.
	Takes(in map[string]Array) (map[string]Array, error)
	// ForwardPart records the network on f32 inputs of those shapes by name,
	// naming its outputs.
	ForwardPart(r *gpu.Recorder, shapes map[string][]int)
	// Example is the shapes of inputs, n items of the size it was trained on.
	Example(n int) map[string][]int
}

// partShape is names and shapes of the inputs of a part's program:
// "sample 2 4 8 8;timestep 2 1".
type partShape string

func partShapeOf(shapes map[string][]int) partShape {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(shapes)) {
		parts = append(parts, strings.Trim(fmt.Sprint(name, " ", shapes[name]), "]"))
	}
	return partShape(strings.ReplaceAll(strings.Join(parts, ";"), "[", ""))
}

// shapes is what [partShapeOf] made it of.
func (s partShape) shapes() map[string][]int {
	all := map[string][]int{}
	for _, part := range strings.Split(string(s), ";") {
		fields := strings.Fields(part)
		all[fields[0]] = nil
		for _, f := range fields[1:] {
			d, _ := strconv.Atoi(f) // written by partShapeOf
			all[fields[0]] = append(all[fields[0]], d)
		}
	}
	return all
}

// PartInputs are the names of the inputs of parts of diffusion models, but for
// pixel_values.
var PartInputs = []string{inputSample, inputTime, inputContext, inputTimeCond, inputClass, inputTextEmbeds, inputTimeIDs, inputLatents}

// IsPart says that the model is a part of a diffusion model, which takes raw
// tensors alone.
func (m *Model) IsPart() bool { return m.part != nil }

// recordPart takes down a part for inputs of those shapes.
func (m *Model) recordPart(s partShape) *gpu.Recorder {
	r := m.dev.Record(m.Precision)
	r.KeepTaps = m.taps
	m.part.ForwardPart(r, s.shapes())
	return r
}

// uploadPart brings a part to the device, as upload does a network for pictures.
func (m *Model) uploadPart() error {
	s, began := partShapeOf(m.part.Example(1)), time.Now()
	p, err := m.b.Program(m.recordPart(s))
	if err != nil {
		return err
	}
	m.dev.Wait()
	m.CompileTime = time.Since(began)
	m.parts.keep(s, p)
	return nil
}

// named is the inputs of a part by name.
func (m *Model) named(in Inputs) (map[string]Array, error) {
	named := maps.Clone(in.Tensors)
	if named == nil {
		named = map[string]Array{}
	}
	if in.Pixels != nil {
		named[inputPixels] = *in.Pixels
	}
	if in.IDs != nil {
		return nil, fmt.Errorf("%s: input_ids: %w", m.Name, ErrNoText)
	}
	return named, nil
}

// bindPart is the program for raw tensors with its inputs.
func (m *Model) bindPart(in Inputs) (bound, error) {
	named, err := m.named(in)
	if err != nil {
		return bound{}, err
	}
	taken, err := m.part.Takes(named)
	if err != nil {
		return bound{}, fmt.Errorf("%s: %w", m.Name, err)
	}
	shapes, values := map[string][]int{}, map[string]any{}
	var floats []float32
	for name, a := range taken {
		shapes[name], values[name] = a.Shape, a.Data
		floats = append(floats, a.Data...)
	}
	p, err := m.parts.acquire(partShapeOf(shapes))
	if err != nil {
		return bound{}, fmt.Errorf("%s: inputs %s: %w", m.Name, partShapeOf(shapes), err)
	}
	return bound{Program: p.Program, in: values, floats: floats, release: func() { m.parts.release(p) }}, nil
}

// ForwardTensors runs a part of a diffusion model on inputs by name, in
// PyTorch's layout, and gives its outputs by name.
func (m *Model) ForwardTensors(ctx context.Context, in map[string]Array) (map[string]Array, error) {
	return m.ForwardInputs(ctx, Inputs{Tensors: in})
}

// mainShape is the shape of a part's map among those of its inputs.
func mainShape(shapes map[string][]int) []int {
	for _, name := range []string{inputSample, inputLatents, inputPixels} {
		if s, ok := shapes[name]; ok {
			return s
		}
	}
	return nil
}

// noise is inputs of seeded random numbers.
func noise(shapes map[string][]int, seed uint64) map[string]Array {
	in := map[string]Array{}
	for name, shape := range shapes {
		size := 1
		for _, d := range shape {
			size *= d
		}
		in[name] = Array{Shape: shape, Data: normals(size, seed)}
	}
	return in
}

// expect refuses an input that is absent or has another shape than want, in
// which 0 is any size.
func expect(in map[string]Array, name string, want ...int) error {
	a, ok := in[name]
	if !ok {
		return fmt.Errorf("there is no input %s, expected %s", name, shapeText(want))
	}
	fits, size := len(a.Shape) == len(want), 1
	for i, d := range a.Shape {
		fits = fits && d > 0 && (want[i] == 0 || want[i] == d)
		size *= d
	}
	if !fits || size != len(a.Data) {
		return fmt.Errorf("%s: found shape %v with %d values, expected %s", name, a.Shape, len(a.Data), shapeText(want))
	}
	return nil
}

func shapeText(want []int) string {
	parts := make([]string, len(want))
	for i, d := range want {
		if parts[i] = "any"; d > 0 {
			parts[i] = strconv.Itoa(d)
		}
	}
	return "[" + strings.Join(parts, " ") + "]"
}

// only refuses inputs of other names.
func only(in map[string]Array, names ...string) error {
	for _, name := range slices.Sorted(maps.Keys(in)) {
		if !slices.Contains(names, name) {
			return fmt.Errorf("found an input %s; the network takes %s", name, strings.Join(names, ", "))
		}
	}
	return nil
}

// perItem is an input of one value, or of one for each of n items, [n] or [n, 1], as
// the latter.
func perItem(in map[string]Array, name string, n int) (Array, error) {
	a, ok := in[name]
	if !ok || len(a.Data) != n && len(a.Data) != 1 || len(a.Shape) > 2 {
		return Array{}, fmt.Errorf("%s: found shape %v with %d values, expected one value or [%d]", name, a.Shape, len(a.Data), n)
	}
	out := Array{Shape: []int{n, 1}, Data: a.Data}
	if len(a.Data) == 1 {
		out.Data = slices.Repeat(a.Data, n)
	}
	return out, nil
}
