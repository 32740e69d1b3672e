//go:build !headless && linux

package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/cmd/internal/cli"
	"saccade/viewer/viewertest"
)

// A training in a window, by real events: what was learned is kept on the way, a pause lasts until
// it is left, and a training that is ended writes its result. Closing the window ends it.
func TestWindow(t *testing.T) {
	display := viewertest.Open(t, 1024, 768, 96)
	folder, out := picturesFolder(t), filepath.Join(t.TempDir(), "mine")
	var stdout, stderr bytes.Buffer
	ended := make(chan int, 1)
	go func() {
		ended <- run(context.Background(), []string{"-model", "vit", "-data", folder, "-lora", "2", "-head", "-batch", "1", "-augment", "none", "-steps", "100000", "-o", out,
			"-view", "-probe", "../../zoo/pictures/cat.jpg", "-probe-every", "3"}, &stdout, &stderr, os.Getenv)
	}()
	display.Focus()
	kept := func() []string {
		all, err := filepath.Glob(filepath.Join(out, "step-*", "adapter_model.safetensors"))
		require.NoError(t, err)
		return all
	}
	soon := func(what string, f func() bool) {
		t.Helper()
		require.Eventually(t, f, time.Minute, 20*time.Millisecond, what)
	}
	display.Do("key", "k")
	soon("kept", func() bool { return len(kept()) == 1 })
	display.Do("key", "space")
	time.Sleep(time.Second) // for a step under way
	display.Do("key", "k")
	soon("kept in the pause", func() bool { return len(kept()) == 2 })
	for range 2 {
		time.Sleep(500 * time.Millisecond)
		display.Do("key", "k")
	}
	time.Sleep(time.Second)
	require.Len(t, kept(), 2, "no step is made in a pause")
	display.Do("key", "period")
	time.Sleep(time.Second)
	display.Do("key", "k")
	soon("one step more", func() bool { return len(kept()) == 3 })
	display.Do("key", "e")
	soon("ended", func() bool { _, err := os.Stat(filepath.Join(out, "adapter_model.safetensors")); return err == nil })
	select {
	case <-ended:
		t.Fatal("the window closed by itself")
	case <-time.After(300 * time.Millisecond):
	}
	display.Do("key", "q")
	select {
	case code := <-ended:
		require.Equal(t, cli.ExitFine, code, stderr.String())
	case <-time.After(time.Minute):
		t.Fatal("the window does not close")
	}
	assert.Contains(t, stdout.String(), "top-1")
	assert.FileExists(t, filepath.Join(out, "resume", "state.safetensors"))
}

// A training goes on without the window that was closed, to its end.
func TestWindowClosed(t *testing.T) {
	display := viewertest.Open(t, 1024, 768, 96)
	folder, out := picturesFolder(t), filepath.Join(t.TempDir(), "mine")
	var stdout, stderr bytes.Buffer
	ended := make(chan int, 1)
	go func() {
		ended <- run(context.Background(), []string{"-model", "vit", "-data", folder, "-head", "-steps", "3000", "-o", out, "-view", "-probe", "../../zoo/pictures/cat.jpg"}, &stdout, &stderr, os.Getenv)
	}()
	display.Focus()
	display.Do("key", "space")
	time.Sleep(300 * time.Millisecond)
	display.Do("key", "q")
	select {
	case code := <-ended:
		require.Equal(t, cli.ExitFine, code, stderr.String())
	case <-time.After(2 * time.Minute):
		t.Fatal("the training does not go on")
	}
	assert.Contains(t, stdout.String(), "after 3000 steps")
	assert.FileExists(t, filepath.Join(out, "model.safetensors"))
}

// A pipeline draws its probe's prompt with what was learned so far.
func TestProbePrompt(t *testing.T) {
	display := viewertest.Open(t, 1024, 768, 96)
	folder, out := t.TempDir(), filepath.Join(t.TempDir(), "bird.safetensors")
	data, err := os.ReadFile("../../zoo/pictures/bird.png")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(folder, "a.png"), data, 0o666))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "a.txt"), []byte("a bird"), 0o666))
	var stdout, stderr bytes.Buffer
	ended := make(chan int, 1)
	go func() {
		ended <- run(context.Background(), []string{"-model", "sd", "-data", folder, "-lora", "2", "-train-text-encoder", "-format", "kohya", "-steps", "1", "-o", out, "-view", "-probe", "a bird"}, &stdout, &stderr, os.Getenv)
	}()
	display.Focus()
	require.Eventually(t, func() bool { _, err := os.Stat(out); return err == nil }, 8*time.Minute, 50*time.Millisecond)
	display.Do("key", "q")
	require.Equal(t, cli.ExitFine, <-ended, stderr.String())
	require.NotContains(t, stderr.String(), "probe:")
}
