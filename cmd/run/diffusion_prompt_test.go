package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/cmd/internal/cli"
	"saccade/golden"
	"saccade/weights"
)

// painted calls the command with a small pipeline, and gives the picture's file.
func painted(t *testing.T, weights string, args ...string) (data string, r result) {
	t.Helper()
	out := filepath.Join(t.TempDir(), "x.png")
	r = call(t, append([]string{"-model", "sd", "-weights", weights, "-steps", "2", "-width", "24", "-height", "40", "-o", out}, args...)...)
	requireFine(t, r)
	raw, err := os.ReadFile(out)
	require.NoError(t, err)
	return string(raw), r
}

// requireNotes finds no line on stderr that is longer than 200 characters.
func requireNotes(t *testing.T, r result) {
	t.Helper()
	for line := range strings.Lines(r.stderr) {
		if !strings.HasPrefix(line, "memory: ") { // a report
			assert.LessOrEqual(t, len([]rune(strings.TrimSpace(line))), 200, line)
		}
	}
}

// Weights change the picture where they are read, and are worth a note where not.
func TestPromptSyntax(t *testing.T) {
	sd := pipelineFolder(t, "sd1_tiny")
	const prompt = "a (red:1.9) apple"
	plain, r := painted(t, sd, "-prompt", prompt)
	assert.Contains(t, r.stderr, `plain text; -prompt-syntax a1111 reads "(red:1.9)"`)
	same, r := painted(t, sd, "-prompt", prompt, "-prompt-syntax", "plain")
	assert.NotContains(t, r.stderr, "plain text")
	assert.Equal(t, plain, same)
	weighted, r := painted(t, sd, "-prompt", prompt, "-prompt-syntax", "a1111")
	assert.NotContains(t, r.stderr, "plain text")
	assert.NotEqual(t, plain, weighted)
	assert.Contains(t, weighted, prompt+"\nSteps: 2,")
	assert.Contains(t, weighted, "Prompt syntax: a1111")
	_, r = painted(t, sd, "-prompt", "a", "-negative-prompt", "((blurry))")
	assert.Contains(t, r.stderr, "((blurry))")
	long, r := painted(t, sd, "-prompt", strings.Repeat("a red apple ", 60), "-prompt-syntax", "a1111")
	assert.NotContains(t, r.stderr, "too long")
	cut, r := painted(t, sd, "-prompt", strings.Repeat("a red apple ", 60), "-negative-prompt", strings.Repeat("a blurry house ", 60))
	assert.NotEqual(t, long, cut)
	assert.Contains(t, r.stderr, "the prompt is too long")
	assert.Contains(t, r.stderr, "the negative prompt is too long")
	requireNotes(t, r)

	painted(t, sd, "-prompt", "a (red:1.5) BREAK b", "-prompt", "c", "-frames", "2", "-prompt-syntax", "a1111")
	rescaled, _ := painted(t, sd, "-prompt", "a", "-guidance-rescale", "0.7")
	not, _ := painted(t, sd, "-prompt", "a")
	assert.NotEqual(t, not, rescaled)
	assert.Contains(t, rescaled, "Guidance rescale: 0.7")
}

