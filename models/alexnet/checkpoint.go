package alexnet

import (
	"fmt"

	"saccade/models/internal/checkpoint"
	"saccade/models/internal/classifier"
	"saccade/weights"
)

// features are torchvision's numbers of the convolutions.
var features = [5]int{0, 3, 6, 8, 10}

// torchvisionNames are the rules from those of torchvision.models.AlexNet.
var torchvisionNames = func() []weights.Rule {
	rules := classifier.Names("classifier", "classifier.1", "classifier.4", "classifier.6")
	for i, n := range features {
		rules = append(rules, weights.Rule{From: fmt.Sprintf("features.%d.*", n), To: fmt.Sprintf("conv%d.*", i+1)})
	}
	return rules
}()

// Describe finds the sizes of a checkpoint and shows its tensors under this
// package's names.
func Describe(src weights.Source) (Config, weights.Source, error) {
	const stem = "features.0.weight"
	if checkpoint.Dim(src, stem, 2) != stemKernel {
		return Config{}, nil, checkpoint.Unknown(src, "AlexNet", fmt.Sprintf("no convolution %s of %dx%d", stem, stemKernel, stemKernel))
	}
	c := Config{Channels: checkpoint.Dim(src, stem, 1)}
	for i, n := range features {
		name := fmt.Sprintf("features.%d.weight", n)
		if c.Widths[i] = checkpoint.Rows(src, name); c.Widths[i] == 0 {
			return Config{}, nil, fmt.Errorf("the checkpoint has no convolution %s", name)
		}
	}
	var err error
	c.Classifier, src, err = classifier.Sizes(src, c.Widths[4], "classifier.1", "classifier.4", "classifier.6")
	if err != nil {
		return Config{}, nil, err
	}
	return c, weights.Rename(src, torchvisionNames), nil
}
