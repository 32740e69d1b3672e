package yolos

import (
	"testing"

	"github.com/stretchr/testify/require"

	"saccade/models/internal/modeltest"
	"saccade/weights"
)

// alternatives are other values of the keys of transformers' config.
var alternatives = map[string]string{
	"hidden_size": `96`, "num_hidden_layers": `3`, "num_attention_heads": `6`, "intermediate_size": `99`, "hidden_act": `"relu"`, "layer_norm_eps": `0.1`,
	"image_size": `64`, "patch_size": `8`, "num_channels": `1`, "qkv_bias": `false`, "num_detection_tokens": `7`, "use_mid_position_embeddings": `false`,
	"id2label": `{"0": "a", "1": "b"}`,
}

// Every key of the class has an effect, is inert or is refused.
func TestEveryKey(t *testing.T) {
	head, err := weights.FromFloat32s("class_labels_classifier.layers.2.weight", make([]float32, 12), 3, 4)
	require.NoError(t, err)
	src := weights.With(&weights.Checkpoint{}, head)
	modeltest.EveryKey(t, signatures, "YolosConfig", alternatives, inert, func(config []byte) (any, error) {
		c, _, err := Describe(src, config)
		return c, err
	})
}
