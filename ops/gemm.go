package ops

import (
	"saccade/gpu"
	"saccade/shaders"
)

// gemm is a batch of implicit matmuls, the work of the kernels conv2d and
// conv2d_shared: the groups of a convolution, or the matrices of Winograd's.
type gemm struct {
	name    string
	m, n, k int  // rows, physical columns and depth of each matrix
	real    int  // columns that are not padding
	count   int  // matrices
	flat    bool // rows of A follow each other

	a, b, bias, y gpu.View
	residual      gpu.View   // no tensor: none
	ldc           int        // elements from row to row of y
	pixels        gpu.Params // where the rows of A lie
	stepA, stepB  int        // 16-byte vectors from matrix to matrix
	stepC         int        // elements
	e             epilogue

	plain        gpu.DType // the type of plain sums
	isPlain      bool      // store sums as plain, without an epilogue
	flops, bytes float64
}

// rowsOf describes rows of A that follow each other, width elements apart.
func rowsOf(rows, width int, precision gpu.DType) gpu.Params {
	vectors := width * int(precision.Size()) / 16
	return gpu.Params{
		"vectors": vectors, "lda": vectors, "height": 1, "width": rows, "out_height": 1, "out_width": rows,
		"kernel_width": 1, "stride_y": 1, "stride_x": 1, "dilation_y": 1, "dilation_x": 1, "pad_y": 0, "pad_x": 0,
	}
}

// record chooses a variant and records it.
func (g *gemm) record(r *gpu.Recorder) ([]gpu.Dispatch, error) {
	v := chooseGemm(r.Device().Info(), r.Precision, g.m, g.n, g.k, g.count)
	if g.isPlain {
		v.Slices = 1
	}
	return g.recordAs(r, v)
}

func (g *gemm) recordAs(r *gpu.Recorder, v gemmVariant) ([]gpu.Dispatch, error) {
	if v.Slices > 1 {
		return g.recordSlices(r, v)
	}
	spec := g.spec(v, r.Precision)
	if g.isPlain {
		storePlain(&spec, g.plain)
	} else if err := g.e.fuse(&spec); err != nil {
		return nil, err
	}
	suffix := g.e.suffix()
	if g.isPlain {
		suffix = " plain"
	}
	if g.flat {
		suffix += " flat"
	}
	kern, err := kernel(v.Family, v.String()+suffix, spec)
	if err != nil {
		return nil, err
	}
	params := g.params(v)
	residual := gpu.All(r.Device().Dummy())
	if g.residual.Tensor != nil {
		params["residual_rows"], residual = g.m, g.residual
	}
	return []gpu.Dispatch{{
		Kernel: kern, Params: params, Bind: []gpu.View{g.a, g.b, g.bias, residual, g.y},
		Groups: v.groups(g.m, g.n, g.count, r.Precision), FLOPs: g.flops, Bytes: g.bytes,
	}}, nil
}

// spec is the variant's, without epilogue.
func (g *gemm) spec(v gemmVariant, precision gpu.DType) shaders.Spec {
	spec := v.spec(precision)
	if g.flat && v.Family == "conv2d" {
		spec.Const["FLAT"] = 1
	}
	return spec
}

// params are those of all forms.
func (g *gemm) params(v gemmVariant) gpu.Params {
	p := gpu.Params{
		"M": g.m, "N": g.n, "K": g.k, "depth": v.depth(g.k), "slices": v.slices(g.k), "tile": v.tileWidth(v.depth(g.k), g.a.Tensor.Type), "rows": 0, "ldc": g.ldc, "real": g.real, "residual_rows": 0,
		"step_a": g.stepA, "step_b": g.stepB, "step_c": g.stepC,
	}
	for name, value := range g.pixels {
		p[name] = value
	}
	return p
}

// recordSlices cuts K into slices whose f32 sums matmul_reduce adds in order.
func (g *gemm) recordSlices(r *gpu.Recorder, v gemmVariant) ([]gpu.Dispatch, error) {
	spec := g.spec(v, r.Precision)
	storePlain(&spec, gpu.F32)
	kern, err := kernel(v.Family, v.String()+" partial"+map[bool]string{true: " flat"}[g.flat], spec)
	if err != nil {
		return nil, err
	}
	reduce, err := reduceKernel(r.Precision, g.e)
	if err != nil {
		return nil, err
	}
	slices := v.slices(g.k)
	partial := r.NewTyped(g.name+".partial", gpu.F32, 1, slices*g.m, g.ldc)
	params := g.params(v)
	params["rows"] = g.m
	dummy := gpu.All(r.Device().Dummy())
	columns := g.n + (g.count-1)*g.stepC
	reduceParams := gpu.Params{
		"M": g.m, "N": columns, "rows": g.m, "ldp": g.ldc, "slices": slices, "ldc": g.ldc, "ldr": g.ldc,
		"real": g.real + (g.count-1)*g.stepC, "residual_rows": 0, "scale": 1,
	}
	residual := dummy
	if g.residual.Tensor != nil {
		reduceParams["residual_rows"], residual = g.m, g.residual
	}
	return []gpu.Dispatch{{
		Kernel: kern, Params: params, Bind: []gpu.View{g.a, g.b, g.bias, dummy, gpu.All(partial)},
		Groups: v.groups(g.m, g.n, g.count, r.Precision), FLOPs: g.flops, Bytes: g.bytes,
	}, {
		Kernel: reduce, Params: reduceParams, Groups: reduceGroups(columns, g.m),
		Bytes: float64(slices*g.m*g.ldc) * 4,
		Bind:  []gpu.View{gpu.All(partial), g.bias, residual, g.y},
	}}, nil
}

// storePlain has a kernel store sums as typ, without epilogue.
func storePlain(spec *shaders.Spec, typ gpu.DType) {
	spec.Const["PLAIN"] = 1
	if typ == gpu.F32 {
		storeFloats(spec)
	}
}
