package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/cmd/internal/cli"
	"saccade/models"
	"saccade/models/diffusion/checkpoint"
	"saccade/models/lora"
	"saccade/models/probe"
	"saccade/models/sensors"
	"saccade/weights"
)

// TestMain runs the command itself in the processes that a test starts.
func TestMain(m *testing.M) {
	if os.Getenv("SACCADE_TEST_MAIN") != "" {
		main()
	}
	os.Exit(m.Run())
}

// result is what a call of the command left behind.
type result struct {
	code           int
	stdout, stderr string
}

// call runs the command in this process.
func call(t *testing.T, args ...string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := run(context.Background(), args, &stdout, &stderr, os.Getenv)
	t.Logf("train %s: %d\n%s", strings.Join(args, " "), code, stderr.String())
	return result{code, stdout.String(), stderr.String()}
}

// fine is a call that must succeed.
func fine(t *testing.T, args ...string) result {
	t.Helper()
	r := call(t, args...)
	require.Equal(t, cli.ExitFine, r.code, r.stderr)
	return r
}

// refused is a call that must fail with one line of its own that has all of some words.
func refused(t *testing.T, code int, words []string, args ...string) {
	t.Helper()
	r := call(t, args...)
	require.Equal(t, code, r.code, "%v: %s", args, r.stderr)
	assert.Empty(t, r.stdout)
	assert.Equal(t, 1, strings.Count("\n"+r.stderr, "\ntrain: "), r.stderr)
	for _, w := range words {
		assert.Contains(t, r.stderr, w)
	}
}

// lines are the lines of -json, and the last.
func lines(t *testing.T, r result) (steps []stepLine, done doneLine) {
	t.Helper()
	all := strings.Split(strings.TrimSpace(r.stdout), "\n")
	for _, l := range all[:len(all)-1] {
		var s stepLine
		require.NoError(t, json.Unmarshal([]byte(l), &s), l)
		steps = append(steps, s)
	}
	require.NoError(t, json.Unmarshal([]byte(all[len(all)-1]), &done))
	require.True(t, done.Done)
	return steps, done
}

// pictures are a folder of two classes, with a file that is no picture among them.
func picturesFolder(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	for class, names := range map[string][]string{"animals": {"bird.png", "cat.jpg", "deer.png", "frog.png", "horse.png"}, "machines": {"airplane.png", "automobile.png", "rocket.jpg", "ship.png", "truck.png"}} {
		require.NoError(t, os.Mkdir(filepath.Join(folder, class), 0o777))
		for _, name := range names {
			data, err := os.ReadFile("../../zoo/pictures/" + name)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(filepath.Join(folder, class, name), data, 0o666))
		}
	}
	return folder
}