// A LoRA that a prompt names is found beside the checkpoint or another LoRA, and is as
// one of -lora.
func TestPromptLoRA(t *testing.T) {
	sd, dir := pipelineFolder(t, "sd1_tiny"), t.TempDir()
	values := make([]float32, 2*16)
	for i := range values {
		values[i] = float32(i%5) - 2
	}
	const layer = "unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_v.lora_"
	lora := []*weights.Tensor{tensor(t, layer+"A.weight", values, 2, 16), tensor(t, layer+"B.weight", values, 16, 2)}
	ink := filepath.Join(dir, "ink.safetensors")
	require.NoError(t, weights.Write(ink, lora, nil))
	require.NoError(t, weights.Write(filepath.Join(dir, "old.safetensors"), lora, nil))
	picture := func(data string) string { return data[strings.Index(data, "IDAT"):] }
	plain, _ := painted(t, sd, "-prompt", "a red apple")
	want, _ := painted(t, sd, "-prompt", "a red apple", "-lora", ink+":0.8")
	require.NotEqual(t, picture(plain), picture(want))

	args := []string{"-model", "sd", "-weights", sd, "-prompt-syntax", "a1111", "-o", filepath.Join(dir, "x.png")}
	refused := func(code int, prompt string, more []string, says ...string) {
		t.Helper()
		requireError(t, call(t, append(append(args, "-prompt", prompt), more...)...), code, says...)
	}
	refused(cli.ExitUsage, "a <lora:ink:0.8>", nil, "ink.safetensors", "-lora FILE:0.8")
	refused(cli.ExitUsage, "a <lora:ink:0.8>", []string{"-lora", ink}, "named by -lora")
	refused(cli.ExitUsage, "a <lora:../ink:0.8>", nil, "without its folder")
	refused(cli.ExitUsage, "a <hypernet:x:1>", nil, "hypernet")
	refused(cli.ExitUsage, "a [cat|dog]", nil, "[cat|dog]")

	beside, _ := painted(t, sd, "-prompt", "a red apple", "-lora", ink+":0.4", "-lora", filepath.Join(dir, "old.safetensors")+":0.4")
	found, _ := painted(t, sd, "-prompt", "a red apple<lora:old:0.4>", "-prompt-syntax", "a1111", "-lora", ink+":0.4")
	assert.Equal(t, picture(beside), picture(found))
	require.NoError(t, os.Rename(ink, filepath.Join(sd, "ink.safetensors")))
	found, _ = painted(t, sd, "-prompt", "a red apple<lora:ink:0.8>", "-prompt-syntax", "a1111")
	assert.Equal(t, picture(want), picture(found))
	assert.Contains(t, found, "a red apple<lora:ink:0.8>\nSteps")
	assert.Contains(t, found, "LoRA: ink.safetensors:0.8")

	prompts := filepath.Join(dir, "prompts.txt")
	require.NoError(t, os.WriteFile(prompts, []byte("a <lora:ink:1>\nb\n"), 0o644))
	requireError(t, call(t, append(args, "-prompts", prompts)...), cli.ExitFailure, "prompts.txt", "different LoRAs")
}

// Texts that are no UTF-8 are refused, and where.
func TestPromptUTF8(t *testing.T) {
	dir := t.TempDir()
	args := []string{"-model", "sd", "-o", filepath.Join(dir, "x.png")}
	requireError(t, call(t, append(args, "-prompt", "a \xe9")...), cli.ExitUsage, "-prompt", "0xe9 at place 3")
	requireError(t, call(t, append(args, "-prompt", "a", "-negative-prompt", "\xff")...), cli.ExitUsage, "-negative-prompt", "0xff at place 1")
	prompts := filepath.Join(dir, "prompts.txt")
	require.NoError(t, os.WriteFile(prompts, []byte("a �\n\nb \xe9\n"), 0o644))
	requireError(t, call(t, append(args, "-prompts", prompts)...), cli.ExitFailure, "prompts.txt, line 3", "0xe9 at place 3")
	require.NoError(t, os.WriteFile(prompts, []byte("\ufeffa\n"), 0o644))
	lines, err := readLines("prompts", prompts)
	require.NoError(t, err)
	assert.Equal(t, []string{"a"}, lines, "a byte order mark is no text")
}

// No two outputs write over each other.
func TestOutputsDiffer(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, c := range [][]string{
		{"-o", at("x.png"), "-record", at("x.png")}, {"-o", at("x.png"), "-save", at("x.png")}, {"-o", at("x.png"), "-explain", at("x.png")},
		{"-save", at("a"), "-record", at("a")}, {"-o", at("x.png"), "-record", dir + "/./x.png"}, {"-o", at("folder"), "-record", at("folder") + "/"},
	} {
		requireError(t, call(t, append([]string{"-model", "sd", "-prompt", "a"}, c...)...), cli.ExitUsage, c[0], c[2], "its own")
	}
	require.NoError(t, os.WriteFile(at("x.png"), nil, 0o644))
	require.NoError(t, os.Symlink(at("x.png"), at("y.png")))
	requireError(t, call(t, "-model", "sd", "-prompt", "a", "-o", at("x.png"), "-record", at("y.png")), cli.ExitUsage, "its own")
}

