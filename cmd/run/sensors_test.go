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
)

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