func TestUsage(t *testing.T) {
	folder := picturesFolder(t)
	for want, args := range map[string][]string{
		"no model: give -model NAME":                           {"-data", folder, "-head"},
		`model "vitt" is unknown; the nearest is "vit"`:        {"-model", "vitt", "-data", folder, "-head"},
		"no data: give -data FOLDER":                           {"-model", "vit", "-head"},
		"nothing to train: give -head, -lora RANK, -prompt":    {"-model", "vit", "-data", folder, "-o", "x"},
		"the result goes nowhere":                              {"-model", "vit", "-data", folder, "-head"},
		"-full trains the whole network, with its head":        {"-model", "vit", "-data", folder, "-full", "-head", "-o", "x"},
		"-batch-statistics goes with -full":                    {"-model", "resnet", "-data", folder, "-head", "-batch-statistics", "-o", "x"},
		"-token is of a pipeline: give -model sd":              {"-model", "vit", "-data", folder, "-token", "<mug>", "-o", "x"},
		"give -lora RANK or -token NAME, one of which":         {"-model", "sd", "-data", folder, "-token", "<mug>", "-lora", "3", "-o", "x"},
		"-lora and -prompt-tokens exclude each other":          {"-model", "vit", "-data", folder, "-prompt-tokens=4", "-lora", "3", "-o", "x"},
		"-view shows the steps of -optimizer adamw or sgd":     {"-model", "vit", "-data", folder, "-head", "-view", "-json", "-o", "x"},
		"give -view -probe PICTURE":                            {"-model", "vit", "-data", folder, "-head", "-probe", "x.png", "-o", "x"},
		`give -view -probe "PROMPT"`:                           {"-model", "sd", "-data", folder, "-lora", "2", "-view", "-probe-every", "2", "-o", "x"},
		`-probe "a mug" does not name <mug>`:                   {"-model", "sd", "-data", folder, "-token", "<mug>", "-view", "-probe", "a mug", "-o", "x"},
		`-lr "fast": expected a number above 0`:                {"-lr", "fast"},
		`-lr "0": expected a number above 0`:                   {"-lr", "0"},
		`-betas "1,0.9": expected two numbers of 0 to below 1`: {"-betas", "1,0.9"},
		"-optimizer lbfgs is of -head alone":                   {"-model", "vit", "-data", folder, "-lora", "2", "-optimizer", "lbfgs", "-o", "x"},
		"-warmup goes with steps of -optimizer adamw or sgd":   {"-model", "vit", "-data", folder, "-head", "-optimizer", "lbfgs", "-warmup", "2", "-o", "x"},
		"-patience goes with -validation":                      {"-model", "vit", "-data", folder, "-head", "-patience", "2", "-o", "x"},
		"-train-text-encoder goes with -lora of a pipeline":    {"-model", "vit", "-data", folder, "-lora", "2", "-train-text-encoder", "-o", "x"},
		"-format goes with -lora of a pipeline":                {"-model", "sd", "-data", folder, "-token", "<mug>", "-format", "kohya", "-o", "x"},
		"-targets goes with -lora":                             {"-model", "vit", "-data", folder, "-head", "-targets", "q_proj", "-o", "x"},
		"-augment goes with -lora":                             {"-model", "vit", "-data", folder, "-head", "-augment", "flip", "-o", "x"},
		"-momentum goes with -optimizer sgd":                   {"-model", "vit", "-data", folder, "-head", "-momentum", "0.9", "-o", "x"},
		"-steps and -epochs exclude each other":                {"-model", "vit", "-data", folder, "-head", "-steps", "2", "-epochs", "2", "-o", "x"},
		"-resume goes on from the state in -o":                 {"-model", "vit", "-data", folder, "-head", "-resume", "-save", "x.safetensors"},
		"-validation 1.5: expected a folder, or a share":       {"-model", "vit", "-data", folder, "-head", "-validation", "1.5", "-o", "x"},
		`-augment "spin": expected crop, flip and colour`:      {"-augment", "spin"},
		"flag -learning-rate is unknown; the nearest is":       {"-learning-rate", "1"},
		`unexpected argument "folder"; the data is given with`: {"folder"},
	} {
		refused(t, cli.ExitUsage, []string{want}, args...)
	}
}

func TestHelp(t *testing.T) {
	r := fine(t, "-h")
	for _, word := range []string{"-head", "-lora RANK", "-prompt-tokens N", "-token NAME", "-full", "-validation FOLDER|SHARE", "-resume", "-view", "-probe PICTURE|PROMPT"} {
		assert.Contains(t, r.stdout, word)
	}
	assert.Contains(t, fine(t, "-version").stdout, cli.Version)
}

func TestBadData(t *testing.T) {
	folder, out := picturesFolder(t), t.TempDir()
	train := func(words []string, more ...string) {
		refused(t, cli.ExitFailure, words, append([]string{"-model", "vit", "-o", out}, more...)...)
	}
	train([]string{"data ./none: no such file"}, "-head", "-data", "./none")
	train([]string{"none of the network's 10 labels", "-head trains a new head"}, "-lora", "2", "-data", folder)
	train([]string{"an adapter of rank 1000; expected 1 to 192"}, "-lora", "1000", "-head", "-data", folder)
	train([]string{`the target "q_prj" matches no layer; the nearest is "q_proj"`}, "-lora", "2", "-head", "-targets", "q_prj", "-data", folder)
	train([]string{"expected a folder, or a .safetensors file"}, "-head", "-data", "train_test.go")
	refused(t, cli.ExitUsage, []string{"give -lora RANK or -token NAME, one of which is trained of a pipeline"}, "-model", "sd", "-head", "-data", folder, "-o", out)
	refused(t, cli.ExitFailure, []string{"no embedded weights; give -weights"}, "-model", "dino", "-head", "-data", folder, "-o", out)

	require.NoError(t, os.Mkdir(filepath.Join(folder, "plants"), 0o777))
	train([]string{"class plants has no pictures"}, "-head", "-data", folder)
	require.NoError(t, os.WriteFile(filepath.Join(folder, "plants", "a.png"), []byte("no picture"), 0o666))
	r := call(t, "-model", "vit", "-o", out, "-head", "-data", folder)
	assert.Equal(t, cli.ExitFailure, r.code)
	assert.Contains(t, r.stderr, "no picture of class plants could be read, such as "+filepath.Join(folder, "plants", "a.png"))

	one := t.TempDir()
	require.NoError(t, os.Rename(filepath.Join(folder, "animals"), filepath.Join(one, "animals")))
	train([]string{"there is one class, animals; two sub-folders at least"}, "-head", "-data", one)
}

