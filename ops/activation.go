package ops

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"saccade/gpu"
	"saccade/shaders"
)

// Activation is a function of one element. The zero value is the identity.
type Activation string

// The activations, named as in transformers where it names them. GELU is
// torch.nn.GELU with erf, GELUTanh its tanh approximation (gelu_new).
const (
	Identity  Activation = ""
	GELU      Activation = "gelu"
	GELUTanh  Activation = "gelu_tanh"
	QuickGELU Activation = "quick_gelu"
	SiLU      Activation = "silu"
	ReLU      Activation = "relu"
	ReLU6     Activation = "relu6"
	Sigmoid   Activation = "sigmoid"
	HardSwish Activation = "hard_swish"
	Tanh      Activation = "safe_tanh"

	HardSigmoid Activation = "hard_sigmoid" // PyTorch's: relu6(x + 3)/6; see [HardSigmoidOf]

	SoftClamp    Activation = "soft_clamp"     // 3·tanh(x/3)
	SignedToUnit Activation = "signed_to_unit" // (x + 1)/2: [−1, 1] to [0, 1]
	UnitToSigned Activation = "unit_to_signed" // 2x − 1: [0, 1] to [−1, 1]
)

// LeakyReLU is torch.nn.LeakyReLU: x, or slope·x below zero.
func LeakyReLU(slope float64) Activation { return with("leaky_relu", slope) }

// ELU is torch.nn.ELU: x, or alpha·(exp(x) − 1) below zero.
func ELU(alpha float64) Activation { return with("elu", alpha) }

// HardSigmoidOf is slope·x + ½ between 0 and 1: PaddlePaddle's with a slope of 0.2.
func HardSigmoidOf(slope float64) Activation { return with("hard_sigmoid_of", slope) }

// HardTanh is torch.nn.Hardtanh between −limit and limit.
func HardTanh(limit float64) Activation { return with("hard_tanh", limit) }

// with is an activation with a parameter.
func with(name string, parameter float64) Activation {
	return Activation(fmt.Sprintf("%s(%s)", name, literal(parameter)))
}

