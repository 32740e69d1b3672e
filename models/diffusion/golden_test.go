package diffusion_test

import (
	"context"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"saccade/golden"
	"saccade/gpu"
	"saccade/gpu/gputest"
	"saccade/models/diffusion"
	"saccade/models/nn"
	"saccade/models/verify"
)

// The two precisions.
var (
	f16 = nn.Options{Precision: gpu.F16}
	f32 = nn.Options{Precision: gpu.F32}
)

func TestMain(m *testing.M) { os.Exit(gputest.Main(m)) }

// openCase opens the pipeline of a golden, and gives its request.
func openCase(t *testing.T, dev *gpu.Device, pipeline, name string, o nn.Options) (*diffusion.Pipeline, diffusion.Request) {
	cases, err := golden.PipelineCases(pipeline)
	require.NoError(t, err)
	for _, c := range cases {
		if c.Name == name {
			p, q, err := verify.OpenPipeline(dev, c, o)
			require.NoError(t, err)
			t.Cleanup(p.Close)
			return p, q
		}
	}
	require.Fail(t, "no such golden", name)
	return nil, diffusion.Request{}
}

// A run reads nothing back between its steps, and its steps take no new buffers.
func TestNoReadbacks(t *testing.T) {
	dev, ctx := gputest.Open(t, gpu.Options{}), context.Background()
	for _, name := range []string{"text", "euler_ancestral", "inpaint"} {
		p, q := openCase(t, dev, "sd1_tiny", name, f16)
		r, err := p.Start(ctx, q)
		require.NoError(t, err)
		before := dev.Stats()
		for r.Next() {
			require.NoError(t, r.Step(ctx))
		}
		after := dev.Stats()
		require.Equal(t, before.Readbacks, after.Readbacks)
		require.Equal(t, before.Created, after.Created)
		r.Close()
	}
}

// A run whose step was cancelled can begin again, and then gives the same.
func TestCancelled(t *testing.T) {
	dev := gputest.Open(t, gpu.Options{})
	p, q := openCase(t, dev, "sd1_tiny", "text", f16)
	want, err := verify.Steps(context.Background(), p, q)
	require.NoError(t, err)
	r, err := p.Start(context.Background(), q)
	require.NoError(t, err)
	defer r.Close()
	require.NoError(t, r.Step(context.Background()))
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	require.ErrorIs(t, r.Step(cancelled), context.Canceled)
	require.Equal(t, 1, r.Done())
	require.NoError(t, r.Restart(context.Background()))
	for r.Next() {
		require.NoError(t, r.Step(context.Background()))
	}
	result, err := r.Result(context.Background())
	require.NoError(t, err)
	require.Equal(t, want["image"], result.Image)
}

// With parts dropped after use the picture is the same.
func TestLowMemory(t *testing.T) {
	dev, ctx := gputest.Open(t, gpu.Options{}), context.Background()
	p, q := openCase(t, dev, "sd1_tiny", "image_euler", f16)
	want, err := verify.Steps(ctx, p, q)
	require.NoError(t, err)
	all := dev.Stats().BufferBytes
	p.Close()
	p, q = openCase(t, dev, "sd1_tiny", "image_euler", nn.Options{LowMemory: true})
	got, err := verify.Steps(ctx, p, q)
	require.NoError(t, err)
	require.Equal(t, want, got)
	require.Less(t, dev.Stats().BufferBytes, all, "only the decoder stays")
}
