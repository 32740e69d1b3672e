package diffusion

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"saccade/golden"
	"saccade/gpu"
)

// Every pipeline from prompt to pixels against diffusers, each step of it, and
// without a read-back in the loop.
func TestGoldens(t *testing.T) {
	dev := openDevice(t)
	buffers := dev.Stats().Buffers
	for _, name := range golden.Pipelines() {
		folder := copyPipeline(t, name)
		cases, err := golden.PipelineCases(name)
		require.NoError(t, err)
		for _, precision := range []gpu.DType{gpu.F32, gpu.F16} {
			p, err := Open(context.Background(), dev, familyOf(name), folder, Options{Precision: precision})
			require.NoError(t, err)
			for _, c := range cases {
				t.Run(fmt.Sprintf("%s %s %s", name, c.Name, precision), func(t *testing.T) { compare(t, p, c) })
			}
			p.Close()
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

// copyPipeline writes a golden pipeline to a folder.
func copyPipeline(t *testing.T, name string) string {
	files, err := golden.PipelineFS(name)
	require.NoError(t, err)
	folder := t.TempDir()
	require.NoError(t, os.CopyFS(folder, files))
	return folder
}

func familyOf(pipeline string) string {
	if strings.HasPrefix(pipeline, "dd") {
		return unprompted
	}
	return prompted
}

// The steps of a model that was never trained amplify what differs; halves are
// rounded by 2⁻¹¹ some hundred times a step, f32 by 2⁻²⁴.
var (
	toleranceF32 = golden.Tolerance{NMSE: 1e-9, MaxAbs: 1e-4}
	toleranceF16 = golden.Tolerance{NMSE: 2e-4, MaxAbs: 0.05, Why: "several evaluations in a row, each about 1e-5"}
)

// request is a golden's with its own noise.
func request(p *Pipeline, c golden.PipelineCase, in map[string]golden.Tensor) Request {
	q := p.Defaults()
	q.Items, q.Height, q.Width, q.Steps, q.Guidance, q.ClipSkip, q.Scheduler = c.Batch, c.Height, c.Width, c.Steps, c.Guidance, c.ClipSkip, c.Scheduler
	if p.Prompted() {
		q.Prompts = []string{c.Prompt}
	}
	if c.NegativePrompt != "" {
		q.Negative = &c.NegativePrompt
	}
	if c.Strength > 0 {
		q.Strength = c.Strength
	}
	q.Latents, q.Image, q.Mask = in["latents"].Data, in["init_image"].Data, in["mask"].Data
	q.Noise = func(step int) ([]float32, error) { return in[fmt.Sprintf("noise.%d", step)].Data, nil }
	return q
}

func compare(t *testing.T, p *Pipeline, c golden.PipelineCase) {
	in, err := c.Load()
	require.NoError(t, err)
	if c.SchedulerConfig != nil {
		own := p.schedule
		defer func() { p.schedule = own }()
		keys, err := json.Marshal(c.SchedulerConfig)
		require.NoError(t, err)
		p.schedule, err = patch(own, string(keys))
		require.NoError(t, err)
	}
	tolerance := toleranceF32
	if p.Precision == gpu.F16 {
		tolerance = toleranceF16
	}
	worst := 0.0
	check := func(name string, got []float32) {
		result := golden.Compare(name, got, in["expected."+name].Data, tolerance)
		require.True(t, result.OK(), "%s", result)
		worst = max(worst, result.NMSE)
	}
	ctx := context.Background()
	r, err := p.Start(ctx, request(p, c, in))
	require.NoError(t, err)
	defer r.Close()
	before := p.dev.Stats().Readbacks
	for r.Next() {
		require.NoError(t, r.Step(ctx))
	}
	require.Equal(t, before, p.dev.Stats().Readbacks, "read-backs in the loop")
	require.NoError(t, r.Restart(ctx))
	for r.Next() {
		require.NoError(t, r.Step(ctx))
		latents, err := r.Latents()
		require.NoError(t, err)
		check(fmt.Sprintf("step.%d", r.Done()-1), latents)
	}
	result, err := r.Result(ctx)
	require.NoError(t, err)
	check("latents", result.Latents)
	check("image", result.Image)
	t.Logf("NMSE at most %.1e", worst)
}
