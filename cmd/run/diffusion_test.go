package main

import (
	"context"
	"encoding/json"
	"image/gif"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/cmd/internal/cli"
	"saccade/golden"
	"saccade/gpu"
	"saccade/models/verify"
	"saccade/picture"
	"saccade/weights"
)

// pipelineFolder writes a golden pipeline to a folder.
func pipelineFolder(t *testing.T, name string) string {
	t.Helper()
	files, err := golden.PipelineFS(name)
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, files))
	return dir
}

// size is the width and height of a PNG.
func size(t *testing.T, path string) [2]int {
	t.Helper()
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	c, err := png.DecodeConfig(f)
	require.NoError(t, err)
	return [2]int{c.Width, c.Height}
}

// The golden of a prompt, through the command: -input latents, -save image.
func TestPaintGolden(t *testing.T) {
	cases, err := golden.PipelineCases("sd1_tiny")
	require.NoError(t, err)
	c := cases[0]
	in, err := c.Load()
	require.NoError(t, err)
	latents := in["latents"]
	input := filepath.Join(t.TempDir(), "in.safetensors")
	require.NoError(t, weights.Write(input, []*weights.Tensor{tensor(t, "latents", latents.Data, latents.Shape...)}, nil))
	out := filepath.Join(t.TempDir(), "out.safetensors")
	requireFine(t, call(t, "-model", "sd", "-weights", pipelineFolder(t, c.Folder), "-prompt", c.Prompt, "-negative-prompt", c.NegativePrompt,
		"-steps", "4", "-guidance", "7.5", "-input", input, "-save", out, "-precision", "f32"))
	file, err := weights.Open(out)
	require.NoError(t, err)
	defer file.Close()
	tolerance, err := verify.Tolerance("sd", gpu.F32)
	require.NoError(t, err)
	for _, name := range []string{"latents", "image"} {
		got, ok := file.Tensor(name)
		require.True(t, ok, name)
		want := in["expected."+name]
		require.Equal(t, want.Shape, got.Shape)
		values := make([]float32, got.Len())
		require.NoError(t, got.Float32s(values))
		require.True(t, golden.Compare(name, values, want.Data, tolerance).OK())
	}
}

