package convnext

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/gpu"
	"saccade/gpu/gputest"
	"saccade/models/internal/modeltest"
	"saccade/ops"
	"saccade/weights"
)

// The architectures have as many parameters as timm's, but for layer scales, which are
// folded into layers here.
func TestStandard(t *testing.T) {
	want := map[string]int{
		"convnext_tiny": 28582504, "convnext_small": 50210152, "convnext_base": 88573416, "convnext_large_mlp": 200101096,
		"convnext_tiny_hnf": 28582504, "convnext_atto": 3693680, "convnext_atto_ols": 3701072, "convnext_femto": 5215576,
		"convnext_nano_ols": 15645240, "convnextv2_atto": 3708400, "convnextv2_nano": 15623800, "convnextv2_tiny": 28635496,
		"convnextv2_base": 88717800,
	}
	dev := gputest.Open(t, gpu.Options{})
	for _, name := range slices.Concat(namesV1, namesV2) {
		c, err := Standard(name)
		require.NoError(t, err, name)
		require.NoError(t, c.check(), name)
		assert.Equal(t, slices.Contains(namesV2, name), c.GRN, name)
		if parameters, ok := want[name]; ok {
			m, err := New(ops.NewBuilder(dev, gpu.F16), c)
			require.NoError(t, err, name)
			assert.Equal(t, parameters, modeltest.Parameters(t, m), name)
			delete(want, name)
		}
	}
	assert.Empty(t, want)
	_, err := Standard("convnext")
	assert.Error(t, err)
}

// The smallest image leaves each convolution a pixel.
func TestLeast(t *testing.T) {
	for name, want := range map[string]int{"convnext_tiny": 32, "convnext_nano_ols": 29} {
		c, err := Standard(name)
		require.NoError(t, err)
		assert.Equal(t, want, c.Least(), name)
	}
}

// alternatives are other values of the keys of transformers' and timm's classes.
var alternatives = map[string]string{
	"num_channels": `1`, "image_size": `64`, "patch_size": `2`, "num_stages": `3`, "hidden_sizes": `[4, 8, 12, 16]`, "depths": `[1, 1, 1, 1]`, "hidden_act": `"silu"`,
	"layer_norm_eps": `0.1`, "layer_scale_init_value": `"none"`, "problem_type": `"regression"`, "id2label": `{"0": "a", "1": "b"}`,
	"global_pool": `"max"`, "output_stride": `16`, "stem_type": `"overlap_act"`, "act_layer": `"silu"`, "norm_layer": `"rmsnorm"`, "norm_eps": `0.1`,
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

var (
	transformersShapes = map[string][]int{"encoder.stages.0.layers.0.dwconv.weight": {96, 1, 7, 7}, "classifier.weight": {2, 4}}
	timmShapes         = map[string][]int{"stem.0.weight": {8, 3, 4, 4}, "stem.0.bias": {8}, "stages.0.blocks.0.conv_dw.weight": {8, 1, 7, 7}, "head.fc.weight": {5, 8}}
)

// Every key of the classes has an effect, is inert or is refused.
func TestEveryKey(t *testing.T) {
	src := source(t, transformersShapes)
	for version, class := range map[int]string{1: "ConvNextConfig", 2: "ConvNextV2Config"} {
		modeltest.EveryKey(t, signatures, class, alternatives, transformersInert, func(config []byte) (any, error) {
			c, _, err := Describe(src, config, "convnext", version)
			return c, err
		})
	}
	src = source(t, timmShapes)
	modeltest.EveryKey(t, signatures, "ConvNeXt", alternatives, timmInert, func(config []byte) (any, error) {
		c, _, err := Describe(src, []byte(`{"architecture": "convnext_tiny", "model_args": `+string(config)+`}`), "convnext", 1)
		return c, err
	})
}

// A checkpoint without a config has the preprocessing and eps of the architecture that the
// user named.
func TestWithoutConfig(t *testing.T) {
	c, _, err := Describe(source(t, timmShapes), nil, "convnext_xxlarge", 1)
	require.NoError(t, err)
	assert.Equal(t, 1e-5, c.Eps)
	assert.Equal(t, [2]int{256, 256}, c.Image)
	assert.Equal(t, 256, c.Processor.Resize.H)
	c, _, err = Describe(source(t, timmShapes), nil, "convnext_tiny", 1)
	require.NoError(t, err)
	assert.Equal(t, 1e-6, c.Eps)
	assert.Equal(t, 235, c.Processor.Resize.H) // 224/0.95
}

func TestDescribeRefuses(t *testing.T) {
	for want, c := range map[string]struct {
		shapes       map[string][]int
		config, name string
		version      int
	}{
		"name the architecture, such as -model convnextv2_tiny": {timmShapes, "", "convnextv2", 2},
		`architecture is "resnet50"`:                            {timmShapes, `{"architecture": "resnet50"}`, "convnext", 1},
		"timm's norm_layer is rmsnorm2d":                        {timmShapes, `{"architecture": "convnext_atto_rms"}`, "convnext", 1},
		"is a ConvNeXt; use -model convnext":                    {timmShapes, `{"architecture": "convnextv2_tiny"}`, "convnextv2", 2},
		"no config.json beside it":                              {transformersShapes, "", "convnext", 1},
		`of type "resnet"`:                                      {transformersShapes, `{"model_type": "resnet"}`, "convnext", 1},
		"num_stages is 5":                                       {transformersShapes, `{"num_stages": 5}`, "convnext", 1},
		"patch_size is [3 4]":                                   {transformersShapes, `{"patch_size": [3, 4]}`, "convnext", 1},
		`activation "nope"`:                                     {transformersShapes, `{"hidden_act": "nope"}`, "convnext", 1},
		"looks like a ResNet":                                   {map[string][]int{"layer1.0.conv1.weight": {8, 3, 3, 3}}, "", "convnext", 1},
	} {
		var config []byte
		if c.config != "" {
			config = []byte(c.config)
		}
		_, _, err := Describe(source(t, c.shapes), config, c.name, c.version)
		assert.ErrorContains(t, err, want)
	}
}

// A published network goes under its own name and its family's alone.
func TestPublished(t *testing.T) {
	for _, name := range slices.Concat(namesV1, namesV2) {
		c, err := Standard(name)
		require.NoError(t, err)
		require.NoError(t, c.published("convnext", "convnext"))
		assert.Equal(t, name, c.Architecture)
		require.NoError(t, c.published(name, "convnext"))
		assert.ErrorContains(t, c.published("convnext_mini", "convnext"), "sizes of "+name+", not of convnext_mini")
	}
}

func TestCheck(t *testing.T) {
	for want, change := range map[string]func(c *Config){
		"stage 1's depth is 0":            func(c *Config) { c.Stages[1].Depth = 0 },
		"stage 2's kernels are of 4":      func(c *Config) { c.Stages[2].Kernel = 4 },
		"eps of the last layer norm is 0": func(c *Config) { c.HeadEps = 0 },
		"num_channels is 0":               func(c *Config) { c.Channels = 0 },
	} {
		c, err := Standard("convnext_tiny")
		require.NoError(t, err)
		change(&c)
		_, err = New(nil, c)
		assert.ErrorContains(t, err, want)
	}
}
