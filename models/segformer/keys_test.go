package segformer

import (
	"testing"

	"github.com/stretchr/testify/require"

	"saccade/models/internal/modeltest"
	"saccade/weights"
)

// alternatives are other values of the keys of transformers' config.
var alternatives = map[string]string{
	"num_channels": `1`, "num_encoder_blocks": `3`, "depths": `[1, 2, 3, 4]`, "sr_ratios": `[4, 2, 2, 1]`, "hidden_sizes": `[16, 32, 64, 96]`, "patch_sizes": `[3, 3, 3, 3]`,
	"strides": `[2, 2, 2, 2]`, "num_attention_heads": `[2, 2, 5, 8]`, "mlp_ratios": `[2, 4, 4, 4]`, "hidden_act": `"relu"`, "decoder_hidden_size": `99`, "reshape_last_stage": `false`,
	"id2label": `{"0": "a", "1": "b"}`,
}

// Every key of the class has an effect, is inert or is refused.
func TestEveryKey(t *testing.T) {
	head, err := weights.FromFloat32s("decode_head.classifier.weight", make([]float32, 8), 2, 4, 1, 1)
	require.NoError(t, err)
	src := weights.With(&weights.Checkpoint{}, head)
	modeltest.EveryKey(t, signatures, "SegformerConfig", alternatives, inert, func(config []byte) (any, error) {
		c, _, err := Describe(src, config)
		return c, err
	})
}
