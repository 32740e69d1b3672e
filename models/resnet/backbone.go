package resnet

import (
	"fmt"

	"saccade/weights"
)

// BackboneConfig is that of a ResNetBackbone within another model, by its own part of
// config.json; or, where that is nil, of timm's resnet18 to resnet152 by tensors, whose
// names begin with prefix. It has no head.
func BackboneConfig(src weights.Source, prefix string, config []byte) (Config, error) {
	if config != nil {
		c, _, err := parseTransformers(config)
		return c, err
	}
	bare := weights.StripPrefix(src, prefix)
	c, err := fromTensors(bare)
	c.Image = usual(c.Small)
	if err == nil && (c.Deep != nil || c.Small) {
		err = fmt.Errorf("the backbone's stem is not that of a plain ResNet, others are not supported")
	}
	return c, err
}

// BackboneNames bring the libraries' names of a backbone, below the prefix from, to this
// package's below to.
func BackboneNames(from, to string) []weights.Rule {
	rules := []weights.Rule{{From: from + "fc.*", To: ""}}
	for _, r := range append(torchvisionNames(false), transformersNames...) {
		if r.To != "" {
			r.To = to + r.To
		}
		rules = append(rules, weights.Rule{From: from + r.From, To: r.To})
	}
	return rules
}

// MapSize is the height or width of the last stage's maps for pictures of n pixels.
func (c Config) MapSize(n int) int {
	half := func(n int) int { return (n + 1) / 2 }
	if n = half(n); !c.Small {
		n = half(n)
	}
	for _, s := range c.Stages {
		if s.Stride == 2 {
			n = half(n)
		}
	}
	return n
}

// Width is the channels of the last stage's maps.
func (c Config) Width() int { return c.width(len(c.Stages) - 1) }
