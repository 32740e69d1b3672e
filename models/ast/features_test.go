package ast

import (
	"testing"

	"github.com/stretchr/testify/require"

	"saccade/models/internal/modeltest"
	"saccade/sound"
)

// The features are ASTFeatureExtractor's with torchaudio, which computes in f32.
func TestFeaturesGolden(t *testing.T) {
	read := modeltest.Golden(t, "../../golden/sound/fbank.safetensors")
	for _, name := range []string{"short", "long", "plain", "window"} {
		samples, _ := read(name + ".samples")
		want, shape := read(name + ".input_values")
		f := Features{Fbank: sound.Fbank{Bins: shape[2]}, Frames: shape[1], Normalize: name != "plain", Mean: -4.2677393, Std: 4.5689974}
		in, err := f.Of(samples)
		require.NoError(t, err)
		got := in[InputValues]
		require.Equal(t, shape, got.Shape)
		modeltest.Near(t, name, want, got.Data, 1e-4, 1e-5)
	}
}
