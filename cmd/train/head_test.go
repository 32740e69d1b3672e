package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/cmd/internal/cli"
	"saccade/models"
	"saccade/models/sensors"
	"saccade/weights"
)

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
