package mobilenet

import (
	"fmt"

	"saccade/models/internal/inverted"
	"saccade/weights"
)

// The functions here bring the libraries' names to those of package inverted, with all
// blocks in one list.

// torchvisionNames are those of torchvision.models.MobileNetV2 and MobileNetV3:
// features.0 is the stem, the last of features the last convolution, and a block
// numbers its layers. blocks says how many there are.
func torchvisionNames(src weights.Source, version int) (rules []weights.Rule, blocks int) {
	rules = append(rules, inverted.Uncounted)
	rules = append(rules, inverted.Normed("features.0.0", "features.0.1", "conv_stem")...)
	layers := inverted.LayerNames(src, "features")
	last := 1
	for last < len(layers) && (has(layers[last], 0) || has(layers[last], 1) || has(layers[last], 2)) {
		from, to := fmt.Sprintf("features.%d.", last), fmt.Sprintf("list.%d.", last-1)
		if version == 2 {
			rules = append(rules, blockV2(layers[last], from+"conv.", to)...)
		} else {
			rules = append(rules, blockV3(layers[last], from+"block.", to)...)
		}
		last++
	}
	rules = append(rules, inverted.Normed(fmt.Sprintf("features.%d.0", last), fmt.Sprintf("features.%d.1", last), "conv_head")...)
	if version == 2 {
		return append(rules, weights.Rule{From: "classifier.1.*", To: "classifier.*"}), last - 1
	}
	return append(rules, weights.Rule{From: "classifier.0.*", To: "hidden.*"}, weights.Rule{From: "classifier.3.*", To: "classifier.*"}), last - 1
}

// has says that a block's layer of that number has tensors.
func has(names map[string]bool, layer int) bool {
	return inverted.Begins(names, fmt.Sprintf("%d.", layer))
}

// blockV2 are the rules of a block whose expansion and depthwise convolution have their
// norms beside them, and whose projection and its norm are layers of the list.
func blockV2(names map[string]bool, from, to string) []weights.Rule {
	layer := 0
	var rules []weights.Rule
	nested := func(name string) {
		rules = append(rules, inverted.Normed(fmt.Sprintf("%s%d.0", from, layer), fmt.Sprintf("%s%d.1", from, layer), to+name)...)
		layer++
	}
	if inverted.Begins(names, "1.0.") || has(names, 3) {
		nested("expand")
	}
	nested("depthwise")
	return append(rules, inverted.Normed(fmt.Sprintf("%s%d", from, layer), fmt.Sprintf("%s%d", from, layer+1), to+"project")...)
}

// blockV3 are the rules of a block whose convolutions all have their norms beside them,
// with squeeze-and-excitation before the last, or without.
func blockV3(names map[string]bool, from, to string) []weights.Rule {
	var rules []weights.Rule
	layers := []string{"depthwise", "project"}
	gated := false
	for i := range 3 {
		gated = gated || inverted.Begins(names, fmt.Sprintf("%d.fc", i))
	}
	if gated {
		layers = []string{"depthwise", "se", "project"}
	}
	if has(names, len(layers)) {
		layers = append([]string{"expand"}, layers...)
	}
	for i, name := range layers {
		layer := fmt.Sprintf("%s%d.", from, i)
		if name == "se" {
			rules = append(rules, weights.Rule{From: layer + "fc1.*", To: to + "se.reduce.*"}, weights.Rule{From: layer + "fc2.*", To: to + "se.expand.*"})
			continue
		}
		rules = append(rules, inverted.Normed(layer+"0", layer+"1", to+name)...)
	}
	return rules
}

// transformersNames are those of MobileNetV2Model, below the prefix "mobilenet_v2." in
// models with a head. The first block is a part of the stem.
var transformersNames = func() []weights.Rule {
	rules := []weights.Rule{inverted.Uncounted}
	layer := func(from, to string) {
		rules = append(rules, inverted.Normed(from+".convolution", from+".normalization", to)...)
	}
	layer("conv_stem.first_conv", "conv_stem")
	layer("conv_stem.expand_1x1", "list.0.expand")
	layer("conv_stem.conv_3x3", "list.0.depthwise")
	layer("conv_stem.reduce_1x1", "list.0.project")
	layer("layer.*.expand_1x1", "layer.*.expand")
	layer("layer.*.conv_3x3", "layer.*.depthwise")
	layer("layer.*.reduce_1x1", "layer.*.project")
	layer("conv_1x1", "conv_head")
	return rules
}()
