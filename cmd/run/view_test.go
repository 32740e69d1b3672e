package main

import (
	"context"
	"image"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/cmd/internal/cli"
	"saccade/models"
	"saccade/models/diffusion"
	"saccade/viewer"
	"saccade/zoo"
)

// shownRun is a session of a golden pipeline whose goroutine works, with what it draws.
type shownRun struct {
	*denoising
	t *testing.T
}

func showRun(t *testing.T, pipeline string, flags ...string) *shownRun {
	t.Helper()
	family, prompt := "sd", []string{"-prompt", "a red apple"}
	if strings.HasPrefix(pipeline, "dd") {
		family, prompt = "ddpm", nil
	}
	a := &app{stdout: newOutput(io.Discard), stderr: io.Discard, getenv: os.Getenv}
	require.NoError(t, a.options.parse(slices.Concat([]string{"-model", family, "-weights", pipelineFolder(t, pipeline), "-view", "-width", "24", "-height", "40"}, prompt, flags)))
	require.NoError(t, a.open())
	t.Cleanup(a.dev.Close)
	ctx, cancel := context.WithCancel(context.Background())
	w := &painter{app: a}
	m, err := models.Load(ctx, a.dev, family, a.weights, models.Options{Precision: a.precision, Embedded: zoo.All()})
	require.NoError(t, err)
	w.p = m.Pipeline.(*diffusion.Pipeline)
	q, err := w.request(&paintingInput{})
	require.NoError(t, err)
	buffers := a.dev.Stats().Buffers
	d := &denoising{w: w, kind: w.preview, commands: make(chan viewer.Command, 64), changed: make(chan struct{}, 1)}
	require.NoError(t, d.start(ctx, q))
	done := make(chan error, 1)
	go func() { done <- d.work(ctx) }()
	t.Cleanup(func() {
		cancel()
		assert.ErrorIs(t, <-done, context.Canceled)
		d.close()
		w.p.Close()
		assert.LessOrEqual(t, a.dev.Stats().Buffers, buffers, "buffers that nobody freed")
	})
	return &shownRun{d, t}
}

// until waits for a view.
func (s *shownRun) until(what string, is func(v viewer.View) bool) viewer.View {
	s.t.Helper()
	for range 3000 {
		if v := s.View(); is(v) {
			return v
		}
		time.Sleep(10 * time.Millisecond)
	}
	require.Fail(s.t, what, "%+v", s.View())
	return viewer.View{}
}

func (s *shownRun) do(a viewer.Action) { s.Do(viewer.Command{Action: a}) }

func has(facts []string, part string) bool {
	return slices.ContainsFunc(facts, func(f string) bool { return strings.Contains(f, part) })
}

