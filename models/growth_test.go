package models

import (
	"context"
	"fmt"
	"os"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/gpu"
	"saccade/gpu/gputest"
)

// A thousand forward passes upload their inputs and nothing else, make no buffer and
// take no memory.
func TestNothingLeaksOfForwards(t *testing.T) {
	const passes = 1000
	d, ctx := gputest.Open(t, gpu.Options{}), context.Background()
	m, err := Load(ctx, d, "vit", goldenFolder(t, "vit_classify"), Options{Precision: gpu.F16})
	require.NoError(t, err)
	defer m.Close()
	in, err := m.Noise(1, 1)
	require.NoError(t, err)
	forward := func(n int) {
		for range n {
			_, err := m.Forward(ctx, in)
			require.NoError(t, err)
		}
	}
	forward(passes / 5) // fills the caches of the driver and of Go's allocator
	weights, _ := m.Memory()
	before, began := d.Stats(), resident(t)
	forward(passes)
	after, ended := d.Stats(), resident(t)

	assert.Equal(t, before.Created, after.Created, "a buffer was made")
	assert.Equal(t, before.Buffers, after.Buffers)
	assert.Equal(t, before.BufferBytes, after.BufferBytes)
	assert.Equal(t, before.Pipelines, after.Pipelines)
	assert.Equal(t, passes, after.Readbacks-before.Readbacks)
	assert.Equal(t, int64(passes*4*len(in["pixel_values"].Data)), after.UploadBytes-before.UploadBytes, "more than the inputs was uploaded; the weights have %d bytes", weights)
	t.Logf("resident before %s, after %s", gpu.MiB(began), gpu.MiB(ended))
	// Seen: 0.3 MiB up or down. 4 KiB lost in each pass would be this much.
	assert.Less(t, ended-began, int64(4<<20), "resident memory grows")
}

// resident is the process's memory in bytes, 0 where the system does not tell.
func resident(t *testing.T) int64 {
	debug.FreeOSMemory()
	raw, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	var size, pages int64
	_, err = fmt.Sscan(string(raw), &size, &pages)
	require.NoError(t, err)
	return pages * int64(os.Getpagesize())
}