// What comes out of each way in.
func TestPaint(t *testing.T) {
	sd, out := pipelineFolder(t, "sd1_tiny"), t.TempDir()
	at := func(name string) string { return filepath.Join(out, name) }
	paint := func(args ...string) result {
		r := call(t, append([]string{"-model", "sd", "-weights", sd, "-steps", "2", "-width", "24", "-height", "40"}, args...)...)
		requireFine(t, r)
		return r
	}
	r := paint("-prompt", "a red apple", "-negative-prompt", "blue", "-seed", "7", "-o", at("one.png"), "-json")
	var doc paintingJSON
	requireJSON(t, r, &doc)
	assert.Equal(t, []paintedJSON{{Path: at("one.png"), Seed: 7}}, doc.Images)
	assert.Equal(t, "PNDMScheduler", doc.Scheduler)
	data, err := os.ReadFile(at("one.png"))
	require.NoError(t, err)
	assert.Contains(t, string(data), "a red apple\nNegative prompt: blue\nSteps: 2, Sampler: PNDMScheduler, CFG scale: 7.5, Seed: 7, Size: 24x40")

	paint("-prompt", "a red apple", "-negative-prompt", "blue", "-seed", "7", "-o", at("again.png"))
	again, err := os.ReadFile(at("again.png"))
	require.NoError(t, err)
	assert.Equal(t, data, again, "the same seed")

	paint("-prompt", "a", "-batch", "3", "-o", at("grid.png"), "-explain", at("words.png"))
	assert.Equal(t, [2]int{2*24 + gap, 2*40 + gap}, size(t, at("grid.png")))
	size(t, at("words.png"))

	paint("-prompt", "a", "-batch", "2", "-seed", "5", "-o", at("folder"))
	assert.Equal(t, [2]int{24, 40}, size(t, at("folder/seed-5.png")))
	size(t, at("folder/seed-6.png"))

	prompts := at("prompts.txt")
	require.NoError(t, os.WriteFile(prompts, []byte("a red apple\n\nblue\na\n"), 0o644))
	paint("-prompts", prompts, "-batch", "2", "-o", at("prompts"))
	data, err = os.ReadFile(at("prompts/seed-1.png"))
	require.NoError(t, err)
	assert.Contains(t, string(data), "parameters\x00blue\nSteps")
	assert.NoFileExists(t, at("prompts/seed-3.png"))

	paint("-prompt", "a", "-record", at("record.png"))
	assert.Equal(t, [2]int{3*(24+gap) - gap, 40}, size(t, at("record.png")), "the three evaluations of two steps of PNDM")

	paint("-prompt", "a", "-prompt", "b", "-frames", "3", "-o", at("frames.gif"))
	f, err := os.Open(at("frames.gif"))
	require.NoError(t, err)
	defer f.Close()
	g, err := gif.DecodeAll(f)
	require.NoError(t, err)
	assert.Len(t, g.Image, 3)

	paint("-prompt", "b", "-init-image", at("one.png"), "-strength", "0.5", "-scheduler", "euler", "-o", at("image.png"))
	paint("-prompt", "b", "-init-image", at("one.png"), "-mask", at("again.png"), "-o", at("mask.png"))
	paint("-init-image", at("one.png"), "-forward", "-o", at("forward.png"))
	assert.Equal(t, 40, size(t, at("forward.png"))[1])
	r = paint("-prompt", "a", "-seed", "-1", "-o", at("random.png"), "-low-memory")
	assert.Contains(t, r.stderr, "seed ")
	r = paint("-prompt", strings.Repeat("a red apple ", 60), "-o", at("long.png"))
	assert.Contains(t, r.stderr, "too long")
	paint("-prompt", "a", "-verify")
	for _, model := range []string{"ddpm", "sd"} { // which opens every pipeline
		requireFine(t, call(t, "-model", model, "-weights", pipelineFolder(t, "ddpm_tiny"), "-steps", "3", "-o", at(model+"-ddpm.png")))
	}
	assert.Equal(t, size(t, at("ddpm-ddpm.png")), size(t, at("sd-ddpm.png")))
}

// Frames from one seed to another begin and end as the seeds alone.
func TestPaintFrames(t *testing.T) {
	sd, out := pipelineFolder(t, "sd1_tiny"), t.TempDir()
	args := []string{"-model", "sd", "-weights", sd, "-steps", "2", "-width", "24", "-height", "40", "-prompt", "a"}
	requireFine(t, call(t, append(args, "-seed", "3", "-to-seed", "9", "-frames", "3", "-o", filepath.Join(out, "frames"))...))
	for frame, seed := range map[string]string{"frame-000.png": "3", "frame-002.png": "9"} {
		one := filepath.Join(out, seed+".png")
		requireFine(t, call(t, append(args, "-seed", seed, "-o", one)...))
		assert.Equal(t, pixels(t, one), pixels(t, filepath.Join(out, "frames", frame)), frame)
	}
}

