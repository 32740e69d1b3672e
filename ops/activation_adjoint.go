package ops

import (
	"fmt"
	"math"
	"slices"

	"saccade/gpu"
	"saccade/shaders"
)

// Differentiable lists the activations that have an adjoint.
var Differentiable = []Activation{GELU, GELUTanh, QuickGELU, SiLU, ReLU, ReLU6, Sigmoid, HardSwish, HardSigmoid, Tanh}

// adjoint is the gradient of x from dy, that of the activation of x.
func (a Activation) adjoint(r *gpu.Recorder, x, dy *gpu.Tensor) *gpu.Tensor {
	dx := r.New(string(a), x.Groups, x.Shape...)
	if r.Err() != nil {
		return dx
	}
	if err := sameShape(x, dy); err != nil {
		r.Fail(fmt.Errorf("%s: %w", a, err))
		return dx
	}
	if !slices.Contains(Differentiable, a) {
		r.Fail(fmt.Errorf("activation %s has no adjoint: nothing before it can be trained", a))
		return dx
	}
	spec := shaders.Spec{Forms: forms(r.Precision)}.WithFunc("slope", fmt.Sprintf("fn slope(x: vec4<f32>) -> vec4<f32> { return %s(x); }", a))
	k, err := kernel("activation_adjoint", fmt.Sprintf("%s %s", r.Precision, a), spec)
	if err != nil {
		r.Fail(err)
		return dx
	}
	op := gpu.Op{Kind: "activation_adjoint", Label: r.Label(string(a)), In: []*gpu.Tensor{x, dy}, Out: []*gpu.Tensor{dx},
		Twin: func(in [][]float32) [][]float64 {
			out := widen(in[1])
			for i, v := range in[0] {
				out[i] *= a.slope(float64(v))
			}
			return [][]float64{out}
		}}
	for _, c := range rowChunks(r.Device(), x.Rows(), x, dx) {
		count := (c[1] - c[0]) * x.Stride() / 4
		op.Dispatches = append(op.Dispatches, gpu.Dispatch{
			Kernel: k, Params: gpu.Params{"count": count},
			Bind:   []gpu.View{rowView(x, c[0], c[1]), rowView(dy, c[0], c[1]), rowView(dx, c[0], c[1])},
			Groups: elementwise(count), FLOPs: float64(count) * 8, Bytes: float64(count) * 12 * float64(x.Type.Size()),
		})
	}
	r.Do(op)
	return dx
}

// slope is the activation's derivative in f64; at its corner ReLU's is zero, as in PyTorch.
func (a Activation) slope(x float64) float64 {
	sigmoid := func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
	gate := func(u, slope float64) float64 { // of x·σ(u)
		s := sigmoid(u)
		return s + x*s*(1-s)*slope
	}
	switch a {
	case GELU:
		return 0.5*(1+math.Erf(x/math.Sqrt2)) + x*math.Exp(-x*x/2)/math.Sqrt(2*math.Pi)
	case GELUTanh:
		c := 2 * math.Sqrt(2/math.Pi)
		return gate(c*(x+0.044715*x*x*x), c*(1+3*0.044715*x*x))
	case QuickGELU:
		return gate(1.702*x, 1.702)
	case SiLU:
		return gate(x, 1)
	case ReLU:
		if x > 0 {
			return 1
		}
		return 0
	case ReLU6:
		if x > 0 && x < 6 {
			return 1
		}
		return 0
	case HardSwish: // at −3 and 3 as in PyTorch
		switch {
		case x <= -3:
			return 0
		case x < 3:
			return x/3 + 0.5
		}
		return 1
	case HardSigmoid:
		if x > -3 && x < 3 {
			return 1.0 / 6
		}
		return 0
	case Sigmoid:
		return sigmoid(x) * sigmoid(-x)
	case Tanh:
		return 4 * sigmoid(2*x) * sigmoid(-2*x)
	}
	return math.NaN()
}
