package clip

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"

	"saccade/models/internal/modeltest"
)

// alternatives are other values of the keys of transformers' configs.
var alternatives = map[string]string{
	"hidden_size": `96`, "intermediate_size": `99`, "num_hidden_layers": `3`, "num_attention_heads": `6`, "hidden_act": `"relu"`, "layer_norm_eps": `0.1`,
	"vocab_size": `50`, "max_position_embeddings": `9`, "eos_token_id": `4`, "projection_size": `5`, "projection_dim": `6`, "image_size": `64`, "patch_size": `8`,
	"num_channels": `1`, "vision_use_head": `false`, "text_config": `{"hidden_size": 64}`, "vision_config": `{"hidden_size": 64}`,
}

// Every key of the configs of towers and of pairs of them is read or inert.
func TestEveryKey(t *testing.T) {
	for class, siglip := range map[string]bool{"CLIPTextConfig": false, "SiglipTextConfig": true, "CLIPVisionConfig": false, "SiglipVisionConfig": true} {
		modeltest.EveryKey(t, signatures, class, alternatives, inert, func(config []byte) (any, error) {
			return readTower("tower", class, config, nil)
		})
		modeltest.EveryKey(t, signatures, map[bool]string{false: "CLIPConfig", true: "SiglipConfig"}[siglip], alternatives, inert, func(config []byte) (any, error) {
			h, err := parse(config)
			return h, err
		})
	}
}

// A value of another kind is named with its place.
func TestRefuses(t *testing.T) {
	h, err := parse([]byte(`{"text_config": {"hidden_size": "wide"}}`))
	assert.NoError(t, err)
	_, err = h.text(false)
	assert.ErrorContains(t, err, `config.json: text_config: hidden_size is "wide"; expected a whole number`)
	_, err = parse([]byte(`[1]`))
	assert.ErrorContains(t, err, "config.json is [1]; expected an object of keys and values")
	h = dualConfig{Vision: json.RawMessage(`{"hidden_act": "mish"}`)}
	_, err = h.vision(true)
	assert.ErrorContains(t, err, `vision_config: hidden_act: activation "mish" is not supported`)
}
