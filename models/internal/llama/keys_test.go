package llama

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/models/internal/modeltest"
)

// alternatives are other values of the keys of transformers' config.
var alternatives = map[string]string{
	"vocab_size": `500`, "hidden_size": `128`, "intermediate_size": `99`, "num_hidden_layers": `3`, "num_attention_heads": `16`, "num_key_value_heads": `4`,
	"hidden_act": `"relu"`, "max_position_embeddings": `9`, "rms_norm_eps": `0.1`, "rope_parameters": `{"rope_type": "default", "rope_theta": 77}`,
	"attention_bias": `true`, "mlp_bias": `true`, "head_dim": `14`,
}

// Every key of the config is read, refused by its name, or inert.
func TestEveryKey(t *testing.T) {
	modeltest.EveryKey(t, signatures, "LlamaConfig", alternatives, inert, func(config []byte) (any, error) { return Parse("config.json", config) })
}

// What is not supported is refused with its name; old names of the angles are read.
func TestParse(t *testing.T) {
	for config, want := range map[string]string{
		`{"model_type": "mistral"}`:                                 `model_type is "mistral"`,
		`{"rope_parameters": {"rope_type": "llama3", "factor": 8}}`: `rope_parameters: rope_type is "llama3"`,
		`{"rope_scaling": {"type": "linear", "factor": 2}}`:         `rope_scaling: rope_type is "linear"`,
		`{"partial_rotary_factor": 0.5}`:                            `partial_rotary_factor is 0.5`,
		`{"rope_theta": 0}`:                                         `rope_theta is 0`,
		`{"head_dim": 7}`:                                           `head_dim is 7`,
		`{"num_key_value_heads": 5}`:                                `num_key_value_heads 5`,
		`{"hidden_size": 33}`:                                       `hidden_size 33`,
		`{"vocab_size": 0}`:                                         `vocab_size is 0`,
	} {
		_, err := Parse("config.json: text_config", []byte(config))
		assert.ErrorContains(t, err, want)
		assert.ErrorContains(t, err, "config.json: text_config: ")
	}
	for config, theta := range map[string]float64{`{}`: 10000, `{"rope_theta": 5}`: 5, `{"rope_scaling": null, "rope_theta": 6}`: 6, `{"rope_parameters": {"rope_theta": 7}}`: 7} {
		c, err := Parse("config.json", []byte(config))
		require.NoError(t, err)
		assert.Equal(t, theta, c.Theta, config)
	}
}
