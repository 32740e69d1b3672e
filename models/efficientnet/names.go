package efficientnet

import (
	"fmt"
	"strconv"
	"strings"

	"saccade/weights"
)

// The names of parameters in this package are blocks.STAGE.BLOCK.LAYER, with a
// layer's batch norm below it. The functions and tables here bring the
// libraries' names to them.

// uncounted leaves out the batches that a norm has seen.
var uncounted = weights.Rule{From: "**.num_batches_tracked", To: ""}

// normed are the rules for a convolution and its batch norm.
func normed(conv, norm, to string) []weights.Rule {
	return []weights.Rule{{From: conv + ".*", To: to + ".*"}, {From: norm + ".*", To: to + ".norm.*"}}
}

// layerNames collects, for each stage of the tensors named PREFIX.STAGE.…, what
// a block's tensors are called below the block.
func layerNames(src weights.Source, prefix string) []map[string]bool {
	var stages []map[string]bool
	for _, name := range src.Names() {
		rest, ok := strings.CutPrefix(name, prefix+".")
		if !ok {
			continue
		}
		parts := strings.SplitN(rest, ".", 3)
		if s, err := strconv.Atoi(parts[0]); err == nil && len(parts) == 3 && s >= 0 && s <= len(strides)+1 {
			for len(stages) <= s {
				stages = append(stages, map[string]bool{})
			}
			stages[s][parts[2]] = true
		}
	}
	return stages
}

// begins says that one of a stage's names begins so.
func begins(names map[string]bool, prefix string) bool {
	for n := range names {
		if strings.HasPrefix(n, prefix) {
			return true
		}
	}
	return false
}

// torchvisionNames are those of torchvision.models.EfficientNet: features.0 is
// the stem, the last of features the last convolution. A block numbers its
// layers; the squeeze-and-excitation tells which is which.
func torchvisionNames(src weights.Source) []weights.Rule {
	stages := layerNames(src, "features")
	last := 1
	for last < len(stages) && begins(stages[last], "block.") {
		last++
	}
	rules := []weights.Rule{uncounted, {From: "classifier.1.*", To: "classifier.*"}}
	layer := func(s int, i int, to string) {
		from := fmt.Sprintf("features.%d.*.block.%d.", s, i)
		rules = append(rules, normed(from+"0", from+"1", fmt.Sprintf("blocks.%d.*.%s", s-1, to))...)
	}
	for s := 1; s < last; s++ {
		gate := -1
		for i := range 3 {
			if begins(stages[s], fmt.Sprintf("block.%d.fc", i)) {
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
		case begins(stages[s], "block.1."):
			layer(s, 0, "expand")
			layer(s, 1, "project")
		default:
			layer(s, 0, "expand")
		}
	}
	rules = append(rules, normed("features.0.0", "features.0.1", "conv_stem")...)
	return append(rules, normed(fmt.Sprintf("features.%d.0", last), fmt.Sprintf("features.%d.1", last), "conv_head")...)
}

// timmNames are those of timm's EfficientNet, whose blocks are of four classes:
// InvertedResidual, DepthwiseSeparableConv, EdgeResidual and ConvBnAct.
func timmNames(src weights.Source) []weights.Rule {
	rules := []weights.Rule{uncounted}
	rules = append(rules, normed("conv_stem", "bn1", "conv_stem")...)
	rules = append(rules, normed("conv_head", "bn2", "conv_head")...)
	rules = append(rules, weights.Rule{From: "blocks.*.*.se.conv_reduce.*", To: "blocks.*.*.se.reduce.*"}, weights.Rule{From: "blocks.*.*.se.conv_expand.*", To: "blocks.*.*.se.expand.*"})
	for s, names := range layerNames(src, "blocks") {
		block := fmt.Sprintf("blocks.%d.*.", s)
		layers := func(pairs ...string) { // a layer in timm's and in this package's names
			for i := 0; i < len(pairs); i += 2 {
				rules = append(rules, normed(block+pairs[i], fmt.Sprintf("%sbn%d", block, i/2+1), block+pairs[i+1])...)
			}
		}
		switch {
		case begins(names, "conv_exp."):
			layers("conv_exp", "expand", "conv_pwl", "project")
		case begins(names, "conv_pwl."):
			layers("conv_pw", "expand", "conv_dw", "depthwise", "conv_pwl", "project")
		case begins(names, "conv."):
			layers("conv", "expand")
		default:
			layers("conv_dw", "depthwise", "conv_pw", "project")
		}
	}
	return rules
}

// transformersNames are those of EfficientNetModel, below the prefix
// "efficientnet." in models with a head, with all blocks in one list.
var transformersNames = join([]weights.Rule{uncounted},
	normed("embeddings.convolution", "embeddings.batchnorm", "conv_stem"),
	normed("encoder.top_conv", "encoder.top_bn", "conv_head"),
	normed("encoder.blocks.*.expansion.expand_conv", "encoder.blocks.*.expansion.expand_bn", "list.*.expand"),
	normed("encoder.blocks.*.depthwise_conv.depthwise_conv", "encoder.blocks.*.depthwise_conv.depthwise_norm", "list.*.depthwise"),
	normed("encoder.blocks.*.projection.project_conv", "encoder.blocks.*.projection.project_bn", "list.*.project"),
	[]weights.Rule{
		{From: "encoder.blocks.*.squeeze_excite.reduce.*", To: "list.*.se.reduce.*"},
		{From: "encoder.blocks.*.squeeze_excite.expand.*", To: "list.*.se.expand.*"},
	},
)

// pytorchNames are those of the package efficientnet_pytorch (Melas-Kyriazi
// 2019) and what descends from it, with all blocks in one list.
var pytorchNames = join([]weights.Rule{uncounted},
	normed("_conv_stem", "_bn0", "conv_stem"),
	normed("_conv_head", "_bn1", "conv_head"),
	normed("_blocks.*._expand_conv", "_blocks.*._bn0", "list.*.expand"),
	normed("_blocks.*._depthwise_conv", "_blocks.*._bn1", "list.*.depthwise"),
	normed("_blocks.*._project_conv", "_blocks.*._bn2", "list.*.project"),
	[]weights.Rule{
		{From: "_blocks.*._se_reduce.*", To: "list.*.se.reduce.*"},
		{From: "_blocks.*._se_expand.*", To: "list.*.se.expand.*"},
		{From: "_fc.*", To: "classifier.*"},
	},
)

func join(tables ...[]weights.Rule) []weights.Rule {
	var all []weights.Rule
	for _, t := range tables {
		all = append(all, t...)
	}
	return all
}

// staged brings the blocks of one list into stages of the given depths.
func staged(depths []int) []weights.Rule {
	var rules []weights.Rule
	i := 0
	for s, depth := range depths {
		for b := range depth {
			rules = append(rules, weights.Rule{From: fmt.Sprintf("list.%d.**", i), To: fmt.Sprintf("blocks.%d.%d.**", s, b)})
			i++
		}
	}
	return rules
}
