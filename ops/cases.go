package ops

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"saccade/gpu"
)

// Case is an operation at one shape with seeded random operands. The registry
// of cases ([Cases]) is what the tests verify and what bench times.
type Case struct {
	Op    string // as [gpu.Op] has it in Kind
	Name  string // the shape, then its options; unique within the operation
	Bench bool   // a shape of real models, for bench; the others are small, for tests

	// Build records the operation on r, with its result as the output "y",
	// uploads its weights into b, and gives the inputs of the program.
	Build func(b *Builder, r *gpu.Recorder) (inputs map[string]any, err error)
}

// String is the operation and the name.
func (c Case) String() string { return c.Op + " " + c.Name }

// family is what the registry knows of one operation.
type family struct {
	op string
	// dims names what the numbers of a shape stand for, for bench -shape; those in
	// square brackets may be left out.
	dims string
	// at makes the case of such a shape.
	at func(d []int) Case
	// test and bench are the shapes of the tests and of real models.
	test  func() []Case
	bench [][]int
}

// families in the order in which bench lists them.
var families = []family{
	matmulFamily, convFamily, convTransposeFamily, attentionFamily, attentionProbsFamily, relativePositionFamily, layerNormFamily, softmaxFamily, activationFamily,
	addFamily, packFamily, unfoldFamily, tokensFamily, embeddingFamily, meanFamily, flattenFamily,
	poolFamily, resizeFamily, affineFamily, preluFamily, demodulationFamily, scaleFamily, gluFamily, takeFamily, normalizeFamily, groupNormFamily, grnFamily, combineFamily, rescaleFamily,
	concatFamily, sinusoidFamily, keepFamily, blendFamily,
	projectFamily, expandFamily, outerFamily, sumFamily, layerNormAdjointFamily, activationAdjointFamily, spreadFamily, crossEntropyFamily, attentionAdjointFamily,
	patchesFamily, foldFamily, depthwiseFamily, depthwiseOuterFamily, momentsFamily, runningFamily, batchNormFamily, batchNormSumsFamily, batchNormAdjointFamily,
	layerNormProductsFamily, rowsAdjointFamily, placeFamily, normalizeAdjointFamily, stackFamily, scaleAdjointFamily, poolAdjointFamily,
	gluAdjointFamily, partFamily, shrinkFamily, turnFamily, groupNormAdjointFamily, squaredErrorFamily,
	accumulateFamily, squaresFamily, adamWFamily, sgdFamily,
	rowsFamily, queryLogitsFamily, deformableFamily, rowMaxFamily, topFamily, refineBoxesFamily, boxDistancesFamily, topProbabilitiesFamily, gatePairFamily, rmsNormFamily, rotateFamily, appendFamily,
	depthToSpaceFamily, fourierFamily, productsFamily, nearestFamily,
	logSoftmaxFamily, penalizeFamily, timestampsFamily, chooseFamily, beamsFamily, reorderFamily,
}

// Cases is the registry: for every operation its test shapes, then those of real models.
func Cases() []Case {
	var all []Case
	for _, f := range families {
		all = append(all, f.test()...)
		for _, d := range f.bench {
			c := f.at(d)
			c.Bench = true
			all = append(all, c)
		}
	}
	return all
}

// CaseNames lists the operations of the registry.
func CaseNames() []string {
	var names []string
	for _, f := range families {
		names = append(names, f.op)
	}
	return names
}

// CaseDims says what the numbers of an operation's shape stand for, such as
// "MxNxK"; "" for an unknown operation.
func CaseDims(op string) string {
	for _, f := range families {
		if f.op == op {
			return f.dims
		}
	}
	return ""
}

