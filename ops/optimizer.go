package ops

import (
	"fmt"
	"math"
	"slices"

	"saccade/gpu"
	"saccade/shaders"
)

// Settings are what the operations of an optimizer read of each run: a dense f32 input
// [SettingsSize] of the program, in the order of the fields.
type Settings struct {
	Keep    bool    // gradients are added to those of the micro-batches before
	Unscale float64 // factor of gradients: one by the loss's scale
	Apply   bool    // the step is done, after the last micro-batch
	Rate    float64
	Step    float64 // AdamW's: Rate/(1 − β1ᵗ) of step t, from 1 on
	Root    float64 // AdamW's: √(1 − β2ᵗ)
	First   bool    // SGD's momentum begins
	Clip    float64 // norm that gradients are scaled down to; 0: they are not
}

// SettingsSize is how many values those are.
const SettingsSize = 8

// Values are the settings as the input has them.
func (s Settings) Values() []float32 {
	flag := func(b bool) float32 {
		if b {
			return 1
		}
		return 0
	}
	return []float32{flag(s.Keep), float32(s.Unscale), flag(s.Apply), float32(s.Rate), float32(s.Step), float32(s.Root), flag(s.First), float32(s.Clip)}
}

// Accumulate adds dw to the state sum, the gradient of a trained array over the micro-batches of
// a step, or replaces it at the first.
func Accumulate(r *gpu.Recorder, sum, dw, settings *gpu.Tensor) {
	if !optimizes(r, "accumulate", settings, sum, dw) {
		return
	}
	k, err := kernel("accumulate", "", shaders.Spec{})
	if err != nil {
		r.Fail(err)
		return
	}
	count := vectorsOf(sum)
	r.Do(gpu.Op{Kind: "accumulate", Label: r.Label("accumulate"), In: []*gpu.Tensor{dw, sum, settings}, Out: []*gpu.Tensor{sum},
		Twin: func(in [][]float32) [][]float64 {
			y := widen(in[0])
			for i := range y {
				if y[i] *= float64(in[2][1]); in[2][0] == 1 {
					y[i] += float64(in[1][i])
				}
			}
			return [][]float64{y}
		},
		Dispatches: []gpu.Dispatch{{Kernel: k, Params: gpu.Params{"count": count}, Bind: []gpu.View{gpu.All(dw), gpu.All(settings), gpu.All(sum)},
			Groups: elementwise(count), FLOPs: 8 * float64(count), Bytes: 48 * float64(count)}}})
}

// Squares is the sum of the squares of x and of what is before, a sum of others or nil: f32 [1, 1].
func Squares(r *gpu.Recorder, before, x *gpu.Tensor) *gpu.Tensor {
	y := r.NewTyped("squares", gpu.F32, 1, 1, 1)
	if r.Err() != nil {
		return y
	}
	k, err := kernel("squares", "", shaders.Spec{})
	if err != nil {
		r.Fail(err)
		return y
	}
	op := gpu.Op{Kind: "squares", Label: r.Label("squares"), In: []*gpu.Tensor{x}, Out: []*gpu.Tensor{y},
		Twin: func(in [][]float32) [][]float64 {
			var total float64
			for _, v := range in[0] {
				total += float64(v) * float64(v)
			}
			if before != nil {
				total += float64(in[1][0])
			}
			return [][]float64{{total}}
		}}
	other := gpu.All(r.Device().Dummy())
	if before != nil {
		other, op.In = gpu.All(before), append(op.In, before)
	}
	count := vectorsOf(x)
	op.Dispatches = []gpu.Dispatch{{Kernel: k, Params: gpu.Params{"count": count, "begins": before == nil}, Bind: []gpu.View{gpu.All(x), other, gpu.All(y)},
		FLOPs: 8 * float64(count), Bytes: 16 * float64(count), Turns: ceilDiv(count, 64)}}
	r.Do(op)
	return y
}

// AdamW is the optimizer of Loshchilov and Hutter 2019, as torch.optim.AdamW.
type AdamW struct{ Decay, Beta1, Beta2, Eps float64 }

// Step changes the states w, m and v by the gradient g; squares is the sum of the squares of all
// gradients.
func (a AdamW) Step(r *gpu.Recorder, w, m, v, g, squares, settings *gpu.Tensor) {
	if !optimizes(r, "adamw", settings, w, m, v, g) {
		return
	}
	k, err := kernel("adamw", "", shaders.Spec{})
	if err != nil {
		r.Fail(err)
		return
	}
	count := vectorsOf(w)
	r.Do(gpu.Op{Kind: "adamw", Label: r.Label("adamw"), In: []*gpu.Tensor{w, m, v, g, squares, settings}, Out: []*gpu.Tensor{w, m, v}, Twin: a.twin,
		Dispatches: []gpu.Dispatch{{
			Kernel: k, Params: gpu.Params{"count": count, "decay": a.Decay, "one_beta1": 1 - a.Beta1, "beta2": a.Beta2, "one_beta2": 1 - a.Beta2, "eps": a.Eps},
			Bind:   []gpu.View{gpu.All(g), gpu.All(squares), gpu.All(settings), gpu.All(w), gpu.All(m), gpu.All(v)},
			Groups: elementwise(count), FLOPs: 60 * float64(count), Bytes: 112 * float64(count)}}})
}

