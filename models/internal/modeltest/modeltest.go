// Package modeltest is what the tests of the architectures' packages share. It is
// no part of any program.
package modeltest

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/models/internal/checkpoint"
	"saccade/weights"
)

// Parameters is how many values a model's parameters have, without those whose
// names contain a text, such as the running statistics of norms.
func Parameters(t testing.TB, model any, without ...string) int {
	t.Helper()
	total := 0
	require.NoError(t, weights.Walk(model, func(_ string, module weights.Module) {
	next:
		for _, p := range module.Params() {
			for _, w := range without {
				if strings.Contains(p.Name, w) {
					continue next
				}
			}
			n := 1
			for _, d := range p.Shape {
				n *= d
			}
			total += n
		}
	}))
	return total
}

// EveryKey goes through the keys that a class of a library takes: each has an effect
// on what read makes of a config that has another value, is refused by its name, or
// is one of inert and has none. alternatives are the other values, as JSON; a key that
// is not among them is one that a new version has.
func EveryKey(t *testing.T, s checkpoint.Signatures, class string, alternatives map[string]string, inert []string, read func(config []byte) (any, error)) {
	t.Helper()
	all, err := s()
	require.NoError(t, err)
	require.Contains(t, all, class)
	plain, err := read([]byte(`{}`))
	require.NoError(t, err, class)
	for key := range all[class] {
		value, known := alternatives[key]
		if !known && slices.Contains(inert, key) {
			value, known = `7`, true
		}
		require.True(t, known, "%s takes %s, which no test knows", class, key)
		got, err := read([]byte(`{"` + key + `": ` + value + `}`))
		switch {
		case slices.Contains(inert, key):
			require.NoError(t, err, "%s %s", class, key)
			assert.Equal(t, plain, got, "%s %s", class, key)
		case err != nil:
			assert.ErrorContains(t, err, key, class)
		default:
			assert.NotEqual(t, plain, got, "%s: %s has an effect or is refused", class, key)
		}
	}
}

// Golden opens a file of tensors and reads them by name.
func Golden(t *testing.T, file string) (read func(name string) (values []float32, shape []int)) {
	t.Helper()
	c, err := weights.Open(file)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() }) // it was read
	return func(name string) ([]float32, []int) {
		t.Helper()
		x, ok := c.Tensor(name)
		require.True(t, ok, name)
		v := make([]float32, x.Len())
		require.NoError(t, x.Float32s(v))
		return v, x.Shape
	}
}

// Near compares values with a golden's: the largest difference and the mean of them.
func Near(t *testing.T, name string, want, got []float32, worst, mean float64) {
	t.Helper()
	require.Len(t, got, len(want), name)
	most, sum := 0.0, 0.0
	for i, v := range want {
		d := math.Abs(float64(v) - float64(got[i]))
		most, sum = max(most, d), sum+d
	}
	t.Logf("%s: off by %.2g, in the mean %.2g", name, most, sum/float64(len(want)))
	assert.Less(t, most, worst, name)
	assert.Less(t, sum/float64(len(want)), mean, name)
}
