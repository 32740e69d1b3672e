package swin

import (
	"fmt"
	"slices"
	"strings"

	"saccade/models/internal/checkpoint"
	"saccade/weights"
)

// The names of parameters in this package are stages.STAGE.blocks.BLOCK.LAYER. The tables
// here bring the libraries' names to them.

// maxStages is the most stages that are looked for; the published have four.
const maxStages = 16

// Buffers that files may have beside the parameters: what they hold follows from sizes.
var buffers = []weights.Rule{
	{From: "**.relative_position_index", To: ""}, {From: "**.relative_coords_table", To: ""}, {From: "**.attn_mask", To: ""},
}

// attentionNames are those of torchvision's and timm's blocks below their prefix; bias is
// what a bias of V2 is called behind the projection's name.
func attentionNames(block, to, fc1, fc2, bias string) []weights.Rule {
	rules := []weights.Rule{
		{From: block + "norm1.*", To: to + "norm1.*"}, {From: block + "norm2.*", To: to + "norm2.*"},
		{From: block + "attn.qkv.*", To: to + "qkv.*"}, {From: block + "attn.proj.*", To: to + "proj.*"},
		{From: block + "mlp." + fc1 + ".*", To: to + "fc1.*"}, {From: block + "mlp." + fc2 + ".*", To: to + "fc2.*"},
		{From: block + "attn.relative_position_bias_table", To: to + "bias.values"},
		{From: block + "attn.cpb_mlp.0.weight", To: to + "bias.fc1"}, {From: block + "attn.cpb_mlp.0.bias", To: to + "bias.fc1bias"},
		{From: block + "attn.cpb_mlp.2.weight", To: to + "bias.fc2"}, {From: block + "attn.logit_scale", To: to + "bias.scale"},
	}
	for _, part := range []string{"q", "k", "v"} { // of V2: see split
		rules = append(rules, weights.Rule{From: block + "attn." + part + ".weight", To: to + part + ".weight"})
	}
	return append(rules,
		weights.Rule{From: block + "attn.q" + bias, To: to + "q.bias"}, weights.Rule{From: block + "attn.v" + bias, To: to + "v.bias"},
		weights.Rule{From: block + "attn.k.bias", To: ""}) // torchvision's, which it takes for zero
}

// torchvisionNames are those of torchvision.models.SwinTransformer, whose features are the
// patches and, by turns, the blocks of a stage and the merging for the next.
var torchvisionNames = func() []weights.Rule {
	rules := append(slices.Clone(buffers), weights.Rule{From: "features.0.0.*", To: "patch.*"}, weights.Rule{From: "features.0.2.*", To: "patch_norm.*"})
	for s := range maxStages {
		to := fmt.Sprintf("stages.%d.", s)
		rules = append(rules, attentionNames(fmt.Sprintf("features.%d.*.", 2*s+1), to+"blocks.*.", "0", "3", ".bias")...)
		if s > 0 {
			rules = append(rules, weights.Rule{From: fmt.Sprintf("features.%d.norm.*", 2*s), To: to + "merge.norm.*"},
				weights.Rule{From: fmt.Sprintf("features.%d.reduction.*", 2*s), To: to + "merge.reduction.*"})
		}
	}
	return rules
}()

// timmNames are those of timm's SwinTransformer and SwinTransformerV2.
var timmNames = slices.Concat(buffers, []weights.Rule{
	{From: "patch_embed.proj.*", To: "patch.*"}, {From: "patch_embed.norm.*", To: "patch_norm.*"},
	{From: "layers.*.downsample.*.*", To: "stages.*.merge.*.*"},
	{From: "head.fc.*", To: "head.*"},
}, attentionNames("layers.*.blocks.*.", "stages.*.blocks.*.", "fc1", "fc2", "_bias"))

// transformersNames are those of SwinModel and Swinv2Model, below a prefix in models with a
// head. A merging stands behind the blocks of a stage.
var transformersNames = func() []weights.Rule {
	block, to := "encoder.layers.*.blocks.*.", "stages.*.blocks.*."
	rules := append(slices.Clone(buffers), []weights.Rule{
		{From: "embeddings.patch_embeddings.projection.*", To: "patch.*"}, {From: "embeddings.norm.*", To: "patch_norm.*"},
		{From: "embeddings.mask_token", To: ""}, // of masked pictures in training
		{From: block + "layernorm_before.*", To: to + "norm1.*"}, {From: block + "layernorm_after.*", To: to + "norm2.*"},
		{From: block + "attention.output.dense.*", To: to + "proj.*"},
		{From: block + "intermediate.dense.*", To: to + "fc1.*"}, {From: block + "output.dense.*", To: to + "fc2.*"},
		{From: block + "attention.self.relative_position_bias_table", To: to + "bias.values"},
		{From: block + "attention.self.continuous_position_bias_mlp.0.weight", To: to + "bias.fc1"},
		{From: block + "attention.self.continuous_position_bias_mlp.0.bias", To: to + "bias.fc1bias"},
		{From: block + "attention.self.continuous_position_bias_mlp.2.weight", To: to + "bias.fc2"},
		{From: block + "attention.self.logit_scale", To: to + "bias.scale"},
		{From: "layernorm.*", To: "norm.*"}, {From: "classifier.*", To: "head.*"},
	}...)
	for s := range maxStages - 1 {
		rules = append(rules, weights.Rule{From: fmt.Sprintf("encoder.layers.%d.downsample.*.*", s), To: fmt.Sprintf("stages.%d.merge.*.*", s+1)})
	}
	return rules
}()

// projectionNames are those of transformers' queries, keys and values: together in the
// first version's layer, apart in the second's.
func projectionNames(v2 bool) []weights.Rule {
	var rules []weights.Rule
	for i, name := range []string{"query", "key", "value"} {
		to := fmt.Sprintf("stages.*.blocks.*.qkv.*#%d", i)
		if v2 {
			to = fmt.Sprintf("stages.*.blocks.*.%c.*", name[0])
		}
		rules = append(rules, weights.Rule{From: "encoder.layers.*.blocks.*.attention.self." + name + ".*", To: to})
	}
	return rules
}

// split shows the fused projections of V2's blocks as three, beside them: those of
// torchvision and timm, which this package has apart.
func split(src weights.Source) (weights.Source, error) {
	var err error
	for _, name := range src.Names() {
		attention, ok := strings.CutSuffix(name, "attn.qkv.weight")
		kind := "weight"
		if !ok {
			attention, ok = strings.CutSuffix(name, "attn.qkv.bias")
			kind = "bias"
		}
		if !ok {
			continue
		}
		at := attention + "attn."
		if src, err = checkpoint.SplitRows(src, name, at+"q."+kind, at+"k."+kind, at+"v."+kind); err != nil {
			return nil, err
		}
	}
	return weights.Rename(src, []weights.Rule{{From: "**.attn.qkv.*", To: ""}}), nil
}
