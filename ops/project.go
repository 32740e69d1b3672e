package ops

import (
	"fmt"
	"slices"

	"saccade/gpu"
	"saccade/shaders"
)

// Trained matrices are states: f32 [rows, columns] in the layout of activations, whose groups
// are those of the activations that the columns belong to. Three operations multiply with
// them: Project with their rows, Expand sums of these, and Outer makes their gradients.

// trainedRows is the rows m of x and y that a thread of project and expand takes.
const trainedRows = 4

// columnsOf is where a matrix stands in the columns of an activation: from physical column
// first on.
func columnsOf(w, x *gpu.Tensor, first int) error {
	switch {
	case w.Type != gpu.F32 || w.Dense() || len(w.Shape) != 2:
		return fmt.Errorf("%s (%s) is no trained matrix, f32 [rows, columns]", w, w.Type)
	case first%8 != 0 || first < 0 || first+w.Stride() > x.Stride() || w.Stride()/w.Groups != x.Stride()/x.Groups || w.Width()/w.Groups != x.Width()/x.Groups:
		return fmt.Errorf("the columns of %s in %d groups are none of %s in %d, from %d on", w, w.Groups, x, x.Groups, first)
	}
	return nil
}

// window is the logical columns of a row of x, an activation's, that belong to w.
func windowOf(w, x *gpu.Tensor, first int) (at, width int) {
	pad := x.Stride() / x.Groups
	return first / pad * (x.Width() / x.Groups), w.Width()
}

// projection is a use of [Project].
type projection struct {
	x, w, bias, residual *gpu.Tensor
	first                int // physical column of x that belongs to w's first
	scale                float64
	// out and groups are the columns of the result: of several groups w has a row for each
	// physical column, with zeros in those of the padding. 0: the rows of w in one.
	out, groups int
	// whole says that w is a layer's whole weight, whose products may round it to the precision
	// of activations, as an inference does. An adapter's small values would vanish.
	whole bool
}

// project is scale·x·wᵀ + bias + residual: of x [..., C] and w [R, C], a trained matrix, with
// bias [1, R] and residual [..., R] or nil, [..., R]. w may be of the columns of x from a
// physical one on.
func project(r *gpu.Recorder, name string, c projection) *gpu.Tensor {
	if c.out == 0 {
		c.out, c.groups = c.w.Rows(), 1
	}
	y := r.NewTyped(name, c.x.Type, c.groups, reshaped(c.x.Shape, c.out)...)
	if r.Err() != nil {
		return y
	}
	if err := c.check(y); err != nil {
		r.Fail(fmt.Errorf("%s: %w", name, err))
		return y
	}
	op := gpu.Op{Kind: "project", Label: r.Label(name), In: []*gpu.Tensor{c.x, c.w}, Out: []*gpu.Tensor{y}, Twin: c.twin}
	if c.bias != nil {
		op.In = append(op.In, c.bias)
	}
	if c.residual != nil {
		op.In = append(op.In, c.residual)
	}
	op.Adjoint = func(dy *gpu.Tensor, needed []bool) []*gpu.Tensor { return c.adjoint(r, dy, needed) }
	rows := way{name: "rows", record: func() ([]gpu.Dispatch, error) { return c.record(r, y) }}
	l := madeOf(r, name, c.x, y, c.bias)
	panels := func() (way, func() []way) {
		return l.panelled(r, c.x, y, epilogue{scale: c.scale, residual: c.residual}, func() ([]gpu.Dispatch, error) { return l.panelsTurned(r, c.w) })
	}
	trainedWays{rows: c.x.Rows(), w: c.w, asIs: rows, panels: panels}.do(r, op, c.whole && c.w.Stride() == c.x.Stride() && !c.x.Dense(), paysWhole(c.w, c.x))
	return y
}

// record gives the dispatches of the kernel that reads w as it stands.
func (c projection) record(r *gpu.Recorder, y *gpu.Tensor) (all []gpu.Dispatch, err error) {
	k, err := kernel("project", c.x.Type.String(), shaders.Spec{Forms: forms(c.x.Type)})
	if err != nil {
		return nil, err
	}
	dummy := gpu.All(r.Device().Dummy())
	bias := dummy
	windows := []*gpu.Tensor{c.x, y}
	if c.bias != nil {
		bias = gpu.All(c.bias)
	}
	if c.residual != nil {
		windows = append(windows, c.residual)
	}
	for _, part := range rowChunks(r.Device(), c.x.Rows(), windows...) {
		rows, residual := part[1]-part[0], dummy
		if c.residual != nil {
			residual = rowView(c.residual, part[0], part[1])
		}
		all = append(all, gpu.Dispatch{
			Kernel: k, Params: gpu.Params{"rows": rows, "columns": c.w.Rows(), "depth": c.w.Stride() / 4, "x_stride": c.x.Stride() / 4, "y_stride": y.Stride() / 4,
				"first": c.first / 4, "biased": c.bias != nil, "added": c.residual != nil, "scale": c.scale},
			Bind:   []gpu.View{rowView(c.x, part[0], part[1]), gpu.All(c.w), bias, residual, rowView(y, part[0], part[1])},
			Groups: elementwise(ceilDiv(rows, trainedRows) * y.Stride() / 4),
			FLOPs:  2 * float64(rows*c.w.Rows()*c.w.Width()), Bytes: float64(rows*(c.w.Stride()+y.Stride()))*float64(c.x.Type.Size()) + float64(c.w.Bytes()),
		})
	}
	return all, nil
}

