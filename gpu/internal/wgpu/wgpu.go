// Package wgpu is what package gpu needs of wgpu-native, with one of two bindings behind it:
//
//   - github.com/rajveermalviya/go-webgpu v0.17.1 (wgpu-native 0.17), the default;
//   - github.com/oliverbestmann/webgpu v1.34.1 (wgpu-native 29), with the build tag binding29
//     and on linux/arm64, for which the other has no library.
//
// Names are those of WebGPU, as the second binding writes them; types that both declare alike
// are aliases of the binding's own. What a binding lacks or does wrongly is worked round here.
package wgpu

import "unsafe"

// Properties describe an adapter, as far as its backend tells.
type Properties struct {
	Name        string
	VendorID    uint32
	Driver      string
	BackendType BackendType
	AdapterType AdapterType
	Features    []string // those that matter to compute, by WebGPU's names
	Timestamps  bool     // between passes
	Extensions  []string // of WGSL, that kernels may enable

	SubgroupMin, SubgroupMax int // invocations of a subgroup; 0: not known
}

// feature is a feature by its name in WebGPU, or in wgpu where WebGPU has none.
type feature struct {
	name string
	id   FeatureName
}

// named gives the names of those features that an adapter has.
func named(a *Adapter) []string {
	names := []string{}
	for _, f := range features {
		if a.HasFeature(f.id) {
			names = append(names, f.name)
		}
	}
	return names
}

// ToBytes is the memory of values without pointers.
func ToBytes[E any](values []E) []byte {
	if len(values) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(&values[0])), uintptr(len(values))*unsafe.Sizeof(values[0]))
}
