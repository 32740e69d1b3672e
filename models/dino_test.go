package models

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/golden"
	"saccade/gpu"
	"saccade/gpu/gputest"
	"saccade/models/nn"
	"saccade/models/vit"
	"saccade/ops"
	"saccade/picture"
	"saccade/weights"
)

// The authors' names of a DINOv2 give what timm's do.
func TestDINOv2PublishedNames(t *testing.T) {
	c, err := golden.Find("dinov2_timm")
	require.NoError(t, err)
	src, err := golden.Checkpoint(c)
	require.NoError(t, err)
	published := weights.Rename(src, []weights.Rule{
		{From: "reg_token", To: "register_tokens"},
		{From: "blocks.*.mlp.fc1.*", To: "blocks.*.mlp.w12.*"},
		{From: "blocks.*.mlp.fc2.*", To: "blocks.*.mlp.w3.*"},
	})
	mask, err := weights.FromFloat32s("mask_token", make([]float32, 24), 1, 24)
	require.NoError(t, err)
	published = weights.With(published, mask)

	d := gputest.Open(t, gpu.Options{})
	config := []byte(`{"architecture":"vit_giant_patch14_reg4_dinov2","model_args":{"num_heads":3,"img_size":20}}`)
	var outputs []map[string]Array
	for _, x := range []weights.Source{src, published} {
		m, err := New(d, "dinov2", nn.Checkpoint{Name: "dinov2", Tensors: x, Config: config}, "", Options{Precision: gpu.F32})
		require.NoError(t, err)
		t.Cleanup(m.Close)
		assert.Equal(t, picture.ImageNet(20*256/224, 20, picture.Bicubic), m.Processor)
		out, err := m.Forward(t.Context(), nn.Images(Array{Shape: []int{1, 3, 20, 20}, Data: nn.Normals(3*400, 1)}))
		require.NoError(t, err)
		require.Len(t, out["pooler_output"].Data, 24)
		outputs = append(outputs, out)
	}
	assert.Equal(t, outputs[0], outputs[1])
}

// A named architecture's state_dict is described as published.
func TestDINOStateDicts(t *testing.T) {
	d := gputest.Open(t, gpu.Options{})
	for name, f := range map[string]nn.Family{"dino_s_16": vit.DINO, "dinov2_s_14": vit.DINOv2} {
		b := ops.NewBuilder(d, gpu.F16)
		standard, err := f.Standard(name)
		require.NoError(t, err)
		l, err := standard(b)
		require.NoError(t, err)
		src, err := ops.RandomWeights(l.Parameters, 1)
		require.NoError(t, err)
		want, ok := vit.Standard(name)
		require.True(t, ok)
		want.Offset, want.Picture = 0.1, [2]int{224, 224}
		if want.LayerScale {
			src = withScales(t, src, want)
		}
		c, _, err := vit.Describe(src, nil, name)
		require.NoError(t, err)
		assert.Equal(t, want, c)
		assert.Equal(t, map[string]int{"H": 224, "W": 224}, l.Networks[0].Usual)

		other := map[string]string{"dino_s_16": "dino_b_16", "dinov2_s_14": "dinov2_b_14"}[name] // whose 12 heads divide 384 too
		_, err = f.Describe(nn.Checkpoint{Name: other, Tensors: src})
		assert.ErrorContains(t, err, "the checkpoint has 12 blocks of width 384")
		_, _, err = vit.Describe(src, nil, f.Name)
		assert.ErrorContains(t, err, "name the architecture")
		b.Close()
	}
}

// withScales adds layer scales to a state_dict.
func withScales(t *testing.T, src weights.Source, c vit.Config) weights.Source {
	var added []*weights.Tensor
	for i := range c.Depth {
		for _, name := range []string{"ls1.gamma", "ls2.gamma"} {
			x, err := weights.FromFloat32s(fmt.Sprintf("blocks.%d.%s", i, name), make([]float32, c.Width), c.Width)
			require.NoError(t, err)
			added = append(added, x)
		}
	}
	return weights.With(src, added...)
}

// A checkpoint of the other family, or one that lacks something, is refused
// with what it is, or what it lacks by its own name.
func TestDINORefuses(t *testing.T) {
	d := gputest.Open(t, gpu.Options{})
	for _, c := range []struct {
		golden, lacking string
		family          string
		want            string
	}{
		{"dino", "", "dinov2", "no layer scale"},
		{"vit_classify", "", "dinov2", "no layer scale"},
		{"dinov2", "", "dino", "-model dinov2"},
		{"resnet_basic", "", "dinov2", "looks like a ResNet"},
		{"dinov2", "layer.1.layer_scale2", "dinov2", "encoder.layer.1.layer_scale2.lambda1 is missing"},
		{"dinov2", "layer.1.mlp.fc1.weight", "dinov2", "encoder.layer.1.mlp.fc1.weight"},
		{"dinov2_registers_classify", "register_tokens", "dinov2", "dinov2_with_registers.embeddings.register_tokens"},
		{"dinov2_giant", "weights_out.weight", "dinov2", "encoder.layer.0.mlp"},
		{"dinov2_timm", "blocks.1.ls1", "dinov2", "blocks.1.ls1.gamma is missing"},
	} {
		err := openError(t, d, c.family, c.golden, c.family, c.lacking)
		assert.ErrorContains(t, err, c.want, "%s without %s", c.golden, c.lacking)
	}
	c, err := golden.Find("dinov2_classify")
	require.NoError(t, err)
	src, err := golden.Checkpoint(c)
	require.NoError(t, err)
	for config, want := range map[string]string{
		`{"model_type":"dinov3_vit"}`:                                                      "dinov2 and dinov2_with_registers are expected",
		`{"model_type":"dinov2","image_size":[15,20]}`:                                     "those of a square",
		`{"model_type":"dinov2","hidden_act":"nope"}`:                                      `activation "nope"`,
		`{"model_type":"dinov2","hidden_size":20}`:                                         "classifier.weight: found rows of 44, expected 40",
		`{"model_type":"dinov2","hidden_size":22,"id2label":{"0":"a"}}`:                    "id2label names 1 labels",
		`{"model_type":"dinov2_with_registers","num_register_tokens":-3,"hidden_size":22}`: "num_register_tokens",
	} {
		c, _, err := vit.Describe(src, []byte(config), "dinov2")
		if err == nil {
			_, err = vit.New(ops.NewBuilder(d, gpu.F16), c)
		}
		assert.ErrorContains(t, err, want)
	}
}