// literal is a number as WGSL has it, and as ParseFloat reads it.
func literal(v float64) string {
	s := strconv.FormatFloat(v, 'f', -1, 32)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

// split is the name of an activation's function and its parameter, 0 without one.
func (a Activation) split() (name string, parameter float64) {
	name, rest, _ := strings.Cut(string(a), "(")
	parameter, _ = strconv.ParseFloat(strings.TrimSuffix(rest, ")"), 64) // as literal wrote it
	return name, parameter
}

// call applies the function to x in WGSL.
func (a Activation) call() string {
	if name, rest, ok := strings.Cut(string(a), "("); ok {
		return name + "(x, " + rest
	}
	return string(a) + "(x)"
}

// function declares the activation in WGSL under the name activate, with what it calls.
func (a Activation) function() (string, error) {
	name, _ := a.split()
	if name == string(a) {
		return shaders.FuncAs("activation", name, "activate")
	}
	text, err := shaders.Func("activation", name)
	return text + "\n" + declareActivate(a.call()), err
}

// declareActivate is a function activate that gives an expression of its x.
func declareActivate(expression string) string {
	return fmt.Sprintf("fn activate(x: vec4<f32>) -> vec4<f32> { return %s; }", expression)
}

// Activations lists all but the identity, those with a parameter once.
var Activations = []Activation{
	GELU, GELUTanh, QuickGELU, SiLU, ReLU, ReLU6, Sigmoid, HardSwish, HardSigmoid, Tanh, SoftClamp, SignedToUnit, UnitToSigned,
	LeakyReLU(0.2), ELU(1), HardSigmoidOf(0.2), HardTanh(10),
}

// ActivationByName finds an activation by transformers' hidden_act.
func ActivationByName(name string) (Activation, error) {
	known := map[string]Activation{
		"gelu": GELU, "gelu_new": GELUTanh, "gelu_pytorch_tanh": GELUTanh, "gelu_fast": GELUTanh, "gelu_tanh": GELUTanh,
		"quick_gelu": QuickGELU, "silu": SiLU, "swish": SiLU, "relu": ReLU, "relu6": ReLU6, "sigmoid": Sigmoid,
		"hardswish": HardSwish, "hard_swish": HardSwish, "hard_sigmoid": HardSigmoid, "tanh": Tanh, "linear": Identity,
		"leaky_relu": LeakyReLU(0.01), "elu": ELU(1),
	}
	if a, ok := known[name]; ok {
		return a, nil
	}
	return Identity, fmt.Errorf("activation %q is not supported: gelu, gelu_new, quick_gelu, silu, relu, relu6, sigmoid, hardswish, hard_sigmoid, leaky_relu, elu and tanh are", name)
}

// Twin is the activation in f64.
func (a Activation) Twin(x float64) float64 {
	sigmoid := func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
	switch a {
	case GELU:
		return 0.5 * x * (1 + math.Erf(x/math.Sqrt2))
	case GELUTanh:
		return 0.5 * x * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(x+0.044715*x*x*x)))
	case QuickGELU:
		return x * sigmoid(1.702*x)
	case SiLU:
		return x * sigmoid(x)
	case ReLU:
		return math.Max(x, 0)
	case ReLU6:
		return math.Min(math.Max(x, 0), 6)
	case Sigmoid:
		return sigmoid(x)
	case HardSwish:
		return x * math.Min(math.Max(x+3, 0), 6) / 6
	case HardSigmoid:
		return math.Min(math.Max(x+3, 0), 6) / 6
	case Tanh:
		return math.Tanh(x)
	case SoftClamp:
		return 3 * math.Tanh(x/3)
	case SignedToUnit:
		return (x + 1) / 2
	case UnitToSigned:
		return 2*x - 1
	}
	switch name, parameter := a.split(); {
	case name == "leaky_relu" && x < 0:
		return parameter * x
	case name == "elu" && x < 0:
		return parameter * math.Expm1(x)
	case name == "hard_sigmoid_of":
		return math.Min(math.Max(parameter*x+0.5, 0), 1)
	case name == "hard_tanh":
		return math.Min(math.Max(x, -parameter), parameter)
	}
	return x
}

// optional says whether kernels with the activation have a parameter that switches it
// off, so that layers without one can share them: where compiling is dear, and ReLU
// everywhere, which costs nothing to compute in vain. Where it is not zero at zero
// they mask padding, which the others need not have at the same place.
func (a Activation) optional(t gpu.Traits) bool {
	return a != Identity && a.Twin(0) == 0 && (t.SlowCompiler || a == ReLU)
}

// plainSums stands among the activations of a kernel that stores plain sums too, where
// its parameter sums_rows says so: see matmul.wgsl.
const plainSums Activation = "sums"

// joins says whether layers with it and with others of which this is true share a kernel
// that computes all of them: where compiling is dear, and computing them is not.
func (a Activation) joins(t gpu.Traits) bool {
	name, _ := a.split()
	return t.SlowCompiler && slices.Contains([]string{string(ReLU), string(ReLU6), string(HardSwish), "leaky_relu", "hard_tanh", string(plainSums)}, name)
}

// kernel is that of a file that declares `fn activate` and has a parameter
// activates, see [Activation.activates], with the activation in it. more says what else is.
func (a Activation) kernel(r *gpu.Recorder, name, variant, more string, spec shaders.Spec) (*gpu.Kernel, error) {
	t := r.Device().Traits()
	if a == Identity {
		return kernel(name, variant+more, spec)
	}
	if a.optional(t) {
		base := name + "/" + variant
		all, _ := a.joined(r, base, more)
		text, err := optionally(all)
		if err != nil {
			return nil, err
		}
		k := gpu.Kernel{Name: name, Base: base, Variant: variant}
		for _, other := range all {
			k.Variant += other.suffix()
			k.Activations = append(k.Activations, string(other)+more)
		}
		k.Variant += more
		if slices.Contains(all, plainSums) {
			spec.Forms = append(slices.Clone(spec.Forms), "either")
		}
		return kernelOn(k, spec.WithFunc("activate", text))
	}
	text, err := a.function()
	if err != nil {
		return nil, err
	}
	spec = spec.WithFunc("activate", text)
	if a.Twin(0) != 0 {
		spec = spec.WithConst("MASK", 1) // padding must stay zero
	}
	return kernel(name, variant+a.suffix()+more, spec)
}