// ShapeCase makes a case of any shape, written as [CaseDims] says: "512x768x768".
// It also takes the whole name of such a case ("197x3072 gelu").
func ShapeCase(op, shape string) (Case, error) {
	i := slices.IndexFunc(families, func(f family) bool { return f.op == op })
	if i < 0 {
		return Case{}, fmt.Errorf("operation %q is unknown; there are %s", op, strings.Join(CaseNames(), ", "))
	}
	f := families[i]
	var d []int
	numbers, options, _ := strings.Cut(strings.ToLower(strings.ReplaceAll(shape, "×", "x")), " ")
	for _, part := range strings.Split(numbers, "x") {
		n, err := strconv.Atoi(part)
		if err != nil || n < 1 || n > 1<<24 {
			return Case{}, fmt.Errorf("shape %q of %s: %q is not a size; expected %s", shape, op, part, f.dims)
		}
		d = append(d, n)
	}
	all, _, _ := strings.Cut(f.dims, "[")
	if least, most := strings.Count(all, "x")+1, strings.Count(f.dims, "x")+1; len(d) < least || len(d) > most {
		return Case{}, fmt.Errorf("shape %q of %s has %d numbers; expected %s", shape, op, len(d), f.dims)
	}
	c := f.at(d)
	c.Bench = true
	if options != "" && c.Name != numbers+" "+options {
		return Case{}, fmt.Errorf("shape %q of %s: %q can't follow the sizes; expected %s", shape, op, options, f.dims)
	}
	return c, nil
}

// shapeName joins sizes: 512x768x768.
func shapeName(d ...int) string {
	parts := make([]string, len(d))
	for i, n := range d {
		parts[i] = strconv.Itoa(n)
	}
	return strings.Join(parts, "x")
}

// newCase names a case and wraps the function that records it.
func newCase(op, name string, record func(o *operands) *gpu.Tensor) Case {
	return Case{Op: op, Name: name, Build: func(b *Builder, r *gpu.Recorder) (map[string]any, error) {
		h := fnv.New64a()
		fmt.Fprint(h, op, " ", name)
		o := &operands{b: b, r: r, seed: h.Sum64(), in: map[string]any{}}
		o.rng = rand.New(rand.NewPCG(o.seed, 1))
		r.Output("y", record(o))
		if o.err == nil && r.Err() == nil {
			o.err = b.Prepare()
		}
		if o.err != nil {
			return nil, o.err
		}
		return o.in, r.Err()
	}}
}

// operands makes the random inputs and layers of a case.
type operands struct {
	b    *Builder
	r    *gpu.Recorder
	seed uint64
	rng  *rand.Rand
	in   map[string]any
	one  *gpu.Tensor // factors of [operands.floats], once it was asked for
	err  error
}

// dense declares an input of normal numbers.
func (o *operands) dense(name string, shape ...int) *gpu.Tensor {
	if err := gpu.HostFits(shape, 4); err != nil {
		o.err = fmt.Errorf("%s: %w", name, err)
		return o.r.Input(name, gpu.F32, 1, 1)
	}
	n := 1
	for _, d := range shape {
		n *= d
	}
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(o.rng.NormFloat64())
	}
	o.in[name] = v
	return o.r.Input(name, gpu.F32, shape...)
}

// activation declares an input and packs it.
func (o *operands) activation(name string, groups int, shape ...int) *gpu.Tensor {
	return Pack(o.r, o.dense(name, shape...), groups)
}

// ids declares an input of token ids below limit, both ends included.
func (o *operands) ids(name string, limit int, shape ...int) *gpu.Tensor {
	v := make([]uint32, shape[0]*shape[1])
	for i := range v {
		v[i] = o.rng.Uint32N(uint32(limit))
	}
	v[0], v[len(v)-1] = uint32(limit-1), 0
	o.in[name] = v
	return o.r.Input(name, gpu.U32, shape...)
}

// lengths declares an input of numbers from least to most, both ends included where
// there are two.
func (o *operands) lengths(n, least, most int) *gpu.Tensor {
	v := make([]uint32, n)
	for i := range v {
		v[i] = uint32(least) + o.rng.Uint32N(uint32(most-least+1))
	}
	v[0], v[n-1] = uint32(most), uint32(least)
	o.in["lengths"] = v
	return o.r.Input("lengths", gpu.U32, n, 1)
}

// layers gives the layers of a struct with `w` tags random weights.
func (o *operands) layers(model any) {
	if o.err != nil {
		return
	}
	src, err := RandomWeights(model, o.seed)
	if err == nil {
		err = o.b.Bind(model, src)
	}
	if err == nil {
		err = o.b.Upload()
	}
	o.err = err
}

// table makes a table of random rows.
func (o *operands) table(rows, width int) *Table {
	t := o.b.Table("table", rows, width)
	v := make([]float32, rows*width)
	for i := range v {
		v[i] = float32(0.5 * o.rng.NormFloat64())
	}
	if err := t.Upload(v); err != nil && o.err == nil {
		o.err = err
	}
	return t
}
