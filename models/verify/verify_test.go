package verify_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/golden"
	"saccade/gpu"
	"saccade/gpu/gputest"
	"saccade/models"
	"saccade/models/verify"
)

func TestMain(m *testing.M) { os.Exit(gputest.Main(m)) }

// Every network against PyTorch, layer by layer, and every pipeline from prompt to
// pixels against diffusers, step by step.
func TestGoldens(t *testing.T) {
	d := gputest.Open(t, gpu.Options{})
	buffers := d.Stats().Buffers
	checks, err := verify.Checks()
	require.NoError(t, err)
	for _, c := range checks {
		for _, precision := range []gpu.DType{gpu.F32, gpu.F16} {
			t.Run(fmt.Sprint(c.Name, " ", precision), func(t *testing.T) {
				report, err := c.Run(t.Context(), d, precision)
				require.NoError(t, err)
				golden.Require(t, report, d.Info().String())
			})
		}
	}
	assert.Equal(t, buffers, d.Stats().Buffers, "buffers that nobody freed")
}

// Every family has a tolerance; what is none has none.
func TestTolerances(t *testing.T) {
	for _, f := range models.Families() {
		for _, precision := range []gpu.DType{gpu.F32, gpu.F16} {
			_, err := verify.Tolerance(f.Name, precision)
			assert.NoError(t, err)
		}
	}
	_, err := verify.Tolerance("vti", gpu.F32)
	assert.ErrorContains(t, err, "family vti")
}
