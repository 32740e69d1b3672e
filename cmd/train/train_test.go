package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/cmd/internal/cli"
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

// A rate that is too high is said, and leaves no result.
func TestDiverges(t *testing.T) {
	folder, out := picturesFolder(t), filepath.Join(t.TempDir(), "mine")
	r := call(t, "-model", "vit", "-data", folder, "-head", "-lr", "1e40", "-o", out)
	assert.Equal(t, cli.ExitFailure, r.code)
	assert.Contains(t, r.stderr, "the loss or its gradients are not finite")
	assert.Contains(t, r.stderr, "the training diverged")
	assert.NoFileExists(t, filepath.Join(out, "model.safetensors"))
}

// Without a display a window is refused before anything is loaded.
func TestNoWindow(t *testing.T) {
	t.Setenv("DISPLAY", "")
	t.Setenv("WAYLAND_DISPLAY", "")
	refused(t, cli.ExitFailure, []string{"no window can be opened", "leave -view out"}, "-model", "vit", "-data", picturesFolder(t), "-head", "-view", "-o", t.TempDir())
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
