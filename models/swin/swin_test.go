package swin

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/gpu"
	"saccade/gpu/gputest"
	"saccade/models/internal/checkpoint"
	"saccade/models/internal/modeltest"
	"saccade/ops"
	"saccade/weights"
)

// The architectures have as many parameters as torchvision's and timm's, but for the
// biases of keys, which torchvision's V2 has and takes for zero.
func TestStandard(t *testing.T) {
	want := map[string]int{
		"swin_t": 28288354, "swin_s": 49606258, "swin_b": 87768224,
		"swin_v2_t": 28347154, "swin_v2_s": 49728418, "swin_v2_b": 87918816,
		"swin_tiny_patch4_window7_224": 28288354, "swin_base_patch4_window12_384": 87903584, "swin_s3_tiny_224": 28328674,
		"swinv2_tiny_window8_256": 28347154, "swinv2_base_window12to16_192to256": 87918816,
	}
	dev := gputest.Open(t, gpu.Options{})
	for _, name := range slices.Concat(V1.Architectures, V2.Architectures) {
		c, err := Standard(name)
		require.NoError(t, err, name)
		require.NoError(t, c.check(), name)
		assert.Equal(t, slices.Contains(V2.Architectures, name), c.V2, name)
		if parameters, ok := want[name]; ok {
			m, err := New(ops.NewBuilder(dev, gpu.F16), c)
			require.NoError(t, err, name)
			assert.Equal(t, parameters, modeltest.Parameters(t, m), name)
			delete(want, name)
		}
	}
	assert.Empty(t, want)
	_, err := Standard("swin")
	assert.Error(t, err)
}

// Windows of timm are at most as large as the maps, and V2's remember the pretrained ones.
func TestWindows(t *testing.T) {
	c, err := Standard("swinv2_base_window12to16_192to256")
	require.NoError(t, err)
	assert.Equal(t, [2]int{256, 256}, c.Image)
	assert.True(t, c.FixedImage && c.RollFirst)
	for i, want := range []StageConfig{
		{2, 128, 512, 4, [2]int{16, 16}, [2]int{8, 8}, [2]int{12, 12}}, {2, 256, 1024, 8, [2]int{16, 16}, [2]int{8, 8}, [2]int{12, 12}},
		{18, 512, 2048, 16, [2]int{16, 16}, [2]int{}, [2]int{12, 12}}, {2, 1024, 4096, 32, [2]int{8, 8}, [2]int{}, [2]int{6, 6}},
	} {
		assert.Equal(t, want, c.Stages[i], "stage %d", i)
	}
	c, err = Standard("swin_s3_tiny_224")
	require.NoError(t, err)
	assert.Equal(t, [2]int{14, 14}, c.Stages[2].Window)
	assert.Equal(t, [2]int{7, 7}, c.Stages[3].Window)
}

// Shifts of a stage's odd blocks on maps that one window holds along an axis.
func TestUnshift(t *testing.T) {
	s := StageConfig{Window: [2]int{7, 5}, Shift: [2]int{3, 2}}
	for unshift, want := range map[Unshift][3][2]int{
		Never: {{3, 2}, {3, 2}, {3, 2}}, Each: {{3, 2}, {0, 2}, {0, 0}}, Both: {{3, 2}, {0, 0}, {0, 0}},
	} {
		m := &Model{Config: Config{Unshift: unshift}}
		assert.Equal(t, want, [3][2]int{m.shift(s, 8, 6), m.shift(s, 7, 6), m.shift(s, 2, 5)})
	}
}

// V2's distances go logarithmically to the edge of the window.
func TestLogarithmic(t *testing.T) {
	edge := math.Log2(9) / 3
	assert.InDelta(t, edge, logarithmic(7, 8), 1e-12)
	assert.InDelta(t, -edge, logarithmic(-7, 8), 1e-12)
	assert.InDelta(t, math.Log2(5)/3, logarithmic(2, 5), 1e-12)
	assert.Zero(t, logarithmic(0, 1))
}

// Maps that transformers' V1 takes are at least of a window in each stage; others' may be
// smaller.
func TestLeast(t *testing.T) {
	c, err := Standard("swin_t")
	require.NoError(t, err)
	assert.Equal(t, [2]int{4, 4}, c.least())
	c.Unshift, c.PadPatches = Both, true
	assert.Equal(t, [2]int{193, 193}, c.least()) // maps of 49, 25, 13 and 7
}