// A head is trained on features, and its folder classifies: the class is in it, and the
// picture that could not be read is named and counted.
func TestHead(t *testing.T) {
	folder, out := picturesFolder(t), filepath.Join(t.TempDir(), "mine")
	bad := filepath.Join(folder, "animals", "broken.png")
	require.NoError(t, os.WriteFile(bad, []byte("no picture"), 0o666))
	r := call(t, "-model", "vit", "-data", folder, "-head", "-epochs", "30", "-lr", "0.01", "-validation", "0.2", "-o", out, "-json", "-save", out+".safetensors", "-grads")
	assert.Equal(t, cli.ExitFailure, r.code)
	assert.Contains(t, r.stderr, "1 picture could not be read and left out; the result is of the others")
	steps, done := lines(t, r)
	assert.Len(t, steps, 30) // eight of the nine that are learned from, then one, are two; 0.2 of five is one
	assert.NotNil(t, steps[len(steps)-1].Top1)
	assert.Greater(t, *steps[0].Loss, *done.Loss)
	assert.Equal(t, "validation", done.Of)
	assert.Equal(t, 1, done.LeftOut)
	assert.Equal(t, bad, done.Errors[0].Path)
	assert.Contains(t, r.stderr, "memory: ")

	saved, err := weights.Open(out + ".safetensors")
	require.NoError(t, err)
	defer saved.Close()
	assert.ElementsMatch(t, []string{"classifier.weight", "classifier.bias", "grad.classifier.weight", "grad.classifier.bias", "loss"}, saved.Names())
	for _, folder := range []string{out, filepath.Join(out, "best")} {
		c, err := models.Open(t.Context(), "vit", folder, models.Options{})
		require.NoError(t, err)
		labels, err := c.Labels()
		require.NoError(t, err)
		assert.Equal(t, []string{"animals", "machines"}, labels)
		require.NoError(t, c.Close())
	}
}

func TestOptimumAndTip(t *testing.T) {
	folder, out := picturesFolder(t), t.TempDir()
	_, done := lines(t, fine(t, "-model", "resnet", "-data", folder, "-head", "-optimizer", "lbfgs", "-C", "10", "-o", filepath.Join(out, "mine"), "-json"))
	assert.Equal(t, 1.0, *done.Top1)
	assert.Equal(t, [][]int{{5, 0}, {0, 5}}, done.Confusion)
	_, done = lines(t, fine(t, "-model", "clip", "-data", folder, "-tip", "-o", filepath.Join(out, "tip.safetensors"), "-json"))
	assert.Equal(t, 10, done.Images)
	refused(t, cli.ExitFailure, []string{"-tip compares pictures with the names of classes"}, "-model", "vit", "-data", folder, "-tip", "-o", filepath.Join(out, "x.safetensors"))
}

// A head of pictures and readings beside them, which run reads.
func TestSensors(t *testing.T) {
	folder, dir := picturesFolder(t), t.TempDir()
	rows := []string{"name,load"}
	_ = filepath.WalkDir(folder, func(path string, d os.DirEntry, _ error) error {
		if !d.IsDir() {
			name, err := filepath.Rel(folder, path)
			require.NoError(t, err)
			rows = append(rows, fmt.Sprintf("%s,%d", name, len(rows)))
		}
		return nil
	})
	file, out := filepath.Join(dir, "readings.csv"), filepath.Join(dir, "fused.safetensors")
	require.NoError(t, os.WriteFile(file, []byte(strings.Join(rows[:len(rows)-1], "\n")), 0o600))
	r := fine(t, "-model", "resnet", "-data", folder, "-sensors", file, "-C", "10", "-o", out, "-json")
	_, done := lines(t, r)
	assert.Equal(t, 1.0, *done.Top1)
	assert.Equal(t, len(rows)-2, done.Images, "one has no readings")
	f, err := sensors.ReadFusion(out)
	require.NoError(t, err)
	assert.Equal(t, []string{"load"}, f.Columns)
	assert.Len(t, f.Labels, 2)
	refused(t, cli.ExitUsage, []string{"-lr does not go with -sensors"}, "-model", "resnet", "-data", folder, "-sensors", file, "-lr", "1", "-o", out)
	refused(t, cli.ExitUsage, []string{"the result goes nowhere"}, "-model", "resnet", "-data", folder, "-sensors", file)
	require.NoError(t, os.WriteFile(file, []byte("name,load\nother.png,1\n"), 0o600))
	refused(t, cli.ExitFailure, []string{"none of its rows is of a picture in " + folder}, "-model", "resnet", "-data", folder, "-sensors", file, "-o", out)
}

