package models

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/golden"
	"saccade/gpu"
	"saccade/gpu/gputest"
	"saccade/models/nn"
)

// goldenOutputs runs a golden's pictures, or the first of them alone.
func goldenOutputs(t *testing.T, m *Model, name string, first bool) (*golden.Golden, map[string]Array) {
	t.Helper()
	g := findGolden(t, name)
	x := g.Tensors["pixel_values"]
	in := Array{Shape: x.Shape, Data: x.Data}
	if first {
		in = Array{Shape: append([]int{1}, x.Shape[1:]...), Data: x.Data[:len(x.Data)/x.Shape[0]]}
	}
	out, err := m.Forward(t.Context(), nn.Images(in))
	require.NoError(t, err)
	return g, out
}

// A classifier's features are PyTorch's normalised tokens.
func TestFeaturesOfTransformers(t *testing.T) {
	for _, name := range []string{"vit_classify", "deit_distilled", "dinov2_registers_classify", "vit_timm"} {
		m := goldenModel(t, name, Options{Outputs: []string{Features}, Precision: gpu.F32})
		g, out := goldenOutputs(t, m, name, false)
		require.Contains(t, out, "logits")
		features, err := m.Features(out)
		require.NoError(t, err)
		assert.Equal(t, g.Tensors["norm"].Shape, features.Shape)
		assert.True(t, golden.Compare(name, features.Data, g.Tensors["norm"].Data, golden.F32).OK())
		_, _, _, ok := m.HeadWeights()
		assert.False(t, ok, "its logits are not linear in the mean of the tokens")
		assert.Nil(t, m.HeadBias())
	}
}

// The logits of a convolutional classifier are its head applied to the mean of
// its features.
func TestFeaturesOfConvolutions(t *testing.T) {
	for _, name := range []string{"resnet_basic", "resnet_transformers_bottleneck", "resnet_cifar", "efficientnet_transformers", "efficientnet_timm"} {
		m := goldenModel(t, name, Options{Outputs: []string{Features}, Precision: gpu.F32})
		_, out := goldenOutputs(t, m, name, true)
		w, classes, width, ok := m.HeadWeights()
		require.True(t, ok, name)
		require.Len(t, w, classes*width)
		features, err := m.Features(out)
		require.NoError(t, err)
		require.Len(t, features.Shape, 4)
		require.Equal(t, width, features.Shape[1])
		means, logits := pixelMeans(features), make([]float32, classes)
		bias := m.HeadBias()
		for c := range logits {
			logits[c] = bias[c] + float32(dot(means, w[c*width:(c+1)*width]))
		}
		r := golden.Compare(name, logits, out["logits"].Data, golden.F32)
		assert.True(t, r.OK(), r.String())

		v, err := m.Embedding(out)
		require.NoError(t, err)
		assert.InDelta(t, 1, dot(v, v), 1e-6)
		assert.InDelta(t, 1, dot(v, unit(means)), 1e-6)
	}
}

func TestNoFeatures(t *testing.T) {
	d := gputest.Open(t, gpu.Options{})
	for _, name := range []string{"vgg", "alexnet"} {
		_, err := openGolden(d, findGolden(t, name), name, "", Options{Outputs: []string{Features}})
		require.ErrorIs(t, err, ErrNoFeatures)
	}
	m := goldenModel(t, "vgg", Options{})
	_, _, _, ok := m.PatchGrid(64, 64)
	assert.False(t, ok)
	_, _, _, ok = m.HeadWeights()
	assert.False(t, ok)
	_, out := goldenOutputs(t, m, "vgg", true)
	_, err := m.Embedding(out)
	require.ErrorIs(t, err, ErrNoFeatures)
}

// The grid and the tokens before it make up the sequence.
func TestPatchGrid(t *testing.T) {
	for name, want := range map[string][3]int{
		"vit_classify": {5, 7, 1}, "deit_distilled": {3, 5, 2}, "dino": {7, 4, 1}, "dinov2": {3, 6, 1}, "dinov2_registers": {4, 3, 4}, "dinov2_timm": {3, 6, 5},
	} {
		m := goldenModel(t, name, Options{Outputs: []string{Features}})
		g, out := goldenOutputs(t, m, name, true)
		x := g.Tensors["pixel_values"].Shape
		rows, columns, prefix, ok := m.PatchGrid(x[2], x[3])
		require.True(t, ok)
		assert.Equal(t, want, [3]int{rows, columns, prefix}, name)
		assert.Equal(t, prefix+rows*columns, out["last_hidden_state"].Shape[1], name)
	}
}

// What stands for a picture, of the outputs that there are.
func TestEmbedding(t *testing.T) {
	m := &Model{Name: "m"}
	tokens := Array{Shape: []int{1, 2, 2}, Data: []float32{3, 4, 9, 9}}
	pooled := Array{Shape: []int{1, 2}, Data: []float32{0, 2}}
	for _, c := range []struct {
		outputs map[string]Array
		want    []float32
	}{
		{map[string]Array{"last_hidden_state": tokens}, []float32{0.6, 0.8}},
		{map[string]Array{"last_hidden_state": tokens, "pooler_output": pooled}, []float32{0, 1}},
		{map[string]Array{"image_embeds": {Shape: []int{1, 2}, Data: []float32{-5, 0}}, "pooler_output": pooled}, []float32{-1, 0}},
		{map[string]Array{"features": {Shape: []int{1, 2, 1, 2}, Data: []float32{1, 5, 4, 4}}, "logits": pooled}, []float32{0.6, 0.8}},
	} {
		v, err := m.Embedding(c.outputs)
		require.NoError(t, err)
		assert.InDeltaSlice(t, c.want, v, 1e-6)
	}
	zeros := map[string]Array{"pooler_output": {Shape: []int{1, 2, 1, 1}, Data: []float32{0, 0}}}
	for precision, want := range map[gpu.DType]string{gpu.F16: "; halves hold nothing below 6e-8: try -precision f32", gpu.F32: ""} {
		_, err := (&Model{Precision: precision}).Embedding(zeros)
		require.EqualError(t, err, ErrNoDirection.Error()+want)
	}
	_, err := m.Embedding(map[string]Array{"logits": pooled})
	require.ErrorIs(t, err, ErrNoFeatures)
	_, err = m.Embedding(map[string]Array{"pooler_output": {Shape: []int{2, 1}, Data: []float32{1, 2}}})
	assert.ErrorContains(t, err, "found shape [2 1], expected that of one picture")
}
