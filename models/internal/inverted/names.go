package inverted

import (
	"fmt"
	"strconv"
	"strings"

	"saccade/weights"
)

// The names of parameters in this package are blocks.STAGE.BLOCK.LAYER, with a
// layer's batch norm below it. The functions and tables here bring the
// libraries' names to them.

// maxStages is the highest number of a stage that is looked for; the published end at 17.
const maxStages = 64

// Uncounted leaves out the batches that a norm has seen.
var Uncounted = weights.Rule{From: "**.num_batches_tracked", To: ""}

// Normed are the rules for a convolution and its batch norm.
func Normed(conv, norm, to string) []weights.Rule {
	return []weights.Rule{{From: conv + ".*", To: to + ".*"}, {From: norm + ".*", To: to + ".norm.*"}}
}

// LayerNames collects, for each stage of the tensors named PREFIX.STAGE.…, what
// a block's tensors are called below the block.
func LayerNames(src weights.Source, prefix string) []map[string]bool {
	var stages []map[string]bool
	for _, name := range src.Names() {
		rest, ok := strings.CutPrefix(name, prefix+".")
		if !ok {
			continue
		}
		parts := strings.SplitN(rest, ".", 3)
		if s, err := strconv.Atoi(parts[0]); err == nil && len(parts) == 3 && s >= 0 && s <= maxStages {
			for len(stages) <= s {
				stages = append(stages, map[string]bool{})
			}
			stages[s][parts[2]] = true
		}
	}
	return stages
}

// Begins says that one of a stage's names begins so.
func Begins(names map[string]bool, prefix string) bool {
	for n := range names {
		if strings.HasPrefix(n, prefix) {
			return true
		}
	}
	return false
}

// timmNames are those of timm's EfficientNet, whose blocks are of four classes:
// InvertedResidual, DepthwiseSeparableConv, EdgeResidual and ConvBnAct. In its
// MobileNetV3 the last stage is the last convolution, and conv_head follows the pooling.
func timmNames(src weights.Source, v3 bool) []weights.Rule {
	rules := []weights.Rule{Uncounted}
	rules = append(rules, Normed("conv_stem", "bn1", "conv_stem")...)
	if v3 {
		rules = append(rules, weights.Rule{From: "conv_head.*", To: "hidden.*"})
	} else {
		rules = append(rules, Normed("conv_head", "bn2", "conv_head")...)
	}
	rules = append(rules, weights.Rule{From: "blocks.*.*.se.conv_reduce.*", To: "blocks.*.*.se.reduce.*"}, weights.Rule{From: "blocks.*.*.se.conv_expand.*", To: "blocks.*.*.se.expand.*"})
	stages := LayerNames(src, "blocks")
	for s, names := range stages {
		block := fmt.Sprintf("blocks.%d.*.", s)
		layers := func(pairs ...string) { // a layer in timm's and in this package's names
			for i := 0; i < len(pairs); i += 2 {
				rules = append(rules, Normed(block+pairs[i], fmt.Sprintf("%sbn%d", block, i/2+1), block+pairs[i+1])...)
			}
		}
		switch {
		case v3 && s == len(stages)-1:
			rules = append(rules, Normed(fmt.Sprintf("blocks.%d.0.conv", s), fmt.Sprintf("blocks.%d.0.bn1", s), "conv_head")...)
		case Begins(names, "conv_exp."):
			layers("conv_exp", "expand", "conv_pwl", "project")
		case Begins(names, "conv_pwl."):
			layers("conv_pw", "expand", "conv_dw", "depthwise", "conv_pwl", "project")
		case Begins(names, "conv."):
			layers("conv", "expand")
		default:
			layers("conv_dw", "depthwise", "conv_pw", "project")
		}
	}
	return rules
}

// Join is the rules of several tables, in order.
func Join(tables ...[]weights.Rule) []weights.Rule {
	var all []weights.Rule
	for _, t := range tables {
		all = append(all, t...)
	}
	return all
}

// Staged brings the blocks of one list into stages of the given depths.
func Staged(depths []int) []weights.Rule {
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
