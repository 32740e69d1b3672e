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
	"saccade/models/anomaly"
)

// Readings beside normal pictures: what only they tell is found by both together.
func TestAnomalyReadings(t *testing.T) {
	normal, eval := surfaces(t)
	dir := t.TempDir()
	texture(t, filepath.Join(eval, "hot", "0.png"), 50, false) // as a good one is to see
	require.NoError(t, os.CopyFS(filepath.Join(eval, "masks", "hot"), os.DirFS(filepath.Join(eval, "masks", "scratch"))))
	rows := []string{"name,temperature"}
	for i := range 6 {
		rows = append(rows, fmt.Sprintf("%d.png,%d", i, 20+i%3))
	}
	file, beside := filepath.Join(dir, "normal.csv"), filepath.Join(dir, "eval.csv")
	require.NoError(t, os.WriteFile(file, []byte(strings.Join(rows, "\n")), 0o600))
	require.NoError(t, os.WriteFile(beside, []byte("name,temperature\ngood/0.png,21\ngood/1.png,NA\nscratch/0.png,20\nscratch/1.png,22\nhot/0.png,90\n"), 0o600))
	bank := filepath.Join(dir, "bank.index")
	requireFine(t, call(t, "-model", "anomaly", "-normal", normal, "-sensors", file, "-o", bank, "-size", "32", "-coreset", "0.05"))
	b, err := anomaly.Open(bank)
	require.NoError(t, err)
	assert.Equal(t, []string{"temperature"}, b.Readings.Columns)
	assert.Len(t, b.Readings.FusedHeldOut, 6)

	r := call(t, "-model", "anomaly", "-index", bank, "-sensors", beside, "-image", eval, "-json")
	assert.Equal(t, cli.ExitFailure, r.code, "masks have no readings")
	var doc unlikesJSON
	requireJSON(t, r, &doc)
	require.Len(t, doc.Images, 5)
	for _, u := range doc.Images {
		assert.InDelta(t, max(u.Picture.Score/u.Picture.Threshold, u.Readings.Score/u.Readings.Threshold), u.Score, 1e-9)
		kind := filepath.Base(filepath.Dir(u.Path))
		assert.Equal(t, kind == "hot", u.Readings.Score > u.Readings.Threshold, u.Path)
		assert.True(t, u.Anomalous || kind == "good", u.Path)
	}
	r = call(t, "-model", "anomaly", "-index", bank, "-sensors", beside, "-eval", eval, "-json")
	requireFine(t, r)
	var areas areasJSON
	requireJSON(t, r, &areas)
	assert.Equal(t, 1.0, areas.AUROC)
	assert.Less(t, *areas.Pictures, 1.0)
	assert.Less(t, *areas.Sensors, 1.0)

	r = call(t, "-model", "anomaly", "-index", bank, "-image", filepath.Join(eval, "good", "0.png"))
	require.Equal(t, cli.ExitFine, r.code)
	assert.Contains(t, r.stderr, "scores are of pictures alone without -sensors")
	other := filepath.Join(dir, "other.csv")
	require.NoError(t, os.WriteFile(other, []byte("name,load\n0.png,1\n"), 0o600))
	requireError(t, call(t, "-model", "anomaly", "-index", bank, "-sensors", other, "-image", filepath.Join(eval, "good", "0.png")), cli.ExitFailure, "they have other names")
	requireError(t, call(t, "-model", "anomaly", "-index", bank, "-sensors", beside, "-image", eval, "-view"), cli.ExitUsage, "-sensors goes with pictures that lie in files")
	r = call(t, "-model", "anomaly", "-normal", normal, "-sensors", beside, "-o", filepath.Join(dir, "x"))
	assert.Equal(t, cli.ExitFailure, r.code)
	assert.Contains(t, r.stderr, "found 0 normal pictures")
	plain := filepath.Join(dir, "plain.index")
	b.Readings = nil
	require.NoError(t, b.Save(plain))
	requireError(t, call(t, "-model", "anomaly", "-index", plain, "-sensors", beside, "-image", eval), cli.ExitUsage, "knows no readings")
}
