package ops

import (
	"errors"
	"fmt"
	"sync"

	"saccade/gpu"
	"saccade/shaders"
	"saccade/weights"
)

// Linear is torch.nn.Linear: y = x·Wᵀ + b, with W [Out, In] and b [Out].
//
// Its input and output may consist of groups that are padded each on their
// own (the heads of an attention layer); the packed weight has zeros there.
type Linear struct {
	In, Out             int
	InGroups, OutGroups int

	b            *Builder
	name         string
	weight, bias *gpu.Tensor
	hasBias      bool
	folded       func() (w, bias []float32) // the values where they are not the checkpoint's

	adapters []*Adapter
	trained  *trainedLinear // in place of weight and bias, or nil
	back     *Linear        // y·W, once it was asked for
	made     *gpu.Tensor    // the weight where it is an activation, or nil
	zeros    *gpu.Tensor    // the bias of such a layer, once one was asked for
}

// Grouped sets the groups of a Linear's input and output; zero means one.
type Grouped struct{ In, Out int }

// Linear makes a layer of in to out features. bias says whether the checkpoint has one.
func (b *Builder) Linear(in, out int, bias bool, groups ...Grouped) Linear {
	l := Linear{In: in, Out: out, InGroups: 1, OutGroups: 1, b: b, hasBias: bias}
	for _, g := range groups {
		l.InGroups, l.OutGroups = max(1, g.In), max(1, g.Out)
	}
	k, n := l.physical()
	l.weight = b.reserve("weight", []int{out, in}, b.Precision, panelBytes(b.Precision, k, n))
	l.bias = b.reserve("bias", []int{out}, gpu.F32, int64(panelColumns(n))*4)
	return l
}

// physical is the padded width of the input and of the output.
func (l *Linear) physical() (k, n int) {
	return l.InGroups * gpu.Pad8(l.In/l.InGroups), l.OutGroups * gpu.Pad8(l.Out/l.OutGroups)
}

func (l *Linear) setName(path string) {
	l.name = path
	l.weight.Name, l.bias.Name = path+".weight", path+".bias"
}

// Params are weight [Out, In] and, if the layer has one, bias [Out].
func (l *Linear) Params() []weights.Param {
	params := []weights.Param{{Name: "weight", Shape: []int{l.Out, l.In}, Set: l.setWeight}}
	if l.hasBias {
		params = append(params, weights.Param{Name: "bias", Shape: []int{l.Out}, Set: l.setBias})
	}
	return params
}

func (l *Linear) setWeight(t *weights.Tensor) error {
	return l.weight.Upload(func(dst []byte) error {
		return panelsOf(l.weight.Type, l).pack(dst, filtersIn(t, l.In))
	})
}

func (l *Linear) setBias(t *weights.Tensor) error {
	v, err := floats(t)
	if err != nil {
		return err
	}
	return l.uploadBias(v)
}

// uploadBias brings v [Out] to the device.
func (l *Linear) uploadBias(v []float32) error {
	return l.bias.Upload(func(dst []byte) error {
		for o, x := range v {
			gpu.PutFloats(dst[4*padded(o, l.Out, l.OutGroups):], gpu.F32, []float32{x})
		}
		return nil
	})
}

// padded is where logical column c of a width in groups stands in memory.
func padded(c, width, groups int) int {
	size := width / groups
	return c/size*gpu.Pad8(size) + c%size
}

// Forward is x·Wᵀ + b, followed by what the options say. x: [..., In], the result [..., Out].
func (l *Linear) Forward(r *gpu.Recorder, x *gpu.Tensor, options ...Epilogue) *gpu.Tensor {
	e := newEpilogue(options)
	e.floats = e.floats && r.Precision != gpu.F32
	if len(l.adapters) > 0 || l.trained != nil || r.Tape != nil && e.activation != Identity {
		return l.adapted(r, x, e)
	}
	return l.plain(r, x, e)
}

// plain is Forward of a layer whose values are constants.
func (l *Linear) plain(r *gpu.Recorder, x *gpu.Tensor, e epilogue) *gpu.Tensor {
	y := r.NewTyped(l.name, e.stored(r.Precision), l.OutGroups, reshaped(x.Shape, l.Out)...)
	y.Name = l.name
	if r.Err() != nil {
		return y
	}
	if x.Width() != l.In || x.Groups != l.InGroups {
		r.Fail(fmt.Errorf("%s: %v in %d groups · [%d %d]ᵀ in %d groups do not match", l.name, x.Shape, x.Groups, l.Out, l.In, l.InGroups))
		return y
	}
	if l.OutGroups > 1 && e.activation.Twin(0) != 0 { // the kernels mask padding at the end of a row only
		r.Fail(fmt.Errorf("%s: %s is not zero at zero, can't be fused to an output in %d groups; record it on its own", l.name, e.activation, l.OutGroups))
		return y
	}
	if e.residual != nil {
		err := sameShape(e.residual, y)
		if err == nil && e.floats {
			err = errors.New("a result in f32 takes none")
		}
		if err != nil {
			r.Fail(fmt.Errorf("%s: residual: %w", l.name, err))
			return y
		}
	}
	op := gpu.Op{Kind: "matmul", Label: l.name, In: []*gpu.Tensor{x}, Out: []*gpu.Tensor{y}, Rows: l.twin(e)}
	if !e.floats && e.activation == Identity {
		op.Adjoint = func(dy *gpu.Tensor, needed []bool) []*gpu.Tensor { return l.adjoint(r, dy, e, needed) }
	}
	if e.residual != nil {
		op.In = append(op.In, e.residual)
	}
	if l.made != nil {
		op.In = append(op.In, l.made)
	}
	standard, others := l.ways(r, x, y, e)
	do(r, op, l.shape(x, e), standard, others)
	return y
}

