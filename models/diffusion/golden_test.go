package diffusion

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"saccade/golden"
	"saccade/gpu"
)

// Every pipeline from prompt to pixels against diffusers, each step of it.
func TestGoldens(t *testing.T) {
	dev := openDevice(t)
	buffers := dev.Stats().Buffers
	for _, name := range golden.Pipelines() {
		cases, err := golden.PipelineCases(name)
		require.NoError(t, err)
		for _, c := range cases {
			for _, precision := range []gpu.DType{gpu.F32, gpu.F16} {
				t.Run(fmt.Sprintf("%s %s %s", name, c.Name, precision), func(t *testing.T) {
					report, err := VerifyGolden(context.Background(), dev, c, precision)
					require.NoError(t, err)
					for _, r := range report.Results {
						require.True(t, r.OK(), "%s", r)
					}
				})
			}
		}
	}
	require.Equal(t, buffers, dev.Stats().Buffers, "buffers that nobody freed")
}

func openDevice(t *testing.T) *gpu.Device {
	dev, err := gpu.Open(gpu.Options{Backend: os.Getenv("WGPU_BACKEND")})
	require.NoError(t, err, "the tests need an adapter; on Debian: mesa-vulkan-drivers")
	t.Cleanup(dev.Close)
	return dev
}

// openCase opens the pipeline of a golden, and gives its request.
func openCase(t *testing.T, dev *gpu.Device, pipeline, name string, precision gpu.DType) (*Pipeline, Request) {
	cases, err := golden.PipelineCases(pipeline)
	require.NoError(t, err)
	for _, c := range cases {
		if c.Name != name {
			continue
		}
		p, err := openGolden(dev, c, precision)
		require.NoError(t, err)
		t.Cleanup(p.Close)
		in, err := c.Load()
		require.NoError(t, err)
		return p, goldenRequest(p, c, in)
	}
	require.Fail(t, "no such golden", name)
	return nil, Request{}
}

// A run reads nothing back between its steps, and its steps take no new buffers.
func TestNoReadbacks(t *testing.T) {
	dev, ctx := openDevice(t), context.Background()
	for _, name := range []string{"text", "euler_ancestral", "inpaint"} {
		p, q := openCase(t, dev, "sd1_tiny", name, gpu.F16)
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
	dev := openDevice(t)
	p, q := openCase(t, dev, "sd1_tiny", "text", gpu.F16)
	want, err := p.stepByStep(context.Background(), q)
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
	dev, ctx := openDevice(t), context.Background()
	p, q := openCase(t, dev, "sd1_tiny", "image_euler", gpu.F16)
	want, err := p.stepByStep(ctx, q)
	require.NoError(t, err)
	all := dev.Stats().BufferBytes
	p.lowMemory = true
	got, err := p.stepByStep(ctx, q)
	require.NoError(t, err)
	require.Equal(t, want, got)
	require.Less(t, dev.Stats().BufferBytes, all, "only the decoder stays")
}
