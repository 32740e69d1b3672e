package smolvlm

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/models/internal/modeltest"
)

// alternatives are other values of the keys of transformers' configs.
var alternatives = map[string]string{
	"hidden_size": `96`, "intermediate_size": `99`, "num_hidden_layers": `3`, "num_attention_heads": `6`, "num_channels": `1`, "image_size": `64`, "patch_size": `8`,
	"hidden_act": `"relu"`, "layer_norm_eps": `0.1`, "image_token_id": `7`, "tie_word_embeddings": `true`, "scale_factor": `3`,
	"text_config": `{"hidden_size": 64}`, "vision_config": `{"hidden_size": 64}`,
}

// Every key of the configs is read, refused by its name, or inert.
func TestEveryKey(t *testing.T) {
	for kind, class := range classes {
		modeltest.EveryKey(t, signatures, class+"Config", alternatives, inert, func(config []byte) (any, error) {
			h, err := parse(typed(kind, config))
			return h, err
		})
		modeltest.EveryKey(t, signatures, class+"VisionConfig", alternatives, inert, func(config []byte) (any, error) {
			h := header{Vision: config, class: class}
			return h.vision()
		})
	}
}

// typed is a config with a model_type.
func typed(kind string, config []byte) []byte {
	head := `{"model_type": "` + kind + `"`
	if string(config) != "{}" {
		head += ", "
	}
	return append([]byte(head), config[1:]...)
}

// What is not supported is refused with its name.
func TestParse(t *testing.T) {
	_, err := parse([]byte(`{"model_type": "llava"}`))
	assert.ErrorContains(t, err, `type "llava"`)
	_, err = parse(nil)
	assert.ErrorContains(t, err, "no config.json")
	for config, want := range map[string]string{
		`{"vision_config": {"image_size": [8, 9]}}`:                          "expected squares",
		`{"text_config": {"rope_parameters": {"rope_type": "yarn"}}}`:        `text_config: rope_parameters: rope_type is "yarn"`,
		`{"text_config": {"model_type": "mistral"}}`:                         `model_type is "mistral"`,
		`{"scale_factor": 3, "image_token_id": 1}`:                           "scale_factor of 3",
		`{"image_token_id": 32000}`:                                          "image_token_id is 32000",
		`{"image_token_id": 1, "vision_config": {"num_channels": 1}}`:        "num_channels is 1",
		`{"image_token_id": 1, "vision_config": {"hidden_act": "gelu_mad"}}`: "hidden_act",
	} {
		h, err := parse(typed("smolvlm", []byte(config)))
		require.NoError(t, err)
		c, err := h.config()
		if err == nil {
			err = c.check()
		}
		assert.ErrorContains(t, err, want, config)
	}
}

// Without a text_config the norms have the class's eps.
func TestTextDefaults(t *testing.T) {
	h, err := parse([]byte(`{"model_type": "smolvlm"}`))
	require.NoError(t, err)
	c, err := h.config()
	require.NoError(t, err)
	assert.Equal(t, 1e-5, c.Text.Eps)
	h.Text = []byte(`{}`)
	c, err = h.config()
	require.NoError(t, err)
	assert.Equal(t, 1e-6, c.Text.Eps)
}
