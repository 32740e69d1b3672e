package kernels

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/gpu"
)

// Kernels of one text are one, with the example that came first; of one name and
// different texts they are told apart.
func TestCollection(t *testing.T) {
	one := &gpu.Kernel{Name: "softmax", Variant: "64x1", WGSL: "a"}
	other := &gpu.Kernel{Name: "softmax", Variant: "64x1", WGSL: "b"}
	op := func(k *gpu.Kernel) gpu.Op {
		x := &gpu.Tensor{Shape: []int{1, 2}}
		return gpu.Op{In: []*gpu.Tensor{x}, Out: []*gpu.Tensor{x}, Dispatches: []gpu.Dispatch{{Kernel: k}, {Kernel: k}}}
	}
	c := collection{found: map[string]*Use{}}
	c.add("vit", gpu.F16, []gpu.Op{op(one)})
	c.add("resnet", gpu.F16, []gpu.Op{op(other)})
	c.add("unet", gpu.F32, []gpu.Op{op(other)})
	c.add("case", gpu.F16, []gpu.Op{op(one)})
	all := c.numbered()
	require.Len(t, all, 2)
	four := func(k *gpu.Kernel) []gpu.Dispatch { return slices.Repeat([]gpu.Dispatch{{Kernel: k}}, 4) }
	assert.Equal(t, Use{one, "f16", 4, 1, "vit [1 2]→[1 2]", four(one)}, all[0])
	assert.Equal(t, Use{other, "both", 4, 1, "resnet [1 2]→[1 2]", four(other)}, all[1])

	c.add("case", gpu.F16, []gpu.Op{op(&gpu.Kernel{Name: "softmax", Variant: "64x1", WGSL: "c"})})
	assert.Equal(t, "64x1 (2)", c.numbered()[2].Variant())
}
