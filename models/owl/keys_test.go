package owl

import (
	"encoding/json"
	"strings"
	"testing"

	"saccade/models/internal/modeltest"
	"saccade/weights"
)

// alternatives are other values of the keys of transformers' configs.
var alternatives = map[string]string{
	"text_config": `{"vocab_size": 500}`, "vision_config": `{"patch_size": 8}`, "projection_dim": `96`,
	"hidden_size": `96`, "num_hidden_layers": `3`, "num_attention_heads": `6`, "intermediate_size": `99`, "hidden_act": `"relu"`, "layer_norm_eps": `0.1`,
	"image_size": `64`, "patch_size": `8`, "num_channels": `1`, "vocab_size": `500`, "max_position_embeddings": `9`,
}

// Every key of the classes has an effect, is inert or is refused.
func TestEveryKey(t *testing.T) {
	for _, kind := range []string{"OwlViT", "Owlv2"} {
		for class, part := range map[string]string{"Config": "", "TextConfig": "text_config", "VisionConfig": "vision_config"} {
			modeltest.EveryKey(t, signatures, kind+class, alternatives, inert, func(config []byte) (any, error) {
				text := config
				if part != "" {
					text, _ = json.Marshal(map[string]json.RawMessage{part: config})
				}
				c, _, err := Describe(&weights.Checkpoint{}, text, strings.HasSuffix(kind, "2"))
				return c, err
			})
		}
	}
}
