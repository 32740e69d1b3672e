package ops

import (
	"fmt"

	"saccade/gpu"
	"saccade/shaders"
)

// outer is the gradient scale·uᵀ·x of a trained matrix w [R, C], f32 in its layout: of u
// [..., R] and x [..., C or more], from physical column first on.
func outer(r *gpu.Recorder, name string, u, x *gpu.Tensor, first int, w *gpu.Tensor, scale float64) *gpu.Tensor {
	y := r.NewTyped(name, gpu.F32, w.Groups, w.Shape...)
	if r.Err() != nil {
		return y
	}
	err := columnsOf(w, x, first)
	if err == nil && (!rowForEach(w, u) || u.Rows() != x.Rows() || u.Type != x.Type) {
		err = fmt.Errorf("%s and %s do not give %v", u, x, w.Shape)
	}
	if err == nil {
		err = sumsFit(r, u, x)
	}
	if err != nil {
		r.Fail(fmt.Errorf("%s: %w", name, err))
		return y
	}
	at, width := windowOf(w, x, first)
	op := gpu.Op{Kind: "outer", Label: r.Label(name), In: []*gpu.Tensor{u, x}, Out: []*gpu.Tensor{y},
		Twin: func(in [][]float32) [][]float64 {
			y := make([]float64, w.Rows()*width)
			for m := range u.Rows() {
				for j := range u.Width() {
					row := y[rowFor(j, u.Width(), u.Groups)*width:][:width]
					for c := range row {
						row[c] += scale * float64(in[0][m*u.Width()+j]) * float64(in[1][m*x.Width()+at+c])
					}
				}
			}
			return [][]float64{y}
		}}
	c := outerCall{u: u, x: x, y: y, first: first, scale: scale}
	asIs := way{name: "rows", record: func() ([]gpu.Dispatch, error) { return c.rows(r) }}
	pays := w.Rows() >= 16 && u.Rows()*w.Rows()*w.Stride() >= 1<<21 // which makes up for bringing both into another order
	trainedWays{rows: u.Rows(), w: w, asIs: asIs, panels: func() (way, func() []way) { return c.panels(r, name) }}.do(r, op, true, pays)
	return y
}

// outerCall is a use of [outer], whose result is y.
type outerCall struct {
	u, x, y *gpu.Tensor
	first   int
	scale   float64
}

// panels is the ways by a matmul of uᵀ, whose rows are columns of u, and x in panels.
func (c outerCall) panels(r *gpu.Recorder, name string) (standard way, others func() []way) {
	rows := r.New(name+".transposed", 1, c.y.Rows(), c.u.Rows())
	l := madeOf(r, name, rows, c.y, nil)
	return l.panelled(r, rows, c.y, epilogue{scale: c.scale, floats: r.Precision != gpu.F32}, func() ([]gpu.Dispatch, error) {
		turned, err := columnsAsRows(r, c.u, rows)
		if err != nil {
			return nil, err
		}
		panels, err := l.panelRows(r, c.x, c.first)
		return append(turned, panels...), err
	})
}

// outerThreads is how many threads keep a GPU at work, of which a small matrix gives few: its
// rows are summed in as many slices.
const outerThreads = 8192

// rows is the dispatches of the kernel that reads both as they stand, and of its slices' sum.
func (c outerCall) rows(r *gpu.Recorder) ([]gpu.Dispatch, error) {
	t := r.Device().Traits()
	width, rows, count := c.y.Stride()/4, c.u.Rows(), c.y.Rows()
	high, wide, lanes := min(2, ceilDiv(count, 4)), 2, 64
	if !t.ManyThreads {
		lanes = 8 // so that all cores have some
	}
	threads := ceilDiv(width, wide) * ceilDiv(count, 4*high)
	slice := min(rows, 1<<14)
	if t.ManyThreads {
		slice = max(32, ceilDiv(rows, max(1, outerThreads/threads)))
	}
	k, err := kernel("outer", fmt.Sprintf("%s %dx%d", c.x.Type, high, wide), shaders.Spec{Forms: forms(c.x.Type),
		Const: map[string]int{"TR": high, "TC": wide, "LANES": lanes}, Workgroup: [3]int{lanes, 1, 1}})
	if err != nil {
		return nil, err
	}
	n, to := ceilDiv(rows, slice), c.y
	if n > 1 {
		to = r.NewTyped(c.y.Name+".slices", gpu.F32, c.y.Groups, n*count, c.y.Width())
	}
	all := []gpu.Dispatch{{
		Kernel: k, Params: gpu.Params{"rows": rows, "slice": slice, "slices": n, "count": count, "width": width, "first": c.first / 4, "u_stride": c.u.Stride() / 4, "x_stride": c.x.Stride() / 4, "scale": c.scale},
		Bind: []gpu.View{gpu.All(c.u), gpu.All(c.x), gpu.All(to)}, Groups: grid(ceilDiv(threads*n, lanes)),
		Turns: slice, FLOPs: 2 * float64(rows*count*c.y.Width()), Bytes: float64(rows*(c.u.Stride()+c.y.Stride()))*float64(c.x.Type.Size()) + float64(to.Bytes()),
	}}
	if n == 1 {
		return all, nil
	}
	add, err := sumKernel(gpu.F32)
	return append(all, sumDispatch(add, to, c.y, n)), err
}