func TestBadPainting(t *testing.T) {
	sd, out := pipelineFolder(t, "sd1_tiny"), t.TempDir()
	apple := filepath.Join(out, "apple.png")
	requireFine(t, call(t, "-model", "sd", "-weights", sd, "-steps", "1", "-width", "24", "-height", "40", "-prompt", "a", "-o", apple))
	other := filepath.Join(out, "other.png")
	requireFine(t, call(t, "-model", "sd", "-weights", sd, "-steps", "1", "-width", "40", "-height", "40", "-prompt", "a", "-o", other))
	foreign := pipelineFolder(t, "sd1_tiny")
	require.NoError(t, os.WriteFile(filepath.Join(foreign, "model_index.json"), []byte(`{"_class_name": "FluxPipeline"}`), 0o644))
	partless := pipelineFolder(t, "sd1_tiny")
	require.NoError(t, os.RemoveAll(filepath.Join(partless, "vae")))
	sample := pipelineFolder(t, "sd1_tiny")
	setKey(t, filepath.Join(sample, "scheduler", "scheduler_config.json"), "prediction_type", "sample")
	lora := filepath.Join(out, "lora.safetensors")
	require.NoError(t, weights.Write(lora, []*weights.Tensor{
		tensor(t, "unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_q.lora_A.weight", make([]float32, 2*999), 2, 999),
		tensor(t, "unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_q.lora_B.weight", make([]float32, 999*2), 999, 2),
	}, nil))
	for _, c := range []struct {
		args []string
		code int
		says []string
	}{
		{[]string{"-width", "30"}, cli.ExitUsage, []string{"multiples of 8", "24x", "32x"}},
		{[]string{"-steps", "0"}, cli.ExitUsage, []string{"-steps"}},
		{[]string{"-steps", "5000"}, cli.ExitUsage, []string{"1 to 1000 steps"}},
		{[]string{"-strength", "0.5"}, cli.ExitUsage, []string{"-init-image"}},
		{[]string{"-strength", "1.5", "-init-image", apple}, cli.ExitUsage, []string{"0 to 1"}},
		{[]string{"-strength", "0.01", "-steps", "2", "-init-image", apple}, cli.ExitUsage, []string{"leaves no step"}},
		{[]string{"-scheduler", "eular"}, cli.ExitUsage, []string{`"euler"`}},
		{[]string{"-weights", sample}, cli.ExitFailure, []string{"prediction_type", "sample"}},
		{[]string{"-weights", sample, "-scheduler", "euler-a"}, cli.ExitUsage, []string{"prediction_type", "sample"}},
		{[]string{"-weights", partless}, cli.ExitFailure, []string{"vae"}},
		{[]string{"-weights", foreign}, cli.ExitFailure, []string{"FluxPipeline", "StableDiffusionPipeline"}},
		{[]string{"-lora", lora}, cli.ExitFailure, []string{"to_q", "999"}},
		{[]string{"-lora", "absent"}, cli.ExitFailure, []string{"absent"}},
		{[]string{"-mask", other, "-init-image", apple}, cli.ExitFailure, []string{"40x40", "24x40"}},
		{[]string{"-mask", apple}, cli.ExitUsage, []string{"-init-image"}},
		{[]string{"-init-image", filepath.Join(sd, "model_index.json")}, cli.ExitFailure, []string{"not a picture"}},
		{[]string{"-clip-skip", "99"}, cli.ExitUsage, []string{"clip-skip 99"}},
		{[]string{"-width", "65536", "-height", "65536"}, cli.ExitFailure, []string{"65536x65536", "fits"}},
		{[]string{"-image", apple}, cli.ExitUsage, []string{"-init-image"}},
		{[]string{"-frames", "3"}, cli.ExitUsage, []string{"-to-seed"}},
		{[]string{"-o", filepath.Join(out, "x.jpg")}, cli.ExitUsage, []string{".png"}},
		{[]string{"-o", filepath.Join(out, "no", "x.png")}, cli.ExitFailure, []string{"no"}},
	} {
		args := []string{"-model", "sd", "-weights", sd, "-prompt", "a", "-o", filepath.Join(out, "x.png"), "-json"}
		requireError(t, call(t, append(args, c.args...)...), c.code, c.says...)
		assert.NoFileExists(t, filepath.Join(out, "x.png"))
	}
	requireError(t, call(t, "-model", "sd", "-o", "x.png"), cli.ExitUsage, "-prompt")
	requireError(t, call(t, "-model", "sd", "-prompt", "a"), cli.ExitUsage, "-o FILE.png")
	requireError(t, call(t, "-model", "ddpm", "-weights", sd, "-o", apple), cli.ExitFailure, "-model sd")
	requireError(t, call(t, "-model", "ddpm", "-o", apple), cli.ExitFailure, "-weights")
	requireError(t, call(t, "-model", "ddpm", "-weights", pipelineFolder(t, "ddpm_tiny"), "-guidance", "3", "-o", filepath.Join(out, "x.png")), cli.ExitUsage, "takes no prompt")
	requireError(t, call(t, "-model", "vit", "-prompt", "a", "-image", apple), cli.ExitUsage, "-model sd or ddpm")
}

