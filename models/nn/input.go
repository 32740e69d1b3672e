package nn

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"saccade/gpu"
)

// Input is what a network takes under a name.
type Input struct {
	Name     string
	Dims     []Dim // of its shape in PyTorch's layout
	Kind     Kind
	Optional bool // the network does without it
	Below    int  // of IDs: the number of tokens
	// From makes the input of the others, as token ids tell where a text ends. Such
	// an input is not given by callers. One that is empty is not there.
	From func(in map[string]Array) (Array, error)
	// Convert gives what the network takes in place of what callers give under the name,
	// such as the images that are no padding; empty: nothing. Nil: that itself.
	Convert func(in map[string]Array) (Array, error)
	// Default makes an optional input that was not given; nil: the network does without.
	Default func(in map[string]Array) (Array, error)
}

// Kind is what an input's numbers are and how the device has them.
type Kind int

// The kinds of inputs.
const (
	Floats  Kind = iota // any numbers, f32
	IDs                 // whole numbers, u32
	PerItem             // one number for each item, or one for all: f32 [N, 1]
	Lengths             // a mask whose rows are ones, then zeros: the number of ones, u32 [N, 1]
)

// Dim is one size of an input's shape.
type Dim struct {
	Size        int    // 0: any
	Name        string // of a size that is any; it is the same in all inputs
	Least, Most int    // of a size that is any; 0: no bound
}

// Dims are sizes: a number, the name of a size that may be any, or a [Dim].
func Dims(dims ...any) []Dim {
	out := make([]Dim, len(dims))
	for i, d := range dims {
		switch d := d.(type) {
		case int:
			out[i].Size = d
		case string:
			out[i].Name = d
		case Dim:
			out[i] = d
		}
	}
	return out
}

// expected is a shape in words, with the sizes that others have settled.
func (in *Input) expected(sizes map[string]int) string {
	parts := make([]string, len(in.Dims))
	for i, d := range in.Dims {
		n, settled := sizes[d.Name]
		switch {
		case d.Size > 0:
			parts[i] = strconv.Itoa(d.Size)
		case settled:
			parts[i] = strconv.Itoa(n)
		default:
			parts[i] = d.Name
		}
	}
	s := "[" + strings.Join(parts, " ") + "]"
	var bounds []string
	for _, d := range in.Dims {
		if _, settled := sizes[d.Name]; settled {
			continue
		}
		if d.Least > 1 {
			bounds = append(bounds, fmt.Sprintf("%s at least %d", d.Name, d.Least))
		}
		if d.Most > 0 {
			bounds = append(bounds, fmt.Sprintf("%s at most %d", d.Name, d.Most))
		}
	}
	if len(bounds) > 0 {
		s += " with " + strings.Join(bounds, " and ")
	}
	if in.Kind == PerItem {
		s = "one value or " + s
	}
	return s
}

// match checks an array's shape, and settles the sizes that it is the first to tell.
func (in *Input) match(a Array, sizes map[string]int) error {
	if in.Kind == PerItem && len(a.Data) == 1 && elements(a.Shape) == 1 {
		return nil
	}
	shape := a.Shape
	if in.Kind == PerItem && len(shape) == 2 && shape[1] == 1 {
		shape = shape[:1]
	}
	fits := len(shape) == len(in.Dims) && len(a.Data) > 0 && elements(a.Shape) == len(a.Data)
	for i := 0; fits && i < len(shape); i++ {
		d, n := in.Dims[i], shape[i]
		if settled, ok := sizes[d.Name]; d.Size == 0 && ok {
			fits = n == settled
		} else if d.Size > 0 {
			fits = n == d.Size
		} else {
			fits = n >= max(1, d.Least) && (d.Most == 0 || n <= d.Most)
		}
	}
	if !fits {
		return fmt.Errorf("%s: found shape %v with %d values, expected %s", in.Name, a.Shape, len(a.Data), in.expected(sizes))
	}
	for i, d := range in.Dims {
		if d.Size == 0 {
			sizes[d.Name] = shape[i]
		}
	}
	return nil
}

