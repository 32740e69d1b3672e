package convnext

import (
	"fmt"
	"slices"
	"strings"

	"saccade/models/internal/checkpoint"
	"saccade/weights"
)

// The names of parameters in this package are stages.STAGE.blocks.BLOCK.LAYER. The tables
// here bring the libraries' names to them, after layer scales are folded into what they
// scale.

// scaled folds the layer scales of the name scale into the perceptrons' second layers,
// where a checkpoint has some.
func scaled(src weights.Source, scale, layer string) (weights.Source, error) {
	if !slices.ContainsFunc(src.Names(), func(n string) bool { return strings.HasSuffix(n, "."+scale) }) {
		return src, nil
	}
	return weights.ScaleRows(checkpoint.Vectors(src, scale), []weights.Rule{
		{From: "**." + scale, To: "**." + layer + ".weight"}, {From: "**." + scale, To: "**." + layer + ".bias"},
	})
}

// torchvisionNames are those of torchvision.models.ConvNeXt, whose features are the stem
// and, by turns, the blocks of a stage and what makes the map smaller for the next.
var torchvisionNames = func() []weights.Rule {
	rules := []weights.Rule{
		{From: "features.0.0.*", To: "stem.0.*"}, {From: "features.0.1.*", To: "stem_norm.*"},
		{From: "classifier.0.*", To: "norm.*"}, {From: "classifier.2.*", To: "head.*"},
	}
	for s := range maxStages {
		blocks, down := fmt.Sprintf("features.%d.*.", 2*s+1), fmt.Sprintf("features.%d.", 2*s)
		to := fmt.Sprintf("stages.%d.", s)
		for i, name := range map[int]string{0: "depthwise", 2: "norm", 3: "fc1", 5: "fc2"} {
			rules = append(rules, weights.Rule{From: fmt.Sprintf("%sblock.%d.*", blocks, i), To: to + "blocks.*." + name + ".*"})
		}
		if s > 0 {
			rules = append(rules, weights.Rule{From: down + "0.*", To: to + "down.norm.*"}, weights.Rule{From: down + "1.*", To: to + "down.conv.*"})
		}
	}
	return rules
}()

// maxStages is the most stages that are looked for; the published have four.
const maxStages = 16

// transformersNames are those of ConvNextModel and ConvNextV2Model, below a prefix in
// models with a head.
var transformersNames = []weights.Rule{
	{From: "embeddings.patch_embeddings.*", To: "stem.0.*"},
	{From: "embeddings.layernorm.*", To: "stem_norm.*"},
	{From: "encoder.stages.*.downsampling_layer.0.*", To: "stages.*.down.norm.*"},
	{From: "encoder.stages.*.downsampling_layer.1.*", To: "stages.*.down.conv.*"},
	{From: "encoder.stages.*.layers.*.dwconv.*", To: "stages.*.blocks.*.depthwise.*"},
	{From: "encoder.stages.*.layers.*.layernorm.*", To: "stages.*.blocks.*.norm.*"},
	{From: "encoder.stages.*.layers.*.pwconv1.*", To: "stages.*.blocks.*.fc1.*"},
	{From: "encoder.stages.*.layers.*.grn.*", To: "stages.*.blocks.*.grn.*"},
	{From: "encoder.stages.*.layers.*.pwconv2.*", To: "stages.*.blocks.*.fc2.*"},
	{From: "layernorm.*", To: "norm.*"},
	{From: "classifier.*", To: "head.*"},
}

// timmNames are those of timm's ConvNeXt. A stem that overlaps has two convolutions, with
// an activation between them in some.
func timmNames(stem string) []weights.Rule {
	layers := map[string][]string{"patch": {"stem.0", "stem_norm"}, "overlap": {"stem.0", "stem.1", "stem_norm"}, "overlap_act": {"stem.0", "", "stem.1", "stem_norm"}}
	if stem == "overlap_tiered" {
		stem = "overlap"
	}
	var rules []weights.Rule
	for i, to := range layers[stem] {
		if to != "" {
			rules = append(rules, weights.Rule{From: fmt.Sprintf("stem.%d.*", i), To: to + ".*"})
		}
	}
	return append(rules, []weights.Rule{
		{From: "stages.*.downsample.0.*", To: "stages.*.down.norm.*"},
		{From: "stages.*.downsample.1.*", To: "stages.*.down.conv.*"},
		{From: "stages.*.blocks.*.conv_dw.*", To: "stages.*.blocks.*.depthwise.*"},
		{From: "stages.*.blocks.*.mlp.*.*", To: "stages.*.blocks.*.*.*"},
		{From: "norm_pre.*", To: "norm.*"},
		{From: "head.norm.*", To: "norm.*"},
		{From: "head.pre_logits.fc.*", To: "hidden.*"},
		{From: "head.fc.*", To: "head.*"},
	}...)
}
