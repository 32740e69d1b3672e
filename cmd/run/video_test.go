package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/cmd/internal/cli"
	"saccade/weights"
)

// A video is written as a GIF, to a folder and raw; what does not fit is refused.
func TestVideo(t *testing.T) {
	sd, nets, dir := pipelineFolder(t, "sd1_tiny"), pipelineFolder(t, "motion_tiny"), t.TempDir()
	args := []string{"-model", "video", "-weights", sd, "-motion", filepath.Join(nets, "v2"), "-prompt", "a red apple", "-width", "24", "-height", "40", "-steps", "2", "-scheduler", "ddim", "-seed", "3"}
	with := func(more ...string) []string { return append(append([]string{}, args...), more...) }
	raw := filepath.Join(dir, "raw.safetensors")
	r := call(t, with("-frames", "3", "-o", filepath.Join(dir, "x.gif"), "-fps", "8", "-save", raw, "-json")...)
	requireFine(t, r)
	var doc paintingJSON
	require.NoError(t, json.Unmarshal([]byte(r.stdout), &doc))
	assert.Equal(t, 3, doc.Frames)
	require.NotNil(t, doc.Memory)
	c, err := weights.Open(raw)
	require.NoError(t, err)
	defer c.Close()
	for name, shape := range map[string][]int{"latents": {1, 4, 3, 5, 3}, "frames": {1, 3, 3, 40, 24}} {
		tensor, ok := c.Tensor(name)
		require.True(t, ok, name)
		assert.Equal(t, shape, tensor.Shape, name)
	}
	requireFine(t, call(t, with("-frames", "2", "-lora", filepath.Join(nets, "zoom.safetensors")+":0.5", "-o", filepath.Join(dir, "frames"))...))
	data, err := os.ReadFile(filepath.Join(dir, "frames", "frame-001.png"))
	require.NoError(t, err)
	assert.Contains(t, string(data), "Motion: v2, Frames: 2")

	bad := func(code int, want string, args ...string) {
		t.Helper()
		requireError(t, call(t, args...), code, want)
	}
	out := filepath.Join(dir, "y.gif")
	bad(cli.ExitUsage, "the motion adapter has positions for 1 to 7", with("-frames", "8", "-o", out)...)
	bad(cli.ExitUsage, "expected a whole number from 2 to 1000", with("-frames", "0", "-o", out)...)
	bad(cli.ExitUsage, "expected a whole number from 2 to 1000", with("-frames", "10000", "-o", out)...)
	bad(cli.ExitUsage, "does not go with -record", with("-view", "-record", "x.gif")...)
	bad(cli.ExitUsage, "give -motion SOURCE", "-model", "video", "-weights", sd, "-prompt", "a", "-o", out)
	xl := pipelineFolder(t, "sdxl_tiny")
	bad(cli.ExitFailure, "the pipeline is an SDXL", "-model", "sd", "-weights", xl, "-motion", filepath.Join(nets, "v2"), "-prompt", "a", "-o", out)
	bad(cli.ExitFailure, "it is for another base: its blocks have the widths [8 16 16]", "-model", "video", "-weights", pipelineFolder(t, "sd2_tiny"), "-motion", filepath.Join(nets, "v2"), "-prompt", "a", "-o", out)
	bad(cli.ExitFailure, "no down_blocks.0.motion_modules.0", "-model", "video", "-weights", sd, "-motion", filepath.Join(sd, "unet"), "-prompt", "a", "-o", out)
	_, err = os.Stat(out)
	assert.ErrorIs(t, err, os.ErrNotExist)
}