// fed is an input as a program takes it.
type fed struct {
	name  string
	typ   gpu.DType
	shape []int
	data  any // []float32 or []uint32
}

// Feed is a network's inputs as its program takes them, in the order in which the
// network declares them.
type Feed struct{ all []fed }

// shapes is the feed without its numbers.
func (f Feed) shapes() Feed {
	all := slices.Clone(f.all)
	for i := range all {
		all[i].data = nil
	}
	return Feed{all}
}

// String is names and shapes.
func (f Feed) String() string {
	parts := make([]string, len(f.all))
	for i, x := range f.all {
		parts[i] = fmt.Sprint(x.name, " ", x.shape)
	}
	return strings.Join(parts, ", ")
}

// Declare makes the inputs of a recording, by name.
func (f Feed) Declare(r *gpu.Recorder) map[string]*gpu.Tensor {
	in := map[string]*gpu.Tensor{}
	for _, x := range f.all {
		in[x.name] = r.Input(x.name, x.typ, x.shape...)
	}
	return in
}

// Shape is that of an input, nil if it is not there.
func (f Feed) Shape(name string) []int {
	for _, x := range f.all {
		if x.name == name {
			return x.shape
		}
	}
	return nil
}

// Values are the inputs as [gpu.Program.Run] takes them.
func (f Feed) Values() map[string]any {
	in := map[string]any{}
	for _, x := range f.all {
		in[x.name] = x.data
	}
	return in
}

// NonFinite names an input that holds NaN or Inf, "" if there is none.
func (f Feed) NonFinite() string {
	for _, x := range f.all {
		if v, ok := x.data.([]float32); ok && !gpu.Finite(v) {
			return x.name
		}
	}
	return ""
}

// Prepare checks inputs by their names, and brings them to the form in which the
// network's programs take them. Names that the network does not declare are
// another's business.
func (n *Network) Prepare(in map[string]Array) (Feed, error) {
	f := Feed{}
	sizes := map[string]int{}
	for i := range n.Inputs {
		d := &n.Inputs[i]
		if d.From != nil {
			continue
		}
		a, ok := in[d.Name]
		if !ok {
			if d.Optional {
				continue
			}
			return Feed{}, fmt.Errorf("there is no input %s, expected %s", d.Name, d.expected(sizes))
		}
		if err := d.match(a, sizes); err != nil {
			return Feed{}, err
		}
	}
	if n.Check != nil {
		if err := n.Check(sizes); err != nil {
			return Feed{}, err
		}
	}
	for i := range n.Inputs {
		d := &n.Inputs[i]
		a, ok := in[d.Name]
		var err error
		switch {
		case d.From != nil:
			a, err = d.From(in)
		case ok && d.Convert != nil:
			a, err = d.Convert(in)
		case !ok && d.Default != nil:
			a, err = d.Default(in)
		}
		if err != nil {
			return Feed{}, fmt.Errorf("%s: %w", d.Name, err)
		}
		if a.Data == nil {
			continue
		}
		x, err := d.convert(a, sizes)
		if err != nil {
			return Feed{}, fmt.Errorf("%s: %w", d.Name, err)
		}
		if x.data != nil {
			f.all = append(f.all, x)
		}
	}
	return f, nil
}

// convert brings an array to the device's form. Its data is nil where there is
// nothing to bring: of a mask that masks nothing.
func (in *Input) convert(a Array, sizes map[string]int) (fed, error) {
	switch x := (fed{in.Name, gpu.F32, a.Shape, a.Data}); in.Kind {
	case IDs:
		ids, err := wholeNumbers(a, in.Below)
		return fed{in.Name, gpu.U32, a.Shape, ids}, err
	case Lengths:
		ones, err := lengths(a)
		if err != nil || ones == nil {
			return fed{}, err
		}
		return fed{in.Name, gpu.U32, []int{len(ones), 1}, ones}, nil
	case PerItem:
		n := max(1, sizes[in.Dims[0].Name])
		if len(a.Data) == 1 {
			x.data = slices.Repeat(a.Data, n)
		}
		x.shape = []int{n, 1}
		return x, nil
	default:
		return x, nil
	}
}

