package kernels

import (
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
	assert.Equal(t, Use{one, "f16", 4, 1, "vit [1 2]→[1 2]", []gpu.Dispatch{{Kernel: one}}}, all[0])
	assert.Equal(t, Use{other, "both", 4, 1, "resnet [1 2]→[1 2]", []gpu.Dispatch{{Kernel: other}}}, all[1])

	c.add("case", gpu.F16, []gpu.Op{op(&gpu.Kernel{Name: "softmax", Variant: "64x1", WGSL: "c"})})
	assert.Equal(t, "64x1 (2)", c.numbered()[2].Variant())
}

// Of a kernel's dispatches those of the least work are kept, none twice.
func TestKeep(t *testing.T) {
	var u Use
	for _, x := range [][3]int{{4, 4, 8}, {1, 1, 1000}, {3, 3, 8}, {2, 2, 8}, {2, 2, 8}, {3, 3, 8}, {5, 5, 8}, {4, 1, 8}} {
		u.keep(gpu.Dispatch{Params: gpu.Params{"count": x[0]}, FLOPs: float64(x[1]), Bind: []gpu.View{{Tensor: &gpu.Tensor{}, Size: int64(x[2])}}})
	}
	var counts []any
	for _, x := range u.Dispatches {
		counts = append(counts, x.Params["count"])
	}
	assert.Equal(t, []any{4, 2, 3}, counts)
}
