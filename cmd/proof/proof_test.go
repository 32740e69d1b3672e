package main

import (
	"context"
	"io"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/gpu"
)

// A run's description has the buffers that the translated kernel takes, in their order.
func TestDescribe(t *testing.T) {
	k := &gpu.Kernel{Name: "scale", Workgroup: [3]int{8, 1, 1},
		Params:   []gpu.KernelParam{{Name: "count", Type: "u32"}},
		Bindings: []gpu.KernelBinding{{Index: 1}, {Index: 2}, {Index: 3, Write: true}}}
	view := func(d gpu.DType, bytes int64) gpu.View {
		return gpu.View{Tensor: &gpu.Tensor{Type: d}, Size: bytes}
	}
	x := gpu.Dispatch{Kernel: k, Params: gpu.Params{"count": 5}, Groups: [3]int{3, 0, 1}, Bind: []gpu.View{view(gpu.U32, 4), view(gpu.F16, 20), view(gpu.F32, 32)}}
	text, err := describe("k.cl", []int{0, 2, 3}, x)
	require.NoError(t, err)
	assert.Equal(t, "k.cl\nentry\n24 1 1\n8 1 1\n<size=16 uint>\n5 0 0 0 \n<size=32 uint fill=1006648320>\n<size=32 uint fill=0>\n", string(text))
}

func TestUsage(t *testing.T) {
	assert.ErrorContains(t, run(context.Background(), nil, io.Discard, io.Discard), "races, portable, hlsl or validation")
	assert.ErrorContains(t, need([2]string{"no-such-program", "on Debian, apt-get install it"}), "no-such-program is missing: on Debian")
}
