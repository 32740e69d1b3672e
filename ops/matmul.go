package ops

import (
	"fmt"

	"saccade/gpu"
	"saccade/shaders"
)

// shape is what decides between the ways of a matmul: M×N×K and what is fused.
func (l *Linear) shape(x *gpu.Tensor, e epilogue) string {
	k, n := l.physical()
	return fmt.Sprintf("%dx%dx%d%s", x.Rows(), n, k, e.describe())
}

// ways are those of y = act((x·Wᵀ)·scale + b) + residual: the variant that the
// tables have for this class of adapters, and the others.
func (l *Linear) ways(r *gpu.Recorder, x, y *gpu.Tensor, e epilogue) (standard way, others func() []way) {
	k, n := l.physical()
	t := r.Device().Traits()
	if x.Constant() {
		t.MaxUniform = 0 // constants have no room to spare for windows
	}
	by := func(v matmulVariant, choose func(rows int) matmulVariant) way {
		return way{name: v.Family + " " + v.String(), record: func() ([]gpu.Dispatch, error) { return l.record(r, x, y, e, choose) }}
	}
	table := func(rows int) matmulVariant {
		v := chooseMatmul(t, r.Precision, rows, n, k)
		if !v.Window {
			return v
		}
		return reuseMatmul(r, v, rows, n, k, func(v matmulVariant) bool { return e.recorded(r, v.Family, v.String()) })
	}
	return by(table(x.Rows()), table), func() (all []way) {
		for _, v := range matmulCandidates(t, r.Precision, x.Rows(), n, k) {
			all = append(all, by(v, func(int) matmulVariant { return v }))
		}
		return all
	}
}

// reuseMatmul is a tile v in windows, or another of a kernel that the recording has,
// which may cost 20 µs more: see [reuse].
func reuseMatmul(r *gpu.Recorder, v matmulVariant, m, n, k int, has func(matmulVariant) bool) matmulVariant {
	t := r.Device().Traits()
	slack := 0.5 * dispatchCost / float64(k*n)
	if whole, _ := registerTile(t, r.Precision, n); whole.TG != v.TG { // v is a quick one
		slack *= 4
	}
	others := v.heights(min(m, tallest))
	for _, columns := range []int{64, 128, 192} { // of each kind of tile
		other, most := registerTile(t, r.Precision, columns)
		other.Window = true
		others = append(others, other.heights(most)...)
	}
	return reuse(r, v, others, slack, has, func(v matmulVariant) float64 {
		_, cost := v.windows(t, r.Precision, m, n, k)
		return cost
	})
}

// record gives the dispatches of a matmul by what choose says for so many rows.
//
// Weights larger than a binding are bound in windows of panels, activations in
// windows of rows, each window with a dispatch of its own.
func (l *Linear) record(r *gpu.Recorder, x, y *gpu.Tensor, e epilogue, choose func(rows int) matmulVariant) ([]gpu.Dispatch, error) {
	tensors := []*gpu.Tensor{x, y}
	if e.residual != nil {
		tensors = append(tensors, e.residual)
	}
	k, n := l.physical()
	d := r.Device()
	var dispatches []gpu.Dispatch
	for _, rows := range rowChunks(d, x.Rows(), tensors...) {
		for _, w := range panelWindows(d, l.weight.Type, k, n) {
			call := matmulCall{l: l, x: x, y: y, e: e, v: choose(rows[1] - rows[0]), lo: rows[0], hi: rows[1], window: w}
			some, err := call.record(r)
			if err != nil {
				return nil, err
			}
			dispatches = append(dispatches, some...)
		}
	}
	return dispatches, nil
}

// panelWindow is a range of a weight's columns that fits a binding.
type panelWindow struct {
	first, end   int // columns
	offset, size int64
}