// paysWhole says whether the product of a layer's whole weight with x is worth bringing it into panels:
// not that of a few rows, nor of a small weight.
func paysWhole(w, x *gpu.Tensor) bool { return x.Rows() >= 16 && w.Rows()*w.Stride() >= 1<<11 }

// trainedWays are those of a product of so many rows with a trained matrix: by the kernel that reads
// what it multiplies as it stands, and by a matmul in panels.
type trainedWays struct {
	rows   int
	w      *gpu.Tensor
	asIs   way
	panels func() (standard way, others func() []way)
}

// do records the product, in panels only if it may be: as a rule where that pays.
func (t trainedWays) do(r *gpu.Recorder, op gpu.Op, may, pays bool) {
	asIs := t.asIs
	if !may {
		dispatches, err := asIs.record()
		if err != nil {
			r.Fail(fmt.Errorf("%s: %w", op.Label, err))
			return
		}
		op.Dispatches = dispatches
		r.Do(op)
		return
	}
	panels, more := t.panels()
	standard, others := panels.or(asIs), func() []way { return append(more(), asIs) }
	if !pays {
		standard, others = asIs, func() []way { return append(more(), panels) }
	}
	do(r, op, fmt.Sprintf("%dx%dx%d", t.rows, t.w.Rows(), t.w.Stride()), standard, others)
}

// Match is scale·x·wᵀ, f32 [N, R], of rows x [N, C] and w [R, C] in f32, such as the cosines of
// features of unit length.
func Match(r *gpu.Recorder, x, w *gpu.Tensor, scale float64) *gpu.Tensor {
	return project(r, "match", projection{x: x, w: w, scale: scale})
}

func (c projection) check(y *gpu.Tensor) error {
	if err := columnsOf(c.w, c.x, c.first); err != nil {
		return err
	}
	if b := c.bias; b != nil && (b.Type != gpu.F32 || b.Width() != c.out || b.Groups != c.groups || b.Rows() != 1) {
		return fmt.Errorf("bias %s (%s) does not fit %s", b, b.Type, c.w)
	}
	if c.groups > 1 && c.w.Rows() != y.Stride() {
		return fmt.Errorf("%s has no row for each column of %s in %d groups", c.w, y, y.Groups)
	}
	if c.residual != nil {
		return sameShape(c.residual, y)
	}
	return nil
}

// adjoint is that of x, w, the bias and the residual.
func (c projection) adjoint(r *gpu.Recorder, dy *gpu.Tensor, needed []bool) []*gpu.Tensor {
	grads := make([]*gpu.Tensor, len(needed))
	if needed[0] {
		grads[0] = expand(r, "dx", expansion{u: dy, w: c.w, first: c.first, scale: c.scale, shape: c.x, whole: c.whole})
	}
	if needed[1] {
		grads[1] = outer(r, "dw", dy, c.x, c.first, c.w, c.scale)
	}
	at := 2
	if c.bias != nil {
		if needed[at] {
			grads[at] = sum(r, "db", dy)
		}
		at++
	}
	if c.residual != nil {
		grads[at] = dy
	}
	return grads
}

func (c projection) twin(in [][]float32) [][]float64 {
	at, width := windowOf(c.w, c.x, c.first)
	x, w, rest := in[0], in[1], in[2:]
	y := make([]float64, c.x.Rows()*c.out)
	for m := range c.x.Rows() {
		row := x[m*c.x.Width()+at:][:width]
		for o := range c.out {
			y[m*c.out+o] = c.scale * dot(row, w[rowFor(o, c.out, c.groups)*width:][:width])
		}
	}
	if c.bias != nil {
		for i := range y {
			y[i] += float64(rest[0][i%c.out])
		}
		rest = rest[1:]
	}
	if c.residual != nil {
		for i := range y {
			y[i] += float64(rest[0][i])
		}
	}
	return [][]float64{y}
}

// rowFor is the row of a trained matrix that belongs to column o of an activation in groups.
func rowFor(o, width, groups int) int {
	if groups == 1 {
		return o
	}
	return padded(o, width, groups)
}

// rowForEach checks that a trained matrix has a row for each column of an activation.
func rowForEach(w, u *gpu.Tensor) bool {
	return u.Groups == 1 && u.Width() == w.Rows() || u.Groups > 1 && u.Stride() == w.Rows()
}

