package ops

import (
	"saccade/gpu"
)

// matmulBatch is count matmuls of one size without an epilogue, by the kernels of
// matmul: of Winograd's matrices, of the heads of an attention.
type matmulBatch struct {
	m, n, k, count int // rows, physical columns and depth of each

	a, b, c             gpu.View // A of one tensor, from its row on; of b the panels of all matrices
	lda, ldc            int      // elements from row to row
	stepA, stepB, stepC int      // from matrix to matrix: elements of A, vectors of B, elements of C
	floats              bool     // C is f32, whatever A is
	flops, saved, bytes float64
}

// part is rows lo to hi of matrices first to end.
type batchPart struct{ lo, hi, first, end int }

// record gives the dispatches; ok is false where no variant fits.
func (b *matmulBatch) record(r *gpu.Recorder) (dispatches []gpu.Dispatch, ok bool, err error) {
	t, ok := b.choose(r)
	if !ok {
		return nil, false, nil
	}
	kern, err := b.kernel(r, t.v)
	if err != nil {
		return nil, false, err
	}
	for _, part := range t.parts {
		dispatches = append(dispatches, b.dispatch(r, t.v, kern, part))
	}
	return dispatches, true, nil
}

// kernel is a linear layer's where C has the type of activations: one to compile
// for both.
func (b *matmulBatch) kernel(r *gpu.Recorder, v matmulVariant) (*gpu.Kernel, error) {
	if b.floats {
		return v.splitKernel(r)
	}
	return v.kernel(r, epilogue{})
}

// recorded says whether that kernel adds nothing to what r has to compile.
func (b *matmulBatch) recorded(r *gpu.Recorder, v matmulVariant) bool {
	variant := v.String()
	if b.floats {
		variant += " split"
	}
	return epilogue{}.recorded(r, v.Family, variant) || b.floats && v.splitJoins(r)
}

// dispatch is one part.
func (b *matmulBatch) dispatch(r *gpu.Recorder, v matmulVariant, kern *gpu.Kernel, p batchPart) gpu.Dispatch {
	rows, matrices := p.hi-p.lo, p.end-p.first
	share := float64(rows*matrices) / float64(b.m*b.count)
	groups := v.groups(rows, b.n, r.Precision)
	groups[2] = matrices
	dummy := gpu.All(r.Device().Dummy())
	x := gpu.Dispatch{
		Kernel: kern, Groups: groups, FLOPs: b.flops * share, Saved: b.saved * share, Bytes: b.bytes * share,
		Params: gpu.Params{
			"M": rows, "N": b.n, "K": b.k, "lda": b.lda, "ldc": b.ldc, "ldr": b.ldc, "column": 0, "depth": b.k,
			"step_k": 0, "step_a": b.stepA, "step_b": b.stepB, "step_c": b.stepC, "real": b.n, "residual_rows": 0, "scale": 1,
			"activates": 0,
		},
		Bind: []gpu.View{
			b.viewA(v, p), from(b.b, int64(p.first*b.stepB)*16), dummy, dummy,
			from(b.c, int64(p.lo*b.ldc+p.first*b.stepC)*b.sizeC()),
		},
	}
	if v.Family == "matmul" {
		x.Params["sums_rows"] = 0
		if b.floats {
			x.Params["sums_rows"] = rows
		}
	}
	return x
}

// viewA is the rows of A of a part, for some kernels a uniform window.
func (b *matmulBatch) viewA(v matmulVariant, p batchPart) gpu.View {
	a := from(b.a, b.offsetA(p))
	if v.Window {
		a.Size = gpu.UniformWindow
	}
	return a
}

func (b *matmulBatch) offsetA(p batchPart) int64 {
	return int64(p.lo*b.lda+p.first*b.stepA) * b.a.Tensor.Type.Size()
}

func (b *matmulBatch) sizeC() int64 { return b.c.Tensor.Type.Size() }

// from is a view without its first offset bytes.
func from(v gpu.View, offset int64) gpu.View {
	size := v.Size
	if size > 0 {
		size -= offset
	} else if offset > 0 {
		size = v.Tensor.Bytes() - v.Offset - offset
	}
	return gpu.View{Tensor: v.Tensor, Offset: v.Offset + offset, Size: size}
}

