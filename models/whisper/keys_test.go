package whisper

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/models/internal/modeltest"
	"saccade/ops"
	"saccade/sound"
)

// alternatives are other values of the keys of transformers' config and feature extractor.
var alternatives = map[string]string{
	"vocab_size": `99`, "num_mel_bins": `128`, "encoder_layers": `3`, "encoder_attention_heads": `4`, "decoder_layers": `2`, "decoder_attention_heads": `8`,
	"decoder_ffn_dim": `77`, "encoder_ffn_dim": `78`, "decoder_start_token_id": `9`, "activation_function": `"relu"`, "d_model": `192`, "max_source_positions": `15`,
	"max_target_positions": `44`, "pad_token_id": `8`, "eos_token_id": `[7, 8]`, "tie_word_embeddings": `false`,
	"feature_size": `128`, "sampling_rate": `8000`, "hop_length": `80`, "chunk_length": `15`, "n_fft": `512`, "padding_value": `0.5`, "dither": `0.1`,
}

// Every key of the config and of the feature extractor is read, refused or inert.
func TestEveryKey(t *testing.T) {
	modeltest.EveryKey(t, signatures, "WhisperConfig", alternatives, inert, func(config []byte) (any, error) { return parse(config) })
	modeltest.EveryKey(t, signatures, "WhisperFeatureExtractor", alternatives, append(inertFeatures, "kwargs"), func(config []byte) (any, error) {
		return ParseFeatures(config, nil)
	})
}

func TestFeatures(t *testing.T) {
	want := Features{LogMel: sound.LogMel{Rate: 16000, Bins: 80, FFT: 400, Hop: 160}, Chunk: 480000}
	got, err := ParseFeatures(nil, nil)
	require.NoError(t, err)
	assert.Equal(t, want, got)
	// Files of old have what the class computes, and its filters.
	got, err = ParseFeatures([]byte(`{"feature_extractor_type": "WhisperFeatureExtractor", "n_samples": 480000, "nb_max_frames": 3000, "mel_filters": [[0.5]], "padding_side": "right"}`), nil)
	require.NoError(t, err)
	assert.Equal(t, want, got)
	// processor_config.json goes before, where it has an extractor.
	got, err = ParseFeatures([]byte(`{"feature_size": 128}`), []byte(`{"feature_extractor": {"feature_size": 40}}`))
	require.NoError(t, err)
	assert.Equal(t, 40, got.Bins)
	got, err = ParseFeatures([]byte(`{"feature_size": 128}`), []byte(`{"image_processor": {}}`))
	require.NoError(t, err)
	assert.Equal(t, 128, got.Bins)
	for config, want := range map[string]string{
		`{"dither": 0.001}`: "preprocessor_config.json: dither is 0.001, which adds random noise",
		`{"feature_extractor_type": "ASTFeatureExtractor"}`: `feature_extractor_type is "ASTFeatureExtractor"; expected WhisperFeatureExtractor`,
		`{"padding_side": "left"}`:                          `padding_side is "left"; expected right`,
		`{"chunk_length": 0}`:                               "chunk_length is 0; expected 1 to 3600 seconds",
		`{"n_fft": 1}`:                                      "preprocessor_config.json: n_fft is 1",
		`{"hop_length": 500000}`:                            "a window gives no frame",
		`{"feature_size": "80"}`:                            `feature_size is "80"; expected a whole number`,
	} {
		_, err := ParseFeatures([]byte(config), nil)
		assert.ErrorContains(t, err, want)
	}
	f := Features{LogMel: sound.LogMel{Rate: 8000, Bins: 3, FFT: 16, Hop: 10}, Chunk: 100, Padding: 0.5}
	short, long := f.Of([]float32{1, 2, 3}), f.Of(make([]float32, 151))
	assert.Len(t, short, 30)
	assert.Len(t, long, 45)
	padded := make([]float32, 100)
	for i := range padded {
		padded[i] = 0.5
	}
	copy(padded, []float32{1, 2, 3})
	assert.Equal(t, f.LogMel.Features(padded), short)
}

func TestRefuses(t *testing.T) {
	for config, want := range map[string]string{
		`{"model_type": "bart"}`:              `config.json is of a model of type "bart"; whisper is expected`,
		`{"eos_token_id": "end"}`:             `eos_token_id is "end"; expected a token id or a list of them`,
		`{"activation_function": "mish"}`:     `activation_function: activation "mish" is not supported`,
		`{"tie_word_embeddings": false}`:      "a head of its own is not supported",
		`{"encoder_attention_heads": 7}`:      "d_model 384 is not a multiple of its 7 attention heads",
		`{"vocab_size": 100}`:                 "the special token 50257 is not among the 100 of vocab_size",
		`{"max_source_positions": 0}`:         "max_source_positions is 0; it must be positive",
		`{"pad_token_id": 99999}`:             "the special token 99999",
		`{"decoder_attention_heads": 999999}`: "not a multiple of its 999999",
	} {
		c, err := parse([]byte(config))
		if err == nil {
			err = c.check()
		}
		assert.ErrorContains(t, err, want)
	}
	_, err := parse(nil)
	assert.ErrorContains(t, err, "there is no config.json")
}

// The published sizes have as many parameters as Radford et al. 2022 and the model cards
// say; positions and the head, which is tied, count once.
func TestStandard(t *testing.T) {
	for name, want := range map[string]int{"whisper_tiny": 37_760_640, "whisper_base": 72_593_920, "whisper_large_v3": 1_543_490_560} {
		c, ok := Standard(name)
		require.True(t, ok)
		m, err := New(ops.NewBuilder(nil, 0), c)
		require.NoError(t, err)
		tied := c.Vocab * c.EncoderBlock.Width
		zeros := (c.EncoderDepth + 2*c.DecoderDepth) * c.EncoderBlock.Width // biases of keys
		assert.Equal(t, want, modeltest.Parameters(t, m)-tied-zeros, name)
	}
	_, ok := Standard("whisper_giant")
	assert.False(t, ok)
}
