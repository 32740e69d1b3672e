package deformable

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/models/internal/modeltest"
	"saccade/models/nn"
	"saccade/weights"
)

// alternatives are other values of the keys of transformers' config.
var alternatives = map[string]string{
	"backbone_config": `{"model_type": "resnet", "depths": [1, 1, 1, 1], "out_features": ["stage4"]}`, "num_channels": `1`, "num_queries": `7`, "encoder_layers": `2`, "encoder_ffn_dim": `99`,
	"encoder_attention_heads": `4`, "decoder_layers": `2`, "decoder_ffn_dim": `99`, "decoder_attention_heads": `4`, "activation_function": `"gelu"`, "d_model": `96`,
	"position_embedding_type": `"learned"`, "dilation": `true`, "num_feature_levels": `5`, "encoder_n_points": `3`, "decoder_n_points": `3`, "two_stage": `true`,
	"two_stage_num_proposals": `7`, "with_box_refine": `true`, "id2label": `{"0": "a", "1": "b"}`,
}

// source is a checkpoint with timm's ResNet of four stages and those tensors of two rows.
func source(t *testing.T, rows ...string) weights.Source {
	shapes := map[string][]int{backbonePrefix + ".conv1.weight": {8, 3, 7, 7}}
	for _, stage := range []string{"1", "2", "3", "4"} {
		for _, conv := range []string{"1", "2"} {
			shapes[backbonePrefix+".layer"+stage+".0.conv"+conv+".weight"] = []int{8, 8, 3, 3}
		}
	}
	for _, name := range rows {
		shapes[name] = []int{2, 4}
	}
	var all []*weights.Tensor
	for name, shape := range shapes {
		n := 1
		for _, d := range shape {
			n *= d
		}
		x, err := weights.FromFloat32s(name, make([]float32, n), shape...)
		require.NoError(t, err)
		all = append(all, x)
	}
	return weights.With(&weights.Checkpoint{}, all...)
}

// Every key of the class has an effect, is inert or is refused.
func TestEveryKey(t *testing.T) {
	modeltest.EveryKey(t, signatures, "DeformableDetrConfig", alternatives, inert, func(config []byte) (any, error) {
		// The number of proposals counts with two stages.
		if strings.Contains(string(config), "num_proposals") {
			config = []byte(strings.Replace(string(config), "{", `{"two_stage": true, "with_box_refine": true, `, 1))
		}
		c, _, err := Describe(source(t, "class_embed.0.weight"), config)
		return c, err
	})
	two := func(more string) Config {
		c, _, err := Describe(source(t, "class_embed.0.weight"), []byte(`{"two_stage": true, "with_box_refine": true`+more+`}`))
		require.NoError(t, err)
		return c
	}
	assert.Equal(t, 300, two("").Queries)
	assert.Equal(t, 7, two(`, "two_stage_num_proposals": 7`).Queries)
}

// A head of a layer is the file's own of that layer, or the first to which it is tied; what is
// the network's result is at the top where both are there.
func TestHeads(t *testing.T) {
	top, own, first := "bbox_embed.2.layers.0.weight", "model.decoder.bbox_embed.2.layers.0.weight", "bbox_embed.0.layers.0.weight"
	h := func(names ...string) heads { return heads{"bbox_embed", ".layers.0.weight", names} }
	assert.Equal(t, "bbox_embed.2", h(top, own, first).last(2))
	assert.Equal(t, "model.decoder.bbox_embed.2", h(top, own, first).own(2))
	assert.Equal(t, "model.decoder.bbox_embed.2", h(own).last(2))
	assert.Equal(t, "bbox_embed.2", h(top).own(2))
	assert.Equal(t, "bbox_embed.0", h(first).last(2))
}

// What the network can't be made of is refused by name.
func TestRefusals(t *testing.T) {
	for config, want := range map[string]string{
		`{"backbone_config": {"model_type": "swin"}}`: `of type "swin"; resnet and timm_backbone`,
		`{"d_model": 100}`:                            "d_model 100 is not a multiple of 32",
		`{"num_feature_levels": 2}`:                   "num_feature_levels is 2 for the backbone's 3 maps",
		`{"num_feature_levels": 99}`:                  "num_feature_levels is 99; expected 1 to 16",
		`{"decoder_n_points": 0}`:                     "decoder_n_points is 0",
		`{"decoder_layers": 0}`:                       "decoder_layers is 0",
		`{"two_stage": true}`:                         "with_box_refine",
		`{"backbone_config": {"model_type": "resnet", "out_indices": []}}`: "of no map",
		`{"num_queries": -3}`: "number of queries is -3",
		`{"backbone_config": {"model_type": "resnet", "out_indices": [2,9]}}`: "stage 9 is asked for",
	} {
		c, _, err := Describe(source(t, "class_embed.0.weight"), []byte(config))
		if err == nil {
			err = c.check()
		}
		assert.ErrorContains(t, err, want, config)
	}
	_, err := noPadding(map[string]nn.Array{pixelMask: {Shape: []int{1, 1, 2}, Data: []float32{1, 0}}})
	assert.ErrorContains(t, err, "filled up")
	c := Config{Levels: 4, Maps: []int{2, 3, 4}, TwoStage: true, Queries: 300}
	s, _ := Standard("deformable_detr_resnet50")
	c.Backbone = s.Backbone
	assert.NoError(t, c.checkSizes(map[string]int{"H": 200, "W": 200}))
	assert.True(t, strings.Contains(c.checkSizes(map[string]int{"H": 64, "W": 64}).Error(), "have 85 places"))
}
