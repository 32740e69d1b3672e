package ops

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"saccade/gpu"
	"saccade/shaders"
)

// kernels caches specialised and parsed shaders by name and specification.
var kernels sync.Map

// kernel returns shader name specialised by spec. variant names the
// specialisation in tables and logs.
func kernel(name, variant string, spec shaders.Spec) (*gpu.Kernel, error) {
	key := fmt.Sprint(name, "|", variant, "|", specKey(spec))
	if k, ok := kernels.Load(key); ok {
		return k.(*gpu.Kernel), nil
	}
	text, err := shaders.Source(name, spec)
	if err != nil {
		return nil, err
	}
	k, err := gpu.ParseKernel(name, variant, text)
	if err != nil {
		return nil, err
	}
	kernels.Store(key, k)
	return k, nil
}

func specKey(s shaders.Spec) string {
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(s.Const)) {
		fmt.Fprintf(&b, "%s=%d;", k, s.Const[k])
	}
	for _, k := range slices.Sorted(maps.Keys(s.Decl)) {
		fmt.Fprintf(&b, "%s=%s;", k, s.Decl[k])
	}
	return fmt.Sprint(b.String(), s.Workgroup)
}

// packedF32 replaces, in a kernel written for halves, the declarations by
// which four elements are loaded and stored.
var packedF32 = map[string]string{
	"Packed": "alias Packed = vec4<f32>;",
	"unpack": "fn unpack(v: Packed) -> vec4<f32> { return v; }",
	"pack":   "fn pack(v: vec4<f32>) -> Packed { return v; }",
}

// packed specialises the declarations of names ("Packed", "unpack", "pack")
// for a precision; kernels are written for halves.
func packed(precision gpu.DType, names ...string) map[string]string {
	decl := map[string]string{}
	if precision == gpu.F32 {
		for _, n := range names {
			decl[n] = packedF32[n]
		}
	}
	return decl
}

// looped has a kernel that declares `fn turns` keep its loops on software
// adapters, whose compilers take long over straight code: the bound is n, but
// the compiler can't know, nor does it follow from uniforms alone.
func looped(info gpu.Info, spec *shaders.Spec) {
	if info.Class == gpu.ClassCPU {
		spec.Decl["turns"] = "fn turns(n: u32, at: u32) -> u32 { return min(n, n + at); }"
	}
}

// grid spreads n workgroups over two dimensions.
func grid(n int) [3]int {
	const most = 32768
	if n <= most {
		return [3]int{n, 1, 1}
	}
	return [3]int{most, (n + most - 1) / most, 1}
}

// elementwise is the workgroup count of kernels that do 64 Packed a workgroup.
func elementwise(packedCount int) [3]int { return grid((packedCount + 63) / 64) }

// sameShape checks that two activations have one shape and layout.
func sameShape(a, b *gpu.Tensor) error {
	if !slices.Equal(a.Shape, b.Shape) || a.Groups != b.Groups || a.Type != b.Type {
		return fmt.Errorf("%s (%s, %d groups) and %s (%s, %d groups) differ", a, a.Type, a.Groups, b, b.Type, b.Groups)
	}
	return nil
}

// reshaped is shape with another innermost size.
func reshaped(shape []int, width int) []int {
	out := slices.Clone(shape)
	out[len(out)-1] = width
	return out
}

// widen copies values into f64.
func widen(v []float32) []float64 {
	out := make([]float64, len(v))
	for i, x := range v {
		out[i] = float64(x)
	}
	return out
}