// All that the keys of a diffusion run do.
func TestViewedRun(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out.png")
	s := showRun(t, "sd1_tiny", "-steps", "5", "-seed", "3", "-scheduler", "ddim", "-o", out, "-record", filepath.Join(filepath.Dir(out), "record.png"))
	v := s.until("the end", func(v viewer.View) bool { return v.Step == 5 && len(v.Strip) == 6 })
	assert.Equal(t, 5, v.At)
	assert.True(t, has(v.Facts, "seed 3") && has(v.Facts, "DDIMScheduler") && has(v.Facts, "guidance 7.5"), "%v", v.Facts)
	for range 300 {
		if _, err := os.Stat(filepath.Join(filepath.Dir(out), "record.png")); err == nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	assert.Equal(t, [2]int{24, 40}, size(t, out))
	assert.Equal(t, [2]int{5*(24+gap) - gap, 40}, size(t, filepath.Join(filepath.Dir(out), "record.png")))

	s.do(viewer.Back)
	s.do(viewer.Back)
	s.until("two steps back", func(v viewer.View) bool { return v.At == 3 && v.Paused })
	s.do(viewer.Forward)
	s.until("one forward", func(v viewer.View) bool { return v.At == 4 })
	s.Do(viewer.Command{Action: viewer.ShowStep, Step: 1})
	s.until("step 1", func(v viewer.View) bool { return v.At == 1 })
	s.do(viewer.Save)
	v = s.until("a file", func(v viewer.View) bool { return strings.HasPrefix(v.Notice, "saved ") })
	assert.Equal(t, [2]int{24, 40}, size(t, strings.TrimPrefix(v.Notice, "saved ")))

	s.do(viewer.SingleStep)
	s.until("step 2, anew", func(v viewer.View) bool { return v.Step == 2 && len(v.Strip) == 3 && v.Paused })
	s.do(viewer.MoreGuidance)
	s.do(viewer.MoreGuidance)
	s.do(viewer.LessGuidance)
	s.until("guidance", func(v viewer.View) bool { return has(v.Facts, "guidance 8") })
	s.do(viewer.Pause)
	s.until("the end again", func(v viewer.View) bool { return v.Step == 5 && !v.Paused })

	s.do(viewer.NewSeed)
	s.until("another seed", func(v viewer.View) bool {
		return !slices.Contains(v.Facts, "seed 3") && v.Step == 5 && len(v.Strip) == 6
	})
	s.do(viewer.ToggleHeat)
	v = s.until("heat", func(v viewer.View) bool { return v.Step == 5 && len(v.Shown) == 1 && v.Shown[0].Heat != nil })
	assert.Equal(t, 5, v.Shown[0].Heat.Rows)
	assert.Contains(t, v.Notice, `"a"`)
	s.do(viewer.NextHeat)
	s.until("the next word", func(v viewer.View) bool { return strings.Contains(v.Notice, `"red"`) })
	s.do(viewer.ToggleHeat)
	s.until("no heat", func(v viewer.View) bool { return v.Shown[0].Heat == nil })
	s.do(viewer.NextScheduler)
	s.until("the next scheduler", func(v viewer.View) bool { return has(v.Facts, "PNDMScheduler") && v.Step > 0 })
	s.do(viewer.Restart)
	s.until("the end at last", func(v viewer.View) bool { return v.Step == v.Steps && len(v.Strip) == v.Steps+1 })
}

// Without a prompt there are no keys for it; every third step is in the strip.
func TestViewedDDPM(t *testing.T) {
	s := showRun(t, "ddim_tiny", "-steps", "7", "-view-every", "3", "-batch", "2")
	v := s.until("the end", func(v viewer.View) bool { return v.Step == 7 && len(v.Strip) == 4 })
	assert.Len(t, v.Shown, 2)
	assert.NotContains(t, s.Actions(), viewer.MoreGuidance)
	assert.False(t, has(v.Facts, "guidance"))
}

// What a network attends to from the patch under the pointer.
func TestViewedAttention(t *testing.T) {
	a := &app{stdout: newOutput(io.Discard), stderr: io.Discard, getenv: os.Getenv}
	dir := t.TempDir()
	require.NoError(t, a.options.parse([]string{"-model", "vit", "-view", "-image", picturePath(t, dir, "a.png", 32, 32, 1), "-image", picturePath(t, dir, "b.png", 40, 32, 1)}))
	m, err := a.load(context.Background())
	require.NoError(t, err)
	defer a.dev.Close()
	defer m.Close()
	s := &hovering{drawing: &drawing{app: a, m: m, bar: &progress{}}, changed: make(chan struct{}, 1), ctx: context.Background()}
	require.NoError(t, s.open(0))
	class := s.View()
	require.Equal(t, image.Pt(8, 8), class.Grid)
	assert.True(t, has(class.Facts, "class token"))
	s.Point(image.Pt(2, 5), true)
	patch := s.View()
	assert.True(t, has(patch.Facts, "row 6, column 3"))
	assert.NotEqual(t, class.Shown[0].Heat.Values, patch.Shown[0].Heat.Values)
	maps, err := m.PatchHeads(s.seen.outputs, s.seen.h, s.seen.w, 5, 2)
	require.NoError(t, err)
	var mean float32
	for _, h := range maps {
		mean += h.Values[9] / float32(len(maps))
	}
	assert.InDelta(t, mean, patch.Shown[0].Heat.Values[9], 1e-6)
	s.Do(viewer.Command{Action: viewer.NextHeat})
	assert.Equal(t, maps[0].Values, s.View().Shown[0].Heat.Values)
	s.Do(viewer.Command{Action: viewer.ToggleHeat})
	assert.Nil(t, s.View().Shown[0].Heat)
	s.Do(viewer.Command{Action: viewer.Forward})
	assert.Equal(t, "b.png", s.View().Name)
	_, err = m.PatchHeads(s.seen.outputs, s.seen.h, s.seen.w, 8, 0)
	assert.ErrorContains(t, err, "no patch at row 8")
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
