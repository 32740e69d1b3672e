package models

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/golden"
	"saccade/gpu"
	"saccade/gpu/gputest"
	"saccade/models/nn"
)

// hostile are the numbers that configs are swept with.
var hostile = []float64{0, -1, 30011, math.MaxInt32, 1 << 62, 0.5}

// Whatever number stands in a config, the checkpoint is refused in one line or its
// layers are made, at once. All of them take some minutes: SACCADE_SWEEP=all; else
// one of 23 is tried.
func TestSweepConfigs(t *testing.T) {
	d, every, n := gputest.Open(t, gpu.Options{}), 23, 0
	if os.Getenv("SACCADE_SWEEP") == "all" {
		every = 1
	}
	for _, c := range golden.Cases() {
		if c.Weights != "" {
			continue
		}
		folder, err := golden.Folder(c)
		require.NoError(t, err)
		config, err := optional(folder, "config.json")
		require.NoError(t, err)
		src, err := golden.Checkpoint(c)
		require.NoError(t, err)
		f, err := FindFamily(c.Model)
		require.NoError(t, err)
		eachNumber(t, config, func(path string, changed []byte, v float64) {
			if n++; n%every != 0 {
				return
			}
			what := fmt.Sprintf("%s: %s = %g", c.Name, path, v)
			began := time.Now()
			dsc, err := describe(f, c.Architecture, &files{config: changed, tensors: unclosed{src}})
			if err == nil {
				m := nn.NewModule(d, c.Model, gpu.F16, dsc)
				_, err = m.Layers()
				m.Drop()
			}
			assert.Less(t, time.Since(began), 20*time.Second, what)
			if err != nil {
				assert.False(t, strings.Contains(err.Error(), "Go struct field"), "%s: %v", what, err)
			}
		})
	}
	require.Greater(t, n, 1000)
}

// eachNumber gives a JSON document with each of its numbers replaced by each hostile one.
func eachNumber(t *testing.T, doc []byte, f func(path string, changed []byte, v float64)) {
	if doc == nil {
		return
	}
	var tree any
	require.NoError(t, json.Unmarshal(doc, &tree))
	var walk func(path string, value any, set func(any))
	walk = func(path string, value any, set func(any)) {
		switch v := value.(type) {
		case map[string]any:
			for k, x := range v {
				walk(path+"."+k, x, func(y any) { v[k] = y })
			}
		case []any:
			for i, x := range v {
				walk(fmt.Sprintf("%s[%d]", path, i), x, func(y any) { v[i] = y })
			}
		case float64:
			for _, h := range hostile {
				set(h)
				changed, err := json.Marshal(tree)
				require.NoError(t, err)
				f(path, changed, h)
			}
			set(v)
		}
	}
	walk("", tree, nil)
}