// setKey changes a key of a JSON file.
func setKey(t *testing.T, path, key string, value any) {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	all := map[string]any{}
	require.NoError(t, json.Unmarshal(data, &all))
	all[key] = value
	data, err = json.Marshal(all)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, data, 0o644))
}

// asked is a context that ends when it was asked often enough.
type asked struct {
	context.Context
	cancel context.CancelFunc
	left   int
}

func (a *asked) Err() error {
	if a.left--; a.left == 0 {
		a.cancel()
	}
	return a.Context.Err()
}

// An interrupt ends a run, which leaves a picture only if that was asked for.
func TestPaintInterrupted(t *testing.T) {
	folder, out := pipelineFolder(t, "ddpm_tiny"), filepath.Join(t.TempDir(), "x.png")
	args := []string{"-model", "ddpm", "-weights", folder, "-steps", "1000", "-o", out}
	interrupt := func(args ...string) result {
		// The interrupt comes when the run has asked five hundred times whether there is
		// one, which it does before every submit: some way into the steps.
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		return callWith(t, &asked{Context: ctx, cancel: cancel, left: 500}, os.Getenv, args...)
	}
	require.Equal(t, cli.ExitInterrupted, interrupt(args...).code)
	assert.NoFileExists(t, out)
	require.Equal(t, cli.ExitInterrupted, interrupt(append(args, "-partial")...).code)
	assert.Equal(t, [2]int{10, 6}, size(t, out))
}

// multiply scales a tensor of a checkpoint on the disk.
func multiply(t *testing.T, path, name string, by float32) {
	t.Helper()
	c, err := weights.Open(path)
	require.NoError(t, err)
	var all []*weights.Tensor
	found := false
	for _, n := range c.Names() {
		x, _ := c.Tensor(n)
		values := make([]float32, x.Len())
		require.NoError(t, x.Float32s(values))
		if n == name {
			found = true
			for i := range values {
				values[i] *= by
			}
		}
		all = append(all, tensor(t, n, values, x.Shape...))
	}
	require.NoError(t, c.Close())
	require.True(t, found, name)
	require.NoError(t, weights.Write(path, all, nil))
}

// Weights that overflow stop the run, and the operation is named.
func TestPaintNaN(t *testing.T) {
	folder := pipelineFolder(t, "ddpm_tiny")
	multiply(t, filepath.Join(folder, "unet", "diffusion_pytorch_model.safetensors"), "mid_block.resnets.0.conv1.weight", 1e30)
	out := filepath.Join(t.TempDir(), "x.png")
	r := call(t, "-model", "ddpm", "-weights", folder, "-steps", "2", "-o", out)
	require.Equal(t, cli.ExitFailure, r.code)
	assert.Contains(t, r.stderr, "from step 1 on; the first is made by mid_block.resnets.0.conv1")
	assert.NoFileExists(t, out)
}

// A decoder whose halves overflow runs again in f32, and gives what f32 gives.
func TestPaintFallback(t *testing.T) {
	folder, dir := pipelineFolder(t, "sd1_tiny"), t.TempDir()
	multiply(t, filepath.Join(folder, "vae", "diffusion_pytorch_model.safetensors"), "decoder.conv_in.weight", 1e6)
	paint := func(precision string) ([]uint8, result) {
		out := filepath.Join(dir, precision+".png")
		r := call(t, "-model", "sd", "-weights", folder, "-prompt", "a", "-steps", "2", "-width", "24", "-height", "40", "-precision", precision, "-o", out)
		requireFine(t, r)
		return pixels(t, out), r
	}
	half, r := paint("f16")
	assert.Contains(t, r.stderr, "the decoder's halves overflowed; it ran in f32")
	full, r := paint("f32")
	assert.NotContains(t, r.stderr, "overflowed")
	far := 0
	for i := range half {
		far = max(far, max(int(half[i]), int(full[i]))-min(int(half[i]), int(full[i])))
	}
	assert.Less(t, far, 32, "the UNet's halves differ from its f32 by little")
}

// pixels are those of a picture file.
func pixels(t *testing.T, path string) []uint8 {
	t.Helper()
	img, err := picture.Open(path, picture.DecodeOptions{})
	require.NoError(t, err)
	return img.Pix
}