// batchTile is a variant, what each dispatch of it does, and the cost of all.
type batchTile struct {
	v     matmulVariant
	parts []batchPart
	cost  float64
}

// choose picks the variant; ok is false where none fits.
func (b *matmulBatch) choose(r *gpu.Recorder) (t batchTile, ok bool) {
	traits := r.Device().Traits()
	if traits.ManyThreads {
		v := chooseMatmul(traits, r.Precision, b.m*b.count, b.n, b.k)
		v.Split = 0
		whole := b.parts(traits, b.m, b.count, 1)
		return batchTile{v: v, parts: whole}, whole != nil
	}
	all := b.tiles(traits, r.Precision, b.n)
	for _, other := range all {
		if t.parts == nil || other.cost <= t.cost {
			t = other
		}
	}
	all = append(all, b.tiles(traits, r.Precision, 128)...) // those of wide products
	return reuse(r, t, all, 2*dispatchCost/float64(b.k*b.n), func(t batchTile) bool { return b.recorded(r, t.v) }, func(t batchTile) float64 { return t.cost }), t.parts != nil
}

// tiles are those of products n columns wide.
func (b *matmulBatch) tiles(t gpu.Traits, precision gpu.DType, n int) (all []batchTile) {
	v, most := registerTile(t, precision, n)
	v.Window = true
	for v.TM = 4; v.TM <= most; v.TM += 4 {
		if parts := b.windows(t, v.TM); parts != nil {
			all = append(all, batchTile{v, parts, b.cost(v, parts, precision)})
		}
	}
	return all
}

// cost is of a variant by the model of [matmulVariant.windows].
func (b *matmulBatch) cost(v matmulVariant, parts []batchPart, precision gpu.DType) float64 {
	cost := 0.0
	for _, p := range parts {
		tiles := ceilDiv(p.hi-p.lo, v.TM) * (p.end - p.first)
		cost += dispatchCost/float64(b.k*b.n) + float64(tiles)*v.tileRows(precision)*v.beyond(precision, b.n)
	}
	return cost
}

// windows cuts the batch into parts whose rows of A, in tiles of tm, fit a
// uniform window, the fewest that begin where bindings may; nil if there are none.
func (b *matmulBatch) windows(t gpu.Traits, tm int) []batchPart {
	if !t.UniformWindows() {
		return nil
	}
	room := gpu.UniformWindow/int(b.a.Tensor.Type.Size()) - b.k // elements before the last row
	if room < 0 {
		return nil
	}
	var best []batchPart
	for _, matrices := range []int{1, b.count, (room-(b.m-1)*b.lda)/max(1, b.stepA) + 1} {
		rows := (room-(matrices-1)*b.stepA)/b.lda + 1
		if matrices < 1 || rows < min(tm, b.m) {
			continue
		}
		if rows < b.m {
			rows = rows / tm * tm
		}
		if parts := b.parts(t, min(rows, b.m), min(matrices, b.count), tm); parts != nil && (best == nil || len(parts) < len(best)) {
			best = parts
		}
	}
	return best
}

// parts is the batch in parts of at most so many rows and matrices, fewer where
// that makes bindings begin aligned; nil if they can't.
func (b *matmulBatch) parts(t gpu.Traits, rows, matrices, tm int) []batchPart {
	align := int64(max(1, t.OffsetAlignment, t.UniformAlignment))
	aligned := func(p batchPart) bool {
		return (b.a.Offset+b.offsetA(p))%align == 0 && (b.c.Offset+int64(p.lo*b.ldc+p.first*b.stepC)*b.sizeC())%align == 0
	}
	for rows < b.m && rows > 0 && !aligned(batchPart{lo: rows}) {
		rows -= tm
	}
	for matrices < b.count && matrices > 0 && !aligned(batchPart{first: matrices}) {
		matrices--
	}
	if rows <= 0 || matrices <= 0 || !aligned(batchPart{}) {
		return nil
	}
	var parts []batchPart
	for _, m := range ranges(b.count, matrices) {
		for _, r := range ranges(b.m, rows) {
			parts = append(parts, batchPart{r[0], r[1], m[0], m[1]})
		}
	}
	return parts
}