// joined are the activations of the kernel that takes the place of a base: the ones that
// it has of layers recorded before, if there are such and they join with this one, which
// ok says, and this one.
func (a Activation) joined(r *gpu.Recorder, base, more string) (all []Activation, ok bool) {
	before := r.InPlaceOf(base)
	if before == nil {
		return []Activation{a}, false
	}
	for _, name := range before.Activations {
		name, same := strings.CutSuffix(name, more)
		if other := Activation(name); same && (other == a || other.joins(r.Device().Traits()) && a.joins(r.Device().Traits())) {
			all = append(all, other)
			continue
		}
		return []Activation{a}, false
	}
	if !slices.Contains(all, a) {
		all = append(all, a)
	}
	return all, true
}

// optionally declares activate, which applies the one of activations that p.activates
// says, from 1 on, and the functions that it calls.
func optionally(activations []Activation) (string, error) {
	var functions []string
	chosen := "x"
	for i, a := range activations {
		if a == plainSums {
			continue
		}
		function, _ := a.split()
		if !slices.Contains(functions, function) {
			functions = append(functions, function)
		}
		chosen = fmt.Sprintf("select(%s, %s, p.activates == %du)", chosen, a.call(), i+1)
	}
	text, err := shaders.Func("activation", functions...)
	return text + "\n" + declareActivate(chosen), err
}

// activates is the parameter of a kernel that says which of its activations it applies:
// this one, or none.
func (a Activation) activates(k *gpu.Kernel, more string) int {
	return slices.Index(k.Activations, string(a)+more) + 1
}

func (a Activation) suffix() string {
	if a == Identity {
		return ""
	}
	return " " + string(a)
}

// Apply records an activation as an operation of its own.
func Apply(r *gpu.Recorder, x *gpu.Tensor, a Activation) *gpu.Tensor {
	y := r.NewTyped(string(a), x.Type, x.Groups, x.Shape...)
	spec := shaders.Spec{Forms: forms(x.Type)}.WithFunc("activate", declareActivate(a.call()))
	k, err := kernel("activation", fmt.Sprintf("%s %s", x.Type, a), spec)
	if err != nil {
		r.Fail(err)
		return y
	}
	op := gpu.Op{Kind: "activation", Label: r.Label(string(a)), In: []*gpu.Tensor{x}, Out: []*gpu.Tensor{y}, Twin: a.twinAll,
		Adjoint: func(dy *gpu.Tensor, _ []bool) []*gpu.Tensor { return []*gpu.Tensor{a.adjoint(r, x, dy)} }}
	for _, c := range rowChunks(r.Device(), x.Rows(), x, y) {
		count := (c[1] - c[0]) * x.Stride() / 4
		op.Dispatches = append(op.Dispatches, gpu.Dispatch{
			Kernel: k, Params: gpu.Params{"count": count, "group": x.Stride() / x.Groups, "width": x.Width() / x.Groups},
			Bind: []gpu.View{rowView(x, c[0], c[1]), rowView(y, c[0], c[1])}, Groups: elementwise(count),
			FLOPs: float64(count) * 4, Bytes: float64(count) * 8 * float64(x.Type.Size()),
		})
	}
	r.Do(op)
	return y
}

func (a Activation) twinAll(in [][]float32) [][]float64 {
	y := widen(in[0])
	for i, v := range y {
		y[i] = a.Twin(v)
	}
	return [][]float64{y}
}
