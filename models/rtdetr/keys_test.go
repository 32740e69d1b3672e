package rtdetr

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/models/internal/modeltest"
	"saccade/weights"
)

// source is a checkpoint of two classes.
func source(t *testing.T) weights.Source {
	head, err := weights.FromFloat32s("model.enc_score_head.weight", make([]float32, 8), 2, 4)
	require.NoError(t, err)
	return weights.With(&weights.Checkpoint{}, head)
}

// Every key of both classes has an effect, is inert or is refused.
func TestEveryKey(t *testing.T) {
	for class, v2 := range map[string]bool{"RTDetrConfig": false, "RTDetrV2Config": true} {
		modeltest.EveryKey(t, signatures, class, modeltest.Hybrid, inert, func(config []byte) (any, error) {
			// The strides of the maps count with anchors of a size.
			if strings.Contains(string(config), "feat_strides") {
				config = []byte(strings.Replace(string(config), "{", `{"anchor_image_size": [640, 640], `, 1))
			}
			c, _, err := Describe(source(t), config, v2)
			return c, err
		})
	}
	with := `"anchor_image_size": [640, 640]`
	assert.NotEqual(t, describe(t, `{`+with+`}`, false), describe(t, `{`+with+`, "feat_strides": [4, 8, 16]}`, false))
}

func describe(t *testing.T, config string, v2 bool) Config {
	c, _, err := Describe(source(t), []byte(config), v2)
	require.NoError(t, err)
	return c
}

// What the network can't be made of is refused by name.
func TestRefusals(t *testing.T) {
	for config, want := range map[string]string{
		`{"backbone_config": {"model_type": "swin"}}`:                                  `of type "swin"; rt_detr_resnet and hgnet_v2`,
		`{"backbone_config": {"model_type": "rt_detr_resnet"}}`:                        "for the 1 maps of the backbone",
		`{"encoder_in_channels": [1, 2, 3]}`:                                           "encoder_in_channels are [1 2 3]",
		`{"num_feature_levels": 2}`:                                                    "num_feature_levels",
		`{"decoder_n_points": 0}`:                                                      "decoder_n_points",
		`{"hidden_expansion": 1e-9}`:                                                   "hidden_expansion",
		`{"encode_proj_layers": [3]}`:                                                  "encode_proj_layers",
		`{"num_queries": 0}`:                                                           "num_queries",
		`{"backbone_config": {"model_type": "rt_detr_resnet", "out_indices": [2, 9]}}`: "stage 9 is asked for",
	} {
		c, _, err := Describe(source(t), []byte(config), false)
		if err == nil {
			err = c.Check()
		}
		assert.ErrorContains(t, err, want, config)
	}
}

// Images whose maps do not fit each other are refused, and those that the anchors are not for.
func TestSizes(t *testing.T) {
	c, _ := Standard("rtdetr_r18")
	n := c.Network(nil)
	assert.NoError(t, n.Check(map[string]int{"H": 640, "W": 480}))
	assert.NoError(t, n.Check(map[string]int{"H": 639, "W": 479}), "whose maps are as large")
	assert.ErrorContains(t, n.Check(map[string]int{"H": 640, "W": 490}), "images of 640×490 make maps of")
	assert.ErrorContains(t, n.Check(map[string]int{"H": 64, "W": 64}), "84 places for objects; the network looks for 300")
	c.Anchors, c.Strides = [2]int{320, 640}, []int{8, 16, 32}
	n = c.Network(nil)
	assert.NoError(t, n.Check(map[string]int{"H": 320, "W": 640}))
	assert.ErrorContains(t, n.Check(map[string]int{"H": 640, "W": 320}), "anchor_image_size [320 640]")
}
