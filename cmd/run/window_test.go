//go:build !headless && linux

package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/cmd/internal/cli"
	"saccade/picture"
	"saccade/viewer/viewertest"
)

// window is a command with a window, on a display of its own.
type window struct {
	*viewertest.Display
	ended  chan int
	stderr bytes.Buffer
}

// opened runs a command with a window in a folder of its own, where it saves files.
func opened(t *testing.T, args ...string) *window {
	t.Helper()
	w := &window{Display: viewertest.Open(t, 800, 600, 96), ended: make(chan int, 1)}
	t.Chdir(t.TempDir())
	ctx, cancel := context.WithCancel(context.Background())
	closed := make(chan struct{})
	t.Cleanup(func() { // before the display is gone, at which X ends the process
		cancel()
		<-closed
	})
	go func() {
		defer close(closed)
		var stdout bytes.Buffer
		w.ended <- run(ctx, args, &stdout, &w.stderr, os.Getenv)
	}()
	require.Eventually(t, func() bool { return w.Window() != "" || len(w.ended) > 0 }, time.Minute, 10*time.Millisecond, "no window")
	if len(w.ended) > 0 {
		<-w.ended
		require.Fail(t, "no window", w.stderr.String())
	}
	w.Focus()
	return w
}

// press presses keys after each other, real ones as far as X knows.
func (w *window) press(keys ...string) {
	w.T.Helper()
	for _, k := range keys {
		w.Do("key", k)
	}
}

// saved waits for a file that a key saves.
func (w *window) saved(file string) (data []byte) {
	w.T.Helper()
	require.Eventually(w.T, func() bool {
		m, err := picture.Open(file, picture.DecodeOptions{})
		if err == nil && m != nil {
			data, err = os.ReadFile(file)
		}
		return err == nil
	}, 60*time.Second, 20*time.Millisecond, file)
	return data
}

// quit closes the window by its key.
func (w *window) quit() {
	w.T.Helper()
	w.press("q")
	select {
	case code := <-w.ended:
		require.Equal(w.T, cli.ExitFine, code, w.stderr.String())
	case <-time.After(60 * time.Second):
		require.Fail(w.T, "the window does not close")
	}
}

// fullPath is a path that holds in another folder.
func fullPath(t *testing.T, path string) string {
	t.Helper()
	path, err := filepath.Abs(path)
	require.NoError(t, err)
	return path
}

func samePicture(t *testing.T, want, got string) {
	t.Helper()
	a, err := picture.Open(want, picture.DecodeOptions{})
	require.NoError(t, err)
	b, err := picture.Open(got, picture.DecodeOptions{})
	require.NoError(t, err)
	require.Equal(t, [2]int{a.W, a.H}, [2]int{b.W, b.H})
	for i := range a.Pix {
		require.InDelta(t, a.Pix[i], b.Pix[i], 1, "sample %d", i)
	}
}

// Styles of a StyleGAN2 mixed by keys: what is saved is what the same seeds give without a window.
func TestMixingWindow(t *testing.T) {
	styled := fullPath(t, filepath.Join("..", "..", "golden", "models", "gan_stylegan2", "model.pt"))
	args := []string{"-model", "gan", "-weights", styled, "-seed", "4"}
	w := opened(t, append(args, "-view", "-batch", "2")...)
	plain := func(name string, more ...string) string {
		requireFine(t, call(t, append(append([]string{}, args...), append(more, "-o", name)...)...))
		return name
	}
	w.press("question", "s")
	mixed := w.saved("saccade_mix_1.png")
	assert.Contains(t, string(mixed), "Layers 0–3: seed 4, Layers 4–5: seed 5, Size: 16x16, Model: model.pt")

	w.press("Tab", "Left", "s") // the fine layers have the first seed's style too
	assert.Contains(t, string(w.saved("saccade_mix_2.png")), "Layers 4–5: seed 4")
	samePicture(t, plain("four.png"), "saccade_mix_2.png")
	w.press("minus", "minus", "s")
	assert.Contains(t, string(w.saved("saccade_mix_3.png")), "Truncation: 0.8")
	samePicture(t, plain("eight.png", "-truncation", "0.8"), "saccade_mix_3.png")
	w.press("plus", "plus", "Down", "n", "s")
	assert.Contains(t, string(w.saved("saccade_mix_4.png")), "Layers 0–4: seed 6, Layer 5: seed 6, Size")

	w.press("space")
	time.Sleep(300 * time.Millisecond)
	w.press("space", "s")
	assert.Regexp(t, `Layer 5: seed 6 to 7 at 0\.\d\d, Size`, string(w.saved("saccade_mix_5.png")))
	w.quit()
}

