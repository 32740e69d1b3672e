package main

import (
	"errors"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/cmd/internal/cli"
	"saccade/models"
	"saccade/models/probe"
	"saccade/weights"
)

const learned = "../../golden/learn/vit/"

// batchesFile writes the batches of a golden of trainings, and what it begins with.
func batchesFile(t *testing.T, learned, name string) (data, begin string, want func(name string) []float32) {
	t.Helper()
	c, err := weights.Open(learned + name + ".safetensors")
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, c.Close()) })
	var batches, first []*weights.Tensor
	for _, name := range c.Names() {
		tensor, _ := c.Tensor(name)
		switch kind, rest, _ := strings.Cut(name, "."); kind {
		case "pixel_values", "labels":
			batches = append(batches, tensor)
		case "init":
			tensor.Name = rest
			first = append(first, tensor)
		}
	}
	folder := t.TempDir()
	data, begin = filepath.Join(folder, "data.safetensors"), filepath.Join(folder, "init.safetensors")
	require.NoError(t, weights.Write(data, batches, nil))
	require.NoError(t, weights.Write(begin, first, nil))
	return data, begin, func(name string) []float32 { return floats(t, c, name) }
}

func floats(t *testing.T, c *weights.Checkpoint, name string) []float32 {
	t.Helper()
	tensor, ok := c.Tensor(name)
	require.True(t, ok, name)
	v := make([]float32, tensor.Len())
	require.NoError(t, tensor.Float32s(v))
	return v
}

// Five steps of adapters and a head from saved beginnings and batches are PEFT's.
func TestAdaptersArePEFTs(t *testing.T) {
	for name, args := range map[string][]string{
		"adamw": {"-lora", "3", "-alpha", "6", "-head", "-lr", "0.01"},
		"sgd":   {"-lora", "3", "-alpha", "6", "-head", "-lr", "0.1", "-optimizer", "sgd", "-checkpoint"},
	} {
		data, begin, want := batchesFile(t, learned, name)
		out := filepath.Join(t.TempDir(), "mine")
		steps, _ := lines(t, fine(t, append(args, "-model", "vit", "-weights", learned, "-data", data, "-init", begin, "-steps", "5", "-precision", "f32", "-o", out, "-save", out+".safetensors", "-json")...))
		require.Len(t, steps, 5)
		saved, err := weights.Open(out + ".safetensors")
		require.NoError(t, err)
		trained := 0
		for _, n := range saved.Names() {
			golden, tolerance := "param."+n, 1e-6
			if n == "loss" {
				golden = n
			} else {
				trained++
			}
			got, expected := floats(t, saved, n), want(golden)
			require.Len(t, got, len(expected))
			largest, worst := 0.0, 0.0
			for i, w := range expected {
				largest, worst = math.Max(largest, math.Abs(float64(w))), math.Max(worst, math.Abs(float64(w-got[i])))
			}
			// A loss and values that began near zero have the error of some sums in f32.
			assert.LessOrEqual(t, worst, tolerance*math.Max(1, largest), "%s %s", name, n)
		}
		assert.Equal(t, 2*2*2+2, trained)
		require.NoError(t, saved.Close())
		assert.FileExists(t, filepath.Join(out, "adapter_config.json"))
	}
}

// Five steps of whole networks are PyTorch's, and so is the checkpoint that is written.
func TestWholeNetworksArePyTorchs(t *testing.T) {
	for name, args := range map[string][]string{
		"full":       {"-model", "vit", "-lr", "0.002", "-eps", "1e-4", "-clip", "1", "-accumulate", "2"},
		"full_batch": {"-model", "resnet", "-lr", "0.001", "-eps", "1e-4", "-accumulate", "2", "-batch-statistics"},
	} {
		folder := "../../golden/learn/" + args[1] + "/"
		data, _, want := batchesFile(t, folder, name)
		out := filepath.Join(t.TempDir(), "mine")
		args = append(args, "-full", "-weights", folder, "-data", data, "-steps", "5", "-precision", "f32", "-o", out, "-save", out+".safetensors", "-json")
		steps, _ := lines(t, fine(t, args...))
		require.Len(t, steps, 5)
		saved, err := weights.Open(out + ".safetensors")
		require.NoError(t, err)
		written, err := weights.Open(filepath.Join(out, "model.safetensors"))
		require.NoError(t, err)
		before, err := weights.Open(folder + "model.safetensors")
		require.NoError(t, err)
		assert.ElementsMatch(t, before.Names(), written.Names())
		for _, n := range saved.Names() {
			if n == "loss" {
				continue
			}
			got := floats(t, saved, n)
			for i, w := range want("param." + n) {
				require.InDelta(t, w, got[i], 4e-6, "%s %s", name, n)
			}
			assert.Equal(t, got, floats(t, written, n))
		}
		require.NoError(t, errors.Join(saved.Close(), written.Close(), before.Close()))
		assert.FileExists(t, filepath.Join(out, "config.json"))
	}
}

