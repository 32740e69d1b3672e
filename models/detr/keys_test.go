package detr

import (
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
	"auxiliary_loss": `true`, "position_embedding_type": `"learned"`, "dilation": `true`, "id2label": `{"0": "a", "1": "b"}`,
}

// source is a checkpoint with timm's ResNet of four stages and a head.
func source(t *testing.T) weights.Source {
	var all []*weights.Tensor
	shapes := map[string][]int{"class_labels_classifier.weight": {3, 4}, backbonePrefix + ".conv1.weight": {8, 3, 7, 7}}
	for _, stage := range []string{"1", "2", "3", "4"} {
		for _, conv := range []string{"1", "2"} {
			shapes[backbonePrefix+".layer"+stage+".0.conv"+conv+".weight"] = []int{8, 8, 3, 3}
		}
	}
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
	modeltest.EveryKey(t, signatures, "DetrConfig", alternatives, inert, func(config []byte) (any, error) {
		c, _, err := Describe(source(t), config)
		return c, err
	})
}

// Backbones that are not known are refused by name.
func TestBackbones(t *testing.T) {
	for config, want := range map[string]string{
		`{"backbone": "resnet50d"}`:                                                                       `backbone is "resnet50d"; resnet18 to resnet152`,
		`{"backbone_config": {"model_type": "swin"}}`:                                                     `of type "swin"; resnet and timm_backbone`,
		`{"backbone_config": {"model_type": "timm_backbone", "backbone": "convnext_tiny"}}`:               `"convnext_tiny"`,
		`{"backbone_config": {"model_type": "timm_backbone", "backbone":"resnet50","output_stride":16}}`:  "output_stride is 16",
		`{"backbone_config": {"model_type": "timm_backbone", "backbone":"resnet50","out_indices":[0,4]}}`: "have the stem",
		`{"backbone_config": {"model_type": "timm_backbone", "backbone":"resnet50","out_indices":[1]}}`:   "the maps [1] are asked for; the last stage, 4",
		`{"backbone_config": {"model_type": "resnet", "out_features": ["stage3"]}}`:                       "the maps [3] are asked for; the last stage, 4",
	} {
		_, _, err := Describe(source(t), []byte(config))
		assert.ErrorContains(t, err, want, config)
	}
}

// A mask that no attention can go by is refused.
func TestBadMasks(t *testing.T) {
	m := &Model{Config: Config{}}
	m.Config.Encoder.Width = 4
	mask := nn.Array{Shape: []int{1, 3, 2}, Data: []float32{1, 1, 1, 1, 0.5, 1}}
	_, err := m.readMask(mask)
	assert.ErrorContains(t, err, "found 0.5 at [0 2 0], expected ones and zeros")
	mask.Data = make([]float32, 6)
	_, err = m.readMask(mask)
	assert.ErrorContains(t, err, "no pixel of item 0 unmasked")
}
