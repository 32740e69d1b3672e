package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/cmd/internal/cli"
	"saccade/models/sensors"
)

// fusedHead writes a head of the pictures of a folder and of readings.
func fusedHead(t *testing.T, path, eval, readings string) {
	t.Helper()
	a := &app{stdout: newOutput(io.Discard), stderr: io.Discard, getenv: os.Getenv}
	require.NoError(t, a.options.parse(t.Context(), []string{"-model", "resnet", "-eval", eval, "-sensors", readings}))
	m, err := a.load(t.Context())
	require.NoError(t, err)
	t.Cleanup(a.dev.Close)
	defer m.Close()
	f := &fusion{pass: pass{app: a, m: m, bar: &progress{}}}
	f.table, err = readReadings(readings)
	require.NoError(t, err)
	require.NoError(t, f.match())
	require.NoError(t, f.embed(t.Context()))
	head, err := sensors.Fuse(f.pictures, f.readings, 10)
	require.NoError(t, err)
	head.Labels, head.Columns = []string{"fine", "worn"}, f.table.Columns
	head.Fingerprint, err = m.Fingerprint()
	require.NoError(t, err)
	require.NoError(t, head.Write(path))
}

// Pictures that say nothing, readings that tell the classes, and both.
func TestSensors(t *testing.T) {
	dir := t.TempDir()
	eval, file := filepath.Join(dir, "eval"), filepath.Join(dir, "readings.csv")
	rows := []string{"name,temperature,vibration"}
	for i := range 12 {
		kind, wave := []string{"fine", "worn"}[i%2], ""
		texture(t, filepath.Join(eval, kind, fmt.Sprintf("%d.png", i)), uint64(i), false)
		for k := range 20 + i {
			wave += fmt.Sprintf("%d ", []int{k % 2, k / 4 % 2}[i%2]+i%3)
		}
		temperature := fmt.Sprint(20 + i%5)
		if i == 3 {
			temperature = "NA"
		}
		rows = append(rows, fmt.Sprintf("%s/%d.png,%s,%s", kind, i, temperature, strings.TrimSpace(wave)))
	}
	rows = append(rows, "gone.png,1,"+strings.Repeat("1 ", 16))
	texture(t, filepath.Join(eval, "fine", "alone.png"), 99, false)
	require.NoError(t, os.WriteFile(file, []byte("\ufeff"+strings.Join(rows, "\r\n")), 0o600))

	r := call(t, "-model", "resnet", "-eval", eval, "-sensors", file, "-folds", "3", "-json")
	requireFine(t, r)
	var doc fusedJSON
	requireJSON(t, r, &doc)
	assert.Equal(t, 12, doc.Images)
	assert.Equal(t, 1, doc.Missing)
	assert.Equal(t, 1.0, doc.Sensors.Accuracy)
	assert.Equal(t, 14, doc.Sensors.Features)
	assert.Equal(t, doc.Pictures.Features+14, doc.Both.Features)
	assert.Less(t, doc.Pictures.Accuracy, 1.0)
	assert.Contains(t, r.stderr, "1 picture without readings left out, such as "+filepath.Join(eval, "fine", "alone.png"))
	assert.Contains(t, r.stderr, "1 row without a picture left out, such as gone.png")
	r = call(t, "-model", "resnet", "-eval", eval, "-sensors", file)
	requireFine(t, r)
	assert.Contains(t, r.stdout, "both")

	fused := filepath.Join(dir, "fused.safetensors")
	fusedHead(t, fused, eval, file)
	r = call(t, "-model", "resnet", "-image", eval, "-sensors", file, "-examples", fused, "-json")
	assert.Equal(t, cli.ExitFailure, r.code)
	assert.Contains(t, r.stderr, "alone.png: "+file+" has no readings of it")
	var classes classification
	requireJSON(t, r, &classes)
	require.Len(t, classes.Images, 12)
	require.Len(t, classes.Errors, 1)
	for _, i := range classes.Images {
		assert.Equal(t, filepath.Base(filepath.Dir(i.Path)), i.Top[0].Label)
		assert.InDelta(t, 1, i.Top[0].Score+i.Top[1].Score, 1e-9)
	}
	other := filepath.Join(dir, "other.csv")
	require.NoError(t, os.WriteFile(other, []byte("name,load\n0.png,1\n"), 0o600))
	one := filepath.Join(eval, "fine", "0.png")
	requireError(t, call(t, "-model", "resnet", "-image", one, "-sensors", other, "-examples", fused), cli.ExitFailure, "its readings are load, those of the fused head")
	requireError(t, call(t, "-model", "resnet", "-weights", checkpoint(t, "resnet_basic"), "-image", one, "-sensors", file, "-examples", fused), cli.ExitFailure, "they are of other weights")
	requireError(t, call(t, "-model", "resnet", "-image", one, "-sensors", file, "-examples", eval), cli.ExitUsage, "it is a file, what train -sensors wrote")

	bad := func(code int, want string, args ...string) {
		t.Helper()
		requireError(t, call(t, append([]string{"-model", "resnet"}, args...)...), code, want)
	}
	bad(cli.ExitUsage, "-sensors needs -eval", "-image", "x.png", "-sensors", file)
	bad(cli.ExitUsage, "-folds goes with -sensors", "-eval", eval, "-folds", "3")
	bad(cli.ExitFailure, "class fine has 6 pictures with readings; expected one at least for each of 7 folds", "-eval", eval, "-sensors", file, "-folds", "7")
	require.NoError(t, os.WriteFile(file, []byte("name,x\nfine/0.png,warm\n"), 0o600))
	bad(cli.ExitFailure, `row 2, column x: "warm" is no number`, "-eval", eval, "-sensors", file)
	require.NoError(t, os.WriteFile(file, []byte("name,x\nother.png,1\n"), 0o600))
	bad(cli.ExitFailure, "none of its 1 rows is of a picture", "-eval", eval, "-sensors", file)
	requireError(t, call(t, "-model", "yolos_tiny", "-eval", eval, "-sensors", file), cli.ExitUsage, "-sensors goes with a model that has an embedding")
}