// A rate that is too high is said, and leaves no result.
func TestDiverges(t *testing.T) {
	folder, out := picturesFolder(t), filepath.Join(t.TempDir(), "mine")
	r := call(t, "-model", "vit", "-data", folder, "-head", "-lr", "1e40", "-o", out)
	assert.Equal(t, cli.ExitFailure, r.code)
	assert.Contains(t, r.stderr, "the loss or its gradients are not finite")
	assert.Contains(t, r.stderr, "the training diverged")
	assert.NoFileExists(t, filepath.Join(out, "model.safetensors"))
}

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

// Without a display a window is refused before anything is loaded.
func TestNoWindow(t *testing.T) {
	t.Setenv("DISPLAY", "")
	t.Setenv("WAYLAND_DISPLAY", "")
	refused(t, cli.ExitFailure, []string{"no window can be opened", "leave -view out"}, "-model", "vit", "-data", picturesFolder(t), "-head", "-view", "-o", t.TempDir())
}

// What can't be trained as a whole is refused by its name, as is what begins with no tensor.
func TestWholeNetworksRefused(t *testing.T) {
	folder, out := picturesFolder(t), filepath.Join(t.TempDir(), "mine")
	refused(t, cli.ExitFailure, []string{"class_token: it is not trained yet"}, "-model", "clip", "-data", folder, "-full", "-o", out)
	data, begin, _ := batchesFile(t, learned, "adamw")
	refused(t, cli.ExitFailure, []string{"first values of base_model.model.", "which is not trained; trained are vit."}, "-model", "vit", "-weights", learned, "-data", data, "-full", "-init", begin, "-o", out)
}

// A training that was killed goes on to the same numbers, to the bit; one with other
// options is refused.
func TestKilledAndResumed(t *testing.T) {
	data, _, _ := batchesFile(t, learned, "adamw")
	folder := t.TempDir()
	args := func(out string, more ...string) []string {
		return append([]string{"-model", "vit", "-weights", learned, "-data", data, "-lora", "3", "-head", "-steps", "30", "-schedule", "cosine", "-warmup", "4", "-accumulate", "2", "-clip", "1",
			"-state-every", "0s", "-o", filepath.Join(folder, out), "-save", filepath.Join(folder, out+".safetensors"), "-json"}, more...)
	}
	fine(t, args("whole")...)
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(self, args("killed")...)
	cmd.Env = append(os.Environ(), "SACCADE_TEST_MAIN=1")
	require.NoError(t, cmd.Start())
	state := filepath.Join(folder, "killed", "resume", "state.safetensors")
	for range 3000 {
		if _, err := os.Stat(state); err == nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	require.FileExists(t, state)
	require.NoError(t, cmd.Process.Kill())
	var exit *exec.ExitError
	require.True(t, errors.As(cmd.Wait(), &exit))

	refused(t, cli.ExitFailure, []string{"it is of a training with other options or examples", "lr=0.001", "now lr=0.5"}, args("killed", "-resume", "-lr", "0.5")...)
	r := fine(t, args("killed", "-resume")...)
	steps, _ := lines(t, r)
	assert.Greater(t, steps[0].Step, 1)
	assert.Contains(t, r.stderr, fmt.Sprintf("going on after step %d", steps[0].Step-1))
	for _, file := range []string{".safetensors", "/adapter_model.safetensors"} {
		want, err := os.ReadFile(filepath.Join(folder, "whole"+file))
		require.NoError(t, err)
		got, err := os.ReadFile(filepath.Join(folder, "killed"+file))
		require.NoError(t, err)
		assert.Equal(t, want, got, file)
	}
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

// Where the result can't be written, what was learned is kept, and written once it can be.
func TestResultCantBeWritten(t *testing.T) {
	folder, out := picturesFolder(t), filepath.Join(t.TempDir(), "mine")
	blocked := filepath.Join(out, "model.safetensors")
	require.NoError(t, os.MkdirAll(blocked, 0o777))
	args := []string{"-model", "resnet", "-data", folder, "-head", "-steps", "4", "-o", out, "-json"}
	r := call(t, args...)
	assert.Equal(t, cli.ExitFailure, r.code)
	assert.Contains(t, r.stderr, "save "+blocked+": there is something that is not a file")
	assert.NoFileExists(t, filepath.Join(out, "config.json"))
	require.NoError(t, os.Remove(blocked))
	steps, done := lines(t, fine(t, append(args, "-resume")...))
	assert.Empty(t, steps)
	assert.Equal(t, 4, done.Steps)
	assert.FileExists(t, blocked)
}