// panelWindows cuts a weight into windows of whole tiles of 128 columns.
func panelWindows(d *gpu.Device, typ gpu.DType, k, n int) []panelWindow {
	tile := int64(k) * panelAlign * typ.Size()
	tiles := panelColumns(n) / panelAlign
	most := max(1, int(d.Traits().MaxBinding/tile))
	var windows []panelWindow
	for t := 0; t < tiles; t += most {
		end := min(tiles, t+most)
		windows = append(windows, panelWindow{first: t * panelAlign, end: min(n, end*panelAlign), offset: int64(t) * tile, size: int64(end-t) * tile})
	}
	return windows
}

// matmulCall is one window of a matmul.
type matmulCall struct {
	l      *Linear
	x, y   *gpu.Tensor
	e      epilogue
	v      matmulVariant
	lo, hi int // rows
	window panelWindow
}

func (c *matmulCall) record(r *gpu.Recorder) ([]gpu.Dispatch, error) {
	if c.v.Split > 1 {
		return c.recordSplit(r)
	}
	kern, err := c.v.kernel(r, c.e)
	if err != nil {
		return nil, err
	}
	if c.v.Window {
		return c.recordWindows(r, kern), nil
	}
	return []gpu.Dispatch{c.dispatch(r, kern, rowView(c.x, c.lo, c.hi))}, nil
}

// dispatch is the call with its epilogue fused; a views its rows of A.
func (c *matmulCall) dispatch(r *gpu.Recorder, kern *gpu.Kernel, a gpu.View) gpu.Dispatch {
	k, _ := c.l.physical()
	return gpu.Dispatch{
		Kernel: kern,
		Params: c.params(kern, k),
		Bind:   []gpu.View{a, c.weights(), gpu.All(c.l.bias), c.residual(r), rowView(c.y, c.lo, c.hi)},
		Groups: c.v.groups(c.hi-c.lo, c.window.end-c.window.first, r.Precision),
		FLOPs:  c.flops(),
		Bytes:  c.bytes(),
	}
}

// recordWindows is a dispatch for each uniform window of rows of A.
func (c *matmulCall) recordWindows(r *gpu.Recorder, kern *gpu.Kernel) []gpu.Dispatch {
	k, n := c.l.physical()
	step, _ := c.v.windows(r.Device().Traits(), r.Precision, c.hi-c.lo, n, k)
	var dispatches []gpu.Dispatch
	for lo := c.lo; lo < c.hi; lo += step {
		part := *c
		part.lo, part.hi = lo, min(c.hi, lo+step)
		dispatches = append(dispatches, part.dispatch(r, kern, c.x.Window(lo)))
	}
	return dispatches
}

// params are those of both the whole and the split form.
func (c *matmulCall) params(kern *gpu.Kernel, depth int) gpu.Params {
	k, _ := c.l.physical()
	p := gpu.Params{
		"M": c.hi - c.lo, "N": c.window.end, "K": k, "lda": c.x.Stride(), "ldc": c.y.Stride(), "ldr": c.y.Stride(),
		"column": c.window.first, "depth": depth, "real": c.l.Out, "residual_rows": 0, "scale": c.e.scale,
		"activates": c.e.activates(kern), "step_k": depth, "step_a": depth, "step_b": 8 * depth, "step_c": 0,
	}
	if c.v.Family == "matmul" {
		p["sums_rows"] = 0
	}
	if c.e.residual != nil {
		p["residual_rows"] = c.hi - c.lo
	}
	return p
}

func (c *matmulCall) weights() gpu.View {
	return gpu.View{Tensor: c.l.weight, Offset: c.window.offset, Size: c.window.size}
}

func (c *matmulCall) residual(r *gpu.Recorder) gpu.View {
	if c.e.residual == nil {
		return gpu.All(r.Device().Dummy())
	}
	return rowView(c.e.residual, c.lo, c.hi)
}

func (c *matmulCall) flops() float64 {
	n := float64(c.l.Out) * float64(c.window.end-c.window.first) / float64(c.y.Stride())
	return 2 * float64(c.hi-c.lo) * n * float64(c.l.In)
}

func (c *matmulCall) bytes() float64 {
	size := float64(c.x.Type.Size())
	rows := float64(c.hi - c.lo)
	return float64(c.window.size) + rows*size*float64(c.x.Stride()+c.window.end-c.window.first)
}