// expansion is a use of [expand].
type expansion struct {
	u, w, residual *gpu.Tensor
	first          int         // physical column of the result that belongs to w's first
	shape          *gpu.Tensor // that the result is of the shape and layout of
	scale          float64
	whole          bool // as in projection
}

// expand is scale·u·w + residual: of u [..., R] and w [R, C], a trained matrix, [..., C]. It may
// be some columns of a wider result, in which the others are those of the residual, or zero.
func expand(r *gpu.Recorder, name string, c expansion) *gpu.Tensor {
	y := r.NewTyped(name, c.u.Type, c.shape.Groups, c.shape.Shape...)
	if r.Err() != nil {
		return y
	}
	if err := c.check(y); err != nil {
		r.Fail(fmt.Errorf("%s: %w", name, err))
		return y
	}
	op := gpu.Op{Kind: "expand", Label: r.Label(name), In: []*gpu.Tensor{c.u, c.w}, Out: []*gpu.Tensor{y}, Twin: c.twin}
	if c.residual != nil {
		op.In = append(op.In, c.residual)
	}
	op.Adjoint = func(dy *gpu.Tensor, needed []bool) []*gpu.Tensor {
		grads := make([]*gpu.Tensor, len(needed))
		if needed[0] {
			grads[0] = project(r, "du", projection{x: dy, w: c.w, first: c.first, scale: c.scale, out: c.u.Width(), groups: c.u.Groups, whole: c.whole})
		}
		if needed[1] {
			grads[1] = outer(r, "dw", c.u, dy, c.first, c.w, c.scale)
		}
		if c.residual != nil {
			grads[2] = dy
		}
		return grads
	}
	rows := way{name: "rows", record: func() ([]gpu.Dispatch, error) { return c.record(r, y) }}
	l := madeOf(r, name, c.u, y, nil)
	panels := func() (way, func() []way) {
		return l.panelled(r, c.u, y, epilogue{scale: c.scale, residual: c.residual}, func() ([]gpu.Dispatch, error) { return l.panelRows(r, c.w, 0) })
	}
	trainedWays{rows: y.Rows(), w: c.w, asIs: rows, panels: panels}.do(r, op, c.whole && c.w.Stride() == y.Stride(), paysWhole(c.w, y))
	return y
}

// record gives the dispatches of the kernel that reads w as it stands.
func (c expansion) record(r *gpu.Recorder, y *gpu.Tensor) (all []gpu.Dispatch, err error) {
	k, err := kernel("expand", c.u.Type.String(), shaders.Spec{Forms: forms(c.u.Type)})
	if err != nil {
		return nil, err
	}
	windows := []*gpu.Tensor{c.u, y}
	if c.residual != nil {
		windows = append(windows, c.residual)
	}
	for _, part := range rowChunks(r.Device(), y.Rows(), windows...) {
		rows, residual := part[1]-part[0], gpu.All(r.Device().Dummy())
		if c.residual != nil {
			residual = rowView(c.residual, part[0], part[1])
		}
		all = append(all, gpu.Dispatch{
			Kernel: k, Params: gpu.Params{"rows": rows, "depth": c.w.Rows(), "width": c.w.Stride() / 4, "first": c.first / 4,
				"u_stride": c.u.Stride() / 4, "y_stride": y.Stride() / 4, "added": c.residual != nil, "scale": c.scale},
			Bind:   []gpu.View{rowView(c.u, part[0], part[1]), gpu.All(c.w), residual, rowView(y, part[0], part[1])},
			Groups: elementwise(ceilDiv(rows, trainedRows) * y.Stride() / 4),
			FLOPs:  2 * float64(rows*c.w.Rows()*c.w.Width()), Bytes: 2*float64(rows*y.Stride())*float64(y.Type.Size()) + float64(c.w.Bytes()),
		})
	}
	return all, nil
}

func (c expansion) check(y *gpu.Tensor) error {
	if err := columnsOf(c.w, y, c.first); err != nil {
		return err
	}
	if u := c.u; !rowForEach(c.w, u) || !slices.Equal(u.Shape[:len(u.Shape)-1], y.Shape[:len(y.Shape)-1]) {
		return fmt.Errorf("%s in %d groups and %s do not give %v", u, u.Groups, c.w, y.Shape)
	}
	if c.residual != nil {
		return sameShape(c.residual, y)
	}
	return nil
}

func (c expansion) twin(in [][]float32) [][]float64 {
	at, width := windowOf(c.w, c.shape, c.first)
	u, w, r := in[0], in[1], c.u.Width()
	y := make([]float64, c.shape.Rows()*c.shape.Width())
	if c.residual != nil {
		y = widen(in[2])
	}
	for m := range c.shape.Rows() {
		row := y[m*c.shape.Width()+at:][:width]
		for j := range r {
			for i := range row {
				row[i] += c.scale * float64(u[m*r+j]) * float64(w[rowFor(j, r, c.u.Groups)*width+i])
			}
		}
	}
	return [][]float64{y}
}
