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
	return [3]int{(rows + high - 1) / high, (columns + wide - 1) / wide, 1}
}

// chooseMatmul picks the variant for a shape. The figures behind the table
// stand in shaders/matmul.wgsl's bench lines (`bench -op matmul`).
func chooseMatmul(info gpu.Info, precision gpu.DType, m, n, k int) matmulVariant {
	if precision == gpu.F32 {
		return matmulVariant{Family: "matmul", TM: min(8, max(1, m)), TG: 2, TK: 4}
	}
	if n <= 64 || n%128 != 0 && n <= 192 {
		return matmulVariant{Family: "matmul", TM: min(8, max(1, m)), TG: 1, TK: 4}
	}
	return matmulVariant{Family: "matmul", TM: min(8, max(1, m)), TG: 2, TK: 4}
}
