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
	return kernelOn(gpu.Kernel{Name: name, Variant: variant}, spec)
}

// kernelOn is kernel with a base and activations: see [gpu.Kernel].
func kernelOn(of gpu.Kernel, spec shaders.Spec) (*gpu.Kernel, error) {
	key := fmt.Sprint(of.String(), "|", specKey(spec))
	if k, ok := kernels.Load(key); ok {
		return k.(*gpu.Kernel), nil
	}
	text, err := shaders.Source(of.Name, spec)
	if err != nil {
		return nil, err
	}
	k, err := gpu.ParseKernel(of.Name, of.Variant, text)
	if err != nil {
		return nil, err
	}
	k.Base, k.Activations = of.Base, of.Activations
	kernels.Store(key, k)
	return k, nil
}

func specKey(s shaders.Spec) string {
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(s.Const)) {
		fmt.Fprintf(&b, "%s=%d;", k, s.Const[k])
	}
	for _, k := range slices.Sorted(maps.Keys(s.Funcs)) {
		fmt.Fprintf(&b, "%s=%s;", k, s.Funcs[k])
	}
	return fmt.Sprint(b.String(), s.Forms, s.Workgroup)
}

// forms are those of a kernel for a precision: files are written for halves.
func forms(precision gpu.DType) []string {
	if precision == gpu.F32 {
		return []string{"f32"}
	}
	return nil
}

// looped has a kernel that declares `fn turns` keep its loops where compilers take
// long over straight code: the bound is n, but the compiler can't know, nor does
// it follow from uniforms alone.
func looped(t gpu.Traits, spec *shaders.Spec) {
	if t.SlowCompiler {
		spec.Forms = append(spec.Forms, "looped")
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