func (a AdamW) twin(in [][]float32) [][]float64 {
	w, m, v, s := widen(in[0]), widen(in[1]), widen(in[2]), in[5]
	if done(in[4], s) {
		factor := clipped(in[4], s)
		for i, x := range in[3] {
			g := float64(x) * factor
			m[i] += (g - m[i]) * (1 - a.Beta1)
			v[i] = v[i]*a.Beta2 + (1-a.Beta2)*g*g
			w[i] *= 1 - float64(s[3])*a.Decay
			if m[i] != 0 {
				w[i] -= float64(s[4]) * m[i] / (math.Sqrt(v[i])/float64(s[5]) + a.Eps)
			}
		}
	}
	return [][]float64{w, m, v}
}

// SGD is stochastic gradient descent, as torch.optim.SGD.
type SGD struct {
	Decay, Momentum, Dampening float64
	Nesterov                   bool
}

// Step changes the states w and, with a momentum, b, by the gradient g; squares is the sum of
// the squares of all gradients. Without a momentum b is another state of the layout of w, unused.
func (s SGD) Step(r *gpu.Recorder, w, b, g, squares, settings *gpu.Tensor) {
	if !optimizes(r, "sgd", settings, w, b, g) {
		return
	}
	k, err := kernel("sgd", "", shaders.Spec{})
	if err != nil {
		r.Fail(err)
		return
	}
	count := vectorsOf(w)
	r.Do(gpu.Op{Kind: "sgd", Label: r.Label("sgd"), In: []*gpu.Tensor{w, b, g, squares, settings}, Out: []*gpu.Tensor{w, b}, Twin: s.twin,
		Dispatches: []gpu.Dispatch{{
			Kernel: k, Params: gpu.Params{"count": count, "decay": s.Decay, "momentum": s.Momentum, "fresh": 1 - s.Dampening, "nesterov": s.Nesterov},
			Bind:   []gpu.View{gpu.All(g), gpu.All(squares), gpu.All(settings), gpu.All(w), gpu.All(b)},
			Groups: elementwise(count), FLOPs: 32 * float64(count), Bytes: 80 * float64(count)}}})
}

func (s SGD) twin(in [][]float32) [][]float64 {
	w, b, settings := widen(in[0]), widen(in[1]), in[4]
	if done(in[3], settings) {
		factor := clipped(in[3], settings)
		for i, x := range in[2] {
			g := float64(x)*factor + s.Decay*w[i]
			if s.Momentum != 0 {
				if b[i] = s.Momentum*b[i] + (1-s.Dampening)*g; settings[6] == 1 {
					b[i] = g
				}
				if s.Nesterov {
					g += s.Momentum * b[i]
				} else {
					g = b[i]
				}
			}
			w[i] -= float64(settings[3]) * g
		}
	}
	return [][]float64{w, b}
}

// done says whether a step is done, by the sum of squares and the settings.
func done(squares, settings []float32) bool { return settings[2] == 1 && gpu.Finite(squares) }

// clipped is the factor of the gradients.
func clipped(squares, settings []float32) float64 {
	if settings[7] <= 0 {
		return 1
	}
	return min(1, float64(settings[7])/(math.Sqrt(float64(squares[0]))+1e-6))
}

// optimizes checks the operands of an optimizer's operation: f32 of one layout each of which
// fits a binding, and the settings.
func optimizes(r *gpu.Recorder, op string, settings *gpu.Tensor, all ...*gpu.Tensor) bool {
	if r.Err() != nil {
		return false
	}
	w := all[0]
	if !settings.Dense() || settings.Type != gpu.F32 || settings.Width() != SettingsSize {
		r.Fail(fmt.Errorf("%s: settings %s (%s), expected a dense f32 input [%d]", op, settings, settings.Type, SettingsSize))
		return false
	}
	for _, t := range all {
		if t.Type != gpu.F32 || t.Dense() || !slices.Equal(t.Shape, w.Shape) || t.Groups != w.Groups {
			r.Fail(fmt.Errorf("%s: %s (%s, %d groups) and %s (%s, %d groups), expected f32 of one layout", op, w, w.Type, w.Groups, t, t.Type, t.Groups))
			return false
		}
	}
	return true
}

// vectorsOf are the vectors of four of a trained array.
func vectorsOf(t *gpu.Tensor) int { return t.Rows() * t.Stride() / 4 }
