package clap

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/models/internal/modeltest"
	"saccade/sound"
)

// The features are ClapFeatureExtractor's, whose spectra are rounded to f32 on the way.
func TestFeaturesGolden(t *testing.T) {
	read := modeltest.Golden(t, "../../golden/sound/decibels.safetensors")
	for name, how := range map[string]struct {
		padding Padding
		low     float64
		fused   bool
	}{
		"short": {RepeatPad, 50, false}, "zeros": {Zeros, 0, false}, "long": {RepeatPad, 50, false},
		"short_fused": {Repeat, 50, true}, "whole_fused": {RepeatPad, 0, true}, "long_fused": {RepeatPad, 50, true},
	} {
		samples, _ := read(name + ".samples")
		want, shape := read(name + ".input_features")
		f := Features{Decibels: sound.Decibels{Rate: 4000, Bins: shape[3], FFT: 256, Hop: 100, Low: how.low, High: 1900, HTK: how.fused}, Samples: 4000, Padding: how.padding, Fused: how.fused}
		require.NoError(t, f.Check())
		in, err := f.Of(samples)
		require.NoError(t, err)
		got := in[InputFeatures]
		require.Equal(t, shape, got.Shape, name)
		modeltest.Near(t, name, want, got.Data, 2e-4, 1e-5)
	}
}

func TestThirds(t *testing.T) {
	assert.Equal(t, [3]int{1, 4, 7}, thirds(8)) // 0 1 2, 3 4 5, 6 7
	assert.Equal(t, [3]int{0, 0, 0}, thirds(1))
	assert.Equal(t, [3]int{0, 1, 0}, thirds(2))
}
