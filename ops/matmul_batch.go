package ops

import (
	"saccade/gpu"
)

// matmulBatch is count matmuls of one size whose plain sums are stored, by the
// kernels of matmul: of Winograd's matrices, of the heads of an attention.
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
	v, parts, ok := b.choose(r.Device().Info(), r.Precision)
	if !ok {
		return nil, false, nil
	}
	spec := v.spec(r.Precision)
	spec.Const["SPLIT"] = 1
	variant := v.String() + " split"
	if b.floats || r.Precision == gpu.F32 {
		storeFloats(&spec)
	} else {
		variant = v.String() + " batch"
	}
	kern, err := kernel(v.Family, variant, spec)
	if err != nil {
		return nil, false, err
	}
	for _, part := range parts {
		dispatches = append(dispatches, b.dispatch(r, v, kern, part))
	}
	return dispatches, true, nil
}

// dispatch is one part.
func (b *matmulBatch) dispatch(r *gpu.Recorder, v matmulVariant, kern *gpu.Kernel, p batchPart) gpu.Dispatch {
	rows, matrices := p.hi-p.lo, p.end-p.first
	share := float64(rows*matrices) / float64(b.m*b.count)
	groups := v.groups(rows, b.n, r.Precision)
	groups[2] = matrices
	dummy := gpu.All(r.Device().Dummy())
	return gpu.Dispatch{
		Kernel: kern, Groups: groups, FLOPs: b.flops * share, Saved: b.saved * share, Bytes: b.bytes * share,
		Params: gpu.Params{
			"M": rows, "N": b.n, "K": b.k, "lda": b.lda, "ldc": b.ldc, "ldr": b.ldc, "column": 0, "depth": b.k,
			"step_k": 0, "step_a": b.stepA, "step_b": b.stepB, "step_c": b.stepC, "real": b.n, "residual_rows": 0, "scale": 1,
		},
		Bind: []gpu.View{
			b.viewA(v, p), from(b.b, int64(p.first*b.stepB)*16), dummy, dummy,
			from(b.c, int64(p.lo*b.ldc+p.first*b.stepC)*b.sizeC()),
		},
	}
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

// choose picks the variant and what each dispatch of it does.
func (b *matmulBatch) choose(info gpu.Info, precision gpu.DType) (matmulVariant, []batchPart, bool) {
	if info.Class != gpu.ClassCPU {
		v := gpuMatmul(info.Class, b.m*b.count, b.n, b.k)
		v.Split = 0
		whole := b.parts(info, b.m, b.count, 1)
		return v, whole, whole != nil
	}
	v, most := softwareTile(info, precision, b.n)
	v.Window = true
	var best []batchPart
	least := 0
	for tm := 4; tm <= most; tm += 4 {
		parts := b.windows(info, tm)
		if parts == nil {
			continue
		}
		cost := len(parts) * (1_400_000 / (b.k * b.n))
		for _, p := range parts {
			cost += ceilDiv(p.hi-p.lo, tm) * (tm + tileCost[precision][v.TG]) * (p.end - p.first)
		}
		if best == nil || cost <= least {
			best, least, v.TM = parts, cost, tm
		}
	}
	return v, best, best != nil
}

// windows cuts the batch into parts whose rows of A, in tiles of tm, fit a
// uniform window, the fewest that begin where bindings may; nil if there are none.
func (b *matmulBatch) windows(info gpu.Info, tm int) []batchPart {
	if info.Limits.MaxUniform < gpu.UniformWindow {
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
		if parts := b.parts(info, min(rows, b.m), min(matrices, b.count), tm); parts != nil && (best == nil || len(parts) < len(best)) {
			best = parts
		}
	}
	return best
}

// parts is the batch in parts of at most so many rows and matrices, fewer where
// that makes bindings begin aligned; nil if they can't.
func (b *matmulBatch) parts(info gpu.Info, rows, matrices, tm int) []batchPart {
	align := int64(max(1, info.Limits.OffsetAlignment, info.Limits.UniformAlignment))
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