// Prompt tokens among a ViT's, and before the names of classes.
func TestPromptTokens(t *testing.T) {
	data, begin, want := batchesFile(t, learned, "prompts")
	out := filepath.Join(t.TempDir(), "mine")
	fine(t, "-model", "vit", "-weights", learned, "-data", data, "-init", begin, "-prompt-tokens", "3", "-head", "-optimizer", "sgd", "-lr", "0.05", "-momentum", "0.9", "-steps", "5", "-precision", "f32", "-o", out)
	written, err := weights.Open(filepath.Join(out, "model.safetensors"))
	require.NoError(t, err)
	for _, n := range []string{"vit.embeddings.prompt_embeddings", "classifier.weight", "classifier.bias"} {
		for i, w := range want("param." + n) {
			require.InDelta(t, w, floats(t, written, n)[i], 2e-6, n)
		}
	}
	require.NoError(t, written.Close())
	c, err := models.Open(t.Context(), "vit", out, models.Options{})
	require.NoError(t, err)
	assert.ErrorContains(t, c.SetPrompts(4, 0), "it has some already, vit.embeddings.prompt_embeddings [1 3 30]")
	require.NoError(t, c.Close())

	folder := picturesFolder(t)
	file := filepath.Join(t.TempDir(), "context.safetensors")
	_, done := lines(t, fine(t, "-model", "clip", "-data", folder, "-prompt-tokens", "2", "-steps", "3", "-validation", folder, "-precision", "f32", "-o", file, "-json"))
	assert.Equal(t, 10, done.Images)
	for _, path := range []string{file, strings.TrimSuffix(file, ".safetensors") + ".best.safetensors"} {
		tip, err := probe.ReadTip(path)
		require.NoError(t, err)
		assert.Zero(t, tip.Alpha)
		assert.Equal(t, []string{"animals", "machines"}, tip.Labels)
	}
	refused(t, cli.ExitFailure, []string{"it is no ViT with position embeddings"}, "-model", "resnet", "-data", folder, "-head", "-prompt-tokens", "2", "-o", out)
	refused(t, cli.ExitUsage, []string{"name it FILE.safetensors"}, "-model", "clip", "-data", folder, "-prompt-tokens", "2", "-o", out)
	refused(t, cli.ExitFailure, []string{"a context of 70 tokens makes texts of", "the network reads"}, "-model", "clip", "-data", folder, "-prompt-tokens", "70", "-o", file)
}

// What can't be trained as a whole is refused by its name, as is what begins with no tensor.
func TestWholeNetworksRefused(t *testing.T) {
	folder, out := picturesFolder(t), filepath.Join(t.TempDir(), "mine")
	refused(t, cli.ExitFailure, []string{"class_token: it is not trained yet"}, "-model", "clip", "-data", folder, "-full", "-o", out)
	data, begin, _ := batchesFile(t, learned, "adamw")
	refused(t, cli.ExitFailure, []string{"first values of base_model.model.", "which is not trained; trained are vit."}, "-model", "vit", "-weights", learned, "-data", data, "-full", "-init", begin, "-o", out)
}

func TestBadBatches(t *testing.T) {
	write := func(tensors map[string][]int, value float32) string {
		var all []*weights.Tensor
		for name, shape := range tensors {
			n := 1
			for _, d := range shape {
				n *= d
			}
			values := make([]float32, n)
			for i := range values {
				values[i] = value
			}
			tensor, err := weights.FromFloat32s(name, values, shape...)
			require.NoError(t, err)
			all = append(all, tensor)
		}
		path := filepath.Join(t.TempDir(), "data.safetensors")
		require.NoError(t, weights.Write(path, all, nil))
		return path
	}
	x := []int{2, 3, 20, 12}
	for want, file := range map[string]string{
		"batch 0 has no labels.0":                        write(map[string][]int{"pixel_values.0": x}, 0),
		"there is no pixel_values.0":                     write(map[string][]int{"pixels": x}, 0),
		"pixel_values.0 is [2 3 20 12] and labels.0":     write(map[string][]int{"pixel_values.0": x, "labels.0": {3}}, 0),
		"pixel_values.2 is none of":                      write(map[string][]int{"pixel_values.0": x, "labels.0": {2}, "pixel_values.2": x}, 0),
		"input_ids.0 is none of":                         write(map[string][]int{"pixel_values.0": x, "labels.0": {2}, "input_ids.0": {2, 4}}, 0),
		"labels.0 has 0.5; expected classes":             write(map[string][]int{"pixel_values.0": x, "labels.0": {2}}, 0.5),
		"a label is 7, and the checkpoint has 5 classes": write(map[string][]int{"pixel_values.0": x, "labels.0": {2}}, 7),
	} {
		refused(t, cli.ExitFailure, []string{want}, "-model", "vit", "-weights", learned, "-data", file, "-head", "-lora", "2", "-o", t.TempDir())
	}
}

func TestVerify(t *testing.T) {
	data, _, _ := batchesFile(t, learned, "adamw")
	r := fine(t, "-model", "vit", "-weights", learned, "-data", data, "-lora", "3", "-head", "-verify", "-precision", "f32")
	assert.Contains(t, r.stdout, "recomputed on the CPU, 0 wrong")
	assert.Equal(t, 3, strings.Count(r.stdout, "ok     slope of the loss"))
}
