package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/cmd/internal/cli"
	"saccade/golden"
	"saccade/gpu"
	"saccade/models/diffusion"
	"saccade/models/verify"
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

	windows := filepath.Join(dir, "windows")
	requireFine(t, call(t, with("-frames", "9", "-context-length", "5", "-context-stride", "2", "-o", windows)...))
	data, err = os.ReadFile(filepath.Join(windows, "frame-008.png"))
	require.NoError(t, err)
	assert.Contains(t, string(data), "Frames: 9, Context: 5, Stride: 2")

	net, hints := filepath.Join(pipelineFolder(t, "controlnet_tiny"), "sd1.0"), filepath.Join(dir, "hints")
	require.NoError(t, os.Mkdir(hints, 0o777))
	for i := range 2 {
		picturePath(t, hints, fmt.Sprintf("%d.png", i), 24, 40, i+1)
	}
	control := with("-frames", "2", "-control", net, "-control-hint", "canny", "-control-image")
	drawn := func(name, hint string) string {
		requireFine(t, call(t, append(slices.Clone(control), hint, "-o", filepath.Join(dir, name))...))
		data, err := os.ReadFile(filepath.Join(dir, name, "frame-001.png"))
		require.NoError(t, err)
		return string(data)
	}
	assert.NotEqual(t, drawn("each", hints), drawn("one", filepath.Join(hints, "0.png")), "each frame sees a picture of its own")

	bad := func(code int, want string, args ...string) {
		t.Helper()
		requireError(t, call(t, args...), code, want)
	}
	out := filepath.Join(dir, "y.gif")
	bad(cli.ExitUsage, "the motion adapter has positions for 1 to 7", with("-frames", "8", "-o", out)...)
	bad(cli.ExitUsage, "expected a whole number from 2 to 1000", with("-frames", "0", "-o", out)...)
	bad(cli.ExitUsage, "expected a whole number from 2 to 1000", with("-frames", "10000", "-o", out)...)
	bad(cli.ExitUsage, "windows of 8 frames; the motion adapter has positions for 1 to 7", with("-frames", "9", "-context-length", "8", "-o", out)...)
	bad(cli.ExitUsage, "windows of 5 frames for a video of 3", with("-frames", "3", "-context-length", "5", "-o", out)...)
	bad(cli.ExitUsage, "a stride of 6 frames between windows of 5", with("-frames", "9", "-context-length", "5", "-context-stride", "6", "-o", out)...)
	bad(cli.ExitUsage, "-context-stride goes with -context-length", with("-frames", "5", "-context-stride", "2", "-o", out)...)
	bad(cli.ExitUsage, "go with -motion", "-model", "sd", "-weights", sd, "-prompt", "a", "-context-length", "5", "-o", filepath.Join(dir, "y.png"))
	bad(cli.ExitUsage, "holds 2 pictures for 3 frames", with("-frames", "3", "-control", net, "-control-image", hints, "-o", out)...)
	bad(cli.ExitUsage, "it goes with -motion", "-model", "sd", "-weights", sd, "-prompt", "a", "-control", net, "-control-image", hints, "-o", filepath.Join(dir, "y.png"))
	bad(cli.ExitUsage, "-record does not go with it", with("-view", "-record", "x.gif")...)
	bad(cli.ExitUsage, "give -motion SOURCE", "-model", "video", "-weights", sd, "-prompt", "a", "-o", out)
	xl := pipelineFolder(t, "sdxl_tiny")
	bad(cli.ExitFailure, "the pipeline is an SDXL", "-model", "sd", "-weights", xl, "-motion", filepath.Join(nets, "v2"), "-prompt", "a", "-o", out)
	bad(cli.ExitFailure, "it is for another base: its blocks have the widths [8 16 16]", "-model", "video", "-weights", pipelineFolder(t, "sd2_tiny"), "-motion", filepath.Join(nets, "v2"), "-prompt", "a", "-o", out)
	bad(cli.ExitFailure, "no down_blocks.0.motion_modules.0", "-model", "video", "-weights", sd, "-motion", filepath.Join(sd, "unet"), "-prompt", "a", "-o", out)
	_, err = os.Stat(out)
	assert.ErrorIs(t, err, os.ErrNotExist)
}