// alternatives are other values of the keys of transformers' and timm's classes.
var alternatives = map[string]string{
	"num_channels": `1`, "image_size": `64`, "patch_size": `2`, "embed_dim": `48`, "depths": `[1, 1, 1, 1]`, "num_heads": `[1, 1, 1, 1]`, "window_size": `5`,
	"pretrained_window_sizes": `[3, 3, 3, 3]`, "mlp_ratio": `2`, "qkv_bias": `false`, "hidden_act": `"silu"`, "use_absolute_embeddings": `true`, "layer_norm_eps": `0.1`,
	"problem_type": `"regression"`, "id2label": `{"0": "a", "1": "b"}`,
	"img_size": `64`, "strict_img_size": `false`, "dynamic_img_size": `true`, "global_pool": `"max"`, "head_dim": `16`, "always_partition": `true`,
	"embed_layer": `"HybridEmbed"`, "norm_layer": `"rmsnorm"`, "act_layer": `"silu"`,
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

var transformersShapes = map[string][]int{"encoder.layers.0.blocks.0.attention.self.query.weight": {96, 96}, "classifier.weight": {2, 4}}

// timmShapes are those of four stages, one block each.
func timmShapes() map[string][]int {
	shapes := map[string][]int{"patch_embed.proj.weight": {8, 3, 4, 4}, "head.fc.weight": {5, 64}}
	for s := range 4 {
		shapes[fmt.Sprintf("layers.%d.blocks.0.attn.proj.weight", s)] = []int{8 << s, 8 << s}
		shapes[fmt.Sprintf("layers.%d.blocks.0.attn.qkv.weight", s)] = []int{24 << s, 8 << s}
		shapes[fmt.Sprintf("layers.%d.blocks.0.mlp.fc1.weight", s)] = []int{32 << s, 8 << s}
	}
	return shapes
}

// Every key of the classes has an effect, is inert or is refused.
func TestEveryKey(t *testing.T) {
	src := source(t, transformersShapes)
	for class, v2 := range map[string]bool{"SwinConfig": false, "Swinv2Config": true} {
		modeltest.EveryKey(t, signatures, class, alternatives, transformersInert, func(config []byte) (any, error) {
			c, _, err := Describe(src, config, "swin", v2)
			return c, err
		})
	}
	v1, v2 := timmShapes(), timmShapes()
	for s := range 4 {
		v1[fmt.Sprintf("layers.%d.blocks.0.attn.relative_position_bias_table", s)] = []int{169, 2}
		v2[fmt.Sprintf("layers.%d.blocks.0.attn.logit_scale", s)] = []int{2, 1, 1}
	}
	for class, of := range map[string]struct {
		shapes       map[string][]int
		architecture string
		v2           bool
	}{"SwinTransformer": {v1, "swin_tiny_patch4_window7_224", false}, "SwinTransformerV2": {v2, "swinv2_tiny_window8_256", true}} {
		modeltest.EveryKey(t, signatures, class, alternatives, timmInert, func(config []byte) (any, error) {
			c, _, err := Describe(source(t, of.shapes), []byte(fmt.Sprintf(`{"architecture": %q, "model_args": %s}`, of.architecture, config)), "swin", of.v2)
			return c, err
		})
	}
}

func TestDescribeRefuses(t *testing.T) {
	v1 := timmShapes()
	v1["layers.0.blocks.0.attn.relative_position_bias_table"] = []int{169, 2}
	for want, c := range map[string]struct {
		shapes       map[string][]int
		config, name string
		v2           bool
	}{
		"name timm's architecture, such as -model swin_tiny_patch4_window7_224": {v1, "", "swin", false},
		`architecture is "resnet50"`:                  {v1, `{"architecture": "resnet50"}`, "swin", false},
		"of the other version":                        {v1, `{"architecture": "swin_tiny_patch4_window7_224"}`, "swinv2", true},
		"window_size is [7,7,7]; expected":            {v1, `{"architecture": "swin_tiny_patch4_window7_224", "model_args": {"window_size": [7, 7, 7]}}`, "swin", false},
		"no config.json beside it":                    {transformersShapes, "", "swin", false},
		`of type "resnet"`:                            {transformersShapes, `{"model_type": "resnet"}`, "swin", false},
		"use_absolute_embeddings is true":             {transformersShapes, `{"use_absolute_embeddings": true}`, "swin", false},
		"depths and num_heads have 1 and 4":           {transformersShapes, `{"depths": [2]}`, "swin", false},
		"pretrained_window_sizes has 1":               {transformersShapes, `{"pretrained_window_sizes": [2]}`, "swinv2", true},
		"window_size is 0":                            {transformersShapes, `{"window_size": 0}`, "swin", false},
		"which are the distances of no square window": {map[string][]int{"features.1.0.attn.proj.weight": {8, 8}, "features.1.0.attn.relative_position_bias_table": {45, 2}}, "", "swin", false},
		"no features.1.0.attn.relative_coords_table":  {map[string][]int{"features.1.0.attn.proj.weight": {8, 8}, "features.1.0.attn.logit_scale": {2, 1, 1}}, "", "swinv2", true},
		"looks like a ResNet":                         {map[string][]int{"layer1.0.conv1.weight": {8, 3, 3, 3}}, "", "swin", false},
	} {
		var config []byte
		if c.config != "" {
			config = []byte(c.config)
		}
		_, _, err := Describe(source(t, c.shapes), config, c.name, c.v2)
		assert.ErrorContains(t, err, want)
	}
}

// A published network goes under its own name and its family's alone.
func TestPublished(t *testing.T) {
	for _, names := range [][]string{torchvisionV1, torchvisionV2} {
		for _, name := range names {
			c, err := Standard(name)
			require.NoError(t, err)
			assert.Equal(t, name, c.published(torchvisionV1, torchvisionV2))
			assert.ErrorContains(t, checkpoint.Misnamed(c.published(names), "swin_l", "swin"), "sizes of "+name)
		}
	}
}

func TestCheck(t *testing.T) {
	for want, change := range map[string]func(c *Config){
		"stage 1's depth is 0":             func(c *Config) { c.Stages[1].Depth = 0 },
		"width of 192 does not make its 5": func(c *Config) { c.Stages[1].Heads = 5 },
		"windows are of [65 7] tokens":     func(c *Config) { c.Stages[0].Window[0] = 65 },
		"tokens are shifted by [3 7]":      func(c *Config) { c.Stages[0].Shift[1] = 7 },
		"eps of the layer norms is 2":      func(c *Config) { c.Eps = 2 },
		"patch width is 0":                 func(c *Config) { c.Patch[1] = 0 },
	} {
		c, err := Standard("swin_t")
		require.NoError(t, err)
		change(&c)
		_, err = New(nil, c)
		assert.ErrorContains(t, err, want)
	}
}
