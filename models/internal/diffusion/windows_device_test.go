package diffusion

import (
	"context"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/gpu"
	"saccade/gpu/gputest"
	"saccade/ops"
)

func TestMain(m *testing.M) { os.Exit(gputest.Main(m)) }

// Windows of what does not change put together are what they were taken from.
func TestSplitAndJoin(t *testing.T) {
	dev := gputest.Open(t, gpu.Options{})
	const rows, frames, width = 3, 7, 5
	b := ops.NewBuilder(dev, gpu.F32)
	defer b.Close()
	r := dev.Record(gpu.F32)
	w := newWindows(b, Video{frames, 4, 2}, rows, width)
	x := ops.Pack(r, r.Input("x", gpu.F32, rows, frames, width), 1)
	r.Output("y", w.join(r, w.split(r, x)))
	require.NoError(t, r.Err())
	require.NoError(t, b.Upload())
	p, err := r.Finish()
	require.NoError(t, err)
	defer p.Close()
	in := make([]float32, rows*frames*width)
	for i := range in {
		in[i] = float32(i)
	}
	out, err := p.Run(context.Background(), map[string]any{"x": in})
	require.NoError(t, err)
	assert.InDeltaSlice(t, in, out["y"], 1e-4)
}
