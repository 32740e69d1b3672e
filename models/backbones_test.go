package models

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/gpu"
	"saccade/gpu/gputest"
	"saccade/models/nn"
	"saccade/picture"
)

// What a checkpoint of the backbones lacks is named as its library names it.
func TestBackbonesBadCheckpoints(t *testing.T) {
	d := gputest.Open(t, gpu.Options{})
	for _, c := range []struct{ family, golden, name, lacking, want string }{
		{"mobilenetv2", "mobilenetv2", "mobilenet_v2", "features.4.conv.1.0", "features.4.conv.1.0.weight"},
		{"mobilenetv2", "mobilenetv2", "mobilenet_v2", "features.4.conv.3", "features.4.conv.3."},
		{"mobilenetv2", "mobilenetv2", "mobilenet_v2", "features.9.", "blocks are those of no MobileNetV2"},
		{"mobilenetv2", "mobilenetv2_timm", "mobilenetv2", "blocks.2.1.bn2.bias", "blocks.2.1.bn2.bias"},
		{"mobilenetv2", "mobilenetv2_transformers", "mobilenetv2", "layer.3.reduce_1x1.convolution", "mobilenet_v2.layer.3.reduce_1x1.convolution.weight"},
		{"mobilenetv3", "mobilenetv3_large", "mobilenet_v3_large", "features.4.block.2.fc1", "features.4.block.2.fc1.weight"},
		{"mobilenetv3", "mobilenetv3_small", "mobilenet_v3_small", "classifier.0.bias", "classifier.0.bias"},
		{"mobilenetv3", "mobilenetv3_timm", "mobilenetv3", "blocks.0.0.se.", "blocks.0.0.se.conv_"},
		{"mobilenetv3", "mobilenetv3_timm", "mobilenetv3", "conv_head.bias", "conv_head.bias"},
		{"mobilenetv3", "mobilenetv2", "mobilenetv3", "", "looks like a MobileNetV2"},
		{"convnext", "convnext", "convnext_tiny", "features.3.1.block.5.bias", "features.3.1.block.5.bias"},
		{"convnext", "convnext", "convnext_tiny", "features.3.1.layer_scale", "features.3.1.layer_scale"},
		{"convnext", "convnext_timm", "convnext", "stages.1.blocks.1.norm.weight", "stages.1.blocks.1.norm.weight"},
		{"convnextv2", "convnextv2_transformers", "convnextv2", "layers.1.grn.bias", "convnextv2.encoder.stages.2.layers.1.grn.bias"},
		{"swin", "swin", "swin_t", "features.3.1.attn.proj.bias", "features.3.1.attn.proj.bias"},
		{"swin", "swin_transformers", "swin", "blocks.1.attention.self.key.weight", "swin.encoder.layers.0.blocks.1.attention.self.key.weight"},
		{"swin", "swin_timm", "swin", "layers.1.downsample.reduction", "layers.1.downsample.reduction.weight"},
		{"swinv2", "swinv2_timm", "swinv2", "layers.1.blocks.0.attn.v_bias", "layers.1.blocks.0.attn.v_bias"},
		{"swinv2", "swin_timm", "swinv2", "", "use -model swin"},
		{"convnext", "swinv2_transformers", "convnext", "", "looks like a Swin Transformer"},
		{"efficientnet", "mobilenetv3_large", "efficientnet_b0", "", "looks like a MobileNetV3"},
	} {
		err := openError(t, d, c.family, c.golden, c.name, c.lacking)
		assert.ErrorContains(t, err, c.want, "%s without %s", c.golden, c.lacking)
	}
}

// Each published architecture and version of weights has its reference's preprocessing.
func TestBackbonesPreprocessing(t *testing.T) {
	for _, c := range []struct {
		name, file string
		resize, h  int
		filter     picture.Filter
		mean       float64
	}{
		{"mobilenet_v2", "mobilenet_v2-b0353104.pth", 256, 224, picture.Bilinear, 0.485},
		{"mobilenet_v2", "mobilenet_v2-7ebf99e0.pth", 232, 224, picture.Bilinear, 0.485},
		{"mobilenetv2_100", "x.safetensors", 256, 224, picture.Bicubic, 0.485},
		{"tf_mobilenetv2_100", "x.safetensors", 256, 224, picture.Bicubic, 0.5},
		{"tf_mobilenetv3_large_100", "x.safetensors", 256, 224, picture.Bilinear, 0.5},
		{"mobilenetv3_large_100", "mobilenetv3_large_100_1k_miil_78_0-66471c13.pth", 256, 224, picture.Bilinear, 0},
		{"convnext_tiny", "convnext_tiny-983f1562.pth", 236, 224, picture.Bilinear, 0.485},
		{"swin_b", "x.pth", 238, 224, picture.Bicubic, 0.485},
		{"swin_v2_t", "x.pth", 260, 256, picture.Bicubic, 0.485},
	} {
		p := publishedProcessor(c.name, c.file, c.h, c.h)
		assert.Equal(t, c.resize, p.Resize.H, c.name)
		assert.Equal(t, c.h, p.Crop.H, c.name)
		assert.Equal(t, c.filter, p.Resize.Filter, c.name)
		assert.Equal(t, c.mean, p.Mean[0], c.name)
	}
}

// Pictures that a network does not take are refused by size: transformers' V1 has no maps
// smaller than a window, timm's networks are of one size, and of whole patches.
func TestSwinSizes(t *testing.T) {
	pixels := func(h, w int) map[string]Array {
		return nn.Images(Array{Shape: []int{1, 3, h, w}, Data: nn.Normals(3*h*w, 1)})
	}
	m := goldenModel(t, "swin_transformers", Options{})
	_, err := m.Forward(t.Context(), pixels(24, 41))
	require.ErrorContains(t, err, "H at least 25 and W at least 33")
	_, err = m.Forward(t.Context(), pixels(25, 33))
	require.NoError(t, err)
	m = goldenModel(t, "swin_timm", Options{})
	_, err = m.Forward(t.Context(), pixels(44, 28))
	require.ErrorContains(t, err, "H at least 40")
	m = goldenModel(t, "swin_timm_dynamic", Options{})
	_, err = m.Forward(t.Context(), pixels(9, 8))
	require.ErrorContains(t, err, "9×8 is not of whole patches of 4×4")
	_, err = m.Forward(t.Context(), pixels(4, 8))
	require.NoError(t, err)
}

// Windows of a batch are those of its pictures one by one.
func TestSwinBatch(t *testing.T) {
	for _, name := range []string{"swin", "swinv2"} {
		m := goldenModel(t, name, Options{Precision: gpu.F32})
		one := nn.Normals(3*27*30, 1)
		two := nn.Normals(3*27*30, 2)
		single, err := m.Forward(t.Context(), nn.Images(Array{Shape: []int{1, 3, 27, 30}, Data: two}))
		require.NoError(t, err)
		both, err := m.Forward(t.Context(), nn.Images(Array{Shape: []int{2, 3, 27, 30}, Data: append(one, two...)}))
		require.NoError(t, err)
		assert.InDeltaSlice(t, single["logits"].Data, both["logits"].Data[7:], 1e-5)
	}
}