// wholeNumbers are ids of 0 to below-1; below 0 is any.
func wholeNumbers(a Array, below int) ([]uint32, error) {
	ids := make([]uint32, len(a.Data))
	for i, v := range a.Data {
		switch {
		case !(v >= 0) || v >= 1<<24 || v != float32(int(v)):
			return nil, fmt.Errorf("found %v at %v, expected whole numbers of 0 and more, below 2^24", v, place(i, a.Shape))
		case below > 0 && int(v) >= below:
			return nil, fmt.Errorf("found the id %v at %v, the table has %d tokens", v, place(i, a.Shape), below)
		}
		ids[i] = uint32(v)
	}
	return ids, nil
}

// TokenIDs are the rows of ids [N, T], each below a number.
func TokenIDs(a Array, below int) ([][]uint32, error) {
	if len(a.Shape) != 2 || len(a.Data) == 0 || elements(a.Shape) != len(a.Data) {
		return nil, fmt.Errorf("found shape %v with %d values, expected [N T]", a.Shape, len(a.Data))
	}
	ids, err := wholeNumbers(a, below)
	if err != nil {
		return nil, err
	}
	return slices.Collect(slices.Chunk(ids, a.Shape[1])), nil
}

// place is where in a shape element i is.
func place(i int, shape []int) []int {
	at := make([]int, len(shape))
	for d := len(shape) - 1; d >= 0; d-- {
		at[d], i = i%shape[d], i/shape[d]
	}
	return at
}

// lengths are the ones of each row of a mask [N, T], whose rows are ones, then
// zeros for padding; nil if nothing is masked.
func lengths(mask Array) ([]uint32, error) {
	tokens := mask.Shape[1]
	seen := make([]uint32, mask.Shape[0])
	masked := false
	for i, v := range mask.Data {
		row, token := i/tokens, i%tokens
		switch {
		case v != 0 && v != 1:
			return nil, fmt.Errorf("found %v at %v, expected ones and zeros", v, place(i, mask.Shape))
		case v != 0 && int(seen[row]) < token:
			return nil, fmt.Errorf("found a one after a zero in row %d; only padding at the end can be masked", row)
		case v != 0:
			seen[row]++
		case token == 0:
			return nil, fmt.Errorf("found no token of row %d unmasked, expected one at least", row)
		default:
			masked = true
		}
	}
	if !masked {
		return nil, nil
	}
	return seen, nil
}

// Example is inputs of seeded random numbers for n items, of the sizes that the
// network has of its own but for those that are given by name. It fails where they do
// not fit the memory.
func (n *Network) Example(items int, sizes map[string]int, seed uint64) (map[string]Array, error) {
	all := maps.Clone(n.Usual)
	if all == nil {
		all = map[string]int{}
	}
	maps.Copy(all, sizes)
	all["N"] = items
	in := map[string]Array{}
	for _, d := range n.Inputs {
		if d.From != nil || d.Kind == Lengths || d.Optional {
			continue
		}
		a := Array{}
		for _, dim := range d.Dims {
			size := dim.Size
			if size == 0 {
				size = max(1, all[dim.Name])
			}
			a.Shape = append(a.Shape, size)
		}
		if err := gpu.HostFits(a.Shape, 4); err != nil {
			return nil, fmt.Errorf("%s: %w", d.Name, err)
		}
		if d.Kind == IDs {
			rng := rand.New(rand.NewPCG(seed, 1))
			a.Data = make([]float32, elements(a.Shape))
			for i := range a.Data {
				a.Data[i] = float32(rng.IntN(d.Below))
			}
		} else {
			a.Data = Normals(elements(a.Shape), seed)
		}
		in[d.Name] = a
	}
	if n.Complete != nil {
		n.Complete(in, items, seed)
	}
	return in, nil
}
