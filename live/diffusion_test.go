package live

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/golden"
	"saccade/gpu"
	"saccade/gpu/gputest"
	"saccade/models/diffusion"
	"saccade/models/diffusion/checkpoint"
	"saccade/models/nn"
	"saccade/models/verify"
	"saccade/picture"
	"saccade/viewer"
)

func TestMain(m *testing.M) { os.Exit(gputest.Main(m)) }

// shown is a session of a golden pipeline.
type shown struct {
	*Diffusion
	t *testing.T
}

func show(t *testing.T, pipeline string, set func(q *diffusion.Request), o DiffusionOptions) *shown {
	t.Helper()
	dev := gputest.Open(t, gpu.Options{})
	dir, err := golden.PipelineFS(pipeline)
	require.NoError(t, err)
	files, err := checkpoint.OpenFS(dir, pipeline)
	require.NoError(t, err)
	p, err := diffusion.New(dev, files, nn.Options{Precision: gpu.F16})
	require.NoError(t, err)
	q := p.Defaults()
	set(&q)
	buffers := dev.Stats().Buffers
	s, err := NewDiffusion(context.Background(), p, q, o)
	require.NoError(t, err)
	t.Cleanup(func() {
		assert.NoError(t, s.Close())
		p.Close()
		assert.LessOrEqual(t, dev.Stats().Buffers, buffers, "buffers that nobody freed")
	})
	return &shown{s, t}
}