// recordSplit cuts K into slices whose f32 sums a second kernel adds in order:
// for few rows, where whole columns would leave most of a GPU idle.
func (c *matmulCall) recordSplit(r *gpu.Recorder) ([]gpu.Dispatch, error) {
	k, _ := c.l.physical()
	rows := c.hi - c.lo
	depth := (k/8 + c.v.Split - 1) / c.v.Split * 8
	slices := (k + depth - 1) / depth
	partial := r.NewTyped(c.l.name+".partial", gpu.F32, 1, slices*rows, c.y.Stride())
	split, err := c.v.splitKernel(r)
	if err != nil {
		return nil, err
	}
	reduce, err := reduceKernel(r, c.e)
	if err != nil {
		return nil, err
	}
	params := c.params(split, depth)
	params["step_c"], params["residual_rows"] = rows*c.y.Stride(), 0
	if c.v.Family == "matmul" {
		params["sums_rows"] = rows
	}
	groups := c.v.groups(rows, c.window.end-c.window.first, r.Precision)
	groups[2] = slices
	reduceParams := gpu.Params{
		"M": rows, "N": c.window.end, "rows": rows, "ldp": c.y.Stride(), "slices": slices, "ldc": c.y.Stride(),
		"ldr": c.y.Stride(), "real": c.l.Out, "residual_rows": 0, "scale": c.e.scale,
		"activates": c.e.activates(reduce),
	}
	if c.e.residual != nil {
		reduceParams["residual_rows"] = rows
	}
	dummy := gpu.All(r.Device().Dummy())
	return []gpu.Dispatch{{
		Kernel: split, Params: params, Groups: groups, FLOPs: c.flops(), Bytes: c.bytes(),
		Bind: []gpu.View{rowView(c.x, c.lo, c.hi), c.weights(), gpu.All(c.l.bias), dummy, gpu.All(partial)},
	}, {
		Kernel: reduce, Params: reduceParams, Groups: elementwise(c.window.end / 4 * rows),
		Bytes: float64(slices*rows*c.y.Stride()) * 4,
		Bind:  []gpu.View{gpu.All(partial), gpu.All(c.l.bias), c.residual(r), rowView(c.y, c.lo, c.hi)},
	}}, nil
}

// specFor is the specification without epilogue for the recording's adapter.
func (v matmulVariant) specFor(r *gpu.Recorder) shaders.Spec {
	spec := v.spec(r.Precision)
	if v.Family == "matmul" {
		looped(r.Device().Traits(), &spec)
	}
	return spec
}

// kernel is the variant with its epilogue fused.
func (v matmulVariant) kernel(r *gpu.Recorder, e epilogue) (*gpu.Kernel, error) {
	spec := v.specFor(r)
	if e.stored(r.Precision) == gpu.F32 {
		spec.Forms = append(spec.Forms, "floats")
	}
	return e.kernel(r, v.Family, v.String(), spec)
}

// splitKernel stores plain sums of a slice of K.
func (v matmulVariant) splitKernel(r *gpu.Recorder) (*gpu.Kernel, error) {
	if v.splitJoins(r) {
		return v.kernel(r, epilogue{activation: plainSums})
	}
	spec := v.specFor(r)
	spec.Const["SPLIT"] = 1
	spec.Forms = append(spec.Forms, "floats")
	return kernel(v.Family, v.String()+" split", spec)
}

// splitJoins says whether a kernel that layers recorded before run does it too.
func (v matmulVariant) splitJoins(r *gpu.Recorder) bool {
	base := v.Family + "/" + v.String()
	if v.Family != "matmul" || !plainSums.joins(r.Device().Traits()) || !r.Has(base, base) {
		return false
	}
	_, joins := plainSums.joined(r, base, "")
	return joins || r.InPlaceOf(base) == nil
}

func reduceKernel(r *gpu.Recorder, e epilogue) (*gpu.Kernel, error) {
	stored := e.stored(r.Precision)
	return e.kernel(r, epilogueFile, stored.String(), shaders.Spec{Forms: forms(stored)})
}