// A pipeline whose UNet is of videos takes the same flags without an adapter, and gives
// diffusers' frames of its latents.
func TestTextToVideo(t *testing.T) {
	t2v, dir := pipelineFolder(t, "t2v_tiny"), t.TempDir()
	cases, err := golden.PipelineCases("t2v_tiny")
	require.NoError(t, err)
	c := cases[0]
	want, err := c.Load()
	require.NoError(t, err)
	s := want["latents"].Shape // [F C h w]
	input, out := filepath.Join(dir, "in.safetensors"), filepath.Join(dir, "out.safetensors")
	latents := diffusion.FramesFirst(want["latents"].Data, s[0], s[1], s[2]*s[3])
	require.NoError(t, weights.Write(input, []*weights.Tensor{tensor(t, "latents", latents, 1, s[1], s[0], s[2], s[3])}, nil))
	requireFine(t, call(t, "-model", "video", "-weights", t2v, "-prompt", c.Prompt, "-negative-prompt", c.NegativePrompt, "-steps", "3", "-precision", "f32",
		"-input", input, "-frames", "5", "-save", out, "-o", filepath.Join(dir, "x.gif")))
	file, err := weights.Open(out)
	require.NoError(t, err)
	defer file.Close()
	got, ok := file.Tensor("frames")
	require.True(t, ok)
	assert.Equal(t, []int{1, 5, 3, c.Height, c.Width}, got.Shape)
	values := make([]float32, got.Len())
	require.NoError(t, got.Float32s(values))
	tolerance, err := verify.Tolerance("video", gpu.F32)
	require.NoError(t, err)
	require.True(t, golden.Compare("frames", values, want["expected.image"].Data, tolerance).OK())

	args := []string{"-model", "video", "-weights", t2v, "-prompt", "a red apple", "-width", "24", "-height", "16", "-steps", "1"}
	with := func(more ...string) []string { return append(append([]string{}, args...), more...) }
	r := call(t, with("-o", filepath.Join(dir, "frames"), "-json")...)
	requireFine(t, r)
	var doc paintingJSON
	requireJSON(t, r, &doc)
	assert.Equal(t, 16, doc.Frames)
	assert.InDelta(t, 9, doc.Guidance, 0)
	assert.Len(t, doc.Images, 16)
	data, err := os.ReadFile(filepath.Join(dir, "frames", "frame-015.png"))
	require.NoError(t, err)
	assert.Contains(t, string(data), ", Frames: 16")

	nets, cat := pipelineFolder(t, "controlnet_tiny"), picturePath(t, dir, "x.png", 24, 16, 1)
	bad := func(code int, want string, args ...string) {
		t.Helper()
		requireError(t, call(t, args...), code, want)
	}
	to := filepath.Join(dir, "y.gif")
	bad(cli.ExitUsage, "expected a whole number from 2 to 1000", with("-frames", "0", "-o", to)...)
	bad(cli.ExitUsage, "expected a whole number from 2 to 1000", with("-frames", "10000", "-o", to)...)
	bad(cli.ExitUsage, "go with -motion", with("-context-length", "5", "-o", to)...)
	bad(cli.ExitUsage, "-init-image does not go with it", with("-init-image", cat, "-o", to)...)
	bad(cli.ExitUsage, "-batch does not go with it", with("-batch", "2", "-o", to)...)
	bad(cli.ExitFailure, "draws videos by its own UNet", with("-motion", filepath.Join(pipelineFolder(t, "motion_tiny"), "v2"), "-o", to)...)
	bad(cli.ExitFailure, "a TextToVideoSDPipeline takes none", with("-control", filepath.Join(nets, "sd1.0"), "-control-image", cat, "-o", to)...)
	bad(cli.ExitFailure, "or of videos, takes none", with("-control", filepath.Join(pipelineFolder(t, "t2i_tiny"), "full"), "-control-image", cat, "-o", to)...)
	bad(cli.ExitFailure, "a TextToVideoSDPipeline takes none", with("-ip-adapter", filepath.Join(pipelineFolder(t, "ip_tiny"), "sd1_plain.safetensors"), "-ip-image", cat, "-o", to)...)
	bad(cli.ExitFailure, "give -model video", "-model", "ddpm", "-weights", t2v, "-o", filepath.Join(dir, "y.png"))
	assert.NoFileExists(t, to)

	drawn := func(model, name string) []byte {
		path := filepath.Join(dir, name)
		requireFine(t, call(t, "-model", model, "-weights", t2v, "-prompt", "a red apple", "-width", "24", "-height", "16", "-steps", "1", "-frames", "3", "-seed", "4", "-o", path))
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		return data
	}
	assert.Equal(t, drawn("video", "video.gif"), drawn("sd", "sd.gif"), "sd opens every pipeline by its class")
	bad(cli.ExitUsage, "-batch does not go with it", "-model", "sd", "-weights", t2v, "-prompt", "a", "-batch", "2", "-o", to)
}
