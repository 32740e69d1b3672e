package ast

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/models/internal/modeltest"
	"saccade/weights"
)

// alternatives are other values of the keys of transformers' config, featureAlternatives of
// those of its feature extractor.
var alternatives = map[string]string{
	"hidden_size": `96`, "num_hidden_layers": `3`, "num_attention_heads": `6`, "intermediate_size": `99`, "hidden_act": `"relu"`, "layer_norm_eps": `0.1`,
	"patch_size": `8`, "qkv_bias": `false`, "frequency_stride": `7`, "time_stride": `6`, "max_length": `500`, "num_mel_bins": `64`,
	"id2label": `{"0": "a", "1": "b"}`, "problem_type": `"multi_label_classification"`,
}

var featureAlternatives = map[string]string{
	"sampling_rate": `8000`, "num_mel_bins": `64`, "max_length": `500`, "do_normalize": `false`, "mean": `-3`, "std": `2`,
}

// Every key of the classes has an effect, is inert or is refused.
func TestEveryKey(t *testing.T) {
	head, err := weights.FromFloat32s("classifier.dense.weight", make([]float32, 8), 2, 4)
	require.NoError(t, err)
	src := weights.With(&weights.Checkpoint{}, head)
	modeltest.EveryKey(t, signatures, "ASTConfig", alternatives, inert, func(config []byte) (any, error) {
		c, _, err := Describe(src, config)
		return c, err
	})
	network, _ := Standard("ast_base")
	modeltest.EveryKey(t, signatures, "ASTFeatureExtractor", featureAlternatives, append(inertFeatures, "kwargs"), func(config []byte) (any, error) {
		return ParseFeatures(config, network)
	})
}

func TestFeaturesRefuse(t *testing.T) {
	c, _ := Standard("ast_base")
	for config, want := range map[string]string{
		`{"feature_extractor_type":"WhisperFeatureExtractor"}`: "expected ASTFeatureExtractor",
		`{"num_mel_bins":64}`:     "it makes 1024 frames of 64 bins (max_length, num_mel_bins), the network reads 1024 of 128",
		`{"std":0}`:               "std is 0",
		`{"sampling_rate":44100}`: "sampling_rate is 44100; 16000 is supported",
		`{`:                       "preprocessor_config.json",
	} {
		_, err := ParseFeatures([]byte(config), c)
		assert.ErrorContains(t, err, want)
	}
	c.Bins, c.Frames = 32, 50
	f, err := ParseFeatures(nil, c)
	require.NoError(t, err)
	_, err = f.Of(make([]float32, 399))
	require.EqualError(t, err, "the sound is shorter than a window of 25 ms")
	in, err := f.Of(make([]float32, 400)) // silence
	require.NoError(t, err)
	assert.Equal(t, []int{1, 50, 32}, in[InputValues].Shape)
}
