package main

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/cmd/internal/cli"
	"saccade/models/diffusion/checkpoint"
	"saccade/models/lora"
	"saccade/weights"
)

// parted copies the tensors of a golden whose names begin with some words into files.
func parted(t *testing.T, c *weights.Checkpoint, kinds func(name string) (file string)) map[string]string {
	t.Helper()
	files, tensors := map[string]string{}, map[string][]*weights.Tensor{}
	for _, name := range c.Names() {
		if file := kinds(name); file != "" {
			tensor, _ := c.Tensor(name)
			tensor.Name = strings.TrimPrefix(name, "init.")
			tensors[file] = append(tensors[file], tensor)
		}
	}
	folder := t.TempDir()
	for file, all := range tensors {
		files[file] = filepath.Join(folder, file+".safetensors")
		require.NoError(t, weights.Write(files[file], all, nil))
	}
	return files
}

// batchesAndInit are the tensors of a golden of pipelines' trainings for [parted]: its batches and
// what it begins with.
func batchesAndInit(name string) string {
	switch kind, _, _ := strings.Cut(name, "."); kind {
	case "latents", "noise", "timestep", "input_ids":
		return "data"
	case "init":
		return kind
	}
	return ""
}

// merged are the weights of a pipeline with an adapter, and how many of its layers that changes.
func merged(t *testing.T, source, adapter string) (all map[string][]float32, layers int) {
	t.Helper()
	p, err := checkpoint.Open(t.Context(), source, nil, checkpoint.Options{})
	require.NoError(t, err)
	defer func() { assert.NoError(t, p.Close()) }()
	require.NoError(t, p.Merge(adapter, 1))
	assert.Empty(t, p.LoRAs()[0].Unmatched)
	all = map[string][]float32{}
	for _, name := range []string{checkpoint.UNet, checkpoint.TextEncoder} {
		part, err := p.Part(name)
		require.NoError(t, err)
		for _, n := range part.Source.Names() {
			tensor, _ := part.Source.Tensor(n)
			v := make([]float32, tensor.Len())
			require.NoError(t, tensor.Float32s(v))
			all[name+"."+n] = v
		}
	}
	return all, p.LoRAs()[0].Layers
}

// Five steps of a UNet's adapters from saved batches are diffusers' and PEFT's, where the
// UNet estimates the noise and where it estimates v, and so are those of a text tower beside it.
// What is written in diffusers' format and in kohya's is merged to the same weights.
func TestUNetIsDiffusers(t *testing.T) {
	for name, c := range map[string]struct {
		pipeline string
		args     []string
		least    int // tensors
	}{
		"sd1_tiny":      {"sd1_tiny", []string{"-lr", "0.001"}, 60},
		"sd2_tiny":      {"sd2_tiny", []string{"-lr", "0.05", "-optimizer", "sgd", "-rslora", "-alpha", "2.1213203"}, 60}, // 3/2 = 2.12…/√2
		"sd1_tiny_text": {"sd1_tiny", []string{"-lr", "0.01", "-train-text-encoder", "-targets", "to_v,q_proj,v_proj,out_proj,fc1"}, 80},
	} {
		golden, err := weights.Open("../../golden/learn_sd/" + name + ".safetensors")
		require.NoError(t, err)
		files := parted(t, golden, batchesAndInit)
		source, folder := "../../golden/pipelines/"+c.pipeline, t.TempDir()
		out, kohya := filepath.Join(folder, "out.safetensors"), filepath.Join(folder, "kohya.safetensors")
		args := append([]string{"-model", "sd", "-weights", source, "-data", files["data"], "-init", files["init"], "-lora", "2", "-alpha", "3", "-steps", "5", "-precision", "f32", "-json"}, c.args...)
		fine(t, append(args, "-o", filepath.Join(folder, "of"), "-save", out, "-grads")...)
		fine(t, append(args, "-o", kohya, "-format", "kohya")...)
		saved, err := weights.Open(out)
		require.NoError(t, err)
		assert.Greater(t, len(saved.Names()), c.least)
		far, length := map[string]float64{}, map[string]float64{} // squares, of each kind
		for _, n := range saved.Names() {
			of := strings.Replace(n, "text_encoder.text_model.", "text_encoder.", 1) // of transformers 5
			if strings.HasPrefix(n, "base_model.") {
				of = "param." + of
			}
			got, want := floats(t, saved, n), floats(t, golden, of)
			require.Len(t, got, len(want), n)
			kind, _, _ := strings.Cut(n, ".")
			for i, w := range want {
				far[kind] += math.Pow(float64(w-got[i]), 2)
				length[kind] += math.Pow(float64(w), 2)
			}
		}
		for kind, bound := range map[string]float64{"base_model": 1e-6, "loss": 1e-5, "grad": 1e-4} { // gradients are of the fifth step
			apart := math.Sqrt(far[kind] / length[kind])
			t.Logf("%s %s: %.2g apart", name, kind, apart)
			assert.LessOrEqual(t, apart, bound, "%s %s", name, kind)
		}
		count := (len(saved.Names()) - 1) / 4 // two factors and their gradients each
		require.NoError(t, errors.Join(saved.Close(), golden.Close()))

		want, layers := merged(t, source, filepath.Join(folder, "of"))
		assert.Equal(t, count, layers)
		got, _ := merged(t, source, kohya)
		assert.Equal(t, want, got)
	}
}

