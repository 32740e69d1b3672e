package resnet

import (
	"fmt"

	"saccade/weights"
)

// The names of parameters in this package are stages.S.B.conv1.weight, with the
// batch norm's below it: stages.S.B.conv1.norm.weight. These tables bring the
// libraries' names to them.

// torchvisionNames are those of torchvision.models.ResNet, which timm's are too
// and, but for the classifier and projections, those for CIFAR. With avgDown a
// projection stands behind a pooling (timm).
func torchvisionNames(avgDown bool) []weights.Rule {
	return append([]weights.Rule{
		{From: "**.num_batches_tracked", To: ""},
		{From: "conv1.weight", To: "stem.weight"},
		{From: "conv1.0.weight", To: "deep_stem.0.weight"}, // timm's stem of three
		{From: "conv1.1.*", To: "deep_stem.0.norm.*"},
		{From: "conv1.3.weight", To: "deep_stem.1.weight"},
		{From: "conv1.4.*", To: "deep_stem.1.norm.*"},
		{From: "conv1.6.weight", To: "stem.weight"},
		{From: "bn1.*", To: "stem.norm.*"},
		{From: "fc.*", To: "head.*"},
		{From: "linear.*", To: "head.*"}, // CIFAR
	}, stageNames(avgDown)...)
}

// stageNames are the rules for the stages, which are counted from one.
func stageNames(avgDown bool) []weights.Rule {
	conv, norm := "downsample.0.*", "downsample.1.*"
	if avgDown {
		conv, norm = "downsample.1.*", "downsample.2.*"
	}
	var rules []weights.Rule
	for s := range maxStages {
		layer, stage := fmt.Sprintf("layer%d.*.", s+1), fmt.Sprintf("stages.%d.*.", s)
		rules = append(rules,
			weights.Rule{From: layer + "conv*.*", To: stage + "conv*.*"},
			weights.Rule{From: layer + "bn*.*", To: stage + "conv*.norm.*"},
			weights.Rule{From: layer + conv, To: stage + "shortcut.*"},
			weights.Rule{From: layer + norm, To: stage + "shortcut.norm.*"},
			weights.Rule{From: layer + "shortcut.0.*", To: stage + "shortcut.*"}, // CIFAR with projections
			weights.Rule{From: layer + "shortcut.1.*", To: stage + "shortcut.norm.*"},
		)
	}
	return rules
}

// maxStages is the most stages that a checkpoint with torchvision's names has.
const maxStages = 4

// transformersNames are those of ResNetModel, below the prefix "resnet." in
// models with a head. A block's layers are its convolutions.
var transformersNames = []weights.Rule{
	{From: "**.num_batches_tracked", To: ""},
	{From: "embedder.embedder.0.convolution.*", To: "deep_stem.0.*"}, // RT-DETR's stem of three
	{From: "embedder.embedder.0.normalization.*", To: "deep_stem.0.norm.*"},
	{From: "embedder.embedder.1.convolution.*", To: "deep_stem.1.*"},
	{From: "embedder.embedder.1.normalization.*", To: "deep_stem.1.norm.*"},
	{From: "embedder.embedder.2.convolution.*", To: "stem.*"},
	{From: "embedder.embedder.2.normalization.*", To: "stem.norm.*"},
	{From: "embedder.embedder.convolution.*", To: "stem.*"},
	{From: "embedder.embedder.normalization.*", To: "stem.norm.*"},
	{From: "encoder.stages.*.layers.*.layer.0.convolution.*", To: "stages.*.*.conv1.*"},
	{From: "encoder.stages.*.layers.*.layer.0.normalization.*", To: "stages.*.*.conv1.norm.*"},
	{From: "encoder.stages.*.layers.*.layer.1.convolution.*", To: "stages.*.*.conv2.*"},
	{From: "encoder.stages.*.layers.*.layer.1.normalization.*", To: "stages.*.*.conv2.norm.*"},
	{From: "encoder.stages.*.layers.*.layer.2.convolution.*", To: "stages.*.*.conv3.*"},
	{From: "encoder.stages.*.layers.*.layer.2.normalization.*", To: "stages.*.*.conv3.norm.*"},
	{From: "encoder.stages.*.layers.*.shortcut.convolution.*", To: "stages.*.*.shortcut.*"},
	{From: "encoder.stages.*.layers.*.shortcut.normalization.*", To: "stages.*.*.shortcut.norm.*"},
	{From: "encoder.stages.*.layers.*.shortcut.1.convolution.*", To: "stages.*.*.shortcut.*"}, // behind a pooling
	{From: "encoder.stages.*.layers.*.shortcut.1.normalization.*", To: "stages.*.*.shortcut.norm.*"},
	{From: "classifier.1.*", To: "head.*"},
}
