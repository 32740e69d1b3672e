package mobilenet

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/gpu"
	"saccade/gpu/gputest"
	"saccade/models/internal/inverted"
	"saccade/models/internal/modeltest"
	"saccade/ops"
	"saccade/weights"
)

// The architectures have as many parameters as torchvision's and timm's.
func TestStandard(t *testing.T) {
	want := map[string]int{
		"mobilenet_v2": 3504872, "mobilenet_v3_large": 5483032, "mobilenet_v3_small": 2542856, "mobilenetv2_035": 1677128,
		"mobilenetv2_050": 1968680, "mobilenetv2_075": 2636424, "mobilenetv2_100": 3504872, "mobilenetv2_110d": 4516520,
		"mobilenetv2_120d": 5831144, "mobilenetv2_140": 6108776, "mobilenetv3_small_050": 1593224, "mobilenetv3_small_075": 2041872,
		"mobilenetv3_small_100": 2542856, "mobilenetv3_large_075": 3993528, "mobilenetv3_large_100": 5483032, "tf_mobilenetv3_large_minimal_100": 3924288,
		"tf_mobilenetv3_small_minimal_100": 2044736,
	}
	dev := gputest.Open(t, gpu.Options{})
	for name, parameters := range want {
		c, ok := Standard(name)
		require.True(t, ok, name)
		m, err := inverted.New(ops.NewBuilder(dev, gpu.F16), c)
		require.NoError(t, err, name)
		assert.Equal(t, parameters, modeltest.Parameters(t, m, "running"), name)
	}
	for version, names := range map[int][]string{2: StandardNames(2), 3: StandardNames(3)} {
		for _, name := range names {
			c, ok := Standard(name)
			require.True(t, ok, name)
			v, _ := variantOf(name)
			found, known := variantWith(c, version)
			assert.True(t, known && found.name == v.name, "%s is taken for %q", name, found.name)
		}
	}
	_, ok := Standard("mobilenetv2_101")
	assert.False(t, ok)
}

// Names tell paddings and eps: torchvision's V3 has TensorFlow's eps with PyTorch's zeros.
func TestNames(t *testing.T) {
	for name, want := range map[string]struct {
		pad inverted.Padding
		eps float64
	}{
		"mobilenet_v2": {inverted.Symmetric, 1e-5}, "mobilenetv2_100": {inverted.Symmetric, 1e-5}, "tf_mobilenetv2_100": {inverted.Same, 1e-3},
		"mobilenet_v3_large": {inverted.Symmetric, 1e-3}, "mobilenetv3_large_100": {inverted.Symmetric, 1e-5}, "tf_mobilenetv3_large_100": {inverted.Same, 1e-3},
	} {
		c, ok := Standard(name)
		require.True(t, ok, name)
		assert.Equal(t, want.eps, c.Eps, name)
		assert.Equal(t, want.pad, c.Pad, name)
		assert.Equal(t, want.pad, c.Stages[1][0].Pad, name)
	}
}

// alternatives are other values of the keys of transformers' and timm's classes.
var alternatives = map[string]string{
	"num_channels": `1`, "image_size": `64`, "depth_multiplier": `0.5`, "depth_divisible_by": `64`, "min_depth": `32`, "expand_ratio": `3`, "output_stride": `8`,
	"first_layer_is_expansion": `false`, "finegrained_output": `"no"`, "hidden_act": `"relu"`, "tf_padding": `false`, "layer_norm_eps": `0.1`,
	"problem_type": `"regression"`, "id2label": `{"0": "a", "1": "b"}`,
	"block_args": `[1]`, "stem_kernel_size": `5`, "pad_type": `"same"`, "act_layer": `"silu"`, "norm_layer": `"groupnorm"`,
	"aa_layer": `"avg"`, "se_layer": `"eca"`, "global_pool": `"max"`, "head_bias": `false`, "head_norm": `true`, "layer_scale_init_value": `0.1`,
}