// The golden of SDXL's base and refiner, through the command.
func TestRefiner(t *testing.T) {
	cases, err := golden.PipelineCases("refiner_tiny")
	require.NoError(t, err)
	c, dir := cases[0], t.TempDir()
	in, err := c.Load()
	require.NoError(t, err)
	latents := in["latents"]
	input, out := filepath.Join(dir, "in.safetensors"), filepath.Join(dir, "out.safetensors")
	require.NoError(t, weights.Write(input, []*weights.Tensor{tensor(t, "latents", latents.Data, latents.Shape...)}, nil))
	base, refiner := pipelineFolder(t, "sdxl_tiny"), pipelineFolder(t, "refiner_tiny")
	args := []string{"-model", "sd", "-weights", base, "-refiner", refiner, "-precision", "f32", "-prompt", c.Prompt, "-negative-prompt", c.NegativePrompt, "-steps", "5"}
	run := append(args, "-refiner-start", "0.6", "-input", input, "-save", out, "-o", filepath.Join(dir, "x.png"), "-record", filepath.Join(dir, "steps.png"))
	for _, more := range [][]string{nil, {"-low-memory"}} {
		requireFine(t, call(t, append(run, more...)...))
		file, err := weights.Open(out)
		require.NoError(t, err)
		for _, name := range []string{"latents", "image"} {
			got, ok := file.Tensor(name)
			require.True(t, ok, name)
			values := make([]float32, got.Len())
			require.NoError(t, got.Float32s(values))
			result := golden.Compare(name, values, in["expected."+name].Data, golden.F32)
			require.True(t, result.OK(), result)
		}
		require.NoError(t, file.Close())
	}
	assert.Equal(t, 5*(24+gap)-gap, size(t, filepath.Join(dir, "steps.png"))[0], "a frame of each step of both")
	data, err := os.ReadFile(filepath.Join(dir, "x.png"))
	require.NoError(t, err)
	assert.Contains(t, string(data), "Refiner switch at: 0.6")

	args = append(args, "-o", filepath.Join(dir, "y.png"), "-width", "24", "-height", "40")
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"-refiner-start", "1"}, "between 0 and 1"}, {[]string{"-refiner-start", "2"}, "0 to 1"}, {[]string{"-init-image", "x.png"}, "-init-image"},
		{[]string{"-steps", "1", "-refiner-start", "0.5"}, "no step"}, {[]string{"-explain", "y"}, "-explain"},
	} {
		requireError(t, call(t, append(args, c.args...)...), cli.ExitUsage, c.says)
		assert.NoFileExists(t, filepath.Join(dir, "y.png"))
	}
	requireError(t, call(t, append(args, "-weights", pipelineFolder(t, "inpaint_tiny"))...), cli.ExitUsage, "inpainting")
	requireError(t, call(t, "-model", "sd", "-prompt", "a", "-o", "x.png", "-refiner-start", "0.5"), cli.ExitUsage, "-refiner")
	requireError(t, call(t, "-model", "ddpm", "-o", "x.png", "-refiner", refiner), cli.ExitUsage, "-model sd")
}

// The picture of noise taking a picture tells what it was made of, and no more.
func TestForwardParameters(t *testing.T) {
	sd := pipelineFolder(t, "sd1_tiny")
	apple := picturePath(t, t.TempDir(), "a.png", 24, 40, 1)
	data, _ := painted(t, sd, "-init-image", apple, "-forward", "-prompt", "a red apple", "-negative-prompt", "blue", "-guidance", "3", "-strength", "0.5", "-seed", "4")
	assert.Contains(t, data, "parameters\x00Steps: 2, Sampler: PNDMScheduler, Seed: 4, Size: 24x40, Model: "+sd)
	for _, absent := range []string{"red apple", "blue", "CFG", "strength"} {
		assert.NotContains(t, data, absent)
	}
}

// A textual inversion that halves would round to zeros is refused by its name, and read in floats.
func TestFaintInversion(t *testing.T) {
	sd, out := pipelineFolder(t, "sd1_tiny"), filepath.Join(t.TempDir(), "x.png")
	values := make([]float32, 2*20) // of two vectors
	for i := range values {
		values[i] = 1
		if i >= 20 {
			values[i] = 2e-8
		}
	}
	args := []string{"-model", "sd", "-weights", sd, "-embedding", save(t, tensor(t, "<faint>", values, 2, 20)), "-prompt", "a <faint>", "-steps", "1", "-width", "24", "-height", "40", "-o", out}
	requireError(t, call(t, args...), cli.ExitFailure, "textual inversion <faint>: a vector of it is below 6e-8 throughout, which halves do not hold; give -precision f32")
	assert.NoFileExists(t, out)
	requireFine(t, call(t, append(args, "-precision", "f32")...))
}
