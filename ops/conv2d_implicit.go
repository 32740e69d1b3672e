package ops

import (
	"math/bits"

	"saccade/gpu"
)

// implicitMatmul is a batch of implicit matmuls, the work of the kernels conv2d and
// conv2d_shared: the groups of a convolution, or the matrices of Winograd's.
type implicitMatmul struct {
	name    string
	m, n, k int // rows, physical columns and depth of each matrix
	real    int // columns that are not padding
	count   int // matrices

	a, b, bias, y gpu.View
	residual      gpu.View   // no tensor: none
	ldc           int        // elements from row to row of y
	pixels        gpu.Params // where the rows of A lie
	stepA, stepB  int        // 16-byte vectors from matrix to matrix
	stepC         int        // elements
	e             epilogue

	isPlain      bool    // y takes the sums, f32, without an epilogue
	flops, saved float64 // as in gpu.Dispatch
	bytes        float64
}

// rowsOf describes rows of A that follow each other, width elements apart.
func rowsOf(rows, width int, precision gpu.DType) gpu.Params {
	vectors := width * int(precision.Size()) / 16
	return gpu.Params{
		"vectors": vectors, "lda": vectors, "height": 1, "width": rows, "up": 0, "out_height": 1, "out_width": rows,
		"kernel_width": 1, "stride_y": 1, "stride_x": 1, "dilation_y": 1, "dilation_x": 1, "pad_y": 0, "pad_x": 0,
	}
}

// record chooses a variant and records it. Plain sums are a batch of matmuls, which
// looks for no pixels: with tiles in registers where there are many columns, at twice
// the rate, and with tiles in workgroup memory always, where AMD's compiler expects a
// twelfth more (`make isa`).
func (g *implicitMatmul) record(r *gpu.Recorder) ([]gpu.Dispatch, error) {
	t := r.Device().Traits()
	if g.isPlain && (t.ManyThreads || g.n > narrowColumns) {
		batch := matmulBatch{
			m: g.m, n: g.n, k: g.k, count: g.count, a: g.a, b: g.b, c: g.y, lda: g.k, ldc: g.ldc,
			stepA: g.m * g.k, stepB: g.stepB, stepC: g.stepC, floats: true, flops: g.flops, saved: g.saved, bytes: g.bytes,
		}
		if dispatches, ok, err := batch.record(r); ok || err != nil {
			return dispatches, err
		}
	}
	v := chooseConv(t, r.Precision, g.m, g.n, g.k, g.count, g.isPlain)
	has := func(v convVariant) bool { return epilogue{}.recorded(r, v.Family, v.kernel()) }
	v = reuse(r, v, registerConvs(t, r.Precision, g.k, g.isPlain), 0, has, func(v convVariant) float64 {
		return v.cost(r.Precision, g.m, g.n, g.k, g.count)
	})
	return g.recordAs(r, v)
}

func (g *implicitMatmul) recordAs(r *gpu.Recorder, v convVariant) ([]gpu.Dispatch, error) {
	if g.isPlain {
		x, err := g.sums(r, v, g.y)
		return []gpu.Dispatch{x}, err
	}
	if v.Slices > 0 {
		return g.recordSlices(r, v)
	}
	kern, err := g.e.kernel(r, v.Family, v.kernel(), v.spec(r.Precision))
	if err != nil {
		return nil, err
	}
	params := g.params(v)
	params["real"], params["residual_rows"], params["activates"] = g.real, 0, g.e.activates(kern)
	residual := gpu.All(r.Device().Dummy())
	if g.residual.Tensor != nil {
		params["residual_rows"], residual = g.m, g.residual
	}
	return []gpu.Dispatch{{
		Kernel: kern, Params: params, Bind: []gpu.View{g.a, g.b, g.bias, residual, g.y},
		Groups: v.groups(g.m, g.n, g.count, r.Precision), FLOPs: g.flops, Saved: g.saved, Bytes: g.bytes,
	}}, nil
}

