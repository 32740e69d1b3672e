package tuning

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/gpu"
)

var (
	here  = gpu.Info{Name: "a card", Driver: "1.0", Backend: "vulkan"}
	there = gpu.Info{Name: "a card", Driver: "1.1", Backend: "vulkan"}
)

// found is an outcome in which the second way won and the third was wrong.
func found(key string) gpu.Tuned {
	return gpu.Tuned{Key: key, Best: 1, Trials: []gpu.Trial{
		{Way: "standard", Took: 3 * time.Millisecond, Ratio: 1},
		{Way: "better", Took: 2 * time.Millisecond, Ratio: 0.66},
		{Way: "wrong", NMSE: math.NaN(), Err: errors.New("differs\nfrom the CPU")},
	}}
}

func TestTable(t *testing.T) {
	path := filepath.Join(t.TempDir(), "folder", "tuning.json")
	a, err := Open(path, "k1")
	require.NoError(t, err)
	assert.Empty(t, a.Way(here, "matmul 1x2x3 f16"))
	a.Add(here, found("matmul 1x2x3 f16"))
	a.Add(here, gpu.Tuned{Key: "nothing right", Best: -1})
	require.NoError(t, a.Save())

	b, err := Open(path, "k1")
	require.NoError(t, err)
	assert.Equal(t, "better", b.Way(here, "matmul 1x2x3 f16"))
	assert.False(t, b.Known(here, "nothing right"))
	assert.False(t, b.Known(there, "matmul 1x2x3 f16"), "another driver")
	e, ok := b.Entry(here, "matmul 1x2x3 f16")
	require.True(t, ok)
	assert.Equal(t, []Trial{{Way: "standard", US: 3000, Ratio: 1}, {Way: "better", US: 2000, Ratio: 0.66}, {Way: "wrong", Error: "differs from the CPU"}}, e.Trials)

	c, err := Open(path, "k2")
	require.NoError(t, err)
	assert.False(t, c.Known(here, "matmul 1x2x3 f16"), "other kernels")
	c.Add(there, found("x"))
	require.NoError(t, c.Save())
	c.Add(here, found("y"))
	require.NoError(t, c.Save())
	old, err := Open(path, "k1")
	require.NoError(t, err)
	assert.False(t, old.Known(here, "matmul 1x2x3 f16"), "entries of this adapter for other kernels go")
	c, err = Open(path, "k2")
	require.NoError(t, err)
	assert.True(t, c.Known(there, "x") && c.Known(here, "y"))
}

// A file that is damaged, foreign or no file gives an empty table and one line, and is replaced.
func TestDamagedFiles(t *testing.T) {
	for name, content := range map[string]string{
		"empty": "", "cut": `{"format": "saccade tuning 1", "entries": [{"ada`, "foreign": `{"format": "something else"}`,
		"list": "[1, 2]", "binary": "\x00\x01\xff", "types": `{"format": "saccade tuning 1", "entries": [{"adapter": 1}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "tuning.json")
			require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
			a, err := Open(path, "k")
			require.ErrorContains(t, err, path)
			assert.NotContains(t, err.Error(), "\n")
			a.Add(here, found("x"))
			require.NoError(t, a.Save())
			b, err := Open(path, "k")
			require.NoError(t, err)
			assert.True(t, b.Known(here, "x"))
		})
	}
	folder := t.TempDir()
	a, err := Open(folder, "k")
	require.Error(t, err)
	a.Add(here, found("x"))
	require.Error(t, a.Save())
}

// Whoever saves at the same time loses nothing, and readers see whole files.
func TestSaveAtTheSameTime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tuning.json")
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for j := range 10 {
				a, err := Open(path, "k")
				assert.NoError(t, err)
				a.Add(here, found(fmt.Sprint(i, " ", j)))
				assert.NoError(t, a.Save())
			}
		}()
	}
	wg.Wait()
	a, err := Open(path, "k")
	require.NoError(t, err)
	for i := range 8 {
		for j := range 10 {
			assert.True(t, a.Known(here, fmt.Sprint(i, " ", j)))
		}
	}
	leftovers, err := filepath.Glob(filepath.Join(filepath.Dir(path), "*.tmp"))
	require.NoError(t, err)
	assert.Empty(t, leftovers)
}

// A file that no table is so large as, or that is no file, is ignored like a
// damaged one.
func TestFileThatIsTooLarge(t *testing.T) {
	path := filepath.Join(t.TempDir(), "tuning.json")
	require.NoError(t, os.WriteFile(path, nil, 0o644))
	require.NoError(t, os.Truncate(path, maxFile+1))
	table, err := Open(path, "k")
	assert.ErrorContains(t, err, "is ignored: read tuning.json: it is larger than 16777216 bytes")
	assert.False(t, table.Known(here, "a"))
	_, err = Open(t.TempDir(), "k")
	assert.ErrorContains(t, err, "not a regular file")
}
