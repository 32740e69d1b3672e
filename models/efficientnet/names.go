package efficientnet

import (
	"fmt"

	"saccade/models/internal/inverted"
	"saccade/weights"
)

// The tables and functions here bring the libraries' names to those of package
// inverted.

// torchvisionNames are those of torchvision.models.EfficientNet: features.0 is
// the stem, the last of features the last convolution. A block numbers its
// layers; the squeeze-and-excitation tells which is which.
func torchvisionNames(src weights.Source) []weights.Rule {
	stages := inverted.LayerNames(src, "features")
	last := 1
	for last < len(stages) && inverted.Begins(stages[last], "block.") {
		last++
	}
	rules := []weights.Rule{inverted.Uncounted, {From: "classifier.1.*", To: "classifier.*"}}
	layer := func(s int, i int, to string) {
		from := fmt.Sprintf("features.%d.*.block.%d.", s, i)
		rules = append(rules, inverted.Normed(from+"0", from+"1", fmt.Sprintf("blocks.%d.*.%s", s-1, to))...)
	}
	for s := 1; s < last; s++ {
		gate := -1
		for i := range 3 {
			if inverted.Begins(stages[s], fmt.Sprintf("block.%d.fc", i)) {
				gate = i
			}
		}
		switch {
		case gate > 0:
			from, to := fmt.Sprintf("features.%d.*.block.%d.", s, gate), fmt.Sprintf("blocks.%d.*.se.", s-1)
			rules = append(rules, weights.Rule{From: from + "fc1.*", To: to + "reduce.*"}, weights.Rule{From: from + "fc2.*", To: to + "expand.*"})
			if gate == 2 {
				layer(s, 0, "expand")
			}
			layer(s, gate-1, "depthwise")
			layer(s, gate+1, "project")
		case inverted.Begins(stages[s], "block.1."):
			layer(s, 0, "expand")
			layer(s, 1, "project")
		default:
			layer(s, 0, "expand")
		}
	}
	rules = append(rules, inverted.Normed("features.0.0", "features.0.1", "conv_stem")...)
	return append(rules, inverted.Normed(fmt.Sprintf("features.%d.0", last), fmt.Sprintf("features.%d.1", last), "conv_head")...)
}

// transformersNames are those of EfficientNetModel, below the prefix
// "efficientnet." in models with a head, with all blocks in one list.
var transformersNames = inverted.Join([]weights.Rule{inverted.Uncounted},
	inverted.Normed("embeddings.convolution", "embeddings.batchnorm", "conv_stem"),
	inverted.Normed("encoder.top_conv", "encoder.top_bn", "conv_head"),
	inverted.Normed("encoder.blocks.*.expansion.expand_conv", "encoder.blocks.*.expansion.expand_bn", "list.*.expand"),
	inverted.Normed("encoder.blocks.*.depthwise_conv.depthwise_conv", "encoder.blocks.*.depthwise_conv.depthwise_norm", "list.*.depthwise"),
	inverted.Normed("encoder.blocks.*.projection.project_conv", "encoder.blocks.*.projection.project_bn", "list.*.project"),
	[]weights.Rule{
		{From: "encoder.blocks.*.squeeze_excite.reduce.*", To: "list.*.se.reduce.*"},
		{From: "encoder.blocks.*.squeeze_excite.expand.*", To: "list.*.se.expand.*"},
	},
)

// pytorchNames are those of the package efficientnet_pytorch (Melas-Kyriazi
// 2019) and what descends from it, with all blocks in one list.
var pytorchNames = inverted.Join([]weights.Rule{inverted.Uncounted},
	inverted.Normed("_conv_stem", "_bn0", "conv_stem"),
	inverted.Normed("_conv_head", "_bn1", "conv_head"),
	inverted.Normed("_blocks.*._expand_conv", "_blocks.*._bn0", "list.*.expand"),
	inverted.Normed("_blocks.*._depthwise_conv", "_blocks.*._bn1", "list.*.depthwise"),
	inverted.Normed("_blocks.*._project_conv", "_blocks.*._bn2", "list.*.project"),
	[]weights.Rule{
		{From: "_blocks.*._se_reduce.*", To: "list.*.se.reduce.*"},
		{From: "_blocks.*._se_expand.*", To: "list.*.se.expand.*"},
		{From: "_fc.*", To: "classifier.*"},
	},
)