// sums is the dispatch that stores f32 sums of each slice to y.
func (g *implicitMatmul) sums(r *gpu.Recorder, v convVariant, y gpu.View) (gpu.Dispatch, error) {
	spec := v.spec(r.Precision)
	params := g.params(v)
	bind := []gpu.View{g.a, g.b, y}
	variant := v.kernel()
	if v.Family == "conv2d" {
		looped(r.Device().Traits(), &spec)
		params["across"], params["along"], params["staged"] = bits.Len(uint(v.LX))-1, bits.Len(uint(v.LK))-1, v.tileRows()
		params["tile"] = v.tileWidth(v.depth(g.k), r.Precision)
	} else {
		spec.Const["PLAIN"] = 1
		if r.Precision != gpu.F32 { // whose kernels store them anyway
			spec.Forms = append(spec.Forms, "floats")
		}
		params["real"], params["residual_rows"], params["activates"] = g.real, 0, 0
		bind = []gpu.View{g.a, g.b, g.bias, gpu.All(r.Device().Dummy()), y}
		variant += " sums"
	}
	kern, err := kernel(v.Family, variant, spec)
	return gpu.Dispatch{
		Kernel: kern, Params: params, Bind: bind,
		Groups: v.groups(g.m, g.n, g.count, r.Precision), FLOPs: g.flops, Saved: g.saved, Bytes: g.bytes,
	}, err
}

// params are those of all forms.
func (g *implicitMatmul) params(v convVariant) gpu.Params {
	p := gpu.Params{
		"M": g.m, "first": 0, "N": g.n, "K": g.k, "depth": v.depth(g.k), "slices": v.slices(g.k), "rows": g.m, "ldc": g.ldc,
		"step_a": g.stepA, "step_b": g.stepB, "step_c": g.stepC,
	}
	for name, value := range g.pixels {
		p[name] = value
	}
	if v.Family == "conv2d_shared" {
		p["tap_step"], p["row_step"] = 1/float64(g.pixels["vectors"].(int)), 1/float64(g.pixels["kernel_width"].(int))
	}
	return p
}

// sumsMost is the most memory, in bytes, that sums take at once.
const sumsMost = 32 << 20

// recordSlices cuts K into slices whose f32 sums matmul_reduce adds in order,
// for as many rows at a time as there is room for sums.
func (g *implicitMatmul) recordSlices(r *gpu.Recorder, v convVariant) ([]gpu.Dispatch, error) {
	reduce, err := reduceKernel(r, g.e)
	if err != nil {
		return nil, err
	}
	slices := v.slices(g.k)
	most := int(min(sumsMost, r.Device().Traits().MaxBinding)) / (4 * slices * g.ldc)
	var dispatches []gpu.Dispatch
	for _, rows := range ranges(g.m, max(64, most/64*64)) { // windows of y begin aligned
		part := *g
		part.m = rows[1] - rows[0]
		share := float64(part.m) / float64(g.m)
		part.flops, part.bytes = g.flops*share, g.bytes*share
		sums := r.NewTyped(g.name+".sums", gpu.F32, 1, slices*part.m, g.ldc)
		x, err := part.sums(r, v, gpu.All(sums))
		if err != nil {
			return nil, err
		}
		x.Params["first"] = rows[0]
		dispatches = append(dispatches, x, part.reduce(r, reduce, sums, slices, rows[0]))
	}
	return dispatches, nil
}

// reduce adds the slices of the sums of g.m rows, which begin with row first of y.
func (g *implicitMatmul) reduce(r *gpu.Recorder, k *gpu.Kernel, sums *gpu.Tensor, slices, first int) gpu.Dispatch {
	columns := g.n + (g.count-1)*g.stepC
	params := gpu.Params{
		"M": g.m, "N": columns, "rows": g.m, "ldp": g.ldc, "slices": slices, "ldc": g.ldc, "ldr": g.ldc,
		"real": g.real + (g.count-1)*g.stepC, "residual_rows": 0, "scale": 1,
		"activates": g.e.activates(k),
	}
	window := func(v gpu.View) gpu.View {
		row := int64(g.ldc) * v.Tensor.Type.Size()
		return gpu.View{Tensor: v.Tensor, Offset: v.Offset + int64(first)*row, Size: int64(g.m) * row}
	}
	residual := gpu.All(r.Device().Dummy())
	if g.residual.Tensor != nil {
		params["residual_rows"], residual = g.m, window(g.residual)
	}
	return gpu.Dispatch{
		Kernel: k, Params: params, Groups: elementwise(columns / 4 * g.m), Bytes: float64(sums.Bytes()),
		Bind: []gpu.View{gpu.All(sums), g.bias, residual, window(g.y)},
	}
}
