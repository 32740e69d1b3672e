package ops

import (
	"fmt"

	"saccade/gpu"
	"saccade/shaders"
)

// matmulVariant is one way to compute a matmul: a kernel file and its constants.
type matmulVariant struct {
	Family     string // "matmul" (registers only) or "matmul_shared" (workgroup memory)
	TM, TG, TK int    // rows, panels and elements of K a thread takes at once
	Split      int    // slices of K; 0 and 1 are one
}

// String is the variant's name in tables.
func (v matmulVariant) String() string {
	s := fmt.Sprintf("%dx%dx%d", v.TM, v.TG, v.TK)
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
	s := shaders.Spec{Const: map[string]int{"TM": v.TM, "TG": v.TG, "TK": v.TK}, Decl: map[string]string{}}
	chunk := chunkDecls[precision][v.TK]
	s.Decl["Chunk"] = fmt.Sprintf("alias Chunk = %s;", chunk[0])
	s.Decl["element"] = fmt.Sprintf("fn element(v: Chunk, k: u32) -> f32 { return %s; }", chunk[1])
	if precision == gpu.F32 {
		s.Const["TH"] = 1
		s.Decl["Panel"] = "alias Panel = vec4<f32>;"
		s.Decl["columns"] = "fn columns(v: Panel, h: u32) -> vec4<f32> { return v; }"
	}
	return s
}

// groups is the workgroup count for rows × columns of one window.
func (v matmulVariant) groups(rows, columns int, precision gpu.DType) [3]int {
	wide := v.TG * panelWidth(precision)
	return [3]int{(rows + v.TM - 1) / v.TM, (columns + wide - 1) / wide, 1}
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
