package clap

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/models/internal/modeltest"
	"saccade/weights"
)

// Other values of the keys of transformers' configs and of the feature extractor.
var (
	alternatives = map[string]string{
		"text_config": `{"hidden_size": 96}`, "audio_config": `{"window_size": 4}`, "projection_dim": `7`, "projection_hidden_act": `"gelu"`,
	}
	textAlternatives = map[string]string{
		"vocab_size": `9`, "hidden_size": `96`, "num_hidden_layers": `3`, "num_attention_heads": `6`, "intermediate_size": `99`, "hidden_act": `"relu"`,
		"max_position_embeddings": `77`, "type_vocab_size": `2`, "layer_norm_eps": `0.1`, "pad_token_id": `4`,
	}
	audioAlternatives = map[string]string{
		"window_size": `4`, "num_mel_bins": `32`, "spec_size": `512`, "hidden_act": `"relu"`, "patch_size": `8`, "patch_stride": `[2, 2]`, "hidden_size": `96`,
		"depths": `[2, 2, 4, 2]`, "num_attention_heads": `[2, 4, 8, 16]`, "enable_fusion": `true`, "fusion_type": `"channel_map"`, "patch_embed_input_channels": `3`,
		"flatten_patch_embeds": `false`, "patch_embeds_hidden_size": `48`, "enable_patch_layer_norm": `false`, "qkv_bias": `false`, "mlp_ratio": `3`, "aff_block_r": `2`, "layer_norm_eps": `0.1`,
	}
	featureAlternatives = map[string]string{
		"feature_size": `32`, "sampling_rate": `32000`, "hop_length": `500`, "max_length_s": `5`, "fft_window_size": `512`, "frequency_min": `50`, "frequency_max": `9000`,
		"truncation": `"rand_trunc"`, "padding": `"pad"`,
	}
)

// Every key of the classes has an effect, is inert or is refused. fusion_type changes a
// fused network alone.
func TestEveryKey(t *testing.T) {
	var src weights.Source = &weights.Checkpoint{}
	for _, name := range []string{"weight", "bias", "running_mean", "running_var"} {
		x, err := weights.FromFloat32s("audio_model.audio_encoder.batch_norm."+name, slices.Repeat([]float32{1}, 64), 64)
		require.NoError(t, err)
		src = weights.With(src, x)
	}
	read := func(config []byte) (any, error) {
		c, _, err := Describe(src, config)
		return c, err
	}
	within := func(part, beside string) func([]byte) (any, error) {
		return func(config []byte) (any, error) {
			if s := string(config); beside != "" && s != "{}" {
				config = []byte(`{` + beside + `, ` + s[1:])
			} else if beside != "" {
				config = []byte(`{` + beside + `}`)
			}
			return read([]byte(`{"` + part + `": ` + string(config) + `}`))
		}
	}
	modeltest.EveryKey(t, signatures, "ClapConfig", alternatives, inert, read)
	modeltest.EveryKey(t, signatures, "ClapTextConfig", textAlternatives, inertText, within("text_config", ""))
	audio := append(slices.Clone(inertAudio), "fusion_type")
	modeltest.EveryKey(t, signatures, "ClapAudioConfig", audioAlternatives, audio, within("audio_config", ""))
	_, err := within("audio_config", "")([]byte(`{"enable_fusion": true, "fusion_type": "channel_map"}`))
	require.ErrorContains(t, err, "fusion_type")

	network, _ := Standard("clap_htsat_fused")
	modeltest.EveryKey(t, signatures, "ClapFeatureExtractor", featureAlternatives, append(inertFeatures, "kwargs"), func(config []byte) (any, error) {
		return ParseFeatures(config, network.Audio)
	})
}

func TestFeaturesRefuse(t *testing.T) {
	network, _ := Standard("clap_htsat")
	for config, want := range map[string]string{
		`{"feature_extractor_type":"ASTFeatureExtractor"}`:      "expected ClapFeatureExtractor",
		`{"truncation":"fusion"}`:                               "does not go with the network's enable_fusion false",
		`{"truncation":"rand_trunc","padding":"mirror"}`:        "expected repeatpad, repeat or pad",
		`{"truncation":"rand_trunc","frequency_max":30000}`:     "expected 0 to half the rate",
		`{"truncation":"rand_trunc","max_length_s":11}`:         "a window of max_length_s has 1101 frames",
		`{"truncation":"rand_trunc","feature_size":32}`:         "feature_size is 32, the network reads 64",
		`{"truncation":"none"}`:                                 "expected fusion or rand_trunc",
		`{"truncation":"rand_trunc","max_length_s":4000000000}`: "max_length_s",
	} {
		_, err := ParseFeatures([]byte(config), network.Audio)
		assert.ErrorContains(t, err, want)
	}
	f, err := ParseFeatures(nil, network.Audio)
	require.NoError(t, err)
	in, err := f.Of(make([]float32, 7)) // silence
	require.NoError(t, err)
	assert.Equal(t, []int{1, 1, 1001, 64}, in[InputFeatures].Shape)
	assert.Equal(t, float32(-100), in[InputFeatures].Data[0])
}
