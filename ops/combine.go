package ops

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"saccade/gpu"
	"saccade/shaders"
)

// MostCombined is the largest number of arrays that [Combine] takes.
const MostCombined = 6

// CombineFactors is how many factors a combination has: one for each array that
// there may be, then the limit to clip to.
const CombineFactors = MostCombined + 1

// Operand is an array of [Combine], from the item First of its batch on, and
// from the first item again when they end.
type Operand struct {
	X     *gpu.Tensor
	First int
}

// Combine is Σ factors[at][k]·xs[k], clipped to ±factors[at][MostCombined] if
// that is not 0, as a batch of items of type typ. The operands are items [N, …]
// of one shape, halves, f32 or dense; a factor 0 leaves its operand unread.
//
// The factors are a dense f32 input [combinations, CombineFactors] of the
// program, so that one recording does every step of a diffusion scheduler; half
// of a batch as an operand makes the guidance of a prompt, and a smaller batch
// than the result's both halves of a model's input.
func Combine(r *gpu.Recorder, typ gpu.DType, batch int, factors *gpu.Tensor, at int, xs ...Operand) *gpu.Tensor {
	if len(xs) == 0 || len(xs) > MostCombined {
		r.Fail(fmt.Errorf("combine: found %d operands, expected 1 to %d", len(xs), MostCombined))
		return r.NewTyped("combine", typ, 1, 1, 1)
	}
	shape := slices.Clone(xs[0].X.Shape)
	shape[0] = batch
	y := r.NewTyped("combine", typ, xs[0].X.Groups, shape...)
	if r.Err() != nil {
		return y
	}
	if err := checkCombine(y, factors, at, xs); err != nil {
		r.Fail(fmt.Errorf("combine: %w", err))
		return y
	}
	k, err := combineKernel(typ, xs)
	if err != nil {
		r.Fail(err)
		return y
	}
	vectors := y.Stride() / 4
	count := y.Rows() * vectors
	params := gpu.Params{"count": count, "vectors": vectors, "width": y.Width(), "at": at * CombineFactors}
	in, views := []*gpu.Tensor{factors}, []gpu.View{gpu.All(factors)}
	for i := range MostCombined {
		first, size, view := 0, 0, gpu.All(r.Device().Dummy())
		if i < len(xs) {
			x := xs[i].X
			size, view = x.Rows()*vectors, gpu.All(x)
			first = size / x.Shape[0] * xs[i].First
			in = append(in, x)
		}
		params["first"+strconv.Itoa(i)], params["size"+strconv.Itoa(i)] = first, size
		views = append(views, view)
	}
	n := len(xs)
	r.Do(gpu.Op{Kind: "combine", Label: r.Label("combine"), In: in, Out: []*gpu.Tensor{y},
		Twin: func(in [][]float32) [][]float64 {
			return [][]float64{combineTwin(in[0][at*CombineFactors:], xs, in[1:], y.Rows()*y.Width())}
		},
		Dispatches: []gpu.Dispatch{{
			Kernel: k, Params: params, Bind: append(views, gpu.All(y)), Groups: elementwise(count),
			FLOPs: 8 * float64(n*count), Bytes: 16*float64(n*count) + 4*float64(count)*float64(typ.Size()),
		}}})
	return y
}

func checkCombine(y, factors *gpu.Tensor, at int, xs []Operand) error {
	if !factors.Dense() || factors.Type != gpu.F32 || len(factors.Shape) != 2 || factors.Width() != CombineFactors {
		return fmt.Errorf("factors %s (%s) are no dense f32 [combinations %d]", factors, factors.Type, CombineFactors)
	}
	if at < 0 || at >= factors.Rows() {
		return fmt.Errorf("combination %d is not among those of factors %s", at, factors)
	}
	if len(y.Shape) < 2 || y.Shape[0] < 1 || y.Type == gpu.U32 {
		return fmt.Errorf("a result %v of %s; expected items [N, …] of f16 or f32", y.Shape, y.Type)
	}
	for _, x := range xs {
		if err := fitsCombine(y, x); err != nil {
			return err
		}
	}
	return nil
}

func fitsCombine(y *gpu.Tensor, o Operand) error {
	x := o.X
	if !slices.Equal(x.Shape[1:], y.Shape[1:]) || x.Groups != y.Groups {
		return fmt.Errorf("items of %s (%d groups) are not those of the result %v (%d groups)", x, x.Groups, y.Shape, y.Groups)
	}
	if x.Type == gpu.U32 || x.Dense() && x.Type != gpu.F32 {
		return fmt.Errorf("%s is of %s", x, x.Type)
	}
	if o.First < 0 || o.First >= x.Shape[0] {
		return errors.New("there is no item " + strconv.Itoa(o.First) + " in " + x.String())
	}
	return nil
}

// combineKernel is specialised for how each operand and the result are stored.
func combineKernel(typ gpu.DType, xs []Operand) (*gpu.Kernel, error) {
	spec, variant := shaders.Spec{}, typ.String()
	if typ == gpu.F16 {
		spec.Forms = append(spec.Forms, "to16")
	}
	for i, x := range xs {
		switch {
		case x.X.Dense():
			spec.Forms, variant = append(spec.Forms, fmt.Sprintf("dense%d", i)), variant+" dense"
		case x.X.Type == gpu.F16:
			spec.Forms, variant = append(spec.Forms, fmt.Sprintf("halves%d", i)), variant+" f16"
		default:
			variant += " f32"
		}
	}
	return kernel("combine", variant, spec)
}

func combineTwin(factors []float32, xs []Operand, in [][]float32, n int) []float64 {
	y := make([]float64, n)
	for k, x := range in {
		f := float64(factors[k])
		if f == 0 {
			continue
		}
		first := len(x) / xs[k].X.Shape[0] * xs[k].First
		for i := range y {
			y[i] += f * float64(x[(first+i)%len(x)])
		}
	}
	if most := float64(factors[MostCombined]); most > 0 {
		for i, v := range y {
			if v == v {
				y[i] = min(max(v, -most), most)
			}
		}
	}
	return y
}