// source is zeros by name and shape.
func source(t *testing.T, shapes map[string][]int) weights.Source {
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

// Every key of the classes has an effect, is inert or is refused.
func TestEveryKey(t *testing.T) {
	transformers := source(t, map[string][]int{"conv_stem.conv_3x3.convolution.weight": {32, 1, 3, 3}, "classifier.weight": {2, 4}})
	modeltest.EveryKey(t, signatures, "MobileNetV2Config", alternatives, transformersInert, func(config []byte) (any, error) {
		c, _, err := Describe(transformers, config, "mobilenetv2", 2)
		return c, err
	})
	timm := source(t, map[string][]int{"conv_stem.weight": {8, 3, 3, 3}, "blocks.0.0.conv_dw.weight": {8, 1, 3, 3}, "classifier.weight": {5, 20}})
	for version, class := range map[int]string{2: "EfficientNet", 3: "MobileNetV3"} {
		architecture := map[int]string{2: "mobilenetv2_100", 3: "mobilenetv3_large_100"}[version]
		modeltest.EveryKey(t, signatures, class, alternatives, inverted.TimmInert, func(config []byte) (any, error) {
			c, _, err := Describe(timm, []byte(fmt.Sprintf(`{"architecture": %q, "model_args": %s}`, architecture, config)), "mobilenet", version)
			return c, err
		})
	}
}

// finegrained_output keeps the last convolution of narrow networks wide.
func TestFineGrained(t *testing.T) {
	src := source(t, map[string][]int{"conv_stem.conv_3x3.convolution.weight": {32, 1, 3, 3}})
	for config, want := range map[string]int{
		`{"depth_multiplier": 0.5}`: 1280, `{"depth_multiplier": 0.5, "finegrained_output": false}`: 640, `{"depth_multiplier": 1.4}`: 1792,
	} {
		c, _, err := Describe(src, []byte(config), "mobilenetv2", 2)
		require.NoError(t, err)
		assert.Equal(t, want, c.Features, config)
	}
}

func TestDescribeRefuses(t *testing.T) {
	timm := map[string][]int{"conv_stem.weight": {8, 3, 3, 3}, "blocks.0.0.conv_dw.weight": {8, 1, 3, 3}, "classifier.weight": {5, 20}}
	transformers := map[string][]int{"conv_stem.conv_3x3.convolution.weight": {32, 1, 3, 3}}
	for want, c := range map[string]struct {
		shapes       map[string][]int
		config, name string
		version      int
	}{
		"do not tell the padding; name the architecture, such as -model mobilenetv2_100 or tf_mobilenetv2_100": {timm, "", "mobilenetv2", 2},
		`timm's architecture "mobilenetv3_rw" is not supported`:                                                {timm, `{"architecture": "mobilenetv3_rw"}`, "mobilenetv3", 3},
		`timm's architecture "mobilenetv2_100" is not supported`:                                               {timm, `{"architecture": "mobilenetv2_100"}`, "mobilenetv3", 3},
		"no config.json beside it":  {transformers, "", "mobilenetv2", 2},
		`of type "resnet"`:          {transformers, `{"model_type": "resnet"}`, "mobilenetv2", 2},
		"min_depth is 0":            {transformers, `{"min_depth": 0}`, "mobilenetv2", 2},
		"depth_multiplier -1":       {transformers, `{"depth_multiplier": -1}`, "mobilenetv2", 2},
		`activation "nope"`:         {transformers, `{"hidden_act": "nope"}`, "mobilenetv2", 2},
		"no block features.1.block": {transformers, "", "mobilenetv3", 3},
		"1 blocks are those of no MobileNetV2 of torchvision": {map[string][]int{"features.0.0.weight": {8, 3, 3, 3}, "features.1.conv.0.0.weight": {8, 1, 3, 3}}, "", "mobilenet_v2", 2},
		"looks like a ResNet": {map[string][]int{"layer1.0.conv1.weight": {8, 3, 3, 3}}, "", "mobilenetv2", 2},
	} {
		var config []byte
		if c.config != "" {
			config = []byte(c.config)
		}
		_, _, err := Describe(source(t, c.shapes), config, c.name, c.version)
		assert.ErrorContains(t, err, want)
	}
}

// A published network goes under its own names and its family's alone.
func TestPublished(t *testing.T) {
	for name, version := range map[string]int{"mobilenetv2_100": 2, "mobilenetv3_large_100": 3, "mobilenetv3_small_075": 3} {
		c, ok := Standard(name)
		require.True(t, ok)
		require.NoError(t, published(&c, "tf_"+name, version, false))
		assert.Equal(t, "tf_"+name, c.Architecture)
		require.NoError(t, published(&c, "mobilenetv2", version, false))
		assert.Equal(t, name, c.Architecture)
		other := map[int]string{2: "mobilenetv2_140", 3: "mobilenetv3_small_100"}[version]
		assert.ErrorContains(t, published(&c, other, version, false), "sizes of "+name+", not of "+other)
	}
	c, _ := Standard("mobilenet_v3_small")
	require.NoError(t, published(&c, "mobilenet_v3_small", 3, true))
	assert.Equal(t, "mobilenet_v3_small", c.Architecture)
}