// Epilogue is what a matmul does to its sums before it stores them.
type Epilogue func(*epilogue)

type epilogue struct {
	activation Activation
	before     bool // the activation precedes the residual
	residual   *gpu.Tensor
	scale      float64
	floats     bool // the result is stored as f32
}

// stored is the type of the result in a recording of a precision.
func (e epilogue) stored(precision gpu.DType) gpu.DType {
	if e.floats {
		return gpu.F32
	}
	return precision
}

// newEpilogue is what the options say.
func newEpilogue(options []Epilogue) epilogue {
	e := epilogue{scale: 1}
	for _, o := range options {
		o(&e)
	}
	return e
}

// epilogueFile is the kernel that the function epilogue is of: others that declare it
// take it from there.
const epilogueFile = "matmul_reduce"

// epilogueText is the function, taken from its file once, not for every layer.
var epilogueText = sync.OnceValues(func() (string, error) { return shaders.Alone(epilogueFile, "epilogue") })

// kernel is that of a file that declares `fn epilogue`, with the epilogue in it.
func (e epilogue) kernel(r *gpu.Recorder, name, variant string, spec shaders.Spec) (*gpu.Kernel, error) {
	if name != epilogueFile {
		text, err := epilogueText()
		if err != nil {
			return nil, err
		}
		spec = spec.WithFunc("epilogue", text)
	}
	if e.before {
		spec = spec.WithConst("BEFORE", 1)
	}
	return e.activation.kernel(r, name, e.variant(variant), e.order(), spec)
}

// recorded says whether that kernel adds nothing to what r has to compile.
func (e epilogue) recorded(r *gpu.Recorder, name, variant string) bool {
	a, base := e.activation, name+"/"+e.variant(variant)
	full := base + a.suffix() + e.order()
	if a != Identity && !a.optional(r.Device().Traits()) {
		return r.Has(full, "")
	}
	_, joins := a.joined(r, base, e.order())
	return joins || r.Has(full, base)
}

// variant names the epilogues that store f32 beside what else a kernel is.
func (e epilogue) variant(of string) string {
	if e.floats {
		of += " floats"
	}
	return of
}

// order names the epilogues whose activation is not the last.
func (e epilogue) order() string {
	if e.before {
		return " residual"
	}
	return ""
}

// activates is the parameter of that kernel that says which activation it applies.
func (e epilogue) activates(k *gpu.Kernel) int { return e.activation.activates(k, e.order()) }

// describe says what the epilogue does, for keys.
func (e epilogue) describe() string {
	switch {
	case e.residual != nil:
		return e.activation.suffix() + " residual"
	case e.floats:
		return e.activation.suffix() + " floats"
	}
	return e.activation.suffix()
}

// twin finishes a sum in f64; residual is what is added.
func (e epilogue) twin(sum, residual float64) float64 {
	if e.before {
		return e.activation.Twin(sum) + residual
	}
	return e.activation.Twin(sum + residual)
}

// Then applies an activation to the biased result, or to its sum with the
// residual if that is named before: Residual(x), Then(ReLU) is relu(y + x).
func Then(a Activation) Epilogue {
	return func(e *epilogue) { e.activation, e.before = a, false }
}

// Residual adds x.
func Residual(x *gpu.Tensor) Epilogue {
	return func(e *epilogue) { e.residual, e.before = x, e.activation != Identity }
}

// Floats stores the result as f32 in every precision: logits, of which halves would make
// ties. It goes with no residual.
func Floats() Epilogue { return func(e *epilogue) { e.floats = true } }

// Scaled multiplies the product, before the bias.
func Scaled(s float64) Epilogue { return func(e *epilogue) { e.scale = s } }

// twin is rows of Forward in f64.
func (l *Linear) twin(e epilogue) func(in [][]float32, rows []int) []float64 {
	return func(in [][]float32, rows []int) []float64 {
		w, bias := l.Values()
		y := make([]float64, len(rows)*l.Out)
		parallel(len(rows), func(i int) {
			m := rows[i]
			for o := range l.Out {
				var residual float64
				if e.residual != nil {
					residual = float64(in[1][m*l.Out+o])
				}
				y[i*l.Out+o] = e.twin(l.twinSum(e.scale, in[0][m*l.In:(m+1)*l.In], w, bias, o), residual)
			}
		})
		return y
	}
}

// Values are the weight [Out, In] and the bias [Out] as the device stores them,
// for the host; a bias that the checkpoint leaves out is nil.
func (l *Linear) Values() (w, bias []float32) {
	if l.folded != nil {
		return l.folded()
	}
	return l.b.host(l.name+".weight", l.b.Precision), l.b.host(l.name+".bias", gpu.F32)
}

// twinSum is a value of the product, scaled and biased.
func (l *Linear) twinSum(scale float64, x, w, bias []float32, o int) float64 {
	var sum float64
	for k, a := range x {
		sum += float64(a) * float64(w[o*l.In+k])
	}
	sum *= scale
	if bias != nil {
		sum += float64(bias[o])
	}
	return sum
}
