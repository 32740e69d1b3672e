package ast

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/sound"
	"saccade/weights"
)

// The features are ASTFeatureExtractor's with torchaudio, which computes in f32.
func TestFeaturesGolden(t *testing.T) {
	c, err := weights.Open("../../golden/sound/fbank.safetensors")
	require.NoError(t, err)
	defer c.Close()
	read := func(name string) ([]float32, []int) {
		x, ok := c.Tensor(name)
		require.True(t, ok, name)
		v := make([]float32, x.Len())
		require.NoError(t, x.Float32s(v))
		return v, x.Shape
	}
	for _, name := range []string{"short", "long", "plain", "window"} {
		samples, _ := read(name + ".samples")
		want, shape := read(name + ".input_values")
		f := Features{Fbank: sound.Fbank{Bins: shape[2]}, Frames: shape[1], Normalize: name != "plain", Mean: -4.2677393, Std: 4.5689974}
		in, err := f.Of(samples)
		require.NoError(t, err)
		got := in[InputValues]
		require.Equal(t, shape, got.Shape)
		worst, sum := 0.0, 0.0
		for i, v := range want {
			d := math.Abs(float64(v) - float64(got.Data[i]))
			worst, sum = max(worst, d), sum+d
		}
		t.Logf("%s: off by %.2g, in the mean %.2g", name, worst, sum/float64(len(want)))
		assert.Less(t, worst, 1e-4, name)
		assert.Less(t, sum/float64(len(want)), 1e-5, name)
	}
}
