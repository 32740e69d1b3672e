// Package modeltest is what the tests of the architectures' packages share. It is
// no part of any program.
package modeltest

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

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
