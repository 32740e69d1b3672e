package models

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/golden"
	"saccade/gpu"
	"saccade/gpu/gputest"
	"saccade/models/efficientnet"
	"saccade/models/internal/inverted"
	"saccade/ops"
	"saccade/weights"
)

// without is a checkpoint that lacks the tensors whose names contain a text.
type without struct {
	weights.Source
	text string
}

func (w without) Names() []string {
	return slices.DeleteFunc(w.Source.Names(), func(n string) bool { return strings.Contains(n, w.text) })
}

func (w without) Tensor(name string) (*weights.Tensor, bool) {
	if strings.Contains(name, w.text) {
		return nil, false
	}
	return w.Source.Tensor(name)
}

// openError opens a golden's checkpoint as the family's model called name, as it
// is but for the tensors whose names contain a text.
func openError(t *testing.T, d *gpu.Device, family, from, name, lacking string) error {
	t.Helper()
	g := findGolden(t, from)
	g.Model = family
	m, err := openGolden(d, g, name, lacking, Options{Precision: gpu.F32})
	if err == nil {
		m.Close()
	}
	return err
}

// What a checkpoint lacks or has too much is named as its library names it.
func TestEfficientNetBadCheckpoints(t *testing.T) {
	d := gputest.Open(t, gpu.Options{})
	for _, c := range []struct{ golden, name, lacking, want string }{
		{"efficientnet_b", "efficientnet_b0", "", ""},
		{"efficientnet_b", "efficientnet_b0", "features.0.0.weight", "features.0.0.weight"},
		{"efficientnet_b", "efficientnet_b0", "features.2.1.block.0.1", "features.2.1.block.0.1.running_mean"},
		{"efficientnet_b", "efficientnet_b0", "features.2.1.block.0.", "features.2.1.block.0.0.weight"},
		{"efficientnet_b", "efficientnet_b0", "features.3.0.block.1.", "features.3.0.block.1.0.weight"},
		{"efficientnet_b", "efficientnet_b0", "features.3.0.block.2.", "features.3.0.block.2.fc1.weight"},
		{"efficientnet_b", "efficientnet_b0", "features.3.0.block.3.", "features.3.0.block.3.0.weight"},
		{"efficientnet_b", "efficientnet_b0", "features.3.0.", "features.3.1.block.0.0.weight"},
		{"efficientnet_b", "efficientnet_b0", "features.8.", "features.8.0.weight"},
		{"efficientnet_b", "efficientnet_b0", "classifier.1.bias", "classifier.1.bias"},
		{"efficientnet_b", "efficientnet", "", "name the architecture"},
		{"efficientnet_v2", "efficientnet_v2_s", "features.2.0.block.0.", "features.2.0.block.0.0.weight"},
		{"efficientnet_v2", "efficientnet_v2_s", "features.2.0.block.1.", "features.2.0.block.1.0.weight"},
		{"efficientnet_lite", "efficientnet", "_blocks.3._bn1.", "_blocks.3._bn1.running_var"},
		{"efficientnet_lite", "efficientnet", "_blocks.15.", "the checkpoint's 15 blocks"},
		{"efficientnet_timm", "efficientnet_b0", "blocks.4.0.conv_dw", "blocks.4.0.conv_dw.weight"},
		{"efficientnet_timm", "efficientnet_b0", "bn2.running_mean", "bn2.running_mean"},
		{"efficientnet_transformers", "efficientnet", "encoder.blocks.5.", "efficientnet.encoder.blocks.5.expansion.expand_conv.weight"},
		{"efficientnet_transformers", "efficientnet", "encoder.top_bn", "efficientnet.encoder.top_bn.weight"},
		{"resnet_basic", "efficientnet_b0", "", "looks like a ResNet"},
		{"vit_timm", "efficientnet_b0", "", "looks like a vision transformer"},
	} {
		err := openError(t, d, "efficientnet", c.golden, c.name, c.lacking)
		if c.want == "" {
			assert.NoError(t, err)
			continue
		}
		assert.ErrorContains(t, err, c.want, "%s without %s", c.golden, c.lacking)
	}
}

