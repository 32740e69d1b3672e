package ops

import (
	"fmt"

	"saccade/gpu"
	"saccade/shaders"
)

// matmulVariant is one way to compute a matmul: a kernel file and its constants.
type matmulVariant struct {
	Family string // "matmul" (registers only) or "matmul_shared" (workgroup memory)
	TM     int    // rows of a thread
	TG, TK int    // matmul: panels of a lane, elements of K at once
	NX, NY int    // matmul_shared: threads along columns and rows
	Split  int    // slices of K; 0 and 1 are one
}

// sharedDepth is the steps of K that matmul_shared stages at once.
const sharedDepth = 16

// String is the variant's name in tables.
func (v matmulVariant) String() string {
	s := fmt.Sprintf("%dx%dx%d", v.TM, v.TG, v.TK)
	if v.Family == "matmul_shared" {
		s = fmt.Sprintf("%dx%d", v.NY*v.TM, 8*v.NX)
	}
	if v.Split > 1 {
		s += fmt.Sprintf("/%d", v.Split)
	}
	return s
}

// chunkDecls are how a kernel loads TK elements of a row of A at once.
var chunkDecls = map[gpu.DType]map[int][2]string{
	gpu.F16: {
		2: {"u32", "unpack2x16float(v)[k]"},
		4: {"vec2<u32>", "unpack2x16float(v[k / 2u])[k % 2u]"},
		8: {"vec4<u32>", "unpack2x16float(v[k / 2u])[k % 2u]"},
	},
	gpu.F32: {
		1: {"f32", "v"},
		2: {"vec2<f32>", "v[k]"},
		4: {"vec4<f32>", "v[k]"},
	},
}

// spec is the specification without epilogue.
func (v matmulVariant) spec(precision gpu.DType) shaders.Spec {
	s := shaders.Spec{Const: map[string]int{"TM": v.TM}, Decl: map[string]string{}}
	if v.Family == "matmul_shared" {
		s.Const["NX"], s.Const["NY"], s.Const["BM"], s.Const["BK"] = v.NX, v.NY, v.NY*v.TM, sharedDepth
		s.Const["SIZE_A"], s.Const["SIZE_B"] = v.NY*v.TM*(sharedDepth/4+1), sharedDepth*2*v.NX
		s.Workgroup = [3]int{v.NX * v.NY, 1, 1}
	} else {
		chunk := chunkDecls[precision][v.TK]
		s.Const["TG"], s.Const["TK"] = v.TG, v.TK
		s.Decl["Chunk"] = fmt.Sprintf("alias Chunk = %s;", chunk[0])
		s.Decl["element"] = fmt.Sprintf("fn element(v: Chunk, k: u32) -> f32 { return %s; }", chunk[1])
	}
	if precision == gpu.F32 {
		s.Const["TH"] = 1
		s.Decl["Panel"] = "alias Panel = vec4<f32>;"
		s.Decl["columns"] = "fn columns(v: Panel, h: u32) -> vec4<f32> { return v; }"
	}
	return s
}

// groups is the workgroup count for rows × columns of one window.
func (v matmulVariant) groups(rows, columns int, precision gpu.DType) [3]int {
	high, wide := v.TM, v.TG*panelWidth(precision)
	if v.Family == "matmul_shared" {
		high, wide = v.NY*v.TM, 8*v.NX
	}
	return [3]int{ceilDiv(rows, high), ceilDiv(columns, wide), 1}
}

// chooseMatmul picks the variant for m rows, n columns and k steps. The lines
// of `bench -op matmul` on lavapipe chose the software table; the one for GPUs
// follows published tiles and is not yet measured.
func chooseMatmul(info gpu.Info, precision gpu.DType, m, n, k int) matmulVariant {
	if info.Class == gpu.ClassCPU {
		return softwareMatmul(precision, m, n)
	}
	return gpuMatmul(info.Class, m, n, k)
}

// softwareMatmul holds its tile in registers: a workgroup is one SIMD vector,
// which gains nothing from sharing memory. Tiles of two panels load fewer words
// a multiply-add; one panel wastes less where columns fill no second.
func softwareMatmul(precision gpu.DType, m, n int) matmulVariant {
	v := matmulVariant{Family: "matmul", TM: min(8, max(1, m)), TG: 2, TK: 4}
	if precision == gpu.F16 && n <= 192 && n%128 != 0 {
		v.TG = 1
	}
	return v
}

// gpuMatmul stages tiles in workgroup memory: 64×64 by 64 threads with 8×8 sums
// each, or 32×64 with 4×8 where that leaves compute units idle and on Apple's
// GPUs, whose registers spill beyond it. A few rows are a product of a matrix
// and vectors, bound by memory, for which rows stay in registers. K is split
// until there are enough workgroups to fill a GPU.
func gpuMatmul(class gpu.Class, m, n, k int) matmulVariant {
	const busy = 64 // workgroups that keep a mid-sized GPU's compute units at work
	var v matmulVariant
	switch {
	case m <= 4:
		v = matmulVariant{Family: "matmul", TM: max(1, m), TG: 1, TK: 4}
	case class == gpu.ClassApple || ceilDiv(m, 64)*ceilDiv(n, 64) < busy:
		v = matmulVariant{Family: "matmul_shared", TM: 4, NX: 8, NY: 8}
	default:
		v = matmulVariant{Family: "matmul_shared", TM: 8, NX: 8, NY: 8}
	}
	groups := v.groups(m, n, gpu.F16)
	for split := 2; split <= 8 && groups[0]*groups[1]*split/2 < busy && k/split >= 128; split *= 2 {
		v.Split = split
	}
	return v
}

func ceilDiv(a, b int) int { return (a + b - 1) / b }
