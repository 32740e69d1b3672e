package blip

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"saccade/models/internal/modeltest"
)

// alternatives are other values of the keys of transformers' configs.
var alternatives = map[string]string{
	"hidden_size": `96`, "intermediate_size": `99`, "num_hidden_layers": `3`, "num_attention_heads": `6`, "hidden_act": `"relu"`, "layer_norm_eps": `0.1`,
	"vocab_size": `500`, "max_position_embeddings": `9`, "bos_token_id": `4`, "sep_token_id": `5`, "pad_token_id": `6`, "image_size": `64`, "patch_size": `8`,
	"is_decoder": `false`, "tie_word_embeddings": `false`, "image_text_hidden_size": `7`, "text_config": `{"hidden_size": 64}`, "vision_config": `{"hidden_size": 64}`,
}

// Every key of the configs is read, refused by its name, or inert.
func TestEveryKey(t *testing.T) {
	modeltest.EveryKey(t, signatures, "BlipConfig", alternatives, inert, func(config []byte) (any, error) {
		h, err := parse(config)
		return h, err
	})
	modeltest.EveryKey(t, signatures, "BlipVisionConfig", alternatives, inert, func(config []byte) (any, error) {
		h := header{Vision: config}
		return h.vision()
	})
	modeltest.EveryKey(t, signatures, "BlipTextConfig", alternatives, inert, func(config []byte) (any, error) {
		// Not of the published sizes, whose heads are known.
		h := header{Text: append([]byte(`{"num_hidden_layers": 4, `), config[1:]...)}
		if string(config) == "{}" {
			h.Text = []byte(`{"num_hidden_layers": 4}`)
		}
		return h.text(32)
	})
}

// The class's eight heads are not those of published layers.
func TestHeads(t *testing.T) {
	h := header{}
	_, err := h.text(768)
	assert.ErrorContains(t, err, "num_attention_heads is 8")
	h.Text = []byte(`{"num_attention_heads": 12}`)
	c, err := h.text(768)
	assert.NoError(t, err)
	assert.Equal(t, 12, c.Layer.Heads)
}
