package ops

import (
	"fmt"
	"slices"

	"saccade/gpu"
	"saccade/shaders"
)

// Stacked is some rows of a table: Count rows of A, f32 [rows, C], from row First on, plus as
// many of B from row FirstB on, if there is a B.
type Stacked struct {
	A, B          *gpu.Tensor
	First, FirstB int
	Count         int
}

// Stack puts parts of trained rows below each other: f32 [rows, C], the table of a sequence.
// Each row of an operand is in one part at most.
func Stack(r *gpu.Recorder, parts ...Stacked) *gpu.Tensor {
	rows := 0
	for _, p := range parts {
		rows += p.Count
	}
	y := r.NewTyped("stack", gpu.F32, 1, rows, parts[0].A.Width())
	if r.Err() != nil {
		return y
	}
	k, err := kernel("stack", "", shaders.Spec{})
	if err != nil {
		r.Fail(err)
		return y
	}
	op := gpu.Op{Kind: "stack", Label: r.Label("stack"), Out: []*gpu.Tensor{y}}
	vectors, to := y.Stride()/4, 0
	for _, p := range parts {
		b := gpu.All(r.Device().Dummy())
		for _, t := range []*gpu.Tensor{p.A, p.B} {
			if t == nil {
				continue
			}
			if t.Type != gpu.F32 || t.Groups != 1 || t.Width() != y.Width() || t.Dense() || p.First+p.Count > p.A.Rows() || p.B != nil && p.FirstB+p.Count > p.B.Rows() {
				r.Fail(fmt.Errorf("stack: %s (%s) has no such rows as %s", t, t.Type, y))
				return y
			}
			if !slices.Contains(op.In, t) {
				op.In = append(op.In, t)
			}
		}
		if p.B != nil {
			b = gpu.All(p.B)
		}
		count := p.Count * vectors
		op.Dispatches = append(op.Dispatches, gpu.Dispatch{Kernel: k,
			Params: gpu.Params{"count": count, "to": to * vectors, "from_a": p.First * vectors, "from_b": p.FirstB * vectors, "added": p.B != nil},
			Bind:   []gpu.View{gpu.All(p.A), b, gpu.All(y)}, Groups: elementwise(count), FLOPs: 4 * float64(count), Bytes: 48 * float64(count)})
		to += p.Count
	}
	op.Twin = func(in [][]float32) [][]float64 { return [][]float64{stackTwin(op.In, in, parts, y.Width())} }
	op.Adjoint = func(dy *gpu.Tensor, needed []bool) []*gpu.Tensor {
		grads := make([]*gpu.Tensor, len(op.In))
		for i, t := range op.In {
			if needed[i] {
				grads[i] = unstack(r, t, dy, parts)
			}
		}
		return grads
	}
	r.Do(op)
	return y
}

// unstack is the gradient of an operand, each of whose rows is in a part.
func unstack(r *gpu.Recorder, t, dy *gpu.Tensor, parts []Stacked) *gpu.Tensor {
	type place struct{ row, from, count int }
	var places []place
	at := 0
	for _, p := range parts {
		if p.A == t {
			places = append(places, place{p.First, at, p.Count})
		}
		if p.B == t {
			places = append(places, place{p.FirstB, at, p.Count})
		}
		at += p.Count
	}
	slices.SortFunc(places, func(a, b place) int { return a.row - b.row })
	var own []Stacked
	next := 0
	for _, p := range places {
		if p.row != next {
			r.Fail(fmt.Errorf("stack: row %d of %s is in no part, or in several", next, t))
			return t
		}
		own, next = append(own, Stacked{A: dy, First: p.from, Count: p.count}), next+p.count
	}
	return Stack(r, own...)
}

func stackTwin(tensors []*gpu.Tensor, in [][]float32, parts []Stacked, width int) (y []float64) {
	rows := func(t *gpu.Tensor, first, count int) []float64 {
		return widen(in[slices.Index(tensors, t)][first*width : (first+count)*width])
	}
	for _, p := range parts {
		some := rows(p.A, p.First, p.Count)
		if p.B != nil {
			for i, v := range rows(p.B, p.FirstB, p.Count) {
				some[i] += v
			}
		}
		y = append(y, some...)
	}
	return y
}