// A DCGAN has no styles to mix: its window walks.
func TestWalkingWindow(t *testing.T) {
	plain := fullPath(t, filepath.Join("..", "..", "golden", "models", "gan_dcgan", "model.pt"))
	w := opened(t, "-model", "gan", "-weights", plain, "-view", "-seed", "4", "-batch", "2")
	w.press("Right", "minus", "Tab", "s")
	assert.Contains(t, string(w.saved("saccade_mix_1.png")), "Seed 5, Size")
	requireFine(t, call(t, "-model", "gan", "-weights", plain, "-seed", "5", "-o", "five.png"))
	samePicture(t, "five.png", "saccade_mix_1.png")
	w.quit()

	requireError(t, call(t, "-model", "gan", "-weights", plain, "-view", "-truncation", "0.5"), cli.ExitUsage, "no styles")
	requireError(t, call(t, "-model", "gan", "-weights", plain, "-view", "-batch", "13"), cli.ExitUsage, "at most 12 seeds")
	requireError(t, call(t, "-model", "gan", "-weights", plain, "-view", "-o", "x.png"), cli.ExitUsage, "leave out -o")
}

// says waits for the window's title to say something.
func (w *window) says(what string) {
	w.T.Helper()
	require.Eventually(w.T, func() bool { return strings.Contains(w.Do("getwindowname", w.Window()), what) }, 2*time.Minute, 50*time.Millisecond, what)
}

// The weight of a ControlNet by keys: from the first step again the picture is that of the new weight.
func TestControlWindow(t *testing.T) {
	net, photo := fullPath(t, filepath.Join(pipelineFolder(t, "controlnet_tiny"), "sd1.0")), fullPath(t, filepath.Join("..", "..", "zoo", "pictures", "cat.jpg"))
	args := []string{"-model", "sd", "-weights", fullPath(t, pipelineFolder(t, "sd1_tiny")), "-prompt", "a red apple", "-width", "24", "-height", "40", "-steps", "2", "-scheduler", "ddim", "-seed", "3", "-control-image", photo, "-control-hint", "canny"}
	w := opened(t, append(args, "-control", net+":0.5", "-view")...)
	const file = "saccade-3-step-2.png"
	w.says("step 2/2")
	w.press("s")
	assert.Contains(t, string(w.saved(file)), "ControlNet 0: sd1.0:0.5")
	require.NoError(t, os.Remove(file))
	w.press("bracketright", "bracketright", "bracketright", "Left", "Left", "period")
	w.says("step 1/2")
	w.press("period")
	w.says("step 2/2")
	w.says("hints 0.8")
	w.press("s")
	assert.Contains(t, string(w.saved(file)), "ControlNet 0: sd1.0:0.8")
	requireFine(t, call(t, append(args, "-control", net+":0.8", "-o", "plain.png")...))
	samePicture(t, "plain.png", file)
	w.quit()
}

// A video in the window is saved as its frames, and written at its end.
func TestVideoWindow(t *testing.T) {
	for name, from := range map[string][]string{
		"adapter": {fullPath(t, pipelineFolder(t, "sd1_tiny")), "-motion", fullPath(t, filepath.Join(pipelineFolder(t, "motion_tiny"), "v2"))},
		"own":     {fullPath(t, pipelineFolder(t, "t2v_tiny"))},
	} {
		t.Run(name, func(t *testing.T) { testVideoWindow(t, from) })
	}
}

func testVideoWindow(t *testing.T, from []string) {
	w := opened(t, append(append([]string{"-model", "video", "-weights"}, from...),
		"-prompt", "a red apple", "-width", "24", "-height", "40", "-steps", "2", "-scheduler", "ddim", "-seed", "3", "-frames", "3", "-fps", "20", "-view", "-o", "x.gif")...)
	w.saved("x.gif")
	w.press("p", "s", "question")
	w.saved("saccade-3-step-2.gif")
	w.quit()
	shown, err := os.ReadFile("saccade-3-step-2.gif")
	require.NoError(t, err)
	written, err := os.ReadFile("x.gif")
	require.NoError(t, err)
	assert.Equal(t, written, shown)
}
