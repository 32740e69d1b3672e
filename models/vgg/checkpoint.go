package vgg

import (
	_ "embed"
	"fmt"
	"strings"

	"saccade/models/internal/checkpoint"
	"saccade/models/internal/classifier"
	"saccade/weights"
)

// The names of parameters in this package are stages.S.I.weight, with the batch
// norm's below it. torchvision and timm number the layers of all stages in one
// count, activations and poolings included: features.7.weight.

// most is the highest number of a layer that is looked for; VGG-19 with batch
// norms has 53.
const most = 200

// signaturesJSON are the keys of timm's class with their defaults;
// golden/generate_keys.py writes it.
//
//go:embed signatures.json
var signaturesJSON []byte

var signatures = checkpoint.NewSignatures(signaturesJSON)

// Describe finds the sizes of a checkpoint and shows its tensors under this
// package's names. config is timm's config.json or nil.
func Describe(src weights.Source, config []byte) (Config, weights.Source, error) {
	src, _ = weights.Unwrap(src, func(s weights.Source) bool { return checkpoint.Has(s, "features.0.weight") })
	if checkpoint.Dim(src, "features.0.weight", 2) != 3 {
		return Config{}, nil, checkpoint.Unknown(src, "VGG", "no convolution features.0.weight of 3x3")
	}
	c := Config{Channels: checkpoint.Dim(src, "features.0.weight", 1)}
	rules, err := c.fromFeatures(src)
	if err != nil {
		return Config{}, nil, err
	}
	layers := [3]string{"classifier.0", "classifier.3", "classifier.6"}
	if c.Slides = checkpoint.Has(src, "pre_logits.fc1.weight"); c.Slides {
		layers = [3]string{"pre_logits.fc1", "pre_logits.fc2", "head.fc"}
	}
	var note string
	if src, note = checkpoint.ReplacedHead(src, layers[2]); note != "" {
		c.Notes = []string{note}
	}
	last := c.Stages[len(c.Stages)-1]
	if c.Classifier, src, err = classifier.Sizes(src, last[len(last)-1], layers[0], layers[1], layers[2]); err != nil {
		return Config{}, nil, err
	}
	if checkpoint.IsTimm(config) {
		if err := c.timm(config); err != nil {
			return Config{}, nil, err
		}
	}
	return c, weights.Rename(src, append(rules, classifier.Names("classifier", layers[0], layers[1], layers[2])...)), nil
}

// fromFeatures reads the convolutions: which there are, their widths, and the
// poolings, which have no parameters but leave a gap in the numbers of layers.
func (c *Config) fromFeatures(src weights.Source) ([]weights.Rule, error) {
	c.Norm = checkpoint.Has(src, "features.1.running_mean")
	step := 2 // a convolution and its activation
	if c.Norm {
		step = 3
	}
	rules := []weights.Rule{{From: "**.num_batches_tracked", To: ""}}
	c.Stages = [][]int{nil}
	next := 0 // the number of the next convolution, if no pooling stands before it
	for n := 0; n < most; n++ {
		width := checkpoint.Rows(src, fmt.Sprintf("features.%d.weight", n))
		if width == 0 || checkpoint.Dim(src, fmt.Sprintf("features.%d.weight", n), 3) == 0 { // no convolution
			continue
		}
		switch n {
		case next:
		case next + 1:
			c.Stages = append(c.Stages, nil)
		default:
			return nil, fmt.Errorf("features.%d.weight is a convolution; after the one before it, it should be number %d, or %d with a pooling between", n, next, next+1)
		}
		s := len(c.Stages) - 1
		to := fmt.Sprintf("stages.%d.%d.", s, len(c.Stages[s]))
		rules = append(rules, weights.Rule{From: fmt.Sprintf("features.%d.*", n), To: to + "*"})
		if c.Norm {
			rules = append(rules, weights.Rule{From: fmt.Sprintf("features.%d.*", n+1), To: to + "norm.*"})
		}
		c.Stages[s] = append(c.Stages[s], width)
		next = n + step
	}
	return rules, nil
}

// timmInert change nothing of an inference, or repeat what the tensors' sizes tell.
var timmInert = []string{"drop_rate", "device", "dtype", "num_classes", "in_chans", "cfg", "mlp_ratio"}

// timmArguments are those of timm's VGG.
type timmArguments struct {
	Stride int    `json:"output_stride"`
	Act    string `json:"act_layer"`
	Conv   string `json:"conv_layer"`
	Norm   string `json:"norm_layer"`
	Pool   string `json:"global_pool"`
}

// timm reads timm's config.json: what it says of layers that this network has not is
// refused by name.
func (c *Config) timm(config []byte) error {
	t, err := checkpoint.ParseTimm(config)
	if err != nil {
		return err
	}
	var a timmArguments
	merged, err := t.Arguments(signatures, "VGG", nil)
	if err == nil {
		err = signatures.Decode("config.json: model_args", "VGG", merged, &a, timmInert...)
	}
	if err != nil {
		return err
	}
	for _, part := range []struct {
		key, value string
		known      []string
	}{
		{"output_stride", fmt.Sprint(a.Stride), []string{"32"}},
		{"act_layer", strings.ToLower(a.Act), []string{"relu"}},
		{"conv_layer", strings.ToLower(a.Conv), []string{"conv2d"}},
		{"norm_layer", strings.ToLower(a.Norm), []string{"", "batchnorm2d", "batchnorm"}},
		{"global_pool", a.Pool, []string{"avg"}},
	} {
		if err := checkpoint.Only(part.key, part.value, part.known...); err != nil {
			return err
		}
	}
	c.Labels, err = t.Labels(c.Classifier.Classes)
	return err
}