// A published architecture is known by its sizes, whatever it is called.
func TestEfficientNetOtherArchitecture(t *testing.T) {
	d := gputest.Open(t, gpu.Options{})
	standard, err := efficientnet.Family.Standard("efficientnet_b0")
	require.NoError(t, err)
	l, err := standard(ops.NewBuilder(d, gpu.F32))
	require.NoError(t, err)
	src, err := ops.RandomWeights(l.Parameters, 1)
	require.NoError(t, err)
	src = weights.Rename(src, []weights.Rule{ // timm's names
		{From: "conv_stem.norm.*", To: "bn1.*"}, {From: "conv_head.norm.*", To: "bn2.*"},
		{From: "blocks.0.*.depthwise.norm.*", To: "blocks.0.*.bn1.*"}, {From: "blocks.0.*.project.norm.*", To: "blocks.0.*.bn2.*"},
		{From: "blocks.0.*.depthwise.*", To: "blocks.0.*.conv_dw.*"}, {From: "blocks.0.*.project.*", To: "blocks.0.*.conv_pw.*"},
		{From: "blocks.*.*.expand.norm.*", To: "blocks.*.*.bn1.*"}, {From: "blocks.*.*.depthwise.norm.*", To: "blocks.*.*.bn2.*"},
		{From: "blocks.*.*.project.norm.*", To: "blocks.*.*.bn3.*"},
		{From: "blocks.*.*.expand.*", To: "blocks.*.*.conv_pw.*"}, {From: "blocks.*.*.depthwise.*", To: "blocks.*.*.conv_dw.*"},
		{From: "blocks.*.*.project.*", To: "blocks.*.*.conv_pwl.*"},
		{From: "blocks.*.*.se.reduce.*", To: "blocks.*.*.se.conv_reduce.*"}, {From: "blocks.*.*.se.expand.*", To: "blocks.*.*.se.conv_expand.*"},
	})
	c, named, err := efficientnet.Describe(src, nil, "tf_efficientnet_b0")
	require.NoError(t, err)
	want, _ := efficientnet.Standard("tf_efficientnet_b0")
	want.Architecture = "efficientnet_b0"
	assert.Equal(t, want, c)
	m, err := inverted.New(ops.NewBuilder(d, gpu.F32), c)
	require.NoError(t, err)
	_, err = weights.Bind(m, named)
	assert.NoError(t, err)

	for name, want := range map[string]string{
		"efficientnet_b3":    "sizes of efficientnet_b0, not of efficientnet_b3",
		"efficientnet_lite0": "sizes of efficientnet_b0, not of efficientnet_lite0",
		"efficientnet":       "do not tell the padding",
		"efficientnet_es":    `"efficientnet_es" is not supported`,
	} {
		_, _, err := efficientnet.Describe(src, nil, name)
		assert.ErrorContains(t, err, want)
	}
	_, _, err = efficientnet.Describe(src, []byte(`{"architecture":"efficientnet_b0","global_pool":"max"}`), "efficientnet")
	assert.ErrorContains(t, err, `global_pool is "max"`)
}

// transformers' config.json is checked before anything is made of it.
func TestEfficientNetBadConfig(t *testing.T) {
	c, err := golden.Find("efficientnet_transformers")
	require.NoError(t, err)
	src, err := golden.Checkpoint(c)
	require.NoError(t, err)
	for config, want := range map[string]string{
		`{"model_type":"resnet"}`:  `of type "resnet"`,
		`{"strides":[1,2]}`:        "7, 7, 7, 2, 7 and 7 stages",
		`{"width_coefficient":-1}`: "width_coefficient -1",
		`{"depth_divisor":0}`:      "depth_divisor 0",
		`{"depth_coefficient":99,"num_block_repeats":[1,2,2,3,3,400,1]}`: "39600 blocks",
		`{"hidden_dim":5}`:                          "hidden_dim is 5",
		`{"pooling_type":"sum"}`:                    `pooling_type is "sum"`,
		`{"hidden_act":"nope"}`:                     `activation "nope"`,
		`{"out_channels":[0,24,40,80,112,192,320]}`: "stage 0's out_channels is 0",
		`{`: "config.json",
	} {
		_, _, err := efficientnet.Describe(src, []byte(config), "efficientnet")
		assert.ErrorContains(t, err, want)
	}
	_, _, err = efficientnet.Describe(src, nil, "efficientnet")
	assert.ErrorContains(t, err, "no config.json")
}
