package learn

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"

	"saccade/gpu"
	"saccade/models/nn"
	"saccade/ops"
)

// piece is what a parameter and an array of a name have in common. A parameter has one piece or,
// where a layer joins several arrays along the first dimension, one for each, in their order.
type piece struct {
	name   string   // that it is written under
	others []string // that it is known by, too
	shape  []int    // of the array, as PyTorch has it
	// first and columns are those of the array that the parameter has, where another parameter
	// has the others; 0 columns: all.
	first, columns int
}

// partial says that the parameter has some columns of the array.
func (x piece) partial() bool { return x.columns > 0 && x.columns != x.shape[1] }

// len is how many of the parameter's values are the piece's.
func (x piece) len() int {
	if x.partial() {
		return x.shape[0] * x.columns
	}
	return elements(x.shape)
}

// part is what the piece has of its array.
func (x piece) part(v []float32) []float32 {
	if !x.partial() {
		return v
	}
	var part []float32
	for row := range slices.Chunk(v, x.shape[1]) {
		part = append(part, row[x.first:x.first+x.columns]...)
	}
	return part
}

// join puts the piece into its array, which may have been made for another one, or is nil.
func (x piece) join(whole, part []float32) []float32 {
	if !x.partial() {
		return part
	}
	if whole == nil {
		whole = make([]float32, elements(x.shape))
	}
	for i, v := range part {
		whole[i/x.columns*x.shape[1]+x.first+i%x.columns] = v
	}
	return whole
}

// given finds the piece's values among those that are given, and their name there.
func (x piece) given(all map[string]nn.Array) (nn.Array, string) {
	for _, n := range append([]string{x.name}, x.others...) {
		if a, ok := all[n]; ok {
			return a, n
		}
	}
	return nn.Array{}, ""
}

// fits says whether an array is the piece's.
func (x piece) fits(a nn.Array) bool {
	return slices.Equal(a.Shape, x.shape) && len(a.Data) == elements(x.shape)
}

// pieces lists those of all parameters.
func (l *Learner) pieces() (all []piece) {
	for _, p := range l.all {
		all = append(all, p.pieces...)
	}
	return all
}

// begin gives the parameters their first values.
func (l *Learner) begin() error {
	rng := rand.New(rand.NewPCG(l.options.Seed, 0))
	for _, p := range l.all {
		v := slices.Clone(p.begin(rng)) // drawn for all, so that what is given changes no other
		at := 0
		for _, x := range p.pieces {
			if a, n := x.given(l.options.Init); n != "" {
				copy(v[at:], x.part(a.Data))
			}
			at += x.len()
		}
		if err := p.write(p.value, v); err != nil {
			return err
		}
	}
	return nil
}

// checkInit refuses first values that are of no parameter, or of another shape.
func (l *Learner) checkInit() error {
	used := map[string]bool{}
	for _, x := range l.pieces() {
		a, n := x.given(l.options.Init)
		if n != "" && !x.fits(a) {
			return fmt.Errorf("first values of %s: found shape %v with %d values, expected %v", n, a.Shape, len(a.Data), x.shape)
		}
		used[n] = true
	}
	for _, n := range slices.Sorted(maps.Keys(l.options.Init)) {
		if !used[n] {
			return fmt.Errorf("first values of %s, which is not trained; trained are %s", n, l.names())
		}
	}
	return nil
}

// names lists the parameters, or the first of many.
func (l *Learner) names() string {
	var names []string
	for _, x := range l.pieces() {
		names = append(names, x.name)
	}
	if len(names) > 4 {
		return strings.Join(names[:4], ", ") + fmt.Sprintf(" and %d more", len(names)-4)
	}
	return strings.Join(names, ", ")
}

// write sets a tensor of the parameter's from its values as PyTorch has them.
func (p *parameter) write(t *gpu.Tensor, v []float32) error { return t.Write(ops.Arrange(p.order, v)) }

// read puts a tensor of the parameter's into the arrays that it is pieces of, whose names follow
// a prefix.
func (p *parameter) read(t *gpu.Tensor, prefix string, all map[string]nn.Array) error {
	v, err := t.Read()
	if err != nil {
		return err
	}
	v = ops.Restore(p.order, v, p.size)
	for _, x := range p.pieces {
		name := prefix + x.name
		all[name] = nn.Array{Shape: x.shape, Data: x.join(all[name].Data, v[:x.len()])}
		v = v[x.len():]
	}
	return nil
}

// take sets a tensor of the parameter's from the arrays that it is pieces of.
func (p *parameter) take(t *gpu.Tensor, prefix string, all map[string]nn.Array) error {
	var v []float32
	for _, x := range p.pieces {
		v = append(v, x.part(all[prefix+x.name].Data)...)
	}
	return p.write(t, v)
}
