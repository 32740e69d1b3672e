package models

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/gpu"
	"saccade/gpu/gputest"
	"saccade/models/nn"
	"saccade/picture"
	"saccade/zoo"
)

func TestNoAttention(t *testing.T) {
	_, err := Load(t.Context(), nil, "resnet", "", Options{Outputs: []string{Attentions}})
	require.ErrorIs(t, err, ErrNoAttention)
	assert.ErrorContains(t, err, "resnet")
}

// The embedded ResNet takes pictures of any size, in batches.
func TestEmbeddedResNet(t *testing.T) {
	m, err := Load(t.Context(), gputest.Open(t, gpu.Options{}), "resnet", "", Options{Precision: gpu.F16, Embedded: zoo.ResNet()})
	require.NoError(t, err)
	defer m.Close()
	assert.Equal(t, 10, m.Classes())
	top, err := m.Classify(t.Context(), []*picture.Image{grey(70, 50, 90), grey(20, 90, 90)}, 3)
	require.NoError(t, err)
	require.Len(t, top, 2)
	for _, size := range [][2]int{{1, 1}, {33, 17}} {
		in := Array{Shape: []int{2, 3, size[0], size[1]}, Data: nn.Normals(6*size[0]*size[1], 1)}
		out, err := m.Forward(t.Context(), nn.Images(in))
		require.NoError(t, err)
		assert.Equal(t, []int{2, 10}, out["logits"].Shape)
	}
}

// Pictures that a pooling leaves nothing of are refused by name and size.
func TestTooSmall(t *testing.T) {
	for name, want := range map[string]string{"alexnet": "63", "vgg": "32"} {
		m := goldenModel(t, name, Options{})
		least := m.images.Input(nn.PixelValues).Dims
		h, w := max(1, least[2].Least), max(1, least[3].Least)
		_, err := m.Forward(t.Context(), nn.Images(Array{Shape: []int{1, 3, h, w - 1}, Data: make([]float32, 3*h*(w-1))}))
		require.ErrorContains(t, err, "H at least "+want)
		_, err = m.Forward(t.Context(), nn.Images(Array{Shape: []int{1, 3, h, w}, Data: nn.Normals(3*h*w, 1)}))
		require.NoError(t, err)
	}
}

// A checkpoint of another family is refused with what it looks like.
func TestOtherFamily(t *testing.T) {
	d := gputest.Open(t, gpu.Options{})
	for name, want := range map[string]string{
		"vgg": "looks like a ResNet (-model resnet)", "alexnet": "looks like a ResNet", "vit": "looks like a ResNet",
	} {
		_, err := Load(t.Context(), d, name, goldenFolder(t, "resnet_basic"), Options{})
		assert.ErrorContains(t, err, want, name)
	}
	_, err := Load(t.Context(), d, "resnet", goldenFolder(t, "vgg"), Options{})
	assert.ErrorContains(t, err, "looks like a VGG (-model vgg)")
	_, err = Load(t.Context(), d, "resnet", goldenFolder(t, "vit_timm_dynamic"), Options{})
	assert.ErrorContains(t, err, "looks like a vision transformer (-model vit)")
}