// Five steps of a token's embedding from saved batches are those of diffusers' textual inversion,
// and the file is diffusers'; without captions pictures are told by templates.
func TestTokenIsDiffusers(t *testing.T) {
	c, err := weights.Open("../../golden/learn_sd/sd1_tiny_token.safetensors")
	require.NoError(t, err)
	files := parted(t, c, batchesAndInit)
	out := filepath.Join(t.TempDir(), "out")
	args := []string{"-model", "sd", "-weights", "../../golden/pipelines/sd1_tiny", "-data", files["data"], "-token", "<bird>", "-steps", "5", "-precision", "f32"}
	fine(t, append(args, "-init", files["init"], "-lr", "0.01", "-o", out, "-save", out+".safetensors", "-grads")...)
	saved, err := weights.Open(out + ".safetensors")
	require.NoError(t, err)
	assert.ElementsMatch(t, []string{"<bird>", "grad.<bird>", "loss"}, saved.Names())
	for golden, n := range map[string]string{"param.<bird>": "<bird>", "grad.<bird>": "grad.<bird>", "loss": "loss"} {
		got := floats(t, saved, n)
		for i, w := range floats(t, c, golden) {
			assert.InDelta(t, w, got[i], 2e-6, n)
		}
	}
	written, err := weights.Open(filepath.Join(out, "learned_embeds.safetensors"))
	require.NoError(t, err)
	assert.Equal(t, []string{"<bird>"}, written.Names())
	assert.Equal(t, floats(t, saved, "<bird>"), floats(t, written, "<bird>"))
	require.NoError(t, errors.Join(saved.Close(), written.Close(), c.Close()))
	r := fine(t, append(args, "-verify")...)
	assert.Contains(t, r.stdout, "recomputed on the CPU, 0 wrong")

	folder, file := t.TempDir(), filepath.Join(t.TempDir(), "bird.safetensors")
	data, err := os.ReadFile("../../zoo/pictures/bird.png")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(folder, "a.png"), data, 0o666))
	args = []string{"-model", "sd", "-data", folder, "-steps", "1", "-o", file, "-token"}
	fine(t, append(args, "<bird>")...)
	refused(t, cli.ExitFailure, []string{"token <>: it is named by no word", "such as <mug>"}, append(args, "<>")...)
	require.NoError(t, os.WriteFile(filepath.Join(folder, "a.txt"), []byte("a bird"), 0o666))
	refused(t, cli.ExitFailure, []string{`the prompt "a bird" does not name <bird>`}, append(args, "<bird>")...)
}

// Adapters of the embedded pipeline's UNet are learned from pictures with captions, go on
// from their state, and are merged when the pipeline is loaded.
func TestPipeline(t *testing.T) {
	folder, out := t.TempDir(), filepath.Join(t.TempDir(), "bird.safetensors")
	data, err := os.ReadFile("../../zoo/pictures/bird.png")
	require.NoError(t, err)
	for _, name := range []string{"a.png", "b.png"} {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), data, 0o666))
	}
	args := []string{"-model", "sd", "-data", folder, "-lora", "2", "-alpha", "4", "-state-every", "0s", "-o", out, "-json", "-steps"}
	refused(t, cli.ExitFailure, []string{"its caption: read a.txt: no such file", "expected a.txt, or a metadata.jsonl"}, append(args, "1")...)
	require.NoError(t, os.WriteFile(filepath.Join(folder, "metadata.jsonl"), []byte("{\"file_name\": \"a.png\", \"text\": \"a bird\"}\n{\"file_name\": \"b.png\"}\n"), 0o666))
	refused(t, cli.ExitFailure, []string{"line 2 of metadata.jsonl: expected"}, append(args, "1")...)
	require.NoError(t, os.Remove(filepath.Join(folder, "metadata.jsonl")))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "a.txt"), []byte("a bird\n"), 0o666))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "b.txt"), []byte("a red bird"), 0o666))
	refused(t, cli.ExitFailure, []string{"the targets to_q,to_v match no layer of the text_encoder"}, append(args, "1", "-train-text-encoder", "-targets", "to_q,to_v")...)
	for want, more := range map[string][]string{"-format kohya: the result is a file": {"-format", "kohya", "-o", folder}, "give -lora RANK or -token NAME": {"-head"}, "-validation, -merge and -augment are of networks": {"-augment", "flip"}} {
		refused(t, cli.ExitUsage, []string{want}, append(append(args, "1"), more...)...)
	}

	steps, done := lines(t, fine(t, append(args, "2")...))
	require.Len(t, steps, 2)
	assert.Nil(t, done.Top1)
	steps, _ = lines(t, fine(t, append(args, "3", "-resume")...))
	require.Len(t, steps, 1)
	assert.Equal(t, 3, steps[0].Step)
	fine(t, append(args, "1", "-train-text-encoder", "-o", out+".both.safetensors")...)

	file, err := lora.Open(out, nil)
	require.NoError(t, err)
	defer file.Close()
	assert.Greater(t, len(file.Layers), 20)
	for _, l := range file.Layers {
		assert.Equal(t, "unet", l.Part)
		d, err := l.Delta(1)
		require.NoError(t, err)
		assert.Len(t, d.Shape(), 2)
	}
}