// until waits for a view.
func (s *shown) until(what string, is func(v viewer.View) bool) viewer.View {
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

func (s *shown) do(a viewer.Action) { s.Do(viewer.Command{Action: a}) }

func has(facts []string, part string) bool {
	return slices.ContainsFunc(facts, func(f string) bool { return strings.Contains(f, part) })
}

// All that the keys of a diffusion run do.
func TestDiffusion(t *testing.T) {
	var saved []string
	ended := make(chan []int, 1)
	s := show(t, "sd1_tiny", func(q *diffusion.Request) {
		q.Prompts, q.Height, q.Width, q.Steps, q.Scheduler, q.Seeds = []string{"a red apple"}, 40, 24, 5, "ddim", []uint64{3}
	}, DiffusionOptions{
		Name: "an apple",
		Done: func(_ context.Context, run *diffusion.Run, steps []*diffusion.Snapshot) error {
			var done []int
			for _, x := range steps {
				done = append(done, x.Done)
			}
			ended <- done
			return nil
		},
		Save: func(q diffusion.Request, step int, images []*picture.Image) (string, error) {
			saved = append(saved, fmt.Sprintf("%d of seed %d, %dx%d", step, q.Seeds[0], images[0].W, images[0].H))
			if len(saved) > 1 {
				return "", errors.New("the disk\nis full")
			}
			return "x.png", nil
		},
	})
	v := s.until("the end", func(v viewer.View) bool { return v.Step == 5 && len(v.Strip) == 6 })
	assert.Equal(t, 5, v.At)
	assert.True(t, has(v.Facts, "seed 3") && has(v.Facts, "DDIMScheduler") && has(v.Facts, "guidance 7.5"), "%v", v.Facts)
	assert.Equal(t, "an apple", v.Name)
	assert.Equal(t, []int{1, 2, 3, 4, 5}, <-ended)

	s.do(viewer.Back)
	s.do(viewer.Back)
	s.until("two steps back", func(v viewer.View) bool { return v.At == 3 && v.Paused })
	s.do(viewer.Forward)
	s.until("one forward", func(v viewer.View) bool { return v.At == 4 })
	s.Do(viewer.Command{Action: viewer.ShowStep, Step: 1})
	s.until("step 1", func(v viewer.View) bool { return v.At == 1 })
	s.do(viewer.Save)
	s.until("a file", func(v viewer.View) bool { return v.Notice == "saved x.png" })
	s.do(viewer.Save)
	s.until("no file", func(v viewer.View) bool { return v.Notice == "the disk; is full" })
	assert.Equal(t, []string{"1 of seed 3, 24x40", "1 of seed 3, 24x40"}, saved)

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
func TestUnconditional(t *testing.T) {
	s := show(t, "ddim_tiny", func(q *diffusion.Request) {
		q.Height, q.Width, q.Steps, q.Items, q.Seeds = 40, 24, 7, 2, []uint64{1, 2}
	}, DiffusionOptions{Every: 3})
	v := s.until("the end", func(v viewer.View) bool { return v.Step == 7 && len(v.Strip) == 4 })
	assert.Len(t, v.Shown, 2)
	assert.Equal(t, s.p.Name, v.Name)
	assert.NotContains(t, s.Actions(), viewer.MoreGuidance)
	assert.NotContains(t, s.Actions(), viewer.Save)
	assert.False(t, has(v.Facts, "guidance"))
}

// What ends the steps is told by Close; a request that cannot be is refused at once.
func TestFailures(t *testing.T) {
	full := errors.New("the disk is full")
	dev := gputest.Open(t, gpu.Options{})
	dir, err := golden.PipelineFS("ddim_tiny")
	require.NoError(t, err)
	files, err := checkpoint.OpenFS(dir, "ddim_tiny")
	require.NoError(t, err)
	p, err := diffusion.New(dev, files, nn.Options{Precision: gpu.F16})
	require.NoError(t, err)
	defer p.Close()
	q := p.Defaults()
	q.Steps = 2
	ended := make(chan bool)
	s, err := NewDiffusion(context.Background(), p, q, DiffusionOptions{Done: func(context.Context, *diffusion.Run, []*diffusion.Snapshot) error {
		close(ended)
		return full
	}})
	require.NoError(t, err)
	<-ended
	assert.ErrorIs(t, s.Close(), full)

	q.Steps = 0
	_, err = NewDiffusion(context.Background(), p, q, DiffusionOptions{})
	var bad *diffusion.RequestError
	assert.ErrorAs(t, err, &bad)

	ctx, cancel := context.WithCancel(context.Background())
	q.Steps = 1000
	s, err = NewDiffusion(ctx, p, q, DiffusionOptions{})
	require.NoError(t, err)
	cancel()
	assert.ErrorIs(t, s.Close(), context.Canceled)
}

// showGolden is a session of a golden's run, with its ControlNets or motion adapter.
func showGolden(t *testing.T, pipeline, name string, o DiffusionOptions) *shown {
	t.Helper()
	dev := gputest.Open(t, gpu.Options{})
	cases, err := golden.PipelineCases(pipeline)
	require.NoError(t, err)
	i := slices.IndexFunc(cases, func(c golden.PipelineCase) bool { return c.Name == name })
	require.GreaterOrEqual(t, i, 0)
	p, q, err := verify.OpenPipeline(dev, cases[i], nn.Options{Precision: gpu.F16})
	require.NoError(t, err)
	buffers := dev.Stats().Buffers
	s, err := NewDiffusion(context.Background(), p, q, o)
	require.NoError(t, err)
	t.Cleanup(func() {
		assert.NoError(t, s.Close())
		p.Close()
		assert.LessOrEqual(t, dev.Stats().Buffers, buffers, "buffers that nobody freed")
	})
	return &shown{s, t}
}

// What ControlNets see stands beside the pictures; their weights change what the next steps make,
// and only theirs.
func TestHints(t *testing.T) {
	var images []*picture.Image
	s := showGolden(t, "controlnet_tiny", "two", DiffusionOptions{Preview: diffusion.PreviewVAE, Save: func(_ diffusion.Request, _ int, all []*picture.Image) (string, error) {
		images = all
		return fmt.Sprint(all[0].Pix[:9]), nil
	}})
	v := s.until("the end", func(v viewer.View) bool { return v.Step == v.Steps && v.Steps > 0 && len(v.Strip) == v.Steps+1 })
	require.Len(t, v.Shown, 4, "two pictures, two of hints")
	assert.NotNil(t, v.Shown[2].Image)
	assert.Equal(t, 24, v.Shown[3].Image.Rect.Dx())
	assert.True(t, has(v.Facts, "[hints 0.5]") && has(v.Facts, "hints 1.2"), "%v", v.Facts)
	save := func() []*picture.Image {
		images = nil
		s.do(viewer.Save)
		s.until("saved", func(v viewer.View) bool { return strings.HasPrefix(v.Notice, "saved") })
		return images
	}
	before := save()
	s.do(viewer.NextControl)
	s.do(viewer.LessControl)
	s.do(viewer.LessControl)
	v = s.until("less weight", func(v viewer.View) bool { return has(v.Facts, "[hints 1]") && has(v.Facts, "hints 0.5") })
	assert.Equal(t, before, save(), "nothing changes before the next step")
	s.do(viewer.Restart)
	s.until("the end again", func(v viewer.View) bool { return v.Step == v.Steps && len(v.Strip) == v.Steps+1 && v.Notice == "" })
	assert.NotEqual(t, before, save())
	s.do(viewer.MoreControl)
	s.do(viewer.MoreControl)
	s.do(viewer.Restart)
	s.until("the end at last", func(v viewer.View) bool {
		return has(v.Facts, "[hints 1.2]") && v.Step == v.Steps && len(v.Strip) == v.Steps+1 && v.Notice == ""
	})
	assert.Equal(t, before, save(), "with the weights of before the pictures are those of before")
}

// The frames of a video are played one after the other, or stand side by side.
func TestPlays(t *testing.T) {
	for _, pipeline := range []string{"motion_tiny", "t2v_tiny"} {
		t.Run(pipeline, func(t *testing.T) { testPlays(t, pipeline) })
	}
}

func testPlays(t *testing.T, pipeline string) {
	s := showGolden(t, pipeline, "five", DiffusionOptions{FPS: 100, Save: func(_ diffusion.Request, step int, all []*picture.Image) (string, error) {
		return fmt.Sprintf("%d frames of step %d", len(all), step), nil
	}})
	s.until("the end", func(v viewer.View) bool { return v.Step == 3 && len(v.Strip) == 4 })
	seen := map[viewer.Picture]bool{}
	s.until("every frame", func(v viewer.View) bool {
		require.Len(t, v.Shown, 1)
		seen[v.Shown[0]] = true
		return len(seen) == 5
	})
	select {
	case <-s.Changed():
	case <-time.After(10 * time.Second):
		require.Fail(t, "the window is not told of the next frame")
	}
	s.do(viewer.PlayFrames)
	s.until("all frames", func(v viewer.View) bool { return len(v.Shown) == 5 })
	s.do(viewer.Save)
	s.until("saved", func(v viewer.View) bool { return v.Notice == "saved 5 frames of step 3" })
	assert.NotContains(t, s.Actions(), viewer.ToggleHeat)
	s.do(viewer.NewSeed)
	s.until("another seed", func(v viewer.View) bool { return v.Step == 3 && len(v.Strip) == 4 && v.Notice == "" })
	s.do(viewer.PlayFrames)
	s.until("one frame", func(v viewer.View) bool { return len(v.Shown) == 1 })
}
