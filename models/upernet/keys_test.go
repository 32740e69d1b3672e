package upernet

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/models/internal/modeltest"
	"saccade/weights"
)

// alternatives are other values of the keys of transformers' config.
var alternatives = map[string]string{
	"backbone_config": `{"model_type": "convnext", "out_features": ["stage2", "stage4"]}`, "hidden_size": `99`, "pool_scales": `[1, 5]`, "id2label": `{"0": "a", "1": "b"}`,
}

// source is a checkpoint of two classes.
func source(t *testing.T) weights.Source {
	head, err := weights.FromFloat32s("decode_head.classifier.weight", make([]float32, 8), 2, 4, 1, 1)
	require.NoError(t, err)
	return weights.With(&weights.Checkpoint{}, head)
}

// Every key of the class has an effect, is inert or is refused.
func TestEveryKey(t *testing.T) {
	modeltest.EveryKey(t, signatures, "UperNetConfig", alternatives, inert, func(config []byte) (any, error) {
		c, _, err := Describe(source(t), config)
		return c, err
	})
}

// What the network can't be made of is refused by name.
func TestRefusals(t *testing.T) {
	for config, want := range map[string]string{
		`{"backbone_config": {"model_type": "beit"}}`:                                  `of type "beit"; convnext, convnextv2, swin and resnet`,
		`{"backbone_config": {"model_type": "swin", "out_features": ["stem"]}}`:        "have the stem",
		`{"backbone_config": {"model_type": "convnext", "out_indices": [7]}}`:          "stage 7 is asked for",
		`{"backbone_config": {"model_type": "swin", "out_indices": []}}`:               "of no map",
		`{"backbone_config": {"model_type": "swin", "use_absolute_embeddings": true}}`: "use_absolute_embeddings",
		`{"pool_scales": [0, 1]}`: "pool_scales are [0 1]",
		`{"pool_scales": []}`:     "number of pool_scales is 0",
		`{"hidden_size": 0}`:      "hidden_size is 0",
	} {
		c, _, err := Describe(source(t), []byte(config))
		if err == nil {
			err = c.check()
		}
		assert.ErrorContains(t, err, want, config)
	}
}
