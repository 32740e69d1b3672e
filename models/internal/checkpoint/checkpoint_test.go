package checkpoint

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/weights"
)

// source is a set of tensors of one element by name.
type source []string

func (s source) Names() []string { return s }

func (s source) Tensor(name string) (*weights.Tensor, bool) {
	t, err := weights.FromFloat32s(name, []float32{1, 2, 3}, 3, 1)
	return t, err == nil && name == s[0]
}

func TestSizes(t *testing.T) {
	s := source{"a.weight"}
	assert.Equal(t, 3, Rows(s, "a.weight"))
	assert.Equal(t, 1, Dim(s, "a.weight", 1))
	assert.Zero(t, Dim(s, "a.weight", 2))
	assert.Zero(t, Rows(s, "b.weight"))
	assert.True(t, Has(s, "a.weight"))
	assert.False(t, Has(s, "b.weight"))
}

func TestLabels(t *testing.T) {
	got, err := Labels(map[string]string{"1": "b", "0": "a"}, 2)
	require.NoError(t, err)
	assert.Equal(t, []string{"a", "b"}, got)
	got, err = Labels(nil, 2)
	require.NoError(t, err)
	assert.Nil(t, got)
	_, err = Labels(map[string]string{"0": "a", "2": "c"}, 0)
	assert.ErrorContains(t, err, "2 entries and none for 1")
	_, err = Labels(map[string]string{"0": "a"}, 2)
	assert.ErrorContains(t, err, "names 1 labels and the classifier has 2 outputs")
}

func TestPair(t *testing.T) {
	for text, want := range map[string]Pair{"7": {7, 7}, "[3]": {3, 3}, "[3, 4]": {3, 4}} {
		var p Pair
		require.NoError(t, json.Unmarshal([]byte(text), &p))
		assert.Equal(t, want, p)
	}
	for _, text := range []string{`"7"`, "[]", "[1,2,3]"} {
		var p Pair
		assert.ErrorContains(t, json.Unmarshal([]byte(text), &p), "neither a size nor")
	}
}

// square is a checkpoint whose tensors are 2×2 convolutions of 1×1.
type square []string

func (s square) Names() []string { return s }

func (s square) Tensor(name string) (*weights.Tensor, bool) {
	t, err := weights.FromFloat32s(name, []float32{1, 2, 3, 4}, 2, 2, 1, 1)
	return t, err == nil && slices.Contains(s, name)
}

func TestMatrices(t *testing.T) {
	src := Matrices(square{"a.to_q.weight", "a.to_out.0.weight", "a.conv.weight", "to_q.weights"}, "to_q", "to_out.0")
	for name, rank := range map[string]int{"a.to_q.weight": 2, "a.to_out.0.weight": 2, "a.conv.weight": 4, "to_q.weights": 4} {
		got, ok := src.Tensor(name)
		require.True(t, ok)
		assert.Len(t, got.Shape, rank, name)
		assert.Equal(t, 4, got.Len())
	}
}

func TestUnknown(t *testing.T) {
	for name, want := range map[string]string{
		"layer1.0.conv1.weight":                                    "a ResNet",
		"resnet.embedder.embedder.convolution.weight":              "a ResNet",
		"features.0.0.weight":                                      "an EfficientNet",
		"features.1.0.attn.qkv.weight":                             "a Swin Transformer",
		"swinv2.encoder.layers.0.blocks.0.layernorm_before.weight": "a Swin Transformer",
		"layers.0.blocks.0.attn.proj.weight":                       "a Swin Transformer",
		"features.1.0.layer_scale":                                 "a ConvNeXt",
		"convnextv2.encoder.stages.0.layers.0.dwconv.bias":         "a ConvNeXt",
		"stages.0.blocks.0.conv_dw.weight":                         "a ConvNeXt",
		"features.1.conv.0.0.weight":                               "a MobileNetV2",
		"features.1.block.0.0.weight":                              "a MobileNetV3",
		"mobilenet_v2.conv_stem.first_conv.convolution.weight":     "a MobileNetV2",
		"_conv_stem.weight":                                        "an EfficientNet",
		"efficientnet.embeddings.convolution.weight":               "an EfficientNet",
		"vit.embeddings.cls_token":                                 "a vision transformer",
		"blocks.0.attn.qkv.weight":                                 "a vision transformer",
		"vision_encoder.backbone.pos_embed":                        "a Segment Anything",
		"image_encoder.patch_embed.seq.0.c.weight":                 "a Segment Anything",
		"text_model.encoder.layers.0.mlp.fc1.weight":               "a CLIP or SigLIP",
		"down_blocks.0.resnets.0.conv1.weight":                     "a part of a diffusion model",
	} {
		err := Unknown(source{"other", name}, "thing", "neither a nor b")
		assert.ErrorContains(t, err, "among its 2 tensors is neither a nor b; "+name+" looks like "+want)
	}
	assert.ErrorContains(t, Unknown(source{"x", "y"}, "thing", "no z"), "its first are [x, y]")
}
