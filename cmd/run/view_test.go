package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/cmd/internal/cli"
	"saccade/models"
	"saccade/models/diffusion"
)

// What is written of a run that a window shows.
func TestWindowFiles(t *testing.T) {
	dir := t.TempDir()
	out, record := filepath.Join(dir, "out.png"), filepath.Join(dir, "record.png")
	a := &app{stdout: newOutput(io.Discard), stderr: io.Discard, getenv: os.Getenv}
	require.NoError(t, a.options.parse(t.Context(), []string{"-model", "sd", "-weights", pipelineFolder(t, "sd1_tiny"), "-view", "-prompt", "a red apple", "-width", "24", "-height", "40", "-steps", "3", "-seed", "3", "-scheduler", "ddim", "-o", out, "-record", record}))
	require.NoError(t, a.open())
	t.Cleanup(a.dev.Close)
	ctx := context.Background()
	m, err := models.Load(ctx, a.dev, "sd", a.weights, models.Options{Precision: a.precision})
	require.NoError(t, err)
	defer m.Close()
	w := &painter{app: a, p: m.Pipeline.(*diffusion.Pipeline)}
	q, err := w.request(&paintingInput{})
	require.NoError(t, err)
	run, err := w.start(ctx, q)
	require.NoError(t, err)
	defer run.Close()
	var steps []*diffusion.Snapshot
	for run.Next() {
		require.NoError(t, run.Step(ctx))
		s, err := run.Snapshot()
		require.NoError(t, err)
		defer s.Release()
		steps = append(steps, s)
	}
	require.NoError(t, w.ended(ctx, run, steps))
	assert.Equal(t, [2]int{24, 40}, size(t, out))
	assert.Equal(t, [2]int{3*(24+gap) - gap, 40}, size(t, record))
	images, err := run.Preview(ctx, steps[1])
	require.NoError(t, err)
	path, err := w.saveStep(run.Request, 2, images)
	require.NoError(t, err)
	assert.Equal(t, filepath.Join(dir, "saccade-3-step-2.png"), path)
	assert.Equal(t, [2]int{24, 40}, size(t, path))
}

func TestBadViews(t *testing.T) {
	pic := picturePath(t, t.TempDir(), "a.png", 32, 32, 1)
	requireError(t, call(t, "-model", "vit", "-view"), cli.ExitUsage, "-image")
	requireError(t, call(t, "-model", "vit", "-view", "-image", pic, "-json"), cli.ExitUsage, "-json")
	requireError(t, call(t, "-model", "resnet", "-view", "-image", pic), cli.ExitUsage, models.ErrNoAttention.Error())
	t.Setenv("DISPLAY", "")
	t.Setenv("WAYLAND_DISPLAY", "")
	requireError(t, call(t, "-model", "sd", "-prompt", "a", "-view"), cli.ExitFailure, "no window can be opened", "-record")
	requireError(t, call(t, "-model", "sd", "-prompt", "a", "-o", "x.png", "-preview", "vae"), cli.ExitUsage, "-view")
	requireError(t, call(t, "-model", "sd", "-prompt", "a", "-view", "-preview", "tiny"), cli.ExitUsage, "-preview-weights")
	requireError(t, call(t, "-model", "sd", "-prompt", "a", "-view", "-preview", "big"), cli.ExitUsage, "vae, tiny, linear or latent")
	requireError(t, call(t, "-model", "sd", "-prompt", "a", "-view", "-json"), cli.ExitUsage, "-json")
}
