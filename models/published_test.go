package models

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/models/nn"
	"saccade/models/resnet"
	"saccade/models/vgg"
	"saccade/weights"
)

// shapes are tensors without data.
type shapes map[string][]int

func (s shapes) Names() []string {
	var names []string
	for n := range s {
		names = append(names, n)
	}
	return names
}

func (s shapes) Tensor(name string) (*weights.Tensor, bool) {
	shape, ok := s[name]
	return &weights.Tensor{Name: name, Shape: shape}, ok
}

// resnet18 has the shapes that tell the sizes of torchvision's resnet18, but for
// the first convolution's channels.
func resnet18(stem int) shapes {
	s := shapes{"conv1.weight": {stem, 3, 7, 7}, "fc.weight": {1000, 512}}
	in := stem
	for layer := range 4 {
		for block := range 2 {
			name, out := fmt.Sprintf("layer%d.%d.", layer+1, block), 64<<layer
			s[name+"conv1.weight"], s[name+"conv2.weight"] = []int{out, in, 3, 3}, []int{out, out, 3, 3}
			in = out
		}
	}
	return s
}

// Every published architecture is known by its sizes, so no two are alike.
func TestPublishedSizes(t *testing.T) {
	for _, name := range resnet.StandardNames() {
		c, ok := resnet.Standard(name)
		require.True(t, ok, name)
		assert.Equal(t, name, c.Published())
		c.Stages[0].Depth++
		assert.Empty(t, c.Published(), name)
	}
	for _, name := range vgg.StandardNames() {
		c, ok := vgg.Standard(name)
		require.True(t, ok, name)
		assert.Equal(t, name, c.Published())
		c.Stages[0][0]++
		assert.Empty(t, c.Published(), name)
	}
}

// A published network is refused under another's name; sizes that nobody
// published may go under any.
func TestCheckpointOfAnotherArchitecture(t *testing.T) {
	open := func(name string, s shapes) (*nn.Description, error) {
		return resnet.Family.Describe(nn.Checkpoint{Name: name, Tensors: s})
	}
	_, err := open("resnet50", resnet18(64))
	require.EqualError(t, err, "the checkpoint has the sizes of resnet18, not of resnet50; name that, or the family resnet")
	for _, name := range []string{"resnet", "resnet18"} {
		got, err := open(name, resnet18(64))
		require.NoError(t, err)
		assert.Equal(t, "resnet18", got.Architecture)
	}
	got, err := open("resnet50", resnet18(48))
	require.NoError(t, err)
	assert.Empty(t, got.Architecture)

	vgg11 := shapes{"features.0.weight": {64, 3, 3, 3}, "features.1.running_mean": {64}}
	layer := 4 // after a convolution, its batch norm and activation, and a pooling
	for _, widths := range [][]int{{128}, {256, 256}, {512, 512}, {512, 512}} {
		for _, w := range widths {
			vgg11[fmt.Sprintf("features.%d.weight", layer)] = []int{w, 1, 3, 3}
			layer += 3
		}
		layer++
	}
	vgg11["classifier.0.weight"], vgg11["classifier.3.weight"], vgg11["classifier.6.weight"] = []int{4096, 25088}, []int{4096, 4096}, []int{1000, 4096}
	_, err = vgg.Family.Describe(nn.Checkpoint{Name: "vgg16", Tensors: vgg11})
	require.EqualError(t, err, "the checkpoint has the sizes of vgg11_bn, not of vgg16; name that, or the family vgg")
}
