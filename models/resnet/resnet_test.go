package resnet

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/weights"
)

// tensors are zeros by name and shape.
type tensors map[string][]int

func (s tensors) source(t *testing.T) weights.Source {
	t.Helper()
	var all []*weights.Tensor
	for name, shape := range s {
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

// basic is a small network with torchvision's names: the sizes that Describe reads.
func basic() tensors {
	return tensors{
		"conv1.weight": {4, 3, 7, 7}, "fc.weight": {5, 6},
		"layer1.0.conv1.weight": {4, 4, 3, 3}, "layer1.0.conv2.weight": {4, 4, 3, 3},
		"layer2.0.conv1.weight": {6, 4, 3, 3}, "layer2.0.conv2.weight": {6, 6, 3, 3},
		"layer2.0.downsample.0.weight": {6, 4, 1, 1}, "layer2.0.downsample.1.weight": {6},
		"layer2.1.conv1.weight": {6, 6, 3, 3}, "layer2.1.conv2.weight": {6, 6, 3, 3},
	}
}

func TestDescribeReadsSizes(t *testing.T) {
	c, src, err := Describe(basic().source(t), nil)
	require.NoError(t, err)
	assert.Equal(t, []Stage{{1, 4, 4, 1}, {2, 6, 6, 2}}, c.Stages)
	assert.Equal(t, 4, c.Stem)
	assert.Equal(t, 5, c.Classes)
	assert.False(t, c.Small || c.Bottleneck || c.Identity)
	for _, name := range []string{"stem.weight", "stages.1.0.shortcut.weight", "stages.1.0.shortcut.norm.weight", "stages.1.1.conv2.weight", "head.weight"} {
		_, ok := src.Tensor(name)
		assert.True(t, ok, name)
	}
}

// A shortcut without parameters puts channel i of the input in the middle.
func TestIdentity(t *testing.T) {
	s := basic()
	delete(s, "layer2.0.downsample.0.weight")
	delete(s, "layer2.0.downsample.1.weight")
	delete(s, "fc.weight")
	s["linear.weight"], s["conv1.weight"] = []int{5, 6}, []int{4, 3, 3, 3}
	c, src, err := Describe(s.source(t), nil)
	require.NoError(t, err)
	assert.True(t, c.Identity && c.Small)
	assert.Equal(t, [2]int{32, 32}, c.Image)
	w, ok := src.Tensor("stages.1.0.shortcut.weight")
	require.True(t, ok)
	require.Equal(t, []int{6, 4, 1, 1}, w.Shape)
	values := make([]float32, w.Len())
	require.NoError(t, w.Float32s(values))
	for o := range 6 {
		for i := range 4 {
			want := float32(0)
			if o == i+1 {
				want = 1
			}
			assert.Equal(t, want, values[o*4+i], "%d of %d", o, i)
		}
	}
}

func TestDescribeRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		change func(s tensors)
		config string
		want   string
	}{
		"deep stem":     {func(s tensors) { s["conv1.0.weight"] = []int{4, 3, 3, 3} }, "", "timm's resnet…d"},
		"average pools": {func(s tensors) { s["layer1.0.downsample.1.weight"] = []int{4, 4, 1, 1} }, "", "timm's resnet…d"},
		"anti-aliased":  {func(tensors) {}, `{"architecture":"resnetaa50"}`, "timm's aa_layer is AvgPool2d, which is not supported; expected none"},
		"arguments":     {func(tensors) {}, `{"architecture":"resnet18","model_args":{"stem_type":"deep"}}`, `stem_type "deep" of timm's resnet18`},
		"no argument":   {func(tensors) {}, `{"architecture":"resnet18","model_args":{"stem":"deep"}}`, "model_args has stem, which timm's ResNet does not take"},
		"mistyped":      {func(tensors) {}, `{"architecture":"resnet18","model_args":{"avg_down":"yes"}}`, `config.json: model_args: avg_down is "yes"; expected true or false`},
		"no ResNet":     {func(tensors) {}, `{"architecture":"resnetv2_50"}`, `architecture is "resnetv2_50"; expected one of timm's ResNet`},
		"other type":    {func(tensors) {}, `{"model_type":"vit"}`, `type "vit"`},
		"no JSON":       {func(tensors) {}, `{`, "config.json"},
		"labels":        {func(tensors) {}, `{"id2label":{"0":"a"}}`, "names 1 labels and the classifier has 5"},
		"stem":          {func(s tensors) { s["conv1.weight"] = []int{4, 3, 5, 5} }, "", "no convolution conv1.weight"},
		"groups": {func(s tensors) {
			s["layer1.0.conv3.weight"], s["layer2.0.conv3.weight"] = []int{8, 4, 1, 1}, []int{8, 6, 1, 1}
			s["layer1.0.conv2.weight"] = []int{4, 1, 3, 3}
		}, "", "6 channels, which do not make the 4 groups"},
		"narrower without projection": {func(s tensors) {
			s["linear.weight"] = []int{5, 6}
			s["layer2.0.conv2.weight"] = []int{3, 6, 3, 3}
		}, "", "stage 1 makes 3 channels of 4"},
		"VGG": {func(s tensors) {
			clear(s)
			s["features.0.weight"] = []int{4, 3, 3, 3}
		}, "", "looks like a VGG"},
		"nothing": {func(s tensors) { clear(s) }, "", "no ResNet"},
		"transformers without config": {func(s tensors) {
			clear(s)
			s["resnet.embedder.embedder.convolution.weight"] = []int{4, 3, 7, 7}
		}, "", "no config.json beside it"},
		"depths": {func(s tensors) {
			clear(s)
			s["embedder.embedder.convolution.weight"] = []int{4, 3, 7, 7}
		}, `{"depths":[1]}`, "1 depths and 4 hidden_sizes"},
		"layer type": {func(s tensors) {
			clear(s)
			s["embedder.embedder.convolution.weight"] = []int{4, 3, 7, 7}
		}, `{"layer_type":"inverted"}`, `layer_type is "inverted"`},
	} {
		t.Run(name, func(t *testing.T) {
			s := basic()
			c.change(s)
			var config []byte
			if c.config != "" {
				config = []byte(c.config)
			}
			_, _, err := Describe(s.source(t), config)
			assert.ErrorContains(t, err, c.want)
		})
	}
}

// A config may hold any numbers.
func TestCheck(t *testing.T) {
	for _, depth := range []int{-1, 0, 1 << 30} {
		c, ok := Standard("resnet50")
		require.True(t, ok)
		require.NoError(t, c.check())
		c.Stages[1].Depth = depth
		assert.ErrorContains(t, c.check(), fmt.Sprintf("stage 1's depth is %d", depth))
	}
}

// The layers that the names count: convolutions on the main path, and the head.
func TestStandardDepths(t *testing.T) {
	for name, want := range map[string]int{
		"resnet18": 18, "resnet34": 34, "resnet50": 50, "resnet101": 101, "resnet152": 152, "wide_resnet50_2": 50, "resnext101_64x4d": 101,
		"resnet20": 20, "resnet32": 32, "resnet44": 44, "resnet56": 56,
	} {
		c, ok := Standard(name)
		require.True(t, ok, name)
		layers := 2
		for _, s := range c.Stages {
			layers += 2 * s.Depth
			if c.Bottleneck {
				layers += s.Depth
			}
		}
		assert.Equal(t, want, layers, name)
	}
	for _, name := range StandardNames() {
		c, ok := Standard(name)
		assert.True(t, ok, name)
		assert.NoError(t, c.check(), name)
	}
	_, ok := Standard("resnet")
	assert.False(t, ok)
}
