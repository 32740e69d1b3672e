package vgg

import (
	"encoding/json"
	"fmt"

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

// Describe finds the sizes of a checkpoint and shows its tensors under this
// package's names. config is timm's config.json or nil.
func Describe(src weights.Source, config []byte) (Config, weights.Source, error) {
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
	last := c.Stages[len(c.Stages)-1]
	if c.Classifier, src, err = classifier.Sizes(src, last[len(last)-1], layers[0], layers[1], layers[2]); err != nil {
		return Config{}, nil, err
	}
	if err := c.labelled(config); err != nil {
		return Config{}, nil, err
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

// labelled adds the labels of timm's config.
func (c *Config) labelled(config []byte) error {
	var timm struct {
		Labels []string `json:"label_names"`
	}
	if config == nil {
		return nil
	}
	if err := json.Unmarshal(config, &timm); err != nil {
		return fmt.Errorf("config.json: %w", err)
	}
	if len(timm.Labels) == c.Classifier.Classes {
		c.Labels = timm.Labels
	}
	return nil
}
